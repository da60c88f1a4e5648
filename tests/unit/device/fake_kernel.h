/* SPDX-License-Identifier: MIT */
/*
 * A kernel of the test's own, behind the functions that send and receive: it answers generic
 * netlink's requests about one WireGuard device as it is told to: old, interrupted, cut, refusing.
 */
#ifndef SHUNT_TESTS_FAKE_KERNEL_H
#define SHUNT_TESTS_FAKE_KERNEL_H

#include "unit.h"

#include "device/kernel_codec.h"
#include "fake_device.h"
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#define FAMILY 0x1d

static struct {
	struct fake_device fake;
	/* Datagrams that wait to be received. */
	struct {
		char bytes[40000];
		size_t n;
	} queue[512];
	size_t head, tail;
	/* How dumps go. */
	size_t entries_per_chunk;
	unsigned interrupt;	    /* so many dumps are marked as changed meanwhile */
	unsigned overrun;	    /* so many receives end in ENOBUFS */
	unsigned lost_acks;	    /* so many sets end in ENOBUFS */
	int refuse_get, refuse_set; /* errno */
	bool cut, no_family;
	unsigned dumps, sets, largest;
	bool bad_flags; /* what may never be asked for */
} k;

static wg_key keys[3];

/* --- answers -------------------------------------------------------------------------------- */

static inline struct nlmsghdr *answer(const struct nlmsghdr *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(k.queue[k.tail].bytes);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_seq = request->nlmsg_seq;
	return h;
}

static inline void queue(struct nlmsghdr *h)
{
	k.queue[k.tail].n = h->nlmsg_len;
	if (++k.tail == ARRAY_SIZE(k.queue))
		fail_msg("more answers than the test has room for");
}

static inline void answer_code(const struct nlmsghdr *request, uint16_t type, int code)
{
	struct nlmsghdr *h = answer(request, type, 0);
	struct nlmsgerr *e =
		mnl_nlmsg_put_extra_header(h, type == NLMSG_ERROR ? sizeof(*e) : sizeof(e->error));

	e->error = code;
	queue(h);
}

static inline void answer_family(const struct nlmsghdr *request)
{
	struct nlmsghdr *h;

	if (k.no_family) {
		answer_code(request, NLMSG_ERROR, -ENOENT);
		return;
	}
	h = answer(request, GENL_ID_CTRL, 0);
	mnl_nlmsg_put_extra_header(h, sizeof(struct genlmsghdr));
	mnl_attr_put_u16(h, CTRL_ATTR_FAMILY_ID, FAMILY);
	queue(h);
	answer_code(request, NLMSG_ERROR, 0);
}

/* --- a dump --------------------------------------------------------------------------------- */

struct chunk {
	const struct nlmsghdr *request;
	struct nlmsghdr *h;
	struct nlattr *peers, *peer, *ips;
	size_t entries;
	uint16_t flags;
};

static inline void chunk_end_peer(struct chunk *c)
{
	if (c->ips)
		mnl_attr_nest_end(c->h, c->ips);
	if (c->peer)
		mnl_attr_nest_end(c->h, c->peer);
	c->ips = c->peer = NULL;
}

static inline void chunk_end(struct chunk *c)
{
	chunk_end_peer(c);
	if (c->peers)
		mnl_attr_nest_end(c->h, c->peers);
	c->peers = NULL;
	queue(c->h);
}

static inline void chunk_begin(struct chunk *c)
{
	c->h = answer(c->request, FAMILY, NLM_F_MULTI | c->flags);
	mnl_nlmsg_put_extra_header(c->h, sizeof(struct genlmsghdr));
	c->entries = 0;
}

static inline void chunk_peer(struct chunk *c, const wg_key *key, bool first)
{
	if (!c->peers)
		c->peers = mnl_attr_nest_start(c->h, WGDEVICE_A_PEERS);
	c->peer = mnl_attr_nest_start(c->h, 0);
	mnl_attr_put(c->h, WGPEER_A_PUBLIC_KEY, sizeof(*key), key);
	if (first) {
		mnl_attr_put_u16(c->h, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, 25);
		mnl_attr_put_u64(c->h, WGPEER_A_RX_BYTES, 7);
	}
	c->ips = mnl_attr_nest_start(c->h, WGPEER_A_ALLOWEDIPS);
	c->entries++;
}

static inline void chunk_entry(struct chunk *c, const struct fake_entry *e)
{
	struct nlattr *nest;

	/* A full message: the peer goes on in the next one, with nothing but its key. */
	if (c->entries >= k.entries_per_chunk) {
		chunk_end(c);
		chunk_begin(c);
		chunk_peer(c, &e->owner, false);
	}
	nest = mnl_attr_nest_start(c->h, 0);
	mnl_attr_put_u16(c->h, WGALLOWEDIP_A_FAMILY, e->prefix.family);
	mnl_attr_put(
		c->h, WGALLOWEDIP_A_IPADDR, ip_family_bits(e->prefix.family) / 8, e->prefix.bytes);
	mnl_attr_put_u8(c->h, WGALLOWEDIP_A_CIDR_MASK, e->prefix.len);
	mnl_attr_nest_end(c->h, nest);
	c->entries++;
}

