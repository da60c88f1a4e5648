/* SPDX-License-Identifier: MIT */
/* How the program becomes what it is: its descriptors, its signals, the background. Before there
 * are threads. */
#ifndef SHUNT_TUNNEL_START_H
#define SHUNT_TUNNEL_START_H

#include <signal.h>
#include <stdbool.h>

/* Opens what is missing of the standard three, so that no descriptor of ours is taken for one of
 * them. 0 or negative errno. */
int start_open_standard(void);
#define START_DESCRIPTORS_MOST 256
/* How many more descriptors can be opened, of at most this many (START_DESCRIPTORS_MOST or less).
 */
unsigned start_count_descriptors(unsigned most);

/* Signals that end the program wait from now on, until start_release_signals in the thread that is
 * to have them; *ret is what was in force before. */
void start_hold_signals(sigset_t *ret);
void start_release_signals(void);
/* True if the signal was ignored when the program was started (nohup). */
bool start_is_ignored(int signum);

/* In the child: 0, and *ret is the write end of a pipe on which a byte says that it is ready;
 * negative errno. In the parent it doesn't return: it ends with status 0 on the byte and 1 without,
 * and hands signals on to the child meanwhile. */
int start_background(int *ret);

#endif
