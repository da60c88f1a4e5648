/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_socket.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

char *uapi_path(const char *name)
{
	return mem_printf(UAPI_SOCKET_DIR "/%s.sock", name);
}

static bool somebody_listens(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* EAGAIN: so many wait for him that no more fit. */
	bool yes = fd >= 0 &&
		   (!connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) || errno == EAGAIN);

	if (fd >= 0)
		close(fd);
	return yes;
}

static int bind_at(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (mkdir(UAPI_SOCKET_DIR, 0755) && errno != EEXIST)
		return -errno;
	if (somebody_listens(&addr))
		return -EADDRINUSE;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	mask = umask(077);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, UAPI_BACKLOG))
		err = -errno;
	umask(mask);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static bool is_bound_to(int fd, const char *path)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr) - 1;
	struct stat its, there;

	/* By another name of the same folder, perhaps. */
	return !getsockname(fd, (struct sockaddr *)&addr, &len) && addr.sun_family == AF_UNIX &&
	       !stat(addr.sun_path, &its) && !stat(path, &there) && its.st_ino == there.st_ino &&
	       its.st_dev == there.st_dev;
}

int uapi_socket_open(struct uapi_socket *s, const char *name, int fd)
{
	*s = (struct uapi_socket){.path = uapi_path(name)};
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		s->is_ours = is_bound_to(fd, s->path) && !stat(s->path, &s->id);
	} else {
		fd = fd == -1 ? bind_at(s->path) : -EBADF;
		s->is_ours = fd >= 0 && !stat(s->path, &s->id);
	}
	return fd;
}

bool uapi_socket_is_gone(const struct uapi_socket *s)
{
	return access(s->path, F_OK) && errno == ENOENT;
}

void uapi_socket_remove(struct uapi_socket *s)
{
	struct stat st;

	if (s->is_ours && !stat(s->path, &st) && st.st_ino == s->id.st_ino &&
		st.st_dev == s->id.st_dev)
		unlink(s->path);
	s->is_ours = false;
}
