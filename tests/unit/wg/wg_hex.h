/* SPDX-License-Identifier: MIT */
/* Bytes as hexadecimal text, for tests of cryptography. */
#ifndef SHUNT_TESTS_WG_HEX_H
#define SHUNT_TESTS_WG_HEX_H

#include "base/key.h"
#include "unit.h"
#include <sodium.h>
#include <string.h>

/* Fills ret and returns how many bytes there were. */
static inline size_t unhex(uint8_t *ret, size_t size, const char *text)
{
	size_t n;

	assert_int_equal(sodium_hex2bin(ret, size, text, strlen(text), NULL, &n, NULL), 0);
	return n;
}

static inline wg_key key_of(const char *text)
{
	wg_key k;

	assert_true(wg_key_from_hex(&k, text));
	return k;
}

static inline wg_key key_filled(uint8_t byte)
{
	wg_key k;

	memset(k.bytes, byte, sizeof(k.bytes));
	return k;
}

static inline void assert_hex(const void *bytes, const char *text)
{
	size_t len = strlen(text) / 2;
	char found[1024];

	assert_true(len < sizeof(found) / 2);
	sodium_bin2hex(found, sizeof(found), bytes, len);
	assert_string_equal(found, text);
}

#endif
