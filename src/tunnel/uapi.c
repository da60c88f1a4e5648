/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi.h"

#include "base/mem.h"
#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/uapi_get.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- set -----------------------------------------------------------------------------------------
 */

struct set {
	struct tunnel *t;
	struct tunnel_peer *peer; /* of the section; NULL: none, or one whose lines are ignored */
	bool in_section;
	bool is_new;	/* the section made the peer */
	bool is_remove; /* the rest of the section is ignored */
	wg_key key;
};

struct field {
	const char *name;
	int (*take)(struct set *s, const char *value);
	const char *event; /* told if there is something that it is done to */
};

static bool parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret = strtoul(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
	return !errno && !*end && *ret <= max;
}

static int take_private_key(struct set *s, const char *value)
{
	wg_key key;
	int err;

	if (!wg_key_from_hex(&key, value))
		return -EINVAL;
	err = tunnel_set_private_key(s->t, &key);
	wg_key_wipe(&key);
	return err;
}

static int take_listen_port(struct set *s, const char *value)
{
	unsigned long port;

	return parse_number(value, UINT16_MAX, &port) ? tunnel_set_listen_port(s->t, (uint16_t)port)
						      : -EINVAL;
}

static int take_fwmark(struct set *s, const char *value)
{
	unsigned long mark;

	if (!*value)
		return tunnel_set_fwmark(s->t, 0);
	return parse_number(value, UINT32_MAX, &mark) ? tunnel_set_fwmark(s->t, (uint32_t)mark)
						      : -EINVAL;
}

static int take_replace_peers(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	tunnel_remove_all_peers(s->t);
	return 0;
}

static void end_section(struct set *s)
{
	if (s->peer)
		tunnel_peer_configured(s->t, s->peer);
	s->peer = NULL;
	s->is_new = s->is_remove = false;
}

/* Whether the peer is to be made isn't known before its first line, so it is made now and taken
 * back then. */
static int take_public_key(struct set *s, const char *value)
{
	int err;

	end_section(s);
	if (!wg_key_from_hex(&s->key, value))
		return -EINVAL;
	s->in_section = true;
	s->peer = tunnel_peer_find(s->t, &s->key);
	if (s->peer)
		return 0;
	err = tunnel_peer_add(s->t, &s->key, &s->peer);
	s->is_new = !err;
	return err == -EINVAL ? 0 : err; /* our own key: the section is ignored */
}

static void take_back(struct set *s)
{
	tunnel_peer_remove(s->t, s->peer);
	s->peer = NULL;
}

static int take_remove(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer)
		take_back(s);
	s->is_remove = true;
	return 0;
}

static int take_update_only(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer && s->is_new)
		take_back(s);
	return 0;
}

static int take_preshared_key(struct set *s, const char *value)
{
	wg_key key;

	if (!wg_key_from_hex(&key, value))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_psk(s->t, s->peer, &key);
	wg_key_wipe(&key);
	return 0;
}

static int take_endpoint(struct set *s, const char *value)
{
	sock_addr a;

	if (!sock_addr_parse(&a, value))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_endpoint(s->t, s->peer, &a);
	return 0;
}

static int take_keepalive(struct set *s, const char *value)
{
	unsigned long seconds;

	if (!parse_number(value, UINT16_MAX, &seconds))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_keepalive(s->t, s->peer, (uint16_t)seconds);
	return 0;
}

static int take_replace_allowed_ips(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_disallow_all(s->t, s->peer);
	return 0;
}

static int take_allowed_ip(struct set *s, const char *value)
{
	bool remove = *value == '-';
	ip_prefix p;

	if (!ip_prefix_parse(&p, value + remove))
		return -EINVAL;
	p = ip_prefix_masked(&p);
	if (!s->peer)
		return 0;
	if (!remove)
		return tunnel_peer_allow(s->t, s->peer, &p);
	tunnel_peer_disallow(s->t, s->peer, &p);
	return 0;
}

static int take_protocol_version(struct set *s, const char *value)
{
	return strcmp(value, "1") ? -EINVAL : 0;
}

static const struct field device_fields[] = {
	{"private_key", take_private_key, "UAPI: Updating private key"},
	{"listen_port", take_listen_port, "UAPI: Updating listen port"},
	{"fwmark", take_fwmark, "UAPI: Updating fwmark"},
	{"replace_peers", take_replace_peers, "UAPI: Removing all peers"},
	{"public_key", take_public_key},
};

static const struct field peer_fields[] = {
	{"allowed_ip", take_allowed_ip, "UAPI: Updating allowedips"},
	{"public_key", take_public_key},
	{"endpoint", take_endpoint, "UAPI: Updating endpoint"},
	{"persistent_keepalive_interval", take_keepalive,
		"UAPI: Updating persistent keepalive interval"},
	{"preshared_key", take_preshared_key, "UAPI: Updating preshared key"},
	{"replace_allowed_ips", take_replace_allowed_ips, "UAPI: Removing all allowedips"},
	{"protocol_version", take_protocol_version},
	{"update_only", take_update_only},
	{"remove", take_remove},
};

static int take_line(struct set *s, char *line)
{
	const struct field *fields = s->in_section ? peer_fields : device_fields;
	size_t n = s->in_section ? ARRAY_SIZE(peer_fields) : ARRAY_SIZE(device_fields);
	char *value = strchr(line, '=');

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	for (size_t i = 0; i < n; i++) {
		if (strcmp(fields[i].name, line))
			continue;
		if (s->is_remove && fields[i].take != take_public_key)
			return 0;
		if (fields[i].event && (s->peer || !s->in_section))
			tunnel_tell(s->t, s->in_section ? &s->key : NULL, fields[i].event);
		return fields[i].take(s, value);
	}
	return -EINVAL;
}

/* The next line, cut off at its newline; NULL at the empty one. */
static char *next_line(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (!end || end == line)
		return NULL;
	*end = '\0';
	*at = end + 1;
	return line;
}

static int set_device(struct tunnel *t, char *text)
{
	struct set s = {.t = t};
	char *line;
	int err = 0;

	tunnel_lock(t);
	while (!err && (line = next_line(&text)))
		err = take_line(&s, line);
	end_section(&s);
	tunnel_unlock(t);
	return err;
}

bool uapi_answer(struct tunnel *t, const char *text, size_t len, struct buf *out)
{
	struct uapi_get *get = uapi_get_begin(t, text, len);
	char *copy;
	int err;

	if (get) {
		while (uapi_get_more(get, out))
			;
		uapi_get_free(get);
		return true;
	}
	if (len < 6 || strncmp(text, "set=1\n", 6))
		return false;
	copy = malloc(len - 6 + 1);
	if (!copy)
		return false;
	memcpy(copy, text + 6, len - 6);
	copy[len - 6] = '\0';
	/* A zero byte would hide what follows it. */
	err = strlen(copy) == len - 6 ? set_device(t, copy) : -EINVAL;
	sodium_memzero(copy, len - 6);
	free(copy);
	buf_printf(out, "errno=%d\n\n", err);
	return true;
}
