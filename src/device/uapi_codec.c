/* SPDX-License-Identifier: MIT */
#include "device/uapi_codec.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- reading -------------------------------------------------------------------------------- */

/* A decimal number, no sign, no spaces. */
static bool number(uint64_t *ret, const char *text, uint64_t max)
{
	uint64_t v = 0;

	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned char)*text - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, digit, &v))
			return false;
	}
	*ret = v;
	return v <= max;
}

static struct device_peer *last_peer(struct uapi_reader *r)
{
	return &r->builder.peers.items[r->builder.peers.n - 1];
}

static bool on_private_key(struct uapi_reader *r, const char *value)
{
	struct device_state *s = &r->builder.state;
	wg_key key;
	bool ok = wg_key_from_hex(&key, value);

	if (ok && !wg_key_is_zero(&key)) {
		s->has_key = true;
		s->public_key = wg_key_public(&key);
	}
	wg_key_wipe(&key);
	return ok;
}

static bool on_listen_port(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, UINT16_MAX))
		return false;
	r->builder.state.listen_port = (uint16_t)v;
	return true;
}

static bool on_fwmark(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, UINT32_MAX))
		return false;
	r->builder.state.fwmark = (uint32_t)v;
	return true;
}

static bool on_public_key(struct uapi_reader *r, const char *value)
{
	wg_key key;

	r->set = NULL;
	r->in_peer = wg_key_from_hex(&key, value) && state_builder_peer(&r->builder, &key);
	return r->in_peer;
}

static bool on_preshared_key(struct uapi_reader *r, const char *value)
{
	struct device_peer *p = last_peer(r);

	if (!wg_key_from_hex(&p->psk, value))
		return false;
	p->has_psk = !wg_key_is_zero(&p->psk);
	return true;
}

static bool on_endpoint(struct uapi_reader *r, const char *value)
{
	return sock_addr_parse(&last_peer(r)->endpoint, value);
}

static bool on_keepalive(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, UINT16_MAX))
		return false;
	last_peer(r)->keepalive = (uint16_t)v;
	return true;
}

static bool on_allowed_ip(struct uapi_reader *r, const char *value)
{
	ip_prefix p;

	if (!strchr(value, '/') || !ip_prefix_parse(&p, value))
		return false;
	return r->set ? state_builder_shared(&r->builder, r->set, &p)
		      : state_builder_allowed(&r->builder, &p);
}

static bool on_rx_bytes(struct uapi_reader *r, const char *value)
{
	return number(&last_peer(r)->rx_bytes, value, UINT64_MAX);
}

static bool on_tx_bytes(struct uapi_reader *r, const char *value)
{
	return number(&last_peer(r)->tx_bytes, value, UINT64_MAX);
}

static bool on_handshake_sec(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, INT64_MAX))
		return false;
	last_peer(r)->last_handshake.tv_sec = (time_t)v;
	return true;
}

static bool on_handshake_nsec(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, 999999999))
		return false;
	last_peer(r)->last_handshake.tv_nsec = (long)v;
	return true;
}

static bool on_errno(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	/* Both signs are in use. */
	if (!number(&v, value + (*value == '-'), 4095))
		return false;
	r->has_errno = true;
	r->code = -(int)v;
	return true;
}

/* --- of many owners --- */

static bool on_max_owners(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	if (!number(&v, value, DEVICE_OWNERS_MAX) || !v)
		return false;
	r->builder.state.max_owners = (unsigned)v;
	return true;
}

static bool on_multicast(struct uapi_reader *r, const char *value)
{
	bool on = !strcmp(value, "true");

	if (r->in_peer)
		last_peer(r)->multicast = on;
	else
		r->builder.state.multicast = on;
	return on || !strcmp(value, "false");
}

static const char *const levels[] = {
	[DEVICE_UP] = "up", [DEVICE_LAST_RESORT] = "last-resort", [DEVICE_DOWN] = "down"};

static bool on_level(struct uapi_reader *r, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strcmp(value, levels[i]) != 0)
			continue;
		last_peer(r)->level = (enum device_level)i;
		return true;
	}
	return false;
}

static bool on_answers(struct uapi_reader *r, const char *value)
{
	last_peer(r)->is_silent = !strcmp(value, "false");
	return last_peer(r)->is_silent || !strcmp(value, "true");
}

static bool on_link_local(struct uapi_reader *r, const char *value)
{
	return ip_addr_parse(&last_peer(r)->link_local, value);
}

