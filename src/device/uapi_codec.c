/* SPDX-License-Identifier: MIT */
#include "device/uapi_codec.h"

#include <errno.h>
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

	return strchr(value, '/') && ip_prefix_parse(&p, value) &&
	       state_builder_allowed(&r->builder, &p);
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

static const struct {
	const char *key;
	bool of_peer;
	bool (*fn)(struct uapi_reader *r, const char *value);
} fields[] = {
	{"allowed_ip", true, on_allowed_ip},
	{"public_key", false, on_public_key},
	{"preshared_key", true, on_preshared_key},
	{"endpoint", true, on_endpoint},
	{"persistent_keepalive_interval", true, on_keepalive},
	{"rx_bytes", true, on_rx_bytes},
	{"tx_bytes", true, on_tx_bytes},
	{"last_handshake_time_sec", true, on_handshake_sec},
	{"last_handshake_time_nsec", true, on_handshake_nsec},
	{"private_key", false, on_private_key},
	{"listen_port", false, on_listen_port},
	{"fwmark", false, on_fwmark},
	{"errno", false, on_errno},
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
			return !r->cut && (!fields[i].of_peer || r->in_peer) &&
			       fields[i].fn(r, value);
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
	put_prefixes(w, "", p->add, p->n_add);
	put_prefixes(w, "-", p->del, p->n_del);
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
	for (size_t i = 0; i < c->n_peers && !w->error; i++)
		put_peer(w, &c->peers[i]);
	put(w, "\n");
	flush(w);
	sodium_memzero(w->buf, sizeof(w->buf));
	return w->error;
}
