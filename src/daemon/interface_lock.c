/* SPDX-License-Identifier: MIT */
#include "daemon/interface_lock.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int interface_lock(const char *ifname, int *ret, struct buf *why)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "shunt/interface/%s", ifname);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&at,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0)
		err = errno == EADDRINUSE ? -EBUSY : -errno;
	if (err == -EBUSY)
		buf_printf(why,
			"another shuntd has the interface %s; give each node of this machine an "
			"`interface` of its own",
			ifname);
	else if (err)
		buf_printf(why, "can't lock the interface %s: %s", ifname, strerror(-err));
	if (err) {
		close(fd);
		return err;
	}
	*ret = fd;
	return 0;
}
