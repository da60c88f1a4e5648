/* SPDX-License-Identifier: MIT */
#include "mesh/text.h"

#include "base/buf.h"
#include "base/mem.h"
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define QUOTE_MOST 64 /* bytes of a text that a message repeats */
#define GUESS_MOST 64 /* longer words are nobody's slip of the finger */

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The code point of a character whose length was taken from its first byte. */
static uint32_t code_point(const char *s, size_t len)
{
	static const unsigned char first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (unsigned char)s[0] & first_bits[len];

	for (size_t i = 1; i < len; i++)
		c = c << 6 | ((unsigned char)s[i] & 0x3f);
	return c;
}

size_t text_utf8_len(const char *s, size_t n)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char first = n ? (unsigned char)s[0] : 0xff;
	size_t len = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c;

	if (len == 0 || len > n || first > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if (!is_continuation(s[i]))
			return 0;
	c = code_point(s, len);
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

size_t text_utf8_count(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0, len; i < n; i += len ? len : 1, count++)
		len = text_utf8_len(s + i, n - i);
	return count;
}

/* Length of the printable character at s; 0: there is none. */
static size_t printable_len(const char *s, size_t n)
{
	size_t len = text_utf8_len(s, n);
	uint32_t c;

	if (!len)
		return 0;
	c = code_point(s, len);
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return 0;
	return len;
}

bool text_is_printable(const char *s, size_t n)
{
	for (size_t i = 0, len; i < n; i += len) {
		len = printable_len(s + i, n - i);
		if (!len)
			return false;
	}
	return true;
}

const char *text_quote(struct arena *a, const char *s, size_t n)
{
	AUTO_BUF b = {0};
	size_t i = 0, len;

	buf_putc(&b, '`');
	for (; i < n && b.n < QUOTE_MOST; i += len ? len : 1) {
		len = printable_len(s + i, n - i);
		if (len)
			buf_add(&b, s + i, len);
		else
			buf_printf(&b, "\\x%02x", (unsigned)(unsigned char)s[i]);
	}
	buf_puts(&b, i < n ? "...`" : "`");
	return arena_strdup(a, buf_str(&b));
}

static char fold(char c)
{
	return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edit distance where swapping two neighbours is one slip, as is leaving out, adding or replacing
 * one character. Both words have at most GUESS_MOST characters. */
static unsigned slips(const char *a, size_t na, const char *b, size_t nb)
{
	unsigned rows[3][GUESS_MOST + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= nb; j++)
		last[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *spare = before;

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			bool same = fold(a[i - 1]) == fold(b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
				fold(a[i - 2]) == fold(b[j - 1]) && row[j] > before[j - 2] + 1)
				row[j] = before[j - 2] + 1;
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[nb];
}

bool text_is_closer(const char *got, const char *want, unsigned *best)
{
	size_t ng = strlen(got), nw = strlen(want);
	size_t longer = ng > nw ? ng : nw, apart = longer - (ng < nw ? ng : nw);
	unsigned allowed = (unsigned)(longer < 3 ? 0 : longer < 6 ? 1 : longer < 9 ? 2 : 3);
	unsigned n;

	if (longer > GUESS_MOST || apart > allowed)
		return false;
	n = slips(got, ng, want, nw);
	if (n > allowed || n >= *best)
		return false;
	*best = n;
	return true;
}
