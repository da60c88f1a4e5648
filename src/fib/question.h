/* SPDX-License-Identifier: MIT */
/* What a look is asked for (fib/look.h): values. */
#ifndef SHUNT_FIB_QUESTION_H
#define SHUNT_FIB_QUESTION_H

#include "fib/state.h"

struct fib_question {
	char ifname[IFNAMSIZ];
	uint16_t port;	     /* that the device shall listen on; 0: any */
	fib_sysctls sysctls; /* whose values are asked for; by their paths */
};

void fib_question_done(struct fib_question *q);

/* A table is looked for by its number: one of those that were ours, if by now nobody else has
 * routes in it, else the first that is empty. */
struct fib_table_question {
	uint32_t first, last; /* none but from first to last */
	VEC(uint32_t) ours;   /* in the order of preference */
	int ifindex;	      /* of the device: routes into it may be ours */
};

void fib_table_question_done(struct fib_table_question *q);

#endif