static bool on_owners(struct uapi_reader *r, const char *value)
{
	uint64_t v;

	r->set = number(&v, value, UINT64_MAX) ? state_builder_set(&r->builder, v) : NULL;
	return r->set;
}

/* KEY,RANK,WEIGHT or the same and ",relay"; the line may be written to. */
static bool on_owner(struct uapi_reader *r, const char *value)
{
	const char *end = r->line + r->n;
	struct device_owner o = {0};
	char *part[4] = {r->line + (value - r->line)};
	uint64_t rank, weight;
	unsigned n = 1;

	for (char *c = part[0]; c < end; c++) {
		if (*c != ',')
			continue;
		if (n == ARRAY_SIZE(part))
			return false;
		*c = '\0';
		part[n++] = c + 1;
	}
	if (n < 3 || !wg_key_from_hex(&o.key, part[0]) || !number(&rank, part[1], UINT16_MAX) ||
		!number(&weight, part[2], UINT16_MAX) || (n == 4 && strcmp(part[3], "relay")))
		return false;
	o.rank = (uint16_t)rank;
	o.weight = (uint16_t)weight;
	o.is_relay = n == 4;
	return state_builder_owner(r->set, &o);
}

/* Where a key may stand: anywhere; in a peer's section, or a set's; either. */
enum place { ANYWHERE, OF_PEER, OF_SET, OF_EITHER };

static bool is_in_place(const struct uapi_reader *r, enum place place)
{
	switch (place) {
	case OF_PEER:
		return r->in_peer && !r->set;
	case OF_SET:
		return r->set;
	case OF_EITHER:
		return r->in_peer || r->set;
	default:
		return true;
	}
}

static const struct {
	const char *key;
	enum place place;
	bool (*fn)(struct uapi_reader *r, const char *value);
} fields[] = {
	{"allowed_ip", OF_EITHER, on_allowed_ip},
	{"public_key", ANYWHERE, on_public_key},
	{"preshared_key", OF_PEER, on_preshared_key},
	{"endpoint", OF_PEER, on_endpoint},
	{"persistent_keepalive_interval", OF_PEER, on_keepalive},
	{"rx_bytes", OF_PEER, on_rx_bytes},
	{"tx_bytes", OF_PEER, on_tx_bytes},
	{"last_handshake_time_sec", OF_PEER, on_handshake_sec},
	{"last_handshake_time_nsec", OF_PEER, on_handshake_nsec},
	{"private_key", ANYWHERE, on_private_key},
	{"listen_port", ANYWHERE, on_listen_port},
	{"fwmark", ANYWHERE, on_fwmark},
	{"errno", ANYWHERE, on_errno},
	{"owners", ANYWHERE, on_owners},
	{"owner", OF_SET, on_owner},
	{"shared_ip", OF_SET, on_allowed_ip},
	{"level", OF_PEER, on_level},
	{"answers", OF_PEER, on_answers},
	{"multicast", ANYWHERE, on_multicast},
	{"link_local", OF_PEER, on_link_local},
	{"max_owners", ANYWHERE, on_max_owners},
};

/* Keys that we don't know belong to programs newer than we are. */
static bool on_line(struct uapi_reader *r)
{
	char *value = strchr(r->line, '=');

	/* A zero byte would hide what follows it. */
	if (strlen(r->line) != r->n || !value || value == r->line)
		return false;
	*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (!strcmp(r->line, fields[i].key))
			return !r->cut && is_in_place(r, fields[i].place) && fields[i].fn(r, value);
	r->is_ours |= !strncmp(r->line, "shunt_", 6);
	return true;
}

static void end_of_line(struct uapi_reader *r)
{
	r->line[r->n] = '\0';
	if (!r->n)
		r->done = true;
	else if (!on_line(r))
		r->error = -EPROTO;
	r->n = 0;
	r->cut = false;
}

void uapi_reader_feed(struct uapi_reader *r, const char *bytes, size_t n)
{
	r->fed += n;
	if (r->fed > UAPI_ANSWER_MAX && !r->error)
		r->error = -EMSGSIZE;
	while (n && !r->done && !r->error) {
		const char *end = memchr(bytes, '\n', n);
		size_t piece = end ? (size_t)(end - bytes) : n;
		size_t room = sizeof(r->line) - 1 - r->n;
		size_t take = piece < room ? piece : room;

		memcpy(r->line + r->n, bytes, take);
		r->n += take;
		r->cut |= take < piece;
		if (end)
			end_of_line(r);
		bytes += piece + (end != NULL);
		n -= piece + (end != NULL);
	}
}

