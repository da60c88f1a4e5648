/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_owners.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int uapi_owners_begin(struct uapi_owners *u, struct tunnel *t, uint64_t number)
{
	assert(!u->n);
	u->tunnel = t;
	u->set = tunnel_owners_find(t, number);
	u->is_new = !u->set;
	return u->set ? 0 : tunnel_owners_add(t, number, &u->set);
}

/* A number that ends at a comma or with the text; *at goes behind it. */
static bool take_number(const char **at, uint16_t *ret)
{
	unsigned value = 0;
	const char *digit = *at;

	for (; *digit >= '0' && *digit <= '9' && value <= UINT16_MAX; digit++)
		value = value * 10 + (unsigned)(*digit - '0');
	if (digit == *at || value > UINT16_MAX || (*digit && *digit != ','))
		return false;
	*at = digit;
	*ret = (uint16_t)value;
	return true;
}

/* What stands behind the key. */
static bool take_properties(const char *at, struct tunnel_owner *o)
{
	if (*at++ != ',' || !take_number(&at, &o->rank) || *at++ != ',' ||
		!take_number(&at, &o->weight))
		return false;
	o->is_relay = !strcmp(at, ",relay");
	return o->is_relay || !*at;
}

static bool is_owner(const struct uapi_owners *u, const struct tunnel_peer *p)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->owners[i].peer == p)
			return true;
	return false;
}

int uapi_owners_add(struct uapi_owners *u, const char *value)
{
	char hex[WG_KEY_HEX_LEN];
	struct tunnel_owner o;
	wg_key key;

	if (strlen(value) < WG_KEY_HEX_LEN - 1)
		return -EINVAL;
	memcpy(hex, value, WG_KEY_HEX_LEN - 1);
	hex[WG_KEY_HEX_LEN - 1] = '\0';
	if (!wg_key_from_hex(&key, hex) || !take_properties(value + WG_KEY_HEX_LEN - 1, &o))
		return -EINVAL;
	o.peer = tunnel_peer_find(u->tunnel, &key);
	if (!o.peer)
		return -ENOENT;
	if (u->n == CRYPTOKEY_MAX_OWNERS || is_owner(u, o.peer))
		return -EINVAL;
	u->owners[u->n++] = o;
	return 0;
}

int uapi_owners_prefix(struct uapi_owners *u, const char *value)
{
	bool remove = *value == '-';
	ip_prefix p;

	if (!ip_prefix_parse(&p, value + remove))
		return -EINVAL;
	p = ip_prefix_masked(&p);
	if (!u->set)
		return 0;
	if (!remove)
		return tunnel_owners_bind(u->tunnel, u->set, &p);
	tunnel_owners_unbind(u->tunnel, u->set, &p);
	return 0;
}

size_t uapi_owners_remove_some(struct uapi_owners *u, size_t max)
{
	return u->set ? tunnel_owners_remove_some(u->tunnel, u->set, max) : 0;
}

void uapi_owners_remove(struct uapi_owners *u)
{
	if (u->set)
		tunnel_owners_remove(u->tunnel, u->set);
	u->set = NULL;
}

void uapi_owners_update_only(struct uapi_owners *u)
{
	if (u->is_new)
		uapi_owners_remove(u);
}

int uapi_owners_apply(struct uapi_owners *u)
{
	size_t n = u->n;

	u->n = 0;
	return n && u->set ? tunnel_owners_define(u->tunnel, u->set, u->owners, n) : 0;
}

/* --- words ---------------------------------------------------------------------------------------
 */

static const char *const levels[] = {
	[CRYPTOKEY_DOWN] = "down",
	[CRYPTOKEY_LAST_RESORT] = "last-resort",
	[CRYPTOKEY_UP] = "up",
};

const char *uapi_level_name(enum cryptokey_level level)
{
	return levels[level];
}

int uapi_level(const char *name)
{
	for (int i = 0; i < (int)ARRAY_SIZE(levels); i++)
		if (!strcmp(name, levels[i]))
			return i;
	return -EINVAL;
}
