/* SPDX-License-Identifier: MIT */
#include "daemon/interface_lock.h"

#include "base/mem.h"
#include "daemon/plain_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 16

struct interface_lock {
	int dir, fd;
	char *name; /* in dir */
};

/* "4-4026531840-wg0": device and inode tell network namespaces apart. */
static char *name_of(const char *ifname)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return NULL;
	return mem_printf("%llu-%llu-%s", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino, ifname);
}

/* False: who had it before has removed the file meanwhile, so the lock is worth nothing. */
static bool is_in_place(const struct interface_lock *l)
{
	struct stat its, there;

	return !fstat(l->fd, &its) && !fstatat(l->dir, l->name, &there, AT_SYMLINK_NOFOLLOW) &&
	       its.st_ino == there.st_ino && its.st_dev == there.st_dev;
}

static int take_once(struct interface_lock *l)
{
	int err = 0;

	l->fd = plain_file_open(l->dir, l->name, O_RDWR | O_CREAT);
	if (l->fd < 0)
		return l->fd;
	if (flock(l->fd, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	else if (!is_in_place(l))
		err = -EAGAIN;
	if (err) {
		close(l->fd);
		l->fd = -1;
	}
	return err;
}

static int take(struct interface_lock *l)
{
	int err = -EAGAIN;

	for (int i = 0; i < TRIES && err == -EAGAIN; i++)
		err = take_once(l);
	return err;
}

static void explain(int err, const char *dir, const char *ifname, const struct interface_lock *l,
	struct buf *why)
{
	if (err == -EBUSY)
		buf_printf(why,
			"another shuntd has the interface %s; give each node of this machine an "
			"`interface` of its own",
			ifname);
	else
		buf_printf(why, "can't lock the interface %s by %s%s%s: %s", ifname, dir,
			l->name ? "/" : "", l->name ? l->name : "", plain_file_error(err));
}

int interface_lock_take(
	const char *dir, const char *ifname, struct interface_lock **ret, struct buf *why)
{
	struct interface_lock *l = mem_zalloc(1, sizeof(*l));
	int err;

	l->fd = -1;
	l->dir = err = plain_folder_open(dir);
	if (err >= 0) {
		l->name = name_of(ifname);
		err = l->name ? take(l) : -errno;
	}
	if (err) {
		explain(err, dir, ifname, l, why);
		interface_lock_release(l);
		return err;
	}
	*ret = l;
	return 0;
}

void interface_lock_release(struct interface_lock *l)
{
	if (!l)
		return;
	if (l->fd >= 0) {
		unlinkat(l->dir, l->name, 0);
		close(l->fd);
	}
	if (l->dir >= 0)
		close(l->dir);
	free(l->name);
	free(l);
}
