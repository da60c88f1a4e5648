/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_level.h"

#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/uapi_owners.h"

#include <string.h>

#define LONGEST 16384 /* a hundred peers, in some 0.1 ms */

/* The lines of a request that weren't read yet. */
struct lines {
	const char *at, *end;
};

/* What follows the key of the next line, if it is that one's, into value; a longer one is none. */
static bool take(struct lines *l, const char *key, char *value, size_t size)
{
	size_t n = strlen(key), len;
	const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));

	len = newline ? (size_t)(newline - l->at) : 0;
	if (len < n || memcmp(l->at, key, n) || len - n >= size)
		return false;
	memcpy(value, l->at + n, len - n);
	value[len - n] = '\0';
	l->at = newline + 1;
	return true;
}

/* The next peer and his level. False: something else. */
static bool take_one(struct lines *l, struct tunnel *t, struct tunnel_peer **ret_peer, int *ret)
{
	char text[WG_KEY_HEX_LEN];
	wg_key key;

	if (!take(l, "public_key=", text, sizeof(text)) || !wg_key_from_hex(&key, text))
		return false;
	take(l, "update_only=true", text, 1);
	if (!take(l, "level=", text, sizeof(text)))
		return false;
	*ret = uapi_level(text);
	*ret_peer = tunnel_peer_find(t, &key);
	return *ret >= 0 && *ret_peer;
}

static bool is_at_end(const struct lines *l)
{
	return l->end - l->at == 1 && *l->at == '\n';
}

static bool are_levels(struct lines l, struct tunnel *t)
{
	struct tunnel_peer *p;
	int level;

	while (take_one(&l, t, &p, &level))
		if (is_at_end(&l))
			return true;
	return false;
}

static void apply(struct lines l, struct tunnel *t)
{
	struct tunnel_peer *p;
	int level;

	while (take_one(&l, t, &p, &level)) {
		tunnel_tell(t, tunnel_peer_key(p), "UAPI: Updating level");
		tunnel_peer_set_level(t, p, (enum cryptokey_level)level);
	}
}

bool uapi_level_answer(struct tunnel *t, const char *text, size_t len)
{
	struct lines l = {text + 6, text + len};
	bool is_it;

	if (len < 6 || len > LONGEST || memcmp(text, "set=1\n", 6))
		return false;
	tunnel_lock_to_read(t);
	is_it = are_levels(l, t);
	if (is_it)
		apply(l, t);
	tunnel_unlock(t);
	return is_it;
}
