/* SPDX-License-Identifier: MIT */
/* How many more files this process may open. */
#ifndef SHUNT_SYS_DESCRIPTORS_H
#define SHUNT_SYS_DESCRIPTORS_H

/* The limit that is in force (RLIMIT_NOFILE), at most INT_MAX. */
int descriptors_limit(void);
/* How many are open, or negative errno. */
int descriptors_open(void);

#endif
