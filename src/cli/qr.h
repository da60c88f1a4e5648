/* SPDX-License-Identifier: MIT */
/* A text as a QR code: on a terminal, or as a picture. What is encoded is a secret and is wiped. */
#ifndef SHUNT_CLI_QR_H
#define SHUNT_CLI_QR_H

#include "base/buf.h"
#include <stdio.h>

struct qr;

/* -E2BIG: no code holds so much. */
int qr_new(const char *text, size_t n, struct qr **ret);
/* Accepts NULL. */
void qr_free(struct qr *qr);
/* Columns that qr_print takes. */
unsigned qr_columns(const struct qr *qr);
/* In half blocks, light ones drawn, for a dark background; black on white on a terminal of colours,
 * whatever its background is. */
void qr_print(const struct qr *qr, FILE *f);
/* Appends a PNG; out is for secrets. */
int qr_png(const struct qr *qr, struct buf *out);

#endif
