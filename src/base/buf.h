/* SPDX-License-Identifier: MIT */
/* A growing byte string, always followed by a zero byte. A zeroed struct buf is empty and ready. */
#ifndef SHUNT_BASE_BUF_H
#define SHUNT_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while nothing was ever added; buf_str() never is */
	size_t n;
	size_t cap;
	bool is_secret; /* memory that growing leaves behind is wiped; set it while empty */
};

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for n more bytes; returns where they start. The caller adds what it wrote to b->n. */
char *buf_room(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);
/* Empty again, memory kept. */
void buf_reset(struct buf *b);
const char *buf_str(const struct buf *b);
/* Hands the memory to the caller, who frees it. */
char *buf_steal(struct buf *b);
void buf_done(struct buf *b);
/* buf_done after the content was wiped: for what held a secret. Such a buffer was is_secret, or had
 * its room reserved first. */
void buf_wipe(struct buf *b);

#define AUTO_BUF __attribute__((cleanup(buf_done))) struct buf

#endif
