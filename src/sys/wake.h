/* SPDX-License-Identifier: MIT */
/* Descriptors by which threads wake one another out of poll (eventfd). */
#ifndef SHUNT_SYS_WAKE_H
#define SHUNT_SYS_WAKE_H

/* The caller closes it; -1 and errno if there is none to be had. */
int wake_new(void);
/* Makes it readable; any thread. */
void wake_up(int fd);
/* Its owner, after poll said that it is readable: it is not any more. A timerfd too. */
void wake_clear(int fd);

#endif
