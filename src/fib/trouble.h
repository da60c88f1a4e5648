/* SPDX-License-Identifier: MIT */
/* What couldn't be done as it shall be, for people. */
#ifndef SHUNT_FIB_TROUBLE_H
#define SHUNT_FIB_TROUBLE_H

#include "base/vec.h"

struct fib_trouble {
	char *what; /* a sentence, malloc'd */
	char *fix;  /* the command that mends it, malloc'd; NULL: there is none */
};

typedef VEC(struct fib_trouble) fib_troubles;

/* Takes fix over. */
void fib_trouble_add(fib_troubles *t, char *fix, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Moves all of from behind those of to. */
void fib_troubles_move(fib_troubles *to, fib_troubles *from);
/* Leaves it empty. */
void fib_troubles_done(fib_troubles *t);

#endif