static inline void answer_dump(const struct nlmsghdr *request)
{
	struct chunk c = {.request = request};
	wg_key public_key = wg_key_public(&k.fake.private_key);

	k.dumps++;
	if (k.refuse_get) {
		answer_code(request, NLMSG_DONE, -k.refuse_get);
		return;
	}
	if (k.interrupt) {
		k.interrupt--;
		c.flags = NLM_F_DUMP_INTR;
	}
	chunk_begin(&c);
	mnl_attr_put_u16(c.h, WGDEVICE_A_LISTEN_PORT, k.fake.listen_port);
	if (!wg_key_is_zero(&k.fake.private_key)) {
		mnl_attr_put(c.h, WGDEVICE_A_PRIVATE_KEY, 32, &k.fake.private_key);
		mnl_attr_put(c.h, WGDEVICE_A_PUBLIC_KEY, 32, &public_key);
	}
	for (size_t i = 0; i < k.fake.peers.n; i++) {
		chunk_peer(&c, &k.fake.peers.items[i], true);
		for (size_t j = 0; j < k.fake.entries.n; j++)
			if (wg_key_eq(&k.fake.entries.items[j].owner, &k.fake.peers.items[i]))
				chunk_entry(&c, &k.fake.entries.items[j]);
		chunk_end_peer(&c);
	}
	chunk_end(&c);
	answer_code(request, NLMSG_DONE, 0);
}

/* --- a change ------------------------------------------------------------------------------- */

static inline int set_prefix(const wg_key *key, const struct nlattr *nest)
{
	ip_prefix p = {0};
	uint32_t flags = 0;

	nl_for_each_nested (a, nest) {
		switch (mnl_attr_get_type(a)) {
		case WGALLOWEDIP_A_FAMILY:
			p.family = (uint8_t)mnl_attr_get_u16(a);
			break;
		case WGALLOWEDIP_A_IPADDR:
			memcpy(p.bytes, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			p.len = mnl_attr_get_u8(a);
			break;
		case 4:
			flags = mnl_attr_get_u32(a);
			break;
		}
	}
	if (flags)
		return fake_del_prefix(&k.fake, key, &p) ? 0 : -EINVAL;
	fake_add_prefix(&k.fake, key, &p);
	return 0;
}

static inline int set_peer(const struct nlattr *nest)
{
	const struct nlattr *ips = NULL;
	uint32_t flags = 0;
	wg_key key = {0};

	nl_for_each_nested (a, nest) {
		if (mnl_attr_get_type(a) == WGPEER_A_PUBLIC_KEY)
			memcpy(&key, mnl_attr_get_payload(a), sizeof(key));
		else if (mnl_attr_get_type(a) == WGPEER_A_FLAGS)
			flags = mnl_attr_get_u32(a);
		else if (mnl_attr_get_type(a) == WGPEER_A_ALLOWEDIPS)
			ips = a;
	}
	k.bad_flags |= flags & WGPEER_F_REPLACE_ALLOWEDIPS;
	if (flags & WGPEER_F_REMOVE_ME) {
		fake_del_peer(&k.fake, &key);
		return 0;
	}
	if (flags & WGPEER_F_UPDATE_ONLY && !fake_has_peer(&k.fake, &key))
		return 0;
	fake_add_peer(&k.fake, &key);
	if (!ips)
		return 0;
	nl_for_each_nested (a, ips) {
		int r = set_prefix(&key, a);

		if (r < 0)
			return r;
	}
	return 0;
}

static inline int set_device(const struct nlmsghdr *h)
{
	nl_for_each_attr (a, h, sizeof(struct genlmsghdr)) {
		switch (mnl_attr_get_type(a)) {
		case WGDEVICE_A_FLAGS:
			k.bad_flags = true;
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			memcpy(&k.fake.private_key, mnl_attr_get_payload(a), 32);
			break;
		case WGDEVICE_A_LISTEN_PORT:
			k.fake.listen_port = mnl_attr_get_u16(a);
			break;
		case WGDEVICE_A_PEERS:
			nl_for_each_nested (p, a) {
				int r = set_peer(p);

				if (r < 0)
					return r;
			}
			break;
		}
	}
	return 0;
}

static inline void answer_set(const struct nlmsghdr *h)
{
	int r;

	k.sets++;
	if (h->nlmsg_len > k.largest)
		k.largest = h->nlmsg_len;
	r = k.refuse_set ? -k.refuse_set : set_device(h);
	if (k.lost_acks) {
		k.lost_acks--;
		k.overrun++;
	} else {
		answer_code(h, NLMSG_ERROR, r);
	}
}

/* --- the socket ----------------------------------------------------------------------------- */

static inline ssize_t fake_send(void *data, const void *message, size_t n)
{
	const struct nlmsghdr *h = message;
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(h);

	assert_int_equal(h->nlmsg_len, n);
	k.head = k.tail = 0;
	if (h->nlmsg_type == GENL_ID_CTRL)
		answer_family(h);
	else if (g->cmd == WG_CMD_GET_DEVICE)
		answer_dump(h);
	else
		answer_set(h);
	return (ssize_t)n;
}

static inline ssize_t fake_recv(void *data, void *buf, size_t size)
{
	size_t n;

	if (k.overrun) {
		k.overrun--;
		return -ENOBUFS;
	}
	if (k.head == k.tail)
		return -ETIMEDOUT;
	n = k.queue[k.head].n;
	memcpy(buf, k.queue[k.head++].bytes, n < size ? n : size);
	return k.cut ? (ssize_t)size + 1 : (ssize_t)n;
}

static inline void fake_close(void *data)
{
}

static const struct nl_io fake_io = {fake_send, fake_recv, NULL, fake_close, NULL};

static inline struct device *open_device(void)
{
	struct device *d;

	assert_int_equal(kernel_device_new(nl_new(&fake_io), "wg0", &d), 0);
	return d;
}

static inline int start(void **state)
{
	memset(&k, 0, sizeof(k));
	k.entries_per_chunk = 5;
	for (int i = 0; i < 3; i++) {
		wg_key secret;

		wg_key_generate(&secret);
		keys[i] = wg_key_public(&secret);
	}
	return 0;
}

static inline int stop(void **state)
{
	bool bad = k.bad_flags;

	fake_done(&k.fake);
	return bad ? -1 : 0;
}

#endif
