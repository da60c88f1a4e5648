/* SPDX-License-Identifier: MIT */
/*
 * A folder of generated files, DIR/<group>/<file>, changed as a whole or not at all. New contents
 * are written aside in DIR/.shunt~staging, synced once, and swapped in by renames; if anything goes
 * wrong on the way the swaps are undone, and what was there before is there again, untouched.
 * Files that would not change are not written. No symbolic link below DIR is ever followed.
 *
 * A run that was killed leaves the staging folder behind; the next one removes it. Two runs at once
 * are told apart by a lock on DIR.
 */
#ifndef SHUNT_CLI_OUTDIR_H
#define SHUNT_CLI_OUTDIR_H

#include "base/buf.h"
#include <stdbool.h>
#include <stddef.h>

struct outdir;

/* Opens DIR, made if need be (its last component only, mode 0700). -EBUSY: another run is at it. */
int outdir_open(const char *path, struct outdir **ret);
/* Removes what was written aside and not committed. Accepts NULL. */
void outdir_close(struct outdir *o);

/* Writes group/file aside unless it is there with this content and mode 0600. Both names are of one
 * component; anything else is -EINVAL. After an error only outdir_close makes sense. */
int outdir_put(
	struct outdir *o, const char *group, const char *file, const void *content, size_t len);
/* Appends what is there now; false: nothing that could be read. */
bool outdir_get(struct outdir *o, const char *group, const char *file, struct buf *out);
/* Makes all that was put visible, or nothing; on disk before it returns 0. */
int outdir_commit(struct outdir *o);

size_t outdir_n_unchanged(const struct outdir *o);
size_t outdir_n_written(const struct outdir *o);
/* The i-th file that was written, as "group/file". */
const char *outdir_written(const struct outdir *o, size_t i);
/* What the last error was about, as a path for a message. */
const char *outdir_where(const struct outdir *o);

/* A file that is there, while outdir_list asks about it. */
struct outdir_file {
	int group_fd;
	const char *group, *file;
};

/* True if the file is regular and begins with these bytes, at most 512. */
bool outdir_begins_with(const struct outdir_file *f, const char *bytes, size_t n);
/* True if the file is to be listed. */
typedef bool outdir_list_fn(const struct outdir_file *f, void *data);
/* Lists the files in groups for which fn says so, "group/file", sorted; *ret and each of its
 * strings are malloc'd. After outdir_commit, groups that it made aren't looked at. */
int outdir_list(struct outdir *o, outdir_list_fn *fn, void *data, char ***ret, size_t *ret_n);
/* Removes "group/file", and the group if nothing is left in it. */
int outdir_remove(struct outdir *o, const char *path);

#endif
