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
/* Makes all that was put visible, or nothing. */
int outdir_commit(struct outdir *o);

size_t outdir_n_unchanged(const struct outdir *o);
size_t outdir_n_written(const struct outdir *o);
/* The i-th file that was written, as "group/file". */
const char *outdir_written(const struct outdir *o, size_t i);
/* What the last error was about, as a path for a message. */
const char *outdir_where(const struct outdir *o);

/* Answers for a file that is there: true if it is listed. head holds its first bytes,
 * zero-terminated. */
typedef bool outdir_is_gone_fn(const char *group, const char *file, const char *head, void *data);
/* Lists regular files in groups for which is_gone says so, "group/file", sorted; *ret and each
 * of its strings are malloc'd. */
int outdir_list(
	struct outdir *o, outdir_is_gone_fn *is_gone, void *data, char ***ret, size_t *ret_n);
/* Removes "group/file", and the group if nothing is left in it. */
int outdir_remove(struct outdir *o, const char *path);

#endif
