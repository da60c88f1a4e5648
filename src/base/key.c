/* SPDX-License-Identifier: MIT */
#include "base/key.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

bool wg_key_from_base64(wg_key *ret, const char *text)
{
	wg_key k;
	size_t n;
	bool ok;

	if (strnlen(text, WG_KEY_BASE64_LEN) != WG_KEY_BASE64_LEN - 1)
		return false;
	ok = sodium_base642bin(k.bytes, sizeof(k.bytes), text, WG_KEY_BASE64_LEN - 1, NULL, &n,
		     NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	     n == sizeof(k.bytes);
	if (ok)
		*ret = k;
	wg_key_wipe(&k);
	return ok;
}

char *wg_key_to_base64(const wg_key *k, char buf[static WG_KEY_BASE64_LEN])
{
	return sodium_bin2base64(
		buf, WG_KEY_BASE64_LEN, k->bytes, sizeof(k->bytes), sodium_base64_VARIANT_ORIGINAL);
}

bool wg_key_from_hex(wg_key *ret, const char *text)
{
	wg_key k;
	size_t n;
	bool ok;

	if (strnlen(text, WG_KEY_HEX_LEN) != WG_KEY_HEX_LEN - 1)
		return false;
	ok = sodium_hex2bin(k.bytes, sizeof(k.bytes), text, WG_KEY_HEX_LEN - 1, NULL, &n, NULL) ==
		     0 &&
	     n == sizeof(k.bytes);
	if (ok)
		*ret = k;
	wg_key_wipe(&k);
	return ok;
}

char *wg_key_to_hex(const wg_key *k, char buf[static WG_KEY_HEX_LEN])
{
	return sodium_bin2hex(buf, WG_KEY_HEX_LEN, k->bytes, sizeof(k->bytes));
}

bool wg_key_eq(const wg_key *a, const wg_key *b)
{
	return sodium_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool wg_key_is_zero(const wg_key *k)
{
	return sodium_is_zero(k->bytes, sizeof(k->bytes)) == 1;
}

/*
 * The u coordinates, below 2^255, of all points whose order divides the cofactor: 0, 1 and -1, the
 * two of order eight, and p and p + 1, which are 0 and 1 again. Comparing is a thousand times
 * cheaper than multiplying, and a large inventory has ten thousand keys.
 */
static const uint8_t low_order_points[][WG_KEY_LEN] = {
	{0},
	{1},
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
		0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f,
		0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
		0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0,
		0x9f, 0x11, 0x57},
	{0xec, [1 ... 30] = 0xff, 0x7f},
	{0xed, [1 ... 30] = 0xff, 0x7f},
	{0xee, [1 ... 30] = 0xff, 0x7f},
};

bool wg_key_is_low_order(const wg_key *k)
{
	wg_key masked = *k;

	masked.bytes[31] &= 0x7f; /* as X25519 does */
	for (size_t i = 0; i < ARRAY_SIZE(low_order_points); i++)
		if (!memcmp(masked.bytes, low_order_points[i], WG_KEY_LEN))
			return true;
	return false;
}

void wg_key_generate(wg_key *ret_private)
{
	randombytes_buf(ret_private->bytes, sizeof(ret_private->bytes));
	ret_private->bytes[0] &= 248;
	ret_private->bytes[31] &= 127;
	ret_private->bytes[31] |= 64;
}

wg_key wg_key_public(const wg_key *private_key)
{
	wg_key k;

	crypto_scalarmult_base(k.bytes, private_key->bytes);
	return k;
}

void wg_key_wipe(wg_key *k)
{
	sodium_memzero(k->bytes, sizeof(k->bytes));
}

/* Fills buf as far as the file goes; the number of bytes or a negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t r = read(fd, buf + n, size - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		n += (size_t)r;
	}
	return (ssize_t)n;
}

int wg_key_read_file(wg_key *ret, const char *path)
{
	char text[WG_KEY_BASE64_LEN + 2]; /* the key, "\r\n", and one byte that is too many */
	ssize_t n;
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read_all(fd, text, sizeof(text));
	close(fd);
	if (n > 0 && text[n - 1] == '\n')
		n--;
	if (n > 0 && text[n - 1] == '\r')
		n--;
	if (n < 0) {
		r = (int)n;
	} else if (n == WG_KEY_BASE64_LEN - 1) {
		text[n] = '\0';
		r = wg_key_from_base64(ret, text) ? 0 : -EINVAL;
	} else {
		r = -EINVAL;
	}
	sodium_memzero(text, sizeof(text));
	return r;
}
