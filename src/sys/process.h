/* SPDX-License-Identifier: MIT */
/* Privileges, notification of the service manager, and sysctls. */
#ifndef SHUNT_SYS_PROCESS_H
#define SHUNT_SYS_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* True if this process has the capability (CAP_NET_ADMIN, CAP_NET_RAW, ...) in its effective set.
 */
bool process_has_cap(int cap);
/*
 * Drops all capabilities but these n from the permitted and inheritable sets, all but the first
 * n_own from the effective one, and sets no_new_privs. Programs that are started get all n (as
 * ambient ones where the user isn't root). 0 or negative errno. Of the calling thread alone.
 */
int process_keep_caps(const int *caps, size_t n, size_t n_own);
/* Drops this one from all sets of the calling thread; before it starts others, which inherit them.
 */
void process_drop_cap(int cap);
/* Adds those of these groups (NULL ends them) that the system has to the supplementary ones of this
 * process. Before the first thread. 0 or negative errno. */
int process_join_groups(const char *const *names);
/* Leaves no core dump and lets no process of the same user look into this one; before the first
 * secret is read. Programs that are started are as usual again. */
void process_keep_secrets(void);
/* Once started: unmaps what linking and starting read of the program's and its libraries' files.
 * What is needed again comes back by itself, from the page cache; a debugger's breakpoints don't.
 */
void process_forget_start(void);

/* sd_notify: sends state ("READY=1", "RELOADING=1\nMONOTONIC_USEC=...") to $NOTIFY_SOCKET; silently
 * nothing where there is none. Waits for nobody. */
void process_notify(const char *state);

/* How the calling thread stands to others: what a move waits for, what a routing engine's routes
 * wait for, and bulk work. Who isn't bulk has short slices as well (Linux 6.12 and later). Without
 * the right to go first, so be it. */
enum process_nice { PROCESS_NICE_URGENT = -10, PROCESS_NICE_ROUTES = -5, PROCESS_NICE_BULK = 0 };
void process_set_nice(enum process_nice nice);
/* Real-time priority, the lowest, that one thread of this process lends another for what it
 * is about to ask of it; until that one gives it back. Where it may not be lent, nothing. What
 * the thread starts meanwhile has none. */
void process_lend_priority(pthread_t thread);
/* The calling thread was lent it, and has it still. */
bool process_has_lent_priority(void);
/* The calling thread is as nice again as it says; without anything lent, nothing. */
void process_return_priority(enum process_nice nice);
/* Does so for a process that was given a niceness below 0, and for its session if that is its own:
 * where the scheduler groups processes by session (sched(7), "autogroup"), a niceness counts within
 * one alone. Waits for up to half a second; safe between fork and exec. */
void process_go_first(void);

/* Reads /proc/sys/<path>; 0 and the number, or negative errno. */
int sysctl_read_int(const char *path, int *ret);
int sysctl_write_int(const char *path, int value);

#endif
