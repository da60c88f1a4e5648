/* SPDX-License-Identifier: MIT */
/*
 * A growing array: VEC(int) numbers = { 0 }; vec_push(&numbers, 3); numbers.items[0];
 * vec_done(&numbers). Items move when it grows: keep indices, not pointers.
 */
#ifndef SHUNT_BASE_VEC_H
#define SHUNT_BASE_VEC_H

#include "base/mem.h"
#include <stdlib.h>

#define VEC(type)            \
	struct {             \
		type *items; \
		size_t n;    \
		size_t cap;  \
	}

#define vec_reserve(v, want)                                                                       \
	do {                                                                                       \
		if ((want) > (v)->cap) {                                                           \
			(v)->cap = (want) < 8 ? 8 : (want) > (v)->cap * 2 ? (want) : (v)->cap * 2; \
			(v)->items = mem_realloc((v)->items, (v)->cap, sizeof(*(v)->items));       \
		}                                                                                  \
	} while (0)

#define vec_push(v, ...)                              \
	do {                                          \
		vec_reserve(v, (v)->n + 1);           \
		(v)->items[(v)->n++] = (__VA_ARGS__); \
	} while (0)

#define vec_done(v)                    \
	do {                           \
		free((v)->items);      \
		(v)->items = NULL;     \
		(v)->n = (v)->cap = 0; \
	} while (0)

#endif
