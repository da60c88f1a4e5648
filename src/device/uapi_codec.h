/* SPDX-License-Identifier: MIT */
/*
 * The text protocol of WireGuard's userspace programs (wireguard.com/xplatform), without a socket:
 * a reader that is fed the answer in pieces of any size, and a writer that gives a request away in
 * pieces, so that a million prefixes need no buffer and no secret outlives its request.
 */
#ifndef SHUNT_DEVICE_UAPI_CODEC_H
#define SHUNT_DEVICE_UAPI_CODEC_H

#include "device/internal.h"

#define UAPI_LINE_MAX 512
/* More than any answer that makes sense. */
#define UAPI_ANSWER_MAX (UINT64_C(1) << 31)

struct uapi_reader {
	struct state_builder builder;
	char line[UAPI_LINE_MAX];
	size_t n; /* of line */
	bool cut; /* the line was longer */
	bool in_peer;
	struct owner_set_builder *set; /* whose lines are read; NULL: a peer's or the device's */
	bool has_errno;
	bool is_ours; /* it has spoken of what only shunt-wg knows */
	uint64_t fed; /* bytes so far */
	int error;    /* sticky: -EPROTO, -EMSGSIZE */
	int code;     /* what the program answered, made negative */
	bool done;    /* the empty line was met */
};

/* Takes the bytes up to the end of the answer; what follows it is ignored. Stops at an error. */
void uapi_reader_feed(struct uapi_reader *r, const char *bytes, size_t n);
/* After done: hands over the state (ret may be NULL, after a set). 0, the program's negative errno
 * whichever sign it used, or -EPROTO. */
int uapi_reader_finish(struct uapi_reader *r, struct device_state *ret);
/* Wipes and frees. */
void uapi_reader_done(struct uapi_reader *r);

struct uapi_writer {
	int (*write)(void *data, const char *bytes, size_t n); /* 0 or negative errno */
	void *data;
	int error; /* sticky */
	size_t n;
	char buf[16384];
};

/* Writes a whole `set` request, its end included. 0 or the first error of write. The buffer is
 * wiped. */
int uapi_write_set(struct uapi_writer *w, const struct device_change *c);

#endif
