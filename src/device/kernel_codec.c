/* SPDX-License-Identifier: MIT */
#include "device/kernel_codec.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <string.h>

/* Since Linux 6.16; older headers lack it. */
#define ALLOWEDIP_A_FLAGS 4
#define ALLOWEDIP_F_REMOVE_ME (1u << 0)

/* --- reading -------------------------------------------------------------------------------- */

/* Copies an attribute of exactly n bytes. */
static bool get(void *ret, size_t n, const struct nlattr *a)
{
	if (mnl_attr_get_payload_len(a) != n)
		return false;
	memcpy(ret, mnl_attr_get_payload(a), n);
	return true;
}

static bool parse_endpoint(sock_addr *ret, const struct nlattr *a)
{
	sock_addr s = {0};
	size_t n = mnl_attr_get_payload_len(a);

	if (n < sizeof(s.sa.sa_family) || n > sizeof(s))
		return false;
	memcpy(&s, mnl_attr_get_payload(a), n);
	if (!(s.sa.sa_family == AF_INET && n >= sizeof(s.in4)) &&
		!(s.sa.sa_family == AF_INET6 && n >= sizeof(s.in6)))
		return false;
	*ret = s;
	return true;
}

static bool parse_handshake(struct timespec *ret, const struct nlattr *a)
{
	int64_t t[2]; /* struct __kernel_timespec */

	if (!get(t, sizeof(t), a) || t[1] < 0 || t[1] >= 1000000000)
		return false;
	ret->tv_sec = (time_t)t[0];
	ret->tv_nsec = (long)t[1];
	return true;
}

static bool parse_allowed(struct state_builder *b, const struct nlattr *nest)
{
	const void *bytes = NULL;
	size_t n_bytes = 0;
	uint16_t family = 0;
	uint8_t len = 255;
	ip_prefix p = {0};

	nl_for_each_nested (a, nest) {
		switch (mnl_attr_get_type(a)) {
		case WGALLOWEDIP_A_FAMILY:
			if (!get(&family, sizeof(family), a))
				return false;
			break;
		case WGALLOWEDIP_A_IPADDR:
			bytes = mnl_attr_get_payload(a);
			n_bytes = mnl_attr_get_payload_len(a);
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			if (!get(&len, sizeof(len), a))
				return false;
			break;
		}
	}
	if ((family != AF_INET && family != AF_INET6) || len > ip_family_bits(family) ||
		n_bytes != ip_family_bits(family) / 8)
		return false;
	p.family = (uint8_t)family;
	p.len = len;
	memcpy(p.bytes, bytes, n_bytes);
	return state_builder_allowed(b, &p);
}

static bool parse_allowed_list(struct state_builder *b, const struct nlattr *nest)
{
	nl_for_each_nested (a, nest)
		if (!parse_allowed(b, a))
			return false;
	return true;
}

static bool parse_peer_attr(struct state_builder *b, struct device_peer *p, const struct nlattr *a)
{
	switch (mnl_attr_get_type(a)) {
	case WGPEER_A_PRESHARED_KEY:
		if (!get(&p->psk, sizeof(p->psk), a))
			return false;
		p->has_psk = !wg_key_is_zero(&p->psk);
		return true;
	case WGPEER_A_ENDPOINT:
		return parse_endpoint(&p->endpoint, a);
	case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		return get(&p->keepalive, sizeof(p->keepalive), a);
	case WGPEER_A_LAST_HANDSHAKE_TIME:
		return parse_handshake(&p->last_handshake, a);
	case WGPEER_A_RX_BYTES:
		return get(&p->rx_bytes, sizeof(p->rx_bytes), a);
	case WGPEER_A_TX_BYTES:
		return get(&p->tx_bytes, sizeof(p->tx_bytes), a);
	case WGPEER_A_ALLOWEDIPS:
		return parse_allowed_list(b, a);
	}
	return true;
}

static bool parse_peer(struct state_builder *b, const struct nlattr *nest)
{
	struct device_peer *p = NULL;
	wg_key key;

	nl_for_each_nested (a, nest)
		if (mnl_attr_get_type(a) == WGPEER_A_PUBLIC_KEY) {
			if (!get(&key, sizeof(key), a))
				return false;
			p = state_builder_peer(b, &key);
		}
	if (!p)
		return false;
	nl_for_each_nested (a, nest)
		if (!parse_peer_attr(b, p, a))
			return false;
	return true;
}

static bool parse_peers(struct state_builder *b, const struct nlattr *nest)
{
	nl_for_each_nested (a, nest)
		if (!parse_peer(b, a))
			return false;
	return true;
}

static bool parse_device_attr(struct state_builder *b, const struct nlattr *a)
{
	struct device_state *s = &b->state;

	switch (mnl_attr_get_type(a)) {
	case WGDEVICE_A_PUBLIC_KEY:
		if (!get(&s->public_key, sizeof(s->public_key), a))
			return false;
		s->has_key = !wg_key_is_zero(&s->public_key);
		return true;
	case WGDEVICE_A_LISTEN_PORT:
		return get(&s->listen_port, sizeof(s->listen_port), a);
	case WGDEVICE_A_FWMARK:
		return get(&s->fwmark, sizeof(s->fwmark), a);
	case WGDEVICE_A_PEERS:
		return parse_peers(b, a);
	}
	return true;
}

