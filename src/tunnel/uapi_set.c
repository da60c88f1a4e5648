/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_set.h"

#include "base/mem.h"
#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/uapi_owners.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum section { OF_DEVICE, OF_PEER, OF_OWNERS, SECTIONS };

struct set {
	struct tunnel *t;
	enum section section;
	struct tunnel_peer *peer; /* of the section; NULL: none, or one whose lines are ignored */
	bool is_new;		  /* the section made the peer */
	bool is_remove;		  /* the rest of the section is ignored */
	wg_key key;
	struct uapi_owners owners; /* of a section of owners */
};

struct field {
	const char *name;
	int (*take)(struct set *s, const char *value);
	const char *event; /* told if there is something that it is done to */
};

static bool parse_number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, text[0] == '0' && (text[1] | 32) == 'x' ? 16 : 10);
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
	uint64_t port;

	return parse_number(value, UINT16_MAX, &port) ? tunnel_set_listen_port(s->t, (uint16_t)port)
						      : -EINVAL;
}

static int take_fwmark(struct set *s, const char *value)
{
	uint64_t mark;

	if (!*value)
		return tunnel_set_fwmark(s->t, 0);
	return parse_number(value, UINT32_MAX, &mark) ? tunnel_set_fwmark(s->t, (uint32_t)mark)
						      : -EINVAL;
}

/* What sets there are is a matter of their peers. */
static int take_replace_peers(struct set *s, const char *value)
{
	struct tunnel_owners *o;

	if (strcmp(value, "true"))
		return -EINVAL;
	while ((o = tunnel_owners_next(s->t, NULL)))
		tunnel_owners_remove(s->t, o);
	tunnel_remove_all_peers(s->t);
	return 0;
}

static bool parse_bool(const char *text, bool *ret)
{
	*ret = !strcmp(text, "true");
	return *ret || !strcmp(text, "false");
}

static int take_device_multicast(struct set *s, const char *value)
{
	bool is_on;

	if (!parse_bool(value, &is_on))
		return -EINVAL;
	tunnel_set_multicast(s->t, is_on);
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
	s->section = OF_PEER;
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
	uint64_t seconds;

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

static int take_level(struct set *s, const char *value)
{
	int level = uapi_level(value);

	if (level < 0)
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_level(s->t, s->peer, (enum cryptokey_level)level);
	return 0;
}

static int take_multicast(struct set *s, const char *value)
{
	bool is_on;

	if (!parse_bool(value, &is_on))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_multicast(s->t, s->peer, is_on);
	return 0;
}

/* Looked at even where it is ignored. */
static int take_link_local(struct set *s, const char *value)
{
	ip_addr a;

	if (*value && !ip_addr_parse(&a, value))
		return -EINVAL;
	return s->peer ? tunnel_peer_set_link_local(s->t, s->peer, *value ? &a : NULL) : 0;
}

/* --- sets of owners --- */

static int take_owners(struct set *s, const char *value)
{
	uint64_t number;

	end_section(s);
	if (!parse_number(value, UINT64_MAX, &number))
		return -EINVAL;
	s->section = OF_OWNERS;
	return uapi_owners_begin(&s->owners, s->t, number);
}

static int take_owner(struct set *s, const char *value)
{
	return uapi_owners_add(&s->owners, value);
}

static int take_shared(struct set *s, const char *value)
{
	return uapi_owners_prefix(&s->owners, value);
}

static int take_update_only_owners(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	uapi_owners_update_only(&s->owners);
	return 0;
}

static int take_remove_owners(struct set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	uapi_owners_remove(&s->owners);
	s->is_remove = true;
	return 0;
}

static const struct field device_fields[] = {
	{"private_key", take_private_key, "UAPI: Updating private key"},
	{"listen_port", take_listen_port, "UAPI: Updating listen port"},
	{"fwmark", take_fwmark, "UAPI: Updating fwmark"},
	{"replace_peers", take_replace_peers, "UAPI: Removing all peers"},
	{"multicast", take_device_multicast, "UAPI: Updating multicast"},
	{"public_key", take_public_key},
	{"owners", take_owners},
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
	{"owners", take_owners},
	{"level", take_level, "UAPI: Updating level"},
	{"multicast", take_multicast, "UAPI: Updating multicast"},
	{"link_local", take_link_local, "UAPI: Updating link-local address"},
};

static const struct field owners_fields[] = {
	{"allowed_ip", take_shared, "UAPI: Updating shared allowedips"},
	{"shared_ip", take_shared, "UAPI: Updating shared allowedips"},
	{"owner", take_owner, "UAPI: Updating owners"},
	{"owners", take_owners},
	{"public_key", take_public_key},
	{"remove", take_remove_owners, "UAPI: Removing owners"},
	{"update_only", take_update_only_owners},
};

static const struct {
	const struct field *fields;
	size_t n;
} sections[SECTIONS] = {
	[OF_DEVICE] = {device_fields, ARRAY_SIZE(device_fields)},
	[OF_PEER] = {peer_fields, ARRAY_SIZE(peer_fields)},
	[OF_OWNERS] = {owners_fields, ARRAY_SIZE(owners_fields)},
};

static const struct field *find_field(enum section in, const char *name)
{
	for (size_t i = 0; i < sections[in].n; i++)
		if (!strcmp(sections[in].fields[i].name, name))
			return &sections[in].fields[i];
	return NULL;
}

static bool begins_section(const struct field *f)
{
	return f->take == take_public_key || f->take == take_owners;
}

static int take_line(struct set *s, char *line)
{
	char *value = strchr(line, '=');
	const struct field *f;
	int err = 0;

	if (!value)
		return -EPROTO;
	*value++ = '\0';
	f = find_field(s->section, line);
	if (!f)
		return -EINVAL;
	if (s->is_remove && !begins_section(f))
		return 0;
	/* All lines that say who they are make one change. */
	if (f->take != take_owner)
		err = uapi_owners_apply(&s->owners);
	if (err)
		return err;
	if (f->event && (s->peer || s->section != OF_PEER))
		tunnel_tell(s->t, s->section == OF_PEER ? &s->key : NULL, f->event);
	return f->take(s, value);
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

int uapi_set(struct tunnel *t, char *text)
{
	struct set s = {.t = t};
	char *line;
	int err = 0;

	tunnel_lock(t);
	while (!err && (line = next_line(&text)))
		err = take_line(&s, line);
	if (!err)
		err = uapi_owners_apply(&s.owners);
	end_section(&s);
	tunnel_unlock(t);
	return err;
}
