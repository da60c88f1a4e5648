/* SPDX-License-Identifier: MIT */
#include "cli/outdir.h"

#include "base/map.h"
#include "base/vec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* No group has this name: '~' is in no node's name. */
#define STAGING ".shunt~staging"
#define HEAD_MAX 512
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

enum swap { NOT_SWAPPED, PLACED, EXCHANGED, REPLACED };

/* A file written aside, under its place in the list as name. */
struct item {
	char *path; /* "group/file" */
	char *group;
	const char *file;
	bool made_group;
	enum swap swap;
};

struct outdir {
	char *path;
	int fd;
	int staging; /* -1: not made yet */
	VEC(struct item) items;
	struct map *made_groups; /* of items, by name */
	size_t n_unchanged;
	bool committed;
	char *where;
};

static int fail_at(struct outdir *o, int err, const char *group, const char *file)
{
	free(o->where);
	o->where = mem_printf("%s%s%s%s%s", o->path, group ? "/" : "", group ? group : "",
		file ? "/" : "", file ? file : "");
	return err;
}

static void item_name(size_t i, char buf[static 24])
{
	snprintf(buf, 24, "%zu", i);
}

static bool is_component(const char *name)
{
	return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Opens the folder for reading its entries; NULL with errno. The descriptor is its own. */
static DIR *list_folder(int at, const char *name)
{
	int fd = openat(at, name, DIR_FLAGS);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		close(fd);
	return d;
}

static const char *next_name(DIR *d)
{
	struct dirent *e;

	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return e->d_name;
	return NULL;
}

/* Removes the staging folder of this run or a dead one. It holds plain files only. */
static int remove_staging(struct outdir *o)
{
	DIR *d = list_folder(o->fd, STAGING);
	const char *name;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((name = next_name(d)))
		unlinkat(dirfd(d), name, 0);
	closedir(d);
	return unlinkat(o->fd, STAGING, AT_REMOVEDIR) ? -errno : 0;
}

int outdir_open(const char *path, struct outdir **ret)
{
	struct outdir *o;
	int err = 0;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* A filesystem without locks isn't a reason to refuse. */
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		close(fd);
		return -EBUSY;
	}
	o = mem_zalloc(1, sizeof(*o));
	o->path = mem_strdup(path);
	o->fd = fd;
	o->staging = -1;
	o->made_groups = map_new();
	err = remove_staging(o);
	if (err) {
		outdir_close(o);
		return err;
	}
	*ret = o;
	return 0;
}

static void remove_made_groups(struct outdir *o)
{
	for (size_t i = o->items.n; i-- > 0;) {
		if (o->items.items[i].made_group)
			unlinkat(o->fd, o->items.items[i].group, AT_REMOVEDIR);
	}
}

void outdir_close(struct outdir *o)
{
	if (!o)
		return;
	if (!o->committed)
		remove_made_groups(o);
	if (o->staging >= 0) {
		close(o->staging);
		remove_staging(o);
	}
	for (size_t i = 0; i < o->items.n; i++) {
		free(o->items.items[i].path);
		free(o->items.items[i].group);
	}
	vec_done(&o->items);
	map_free(o->made_groups);
	close(o->fd);
	free(o->where);
	free(o->path);
	free(o);
}