int uapi_reader_finish(struct uapi_reader *r, struct device_state *ret)
{
	if (r->error)
		return r->error;
	if (!r->done || !r->has_errno)
		return -EPROTO;
	if (r->code)
		return r->code;
	return ret ? state_builder_finish(&r->builder, ret) : 0;
}

void uapi_reader_done(struct uapi_reader *r)
{
	state_builder_reset(&r->builder);
	sodium_memzero(r, sizeof(*r));
}

/* --- writing -------------------------------------------------------------------------------- */

static void flush(struct uapi_writer *w)
{
	if (w->n && !w->error)
		w->error = w->write(w->data, w->buf, w->n);
	w->n = 0;
}

/* One line, or several; shorter than UAPI_LINE_MAX. */
static void __attribute__((format(printf, 2, 3))) put(struct uapi_writer *w, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (sizeof(w->buf) - w->n < UAPI_LINE_MAX)
		flush(w);
	va_start(ap, fmt);
	n = vsnprintf(w->buf + w->n, sizeof(w->buf) - w->n, fmt, ap);
	va_end(ap);
	w->n += (size_t)n;
}

/* By hand: printf may leave a secret in a buffer of its own. */
static void put_key(struct uapi_writer *w, const char *name, const wg_key *key)
{
	put(w, "%s=", name);
	wg_key_to_hex(key, w->buf + w->n);
	w->n += WG_KEY_HEX_LEN - 1;
	put(w, "\n");
}

static void put_prefixes(struct uapi_writer *w, const char *sign, const ip_prefix *list, size_t n)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < n && !w->error; i++)
		put(w, "allowed_ip=%s%s\n", sign, ip_prefix_format(&list[i], text));
}

static void put_peer(struct uapi_writer *w, const struct device_peer_change *p)
{
	char text[SOCK_ADDR_STRLEN];

	put_key(w, "public_key", &p->key);
	if (p->remove) {
		put(w, "remove=true\n");
		return;
	}
	if (p->update_only)
		put(w, "update_only=true\n");
	if (p->set_psk)
		put_key(w, "preshared_key", &p->psk);
	if (p->set_endpoint && p->endpoint.sa.sa_family != AF_UNSPEC)
		put(w, "endpoint=%s\n", sock_addr_format(&p->endpoint, text));
	if (p->set_keepalive)
		put(w, "persistent_keepalive_interval=%u\n", p->keepalive);
	if (p->set_level)
		put(w, "level=%s\n", levels[p->level]);
	if (p->set_multicast)
		put(w, "multicast=%s\n", p->multicast ? "true" : "false");
	if (p->set_link_local)
		put(w, "link_local=%s\n",
			p->link_local.family ? ip_addr_format(&p->link_local, text) : "");
	put_prefixes(w, "", p->add, p->n_add);
	put_prefixes(w, "-", p->del, p->n_del);
}

static void put_owners(struct uapi_writer *w, const struct device_owner_set_change *s)
{
	char hex[WG_KEY_HEX_LEN];

	put(w, "owners=%" PRIu64 "\n", s->number);
	if (s->remove) {
		put(w, "remove=true\n");
		return;
	}
	if (!s->n_owners && !s->n_add)
		put(w, "update_only=true\n");
	for (size_t i = 0; i < s->n_owners && !w->error; i++) {
		const struct device_owner *o = &s->owners[i];

		put(w, "owner=%s,%u,%u%s\n", wg_key_to_hex(&o->key, hex), o->rank, o->weight,
			o->is_relay ? ",relay" : "");
	}
	put_prefixes(w, "", s->add, s->n_add);
	put_prefixes(w, "-", s->del, s->n_del);
}

int uapi_write_set(struct uapi_writer *w, const struct device_change *c)
{
	put(w, "set=1\n");
	if (c->set_private_key)
		put_key(w, "private_key", &c->private_key);
	if (c->set_listen_port)
		put(w, "listen_port=%u\n", c->listen_port);
	if (c->set_fwmark)
		put(w, "fwmark=%u\n", c->fwmark);
	if (c->set_multicast)
		put(w, "multicast=%s\n", c->multicast ? "true" : "false");
	for (size_t i = 0; i < c->n_peers && !w->error; i++)
		put_peer(w, &c->peers[i]);
	for (size_t i = 0; i < c->n_sets && !w->error; i++)
		put_owners(w, &c->sets[i]);
	put(w, "\n");
	flush(w);
	sodium_memzero(w->buf, sizeof(w->buf));
	return w->error;
}