int kernel_parse_device(struct state_builder *b, const struct nlmsghdr *message)
{
	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct genlmsghdr))
		return -EPROTO;
	nl_for_each_attr (a, message, sizeof(struct genlmsghdr))
		if (!parse_device_attr(b, a))
			return -EPROTO;
	return 0;
}

/* --- writing -------------------------------------------------------------------------------- */

/* An allowed IP: its nest and four attributes. */
#define ALLOWED_ROOM (4 + 8 + 20 + 8 + 8)
/* A peer with everything but its allowed IPs, and the heads of the nests around them. */
#define PEER_ROOM (4 + 36 + 36 + 8 + 32 + 8 + 4 + 4)

static bool has_room(const struct kernel_writer *w, size_t n)
{
	return w->message->nlmsg_len + n <= NL_MESSAGE_MAX;
}

static void close_nest(struct kernel_writer *w, struct nlattr **nest)
{
	if (*nest)
		mnl_attr_nest_end(w->message, *nest);
	*nest = NULL;
}

static void end_peer(struct kernel_writer *w)
{
	close_nest(w, &w->ips);
	close_nest(w, &w->peer);
}

static void begin(struct kernel_writer *w)
{
	w->message = w->begin(w->data);
}

static int finish(struct kernel_writer *w)
{
	end_peer(w);
	close_nest(w, &w->peers);
	return w->send(w->data, w->message);
}

static void put_key(struct nlmsghdr *m, uint16_t type, const wg_key *key)
{
	mnl_attr_put(m, type, sizeof(*key), key->bytes);
}

/* Opens the peer; in a message of its own if this one is full. */
static int begin_peer(struct kernel_writer *w, const wg_key *key, uint32_t flags)
{
	if (!has_room(w, PEER_ROOM + ALLOWED_ROOM)) {
		int r = finish(w);

		if (r < 0)
			return r;
		begin(w);
	}
	if (!w->peers)
		w->peers = mnl_attr_nest_start(w->message, WGDEVICE_A_PEERS);
	w->peer = mnl_attr_nest_start(w->message, 0);
	put_key(w->message, WGPEER_A_PUBLIC_KEY, key);
	if (flags)
		mnl_attr_put_u32(w->message, WGPEER_A_FLAGS, flags);
	return 0;
}

static void put_allowed(struct kernel_writer *w, const ip_prefix *p, uint32_t flags)
{
	struct nlattr *nest;

	if (!w->ips)
		w->ips = mnl_attr_nest_start(w->message, WGPEER_A_ALLOWEDIPS);
	nest = mnl_attr_nest_start(w->message, 0);
	mnl_attr_put_u16(w->message, WGALLOWEDIP_A_FAMILY, p->family);
	mnl_attr_put(w->message, WGALLOWEDIP_A_IPADDR, ip_family_bits(p->family) / 8, p->bytes);
	mnl_attr_put_u8(w->message, WGALLOWEDIP_A_CIDR_MASK, p->len);
	if (flags)
		mnl_attr_put_u32(w->message, ALLOWEDIP_A_FLAGS, flags);
	mnl_attr_nest_end(w->message, nest);
}

static int put_prefixes(struct kernel_writer *w, const struct device_peer_change *p,
	const ip_prefix *list, size_t n, uint32_t flags)
{
	for (size_t i = 0; i < n; i++) {
		if (!has_room(w, ALLOWED_ROOM + 4)) {
			int r;

			end_peer(w);
			/* What creates it was sent before. */
			r = begin_peer(w, &p->key, WGPEER_F_UPDATE_ONLY);
			if (r < 0)
				return r;
		}
		put_allowed(w, &list[i], flags);
	}
	return 0;
}

static int put_peer(struct kernel_writer *w, const struct device_peer_change *p)
{
	uint32_t flags = p->remove ? WGPEER_F_REMOVE_ME : p->update_only ? WGPEER_F_UPDATE_ONLY : 0;
	int r = begin_peer(w, &p->key, flags);

	if (r < 0 || p->remove) {
		end_peer(w);
		return r;
	}
	if (p->set_psk)
		put_key(w->message, WGPEER_A_PRESHARED_KEY, &p->psk);
	if (p->set_endpoint && p->endpoint.sa.sa_family != AF_UNSPEC)
		mnl_attr_put(
			w->message, WGPEER_A_ENDPOINT, sock_addr_len(&p->endpoint), &p->endpoint);
	if (p->set_keepalive)
		mnl_attr_put_u16(w->message, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, p->keepalive);
	r = put_prefixes(w, p, p->add, p->n_add, 0);
	if (!r)
		r = put_prefixes(w, p, p->del, p->n_del, ALLOWEDIP_F_REMOVE_ME);
	end_peer(w);
	return r;
}

int kernel_write_set(struct kernel_writer *w, const struct device_change *c)
{
	int r = 0;

	begin(w);
	if (c->set_private_key)
		put_key(w->message, WGDEVICE_A_PRIVATE_KEY, &c->private_key);
	if (c->set_listen_port)
		mnl_attr_put_u16(w->message, WGDEVICE_A_LISTEN_PORT, c->listen_port);
	if (c->set_fwmark)
		mnl_attr_put_u32(w->message, WGDEVICE_A_FWMARK, c->fwmark);
	for (size_t i = 0; i < c->n_peers && !r; i++)
		r = put_peer(w, &c->peers[i]);
	return r < 0 ? r : finish(w);
}