/* 1: the file is there just so; 0: it isn't; negative: it can't be replaced. */
static int compare(int group, const char *file, const void *content, size_t len)
{
	struct stat st;
	int same = 0;

	if (fstatat(group, file, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode) || (size_t)st.st_size != len || (st.st_mode & 07777) != 0600)
		return 0;
	int fd = openat(group, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return 0;
	AUTO_FREE char *old = mem_alloc(len + 1);
	same = read(fd, old, len) == (ssize_t)len && !memcmp(old, content, len);
	close(fd);
	return same;
}

static int is_unchanged(
	struct outdir *o, const char *group, const char *file, const void *content, size_t len)
{
	int fd = openat(o->fd, group, DIR_FLAGS), ret;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	ret = compare(fd, file, content, len);
	close(fd);
	return ret;
}

static int make_staging(struct outdir *o)
{
	if (o->staging >= 0)
		return 0;
	if (mkdirat(o->fd, STAGING, 0700))
		return -errno;
	o->staging = openat(o->fd, STAGING, DIR_FLAGS);
	return o->staging < 0 ? -errno : 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_aside(struct outdir *o, const void *content, size_t len)
{
	char name[24];
	int fd, err;

	err = make_staging(o);
	if (err)
		return err;
	item_name(o->items.n, name);
	fd = openat(o->staging, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, content, len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int outdir_put(
	struct outdir *o, const char *group, const char *file, const void *content, size_t len)
{
	int ret;

	if (!is_component(group) || !is_component(file) || !strcmp(group, STAGING))
		return fail_at(o, -EINVAL, group, file);
	ret = is_unchanged(o, group, file, content, len);
	if (ret == 0)
		ret = write_aside(o, content, len);
	else if (ret == 1)
		return o->n_unchanged++, 0;
	if (ret < 0)
		return fail_at(o, ret, group, file);
	struct item item = {.path = mem_printf("%s/%s", group, file), .group = mem_strdup(group)};
	item.file = item.path + strlen(group) + 1;
	vec_push(&o->items, item);
	return 0;
}

bool outdir_get(struct outdir *o, const char *group, const char *file, struct buf *out)
{
	int dir = openat(o->fd, group, DIR_FLAGS);
	int fd = dir < 0 ? -1 : openat(dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : 1;

	while (n > 0) {
		n = read(fd, buf_room(out, 65536), 65536);
		out->n += n > 0 ? (size_t)n : 0;
	}
	if (dir >= 0)
		close(dir);
	if (fd >= 0)
		close(fd);
	return n == 0;
}

static int make_groups(struct outdir *o)
{
	for (size_t i = 0; i < o->items.n; i++) {
		struct item *item = &o->items.items[i];

		if (mkdirat(o->fd, item->group, 0700)) {
			if (errno != EEXIST)
				return fail_at(o, -errno, item->group, NULL);
			continue;
		}
		item->made_group = true;
		map_put_str(o->made_groups, item->group, item->group);
	}
	return 0;
}

/* Puts the file in its place; what was there before is in the staging folder then, under name or
 * name with ".old". */
static int swap_in(
	struct outdir *o, struct item *item, int group, const char *file, const char *name)
{
	char old[32];

	if (renameat2(o->staging, name, group, file, RENAME_EXCHANGE) == 0) {
		item->swap = EXCHANGED;
		return 0;
	}
	if (errno != ENOENT && errno != EINVAL)
		return -errno;
	snprintf(old, sizeof(old), "%s.old", name);
	bool was = linkat(group, file, o->staging, old, 0) == 0;
	if (!was && errno != ENOENT)
		return -errno;
	if (renameat(o->staging, name, group, file))
		return -errno;
	item->swap = was ? REPLACED : PLACED;
	return 0;
}

static int swap_item(struct outdir *o, size_t i)
{
	struct item *item = &o->items.items[i];
	char name[24];
	int fd, err;

	item_name(i, name);
	/* A group of our own making is a folder and empty. */
	if (item->made_group) {
		err = renameat(o->staging, name, o->fd, item->path) ? -errno : 0;
		item->swap = err ? NOT_SWAPPED : PLACED;
		return err ? fail_at(o, err, item->path, NULL) : 0;
	}
	fd = openat(o->fd, item->group, DIR_FLAGS);
	if (fd < 0)
		return fail_at(o, -errno, item->path, NULL);
	err = swap_in(o, item, fd, item->file, name);
	close(fd);
	return err ? fail_at(o, err, item->path, NULL) : 0;
}

static void swap_back(struct outdir *o, size_t i)
{
	struct item *item = &o->items.items[i];
	char name[24], old[32];

	item_name(i, name);
	snprintf(old, sizeof(old), "%s.old", name);
	if (item->swap == EXCHANGED)
		renameat2(o->staging, name, o->fd, item->path, RENAME_EXCHANGE);
	else if (item->swap == REPLACED)
		renameat(o->staging, old, o->fd, item->path);
	else if (item->swap == PLACED)
		unlinkat(o->fd, item->path, 0);
	item->swap = NOT_SWAPPED;
}

int outdir_commit(struct outdir *o)
{
	int err;

	if (o->items.n == 0)
		return 0;
	err = make_groups(o);
	if (err)
		return err;
	if (syncfs(o->fd))
		return fail_at(o, -errno, NULL, NULL);
	for (size_t i = 0; i < o->items.n && !err; i++)
		err = swap_item(o, i);
	/* The names too are on disk before anybody is told that it is done. */
	if (!err && syncfs(o->fd))
		err = fail_at(o, -errno, NULL, NULL);
	for (size_t i = o->items.n; err && i-- > 0;)
		swap_back(o, i);
	o->committed = !err;
	return err;
}

size_t outdir_n_unchanged(const struct outdir *o)
{
	return o->n_unchanged;
}

size_t outdir_n_written(const struct outdir *o)
{
	return o->items.n;
}

const char *outdir_written(const struct outdir *o, size_t i)
{
	return o->items.items[i].path;
}

const char *outdir_where(const struct outdir *o)
{
	return o->where ? o->where : o->path;
}

bool outdir_begins_with(const struct outdir_file *f, const char *bytes, size_t n)
{
	char head[HEAD_MAX];
	struct stat st;
	bool same;
	int fd = openat(f->group_fd, f->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	same = n <= sizeof(head) && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       read(fd, head, n) == (ssize_t)n && !memcmp(head, bytes, n);
	close(fd);
	return same;
}

struct listing {
	outdir_list_fn *fn;
	void *data;
	VEC(char *) paths;
};

static void list_group(DIR *d, const char *group, struct listing *l)
{
	struct outdir_file f = {.group_fd = dirfd(d), .group = group};

	while ((f.file = next_name(d)))
		if (l->fn(&f, l->data))
			vec_push(&l->paths, mem_printf("%s/%s", group, f.file));
}

static int path_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int outdir_list(struct outdir *o, outdir_list_fn *fn, void *data, char ***ret, size_t *ret_n)
{
	struct listing l = {fn, data, {0}};
	DIR *all = list_folder(o->fd, "."), *d;
	const char *group;

	if (!all)
		return fail_at(o, -errno, NULL, NULL);
	while ((group = next_name(all))) {
		if (!strcmp(group, STAGING) || map_get_str(o->made_groups, group))
			continue;
		d = list_folder(o->fd, group);
		if (!d)
			continue;
		list_group(d, group, &l);
		closedir(d);
	}
	closedir(all);
	if (l.paths.n)
		qsort(l.paths.items, l.paths.n, sizeof(*l.paths.items), path_cmp);
	*ret = l.paths.items;
	*ret_n = l.paths.n;
	return 0;
}

int outdir_remove(struct outdir *o, const char *path)
{
	size_t n = strcspn(path, "/");
	AUTO_FREE char *group = mem_strdup(path);
	int fd, err = 0;

	group[n] = '\0';
	fd = openat(o->fd, group, DIR_FLAGS);
	if (fd < 0)
		return fail_at(o, -errno, path, NULL);
	if (unlinkat(fd, path + n + 1, 0))
		err = -errno;
	close(fd);
	if (err)
		return fail_at(o, err, path, NULL);
	unlinkat(o->fd, group, AT_REMOVEDIR);
	return 0;
}
