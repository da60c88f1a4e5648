/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_set.h"

#include "base/mem.h"
#include "tunnel/config.h"
#include "tunnel/events.h"
#include "tunnel/uapi_owners.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 256 /* lines, and prefixes that go by one of them */
#define AGAIN 1	  /* a line has done some of its work */

enum section { OF_DEVICE, OF_PEER, OF_OWNERS, SECTIONS };

struct uapi_set {
	struct tunnel *t;
	char *text;		   /* what is left of it */
	const struct field *field; /* of the line under way; NULL: none */
	const char *value;
	size_t left; /* of the piece */
	bool is_ended;
	int error; /* of the line that failed */

	enum section section;
	struct tunnel_peer *peer; /* of the section; NULL: none, or one whose lines are ignored */
	bool is_new;		  /* the section made the peer */
	bool is_remove;		  /* the rest of the section is ignored */
	wg_key key;
	struct uapi_owners owners; /* of a section of owners */
};

struct field {
	const char *name;
	int (*take)(struct uapi_set *s, const char *value);
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

/* True: so many went, and more may be left. */
static bool spend(struct uapi_set *s, size_t n)
{
	s->left -= n;
	return n;
}

static int take_private_key(struct uapi_set *s, const char *value)
{
	wg_key key;
	int err;

	if (!wg_key_from_hex(&key, value))
		return -EINVAL;
	err = tunnel_set_private_key(s->t, &key);
	wg_key_wipe(&key);
	return err;
}

static int take_listen_port(struct uapi_set *s, const char *value)
{
	uint64_t port;

	return parse_number(value, UINT16_MAX, &port) ? tunnel_set_listen_port(s->t, (uint16_t)port)
						      : -EINVAL;
}

static int take_fwmark(struct uapi_set *s, const char *value)
{
	uint64_t mark;

	if (!*value)
		return tunnel_set_fwmark(s->t, 0);
	return parse_number(value, UINT32_MAX, &mark) ? tunnel_set_fwmark(s->t, (uint32_t)mark)
						      : -EINVAL;
}

/* What sets there are is a matter of their peers. */
static int take_replace_peers(struct uapi_set *s, const char *value)
{
	struct tunnel_owners *o;
	struct tunnel_peer *p;

	if (strcmp(value, "true"))
		return -EINVAL;
	o = tunnel_owners_next(s->t, NULL);
	p = o ? NULL : tunnel_peer_next(s->t, NULL);
	if (o && !spend(s, tunnel_owners_remove_some(s->t, o, s->left)))
		tunnel_owners_remove(s->t, o);
	if (p && !spend(s, tunnel_peer_remove_some(s->t, p, s->left)))
		tunnel_peer_remove(s->t, p);
	return o || p ? AGAIN : 0;
}

static bool parse_bool(const char *text, bool *ret)
{
	*ret = !strcmp(text, "true");
	return *ret || !strcmp(text, "false");
}

static int take_device_multicast(struct uapi_set *s, const char *value)
{
	bool is_on;

	if (!parse_bool(value, &is_on))
		return -EINVAL;
	tunnel_set_multicast(s->t, is_on);
	return 0;
}

/* 0 or AGAIN. */
static int end_section(struct uapi_set *s)
{
	if (s->peer && spend(s, tunnel_peer_configure_some(s->t, s->peer, s->left)))
		return AGAIN;
	if (s->peer)
		tunnel_peer_configured(s->t, s->peer);
	s->peer = NULL;
	s->is_new = s->is_remove = false;
	return 0;
}

/* Whether the peer is to be made isn't known before its first line, so it is made now and taken
 * back then. */
static int take_public_key(struct uapi_set *s, const char *value)
{
	int err = end_section(s);

	if (err)
		return err;
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

static void take_back(struct uapi_set *s)
{
	tunnel_peer_remove(s->t, s->peer);
	s->peer = NULL;
}

static int take_remove(struct uapi_set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer && spend(s, tunnel_peer_remove_some(s->t, s->peer, s->left)))
		return AGAIN;
	if (s->peer)
		take_back(s);
	s->is_remove = true;
	return 0;
}

static int take_update_only(struct uapi_set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer && s->is_new)
		take_back(s);
	return 0;
}

static int take_preshared_key(struct uapi_set *s, const char *value)
{
	wg_key key;

	if (!wg_key_from_hex(&key, value))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_psk(s->t, s->peer, &key);
	wg_key_wipe(&key);
	return 0;
}

