/* SPDX-License-Identifier: MIT */
/* The socket by which a device is configured, where `wg` looks for it. */
#ifndef SHUNT_TUNNEL_UAPI_SOCKET_H
#define SHUNT_TUNNEL_UAPI_SOCKET_H

#include <stdbool.h>
#include <sys/stat.h>

#define UAPI_SOCKET_DIR "/var/run/wireguard"
#define UAPI_BACKLOG 64

struct uapi_socket {
	char *path;
	bool is_ours; /* what stands at path is what we listen on, and goes with us */
	struct stat id;
};

/* The path of a device's socket; free() releases it. */
char *uapi_path(const char *name);
/* Listens for the device, replacing a socket that nobody listens on: the descriptor; -EADDRINUSE if
 * somebody does, or another negative errno. fd other than -1: takes that over. s->path is set, on
 * errors too. */
int uapi_socket_open(struct uapi_socket *s, const char *name, int fd);
/* True if it was deleted. */
bool uapi_socket_is_gone(const struct uapi_socket *s);
/* Another program's may stand there by now, which stays. */
void uapi_socket_remove(struct uapi_socket *s);

#endif
