/* SPDX-License-Identifier: MIT */
#include "cli/qr.h"

#include "base/mem.h"
#include "cli/term.h"
#include <errno.h>
#include <png.h>
#include <qrencode.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 4	 /* light modules around it (ISO/IEC 18004) */
#define PIXELS 6 /* of a module */

struct qr {
	QRcode *code;
};

int qr_new(const char *text, size_t n, struct qr **ret)
{
	/* The lowest level of correction: a screen has no scratches, and a code of few modules is
	 * easier to read. */
	QRcode *code = n > INT_MAX ? NULL
				   : QRcode_encodeData(
					     (int)n, (const unsigned char *)text, 0, QR_ECLEVEL_L);
	struct qr *qr;

	if (!code)
		return -E2BIG;
	qr = mem_zalloc(1, sizeof(*qr));
	qr->code = code;
	*ret = qr;
	return 0;
}

void qr_free(struct qr *qr)
{
	if (!qr)
		return;
	explicit_bzero(qr->code->data, (size_t)qr->code->width * (size_t)qr->code->width);
	QRcode_free(qr->code);
	free(qr);
}

unsigned qr_columns(const struct qr *qr)
{
	return (unsigned)qr->code->width + 2 * QUIET;
}

/* The place counts from the corner of the quiet zone. */
static bool is_dark(const struct qr *qr, unsigned x, unsigned y)
{
	unsigned width = (unsigned)qr->code->width;

	x -= QUIET;
	y -= QUIET;
	return x < width && y < width && (qr->code->data[y * width + x] & 1);
}

void qr_print(const struct qr *qr, FILE *f)
{
	static const char *const blocks[2][2] = {{"█", "▀"}, {"▄", " "}};
	const char *begin = term_has_colour(f) ? "\033[97;40m" : "";
	const char *end = term_has_colour(f) ? "\033[0m" : "";
	unsigned n = qr_columns(qr);

	for (unsigned y = 0; y < n; y += 2) {
		fputs(begin, f);
		for (unsigned x = 0; x < n; x++)
			/* Below the last of an odd number of lines there is nothing to draw. */
			fputs(blocks[is_dark(qr, x, y)][y + 1 < n ? is_dark(qr, x, y + 1) : 1], f);
		fprintf(f, "%s\n", end);
	}
}

static void draw(const struct qr *qr, unsigned char *pixels, unsigned size)
{
	for (unsigned y = 0; y < size; y++)
		for (unsigned x = 0; x < size; x++)
			pixels[(size_t)y * size + x] =
				is_dark(qr, x / PIXELS, y / PIXELS) ? 0 : 255;
}

int qr_png(const struct qr *qr, struct buf *out)
{
	unsigned size = qr_columns(qr) * PIXELS;
	size_t n_pixels = (size_t)size * size;
	AUTO_FREE unsigned char *pixels = mem_alloc(n_pixels);
	png_image image = {.version = PNG_IMAGE_VERSION,
		.width = size,
		.height = size,
		.format = PNG_FORMAT_GRAY};
	png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(image);

	draw(qr, pixels, size);
	int ok = png_image_write_to_memory(&image, buf_room(out, n), &n, 0, pixels, 0, NULL);

	explicit_bzero(pixels, n_pixels);
	png_image_free(&image);
	if (!ok)
		return -EIO;
	out->n += n;
	return 0;
}
