/* SPDX-License-Identifier: MIT */
/* A request that is answered by one line after another. */
#ifndef SHUNT_CLI_CLIENT_STREAM_H
#define SHUNT_CLI_CLIENT_STREAM_H

#include "base/buf.h"
#include "cli/client.h"

struct client_stream {
	int fd; /* -1: none */
	struct buf in;
};

/* The answer, as client_ask gives it, or NULL and *ret_code with the reason told; then there is no
 * stream. The request is taken over. */
json_t *client_stream_open(
	struct client_stream *s, const struct client_options *o, json_t *request, int *ret_code);
void client_stream_close(struct client_stream *s);

enum client_stream_end {
	CLIENT_STREAM_GOES_ON,
	CLIENT_STREAM_DAEMON_GONE,
	CLIENT_STREAM_READER_GONE, /* nobody reads standard output any more */
};

/* Waits for the next line, an object for the caller to release. */
enum client_stream_end client_stream_next(struct client_stream *s, json_t **ret);

#endif
