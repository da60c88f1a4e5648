/* SPDX-License-Identifier: MIT */
#include "base/key.h"

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

bool wg_key_is_low_order(const wg_key *k)
{
	/* Clamping makes every scalar a multiple of the cofactor, so one says it for all, and for
	 * every encoding of the point. */
	static const uint8_t scalar[WG_KEY_LEN] = {8};
	uint8_t shared[WG_KEY_LEN];

	return crypto_scalarmult(shared, scalar, k->bytes) != 0;
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