static int take_endpoint(struct uapi_set *s, const char *value)
{
	sock_addr a;

	if (!sock_addr_parse(&a, value))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_endpoint(s->t, s->peer, &a);
	return 0;
}

static int take_keepalive(struct uapi_set *s, const char *value)
{
	uint64_t seconds;

	if (!parse_number(value, UINT16_MAX, &seconds))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_keepalive(s->t, s->peer, (uint16_t)seconds);
	return 0;
}

static int take_replace_allowed_ips(struct uapi_set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_disallow_all(s->t, s->peer);
	return 0;
}

static int take_allowed_ip(struct uapi_set *s, const char *value)
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

static int take_protocol_version(struct uapi_set *s, const char *value)
{
	return strcmp(value, "1") ? -EINVAL : 0;
}

static int take_level(struct uapi_set *s, const char *value)
{
	int level = uapi_level(value);

	if (level < 0)
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_level(s->t, s->peer, (enum cryptokey_level)level);
	return 0;
}

static int take_multicast(struct uapi_set *s, const char *value)
{
	bool is_on;

	if (!parse_bool(value, &is_on))
		return -EINVAL;
	if (s->peer)
		tunnel_peer_set_multicast(s->t, s->peer, is_on);
	return 0;
}

/* Looked at even where it is ignored. */
static int take_link_local(struct uapi_set *s, const char *value)
{
	ip_addr a;

	if (*value && !ip_addr_parse(&a, value))
		return -EINVAL;
	return s->peer ? tunnel_peer_set_link_local(s->t, s->peer, *value ? &a : NULL) : 0;
}

/* --- sets of owners --- */

static int take_owners(struct uapi_set *s, const char *value)
{
	uint64_t number;
	int err = end_section(s);

	if (err)
		return err;
	if (!parse_number(value, UINT64_MAX, &number))
		return -EINVAL;
	s->section = OF_OWNERS;
	return uapi_owners_begin(&s->owners, s->t, number);
}

static int take_owner(struct uapi_set *s, const char *value)
{
	return uapi_owners_add(&s->owners, value);
}

static int take_shared(struct uapi_set *s, const char *value)
{
	return uapi_owners_prefix(&s->owners, value);
}

static int take_update_only_owners(struct uapi_set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	uapi_owners_update_only(&s->owners);
	return 0;
}

static int take_remove_owners(struct uapi_set *s, const char *value)
{
	if (strcmp(value, "true"))
		return -EINVAL;
	if (spend(s, uapi_owners_remove_some(&s->owners, s->left)))
		return AGAIN;
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

/* Before a line does what it says; what it is to do then, if it isn't passed over. */
static int begin_line(struct uapi_set *s, char *line)
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
	s->field = f;
	s->value = value;
	return 0;
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

/* The end, after which nothing more can fail; AGAIN, as a line. */
static int take_end(struct uapi_set *s)
{
	int err = s->error ? 0 : uapi_owners_apply(&s->owners);

	if (err)
		s->error = err;
	err = end_section(s);
	s->is_ended = !err;
	return err;
}

/* The line under way, or else the next one, or the end. */
static int step(struct uapi_set *s)
{
	char *line = s->field || s->error ? NULL : next_line(&s->text);
	int err = line ? begin_line(s, line) : 0;

	if (!err && !line && !s->field)
		return take_end(s);
	if (!err && s->field)
		err = s->field->take(s, s->value);
	if (err != AGAIN)
		s->field = NULL;
	return err;
}

struct uapi_set *uapi_set_begin(struct tunnel *t, char *text, size_t len)
{
	struct uapi_set *s;

	if (len < 6 || strncmp(text, "set=1\n", 6))
		return NULL;
	s = mem_zalloc(1, sizeof(*s));
	s->t = t;
	s->text = text + 6;
	/* A zero byte would hide what follows it. */
	s->error = memchr(text, 0, len) ? -EINVAL : 0;
	return s;
}

bool uapi_set_more(struct uapi_set *s)
{
	assert(!s->is_ended);
	tunnel_lock(s->t);
	for (s->left = PIECE; s->left && !s->is_ended; s->left -= s->left > 0) {
		int err = step(s);

		if (err < 0)
			s->error = err;
	}
	tunnel_unlock(s->t);
	return !s->is_ended;
}

int uapi_set_end(struct uapi_set *s)
{
	int err = s ? s->error : 0;

	free(s);
	return err;
}
