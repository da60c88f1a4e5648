/* SPDX-License-Identifier: MIT */
/*
 * Packets of 16 flows, made after a few bytes each, merged by tunnel/gro.h and taken apart again by
 * the naive twin of its opposite. What must hold, whatever came:
 *
 *	- every packet comes out once, nothing else does; a single one as it was, one that was
 *	  merged too, but for its checksums and, with DF, the id (RFC 6864)
 *	- no two packets that may be of one flow change places
 *	- only what Linux merges was merged (selftests/net/gro.c), nothing with a wrong checksum,
 *and its vnet header is right
 *
 * Shared by the unit test, whose bytes come by chance, and the fuzz target.
 */
#ifndef SHUNT_TESTS_GRO_CASE_H
#define SHUNT_TESTS_GRO_CASE_H

#include "split_twin.h"
#include "tunnel/gro.h"
#include <errno.h>

#define GRO_CASE_MOST 400 /* packets */

struct gro_case {
	struct gro *gro;
	struct twin_list came;	     /* the test's own copies */
	struct twin_list given;	     /* what was given to gro, which writes on it */
	struct twin_list out;	     /* single packets, and the pieces of merged ones */
	size_t group[GRO_CASE_MOST]; /* of out: which write it was part of */
	bool is_merged[GRO_CASE_MOST];
	size_t writes, all_writes;
	unsigned refused; /* enum gro_kind: the other end takes no merged packets of them */
	size_t n_refused;
	unsigned ended; /* kinds that gro gave up */
	uint32_t seq[16];
	uint16_t id[16];
};

/* What stands at a packet's place, with all that is needed to judge it. */
struct gro_view {
	bool is_plain; /* TCP or UDP, no options or extensions, no fragment, whole */
	bool is_tcp;
	const uint8_t *ip, *transport, *payload;
	size_t len, payload_len;
};

static inline struct gro_view gro_view(const struct twin_packet *p)
{
	struct gro_view v = {.ip = p->bytes, .len = p->len};
	bool v4 = p->bytes[0] >> 4 == 4;
	size_t at = v4 ? 20 : 40, header;
	uint8_t protocol = p->bytes[v4 ? 9 : 6];

	if (v4 && (p->bytes[0] != 0x45 || (twin_get16(p->bytes + 6) & 0xbfff)))
		return v;
	v.is_tcp = protocol == 6;
	if ((protocol != 6 && protocol != 17) || p->len < at + (v.is_tcp ? 20 : 8))
		return v;
	v.transport = p->bytes + at;
	header = v.is_tcp ? (size_t)(v.transport[12] >> 4) * 4 : 8;
	if ((v.is_tcp && header < 20) || at + header > p->len ||
		(!v.is_tcp && twin_get16(v.transport + 4) != p->len - at))
		return v;
	v.payload = v.transport + header;
	v.payload_len = p->len - at - header;
	v.is_plain = true;
	return v;
}

/* Both checksums, the IPv4 header's and the transport's, are what they should be. */
static inline bool gro_sums_hold(const struct gro_view *v)
{
	size_t at = (size_t)(v->transport - v->ip);
	uint32_t sum = twin_pseudo_sum(v->ip, v->is_tcp ? 6 : 17, v->len - at);

	return (v->ip[0] >> 4 != 4 || twin_sum(0, v->ip, at) == 0xffff) &&
	       twin_sum(sum, v->transport, v->len - at) == 0xffff;
}

/* Makes them so, but for a UDP checksum that was left out. */
static inline void gro_case_sum(uint8_t *p, size_t len)
{
	struct twin_packet packet = {.bytes = p, .len = len};
	struct gro_view v = gro_view(&packet);
	size_t at = v.is_plain ? (size_t)(v.transport - v.ip) : 0;

	if (!v.is_plain)
		return;
	twin_finish_ip(p);
	if (v.is_tcp || twin_get16(p + at + 6))
		twin_finish_transport(p, len, at, v.is_tcp);
}

/* --- rules ---------------------------------------------------------------------------------------
 */

static inline bool gro_may_be_merged(const struct gro_view *v)
{
	unsigned port = v->is_plain ? twin_get16(v->transport + 2) : 0;

	if (!v->is_plain || !v->payload_len || !gro_sums_hold(v))
		return false;
	return v->is_tcp ||
	       (twin_get16(v->transport + 6) && port != 4789 && port != 8472 && port != 6081);
}

/* b may follow a, which stands at `index` after first, in one superpacket. */
static inline bool gro_may_follow(const struct gro_view *first, const struct gro_view *a,
	const struct gro_view *b, size_t index)
{
	const uint8_t *t = a->transport, *u = b->transport;
	bool v4 = first->ip[0] >> 4 == 4;

	if (a->is_tcp != b->is_tcp || first->ip[0] != b->ip[0] ||
		a->payload_len != first->payload_len || b->payload_len > first->payload_len)
		return false;
	if (v4) {
		/* TOS, DF, TTL, addresses; without DF ids that splitting gives again. */
		if (a->ip[1] != b->ip[1] || a->ip[6] != b->ip[6] || a->ip[8] != b->ip[8] ||
			memcmp(a->ip + 12, b->ip + 12, 8))
			return false;
		if (!(b->ip[6] & 0x40) &&
			((twin_get16(first->ip + 4) + index + 1) & 0xffff) != twin_get16(b->ip + 4))
			return false;
	} else if (memcmp(a->ip, b->ip, 4) || a->ip[7] != b->ip[7] ||
		   memcmp(a->ip + 8, b->ip + 8, 32)) {
		return false;
	}
	if (memcmp(t, u, 4))
		return false;
	if (!a->is_tcp)
		return true;
	/* Nothing but ACK before the end, PSH or FIN there. */
	return t[13] == 0x10 && (u[13] & 0xf6) == 0x10 && t[12] == u[12] &&
	       twin_get32(t + 4) + (uint32_t)a->payload_len == twin_get32(u + 4) &&
	       !memcmp(t + 8, u + 8, 4) && !memcmp(t + 14, u + 14, 2) &&
	       !memcmp(t + 18, u + 18, (size_t)(a->payload - t) - 18);
}

/* The ports, or -1 where they can't be seen. */
static inline int64_t gro_ports(const struct twin_packet *p)
{
	bool v4 = p->bytes[0] >> 4 == 4;
	size_t at = v4 ? (size_t)(p->bytes[0] & 15) * 4 : 40;
	uint8_t protocol = p->bytes[v4 ? 9 : 6];

	if ((protocol != 6 && protocol != 17) || at < 20 || p->len < at + 4 ||
		(v4 && twin_get16(p->bytes + 6) & 0x3fff))
		return -1;
	return twin_get32(p->bytes + at);
}

/* Something stands before the transport's header: its ports weren't looked for. */
static inline bool gro_is_hidden(const struct twin_packet *p)
{
	static const char kinds[] = {0, 43, 44, 51, 60, (char)135};

	return p->bytes[0] >> 4 == 6 && memchr(kinds, p->bytes[6], sizeof(kinds));
}

/* Both may belong to one flow. */
static inline bool gro_same_flow(const struct twin_packet *a, const struct twin_packet *b)
{
	bool v4 = a->bytes[0] >> 4 == 4;
	int64_t of_a = gro_ports(a), of_b = gro_ports(b);

	if (a->bytes[0] >> 4 != b->bytes[0] >> 4 ||
		memcmp(a->bytes + (v4 ? 12 : 8), b->bytes + (v4 ? 12 : 8), v4 ? 8 : 32))
		return false;
	if (gro_is_hidden(a) || gro_is_hidden(b))
		return true;
	if (a->bytes[v4 ? 9 : 6] != b->bytes[v4 ? 9 : 6])
		return false;
	return of_a < 0 || of_b < 0 || of_a == of_b;
}

/* --- what came out -------------------------------------------------------------------------------
 */

static inline void gro_check_vnet(
	const struct virtio_net_hdr *vnet, const struct twin_packet *p, const struct gro_view *v)
{
	size_t transport = (size_t)(v->transport - v->ip);

	twin_check(v->is_plain && p->len <= 65535);
	twin_check(vnet->flags == VIRTIO_NET_HDR_F_NEEDS_CSUM);
	twin_check(vnet->gso_type == (!v->is_tcp		  ? TWIN_GSO_UDP_L4
					     : v->ip[0] >> 4 == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
								  : VIRTIO_NET_HDR_GSO_TCPV6));
	twin_check(vnet->csum_start == transport && vnet->csum_offset == (v->is_tcp ? 16 : 6));
	twin_check(vnet->hdr_len == (size_t)(v->payload - v->ip));
	twin_check(vnet->gso_size && vnet->gso_size < v->payload_len);
	twin_check(twin_get16(v->transport + vnet->csum_offset) ==
		   twin_pseudo_sum(v->ip, v->is_tcp ? 6 : 17, p->len - transport));
}

/* The other end of a TUN. */
static inline long gro_case_write(const struct iovec *iov, int n, void *data)
{
	struct gro_case *c = data;
	struct virtio_net_hdr vnet;
	struct twin_list one = {0};
	struct twin_packet *all;
	size_t total = 0, before = c->out.n;

	twin_check(n >= 2 && n <= GRO_MAX_IOV && iov[0].iov_len == sizeof(vnet));
	memcpy(&vnet, iov[0].iov_base, sizeof(vnet));
	if (vnet.gso_type && c->refused & (vnet.csum_offset == 16 ? GRO_TCP : GRO_UDP)) {
		c->n_refused++;
		return -EINVAL;
	}
	for (int i = 1; i < n; i++)
		total += iov[i].iov_len;
	all = twin_add(&one, iov[1].iov_base, 0);
	all->bytes = realloc(all->bytes, total);
	for (int i = 1; i < n; i++) {
		memcpy(all->bytes + all->len, iov[i].iov_base, iov[i].iov_len);
		all->len += iov[i].iov_len;
	}
	if (vnet.gso_type) {
		struct gro_view v = gro_view(all);

		gro_check_vnet(&vnet, all, &v);
		twin_check(twin_split(&vnet, all->bytes, all->len, &c->out));
		twin_check(c->out.n >= before + 2);
	} else {
		twin_check(!vnet.flags);
		twin_add(&c->out, all->bytes, all->len);
	}
	twin_check(c->out.n <= GRO_CASE_MOST);
	for (size_t i = before; i < c->out.n; i++) {
		c->group[i] = c->writes;
		c->is_merged[i] = vnet.gso_type;
	}
	c->writes++;
	twin_list_done(&one);
	return (long)(total + sizeof(vnet));
}

/* Without what merging may change. */
static inline void gro_normalise(struct twin_packet *p)
{
	struct gro_view v = gro_view(p);

	if (!v.is_plain)
		return;
	if (p->bytes[0] >> 4 == 4 && p->bytes[6] & 0x40)
		twin_set16(p->bytes + 4, 0);
	twin_finish_ip(p->bytes);
	twin_finish_transport(p->bytes, p->len, (size_t)(v.transport - v.ip), v.is_tcp);
}

static inline bool gro_equal(const struct twin_packet *a, const struct twin_packet *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/* Which packet that came each one is that went; each once. */
static inline void gro_match(struct gro_case *c, size_t *ret_came)
{
	struct twin_list normal = {0};
	bool used[GRO_CASE_MOST] = {0};

	twin_check(c->out.n == c->came.n);
	for (size_t i = 0; i < c->came.n; i++)
		gro_normalise(twin_add(&normal, c->came.items[i].bytes, c->came.items[i].len));
	for (size_t i = 0, k; i < c->out.n; i++) {
		if (c->is_merged[i])
			gro_normalise(&c->out.items[i]);
		for (k = 0; k < c->came.n; k++) {
			struct gro_view v = gro_view(&c->came.items[k]);

			if (used[k])
				continue;
			if (c->is_merged[i] ? gro_may_be_merged(&v) &&
						      gro_equal(&c->out.items[i], &normal.items[k])
					    : gro_equal(&c->out.items[i], &c->came.items[k]))
				break;
		}
		twin_check(k < c->came.n);
		used[k] = true;
		ret_came[i] = k;
	}
	twin_list_done(&normal);
}

static inline void gro_check_out(struct gro_case *c)
{
	size_t came[GRO_CASE_MOST], first = 0;

	gro_match(c, came);
	for (size_t i = 0; i < c->out.n; i++)
		for (size_t k = 0; k < i; k++)
			twin_check(came[k] < came[i] || !gro_same_flow(&c->came.items[came[i]],
								&c->came.items[came[k]]));
	for (size_t i = 1; i < c->out.n; i++) {
		struct gro_view v, before, begin;

		if (c->group[i] != c->group[i - 1]) {
			first = i;
			continue;
		}
		begin = gro_view(&c->came.items[came[first]]);
		before = gro_view(&c->came.items[came[i - 1]]);
		v = gro_view(&c->came.items[came[i]]);
		twin_check(gro_may_follow(&begin, &before, &v, i - 1 - first));
	}
}

static inline void gro_case_flush(struct gro_case *c)
{
	c->writes = 0;
	c->ended |= gro_flush(c->gro, gro_case_write, c);
	gro_check_out(c);
	c->all_writes += c->writes;
	twin_list_done(&c->came);
	twin_list_done(&c->given);
	twin_list_done(&c->out);
}

/* --- what comes ----------------------------------------------------------------------------------
 */

static inline void gro_case_add(struct gro_case *c, const uint8_t *bytes, size_t len)
{
	struct twin_packet *p;

	if (c->came.n == GRO_CASE_MOST)
		gro_case_flush(c);
	p = twin_add(&c->given, bytes, len);
	if (!gro_add(c->gro, p->bytes, len)) {
		twin_check(c->came.n >= GRO_MAX_OUT);
		/* The last one isn't in yet. */
		c->given.n--;
		free(p->bytes);
		gro_case_flush(c);
		p = twin_add(&c->given, bytes, len);
		twin_check(gro_add(c->gro, p->bytes, len));
	}
	twin_add(&c->came, bytes, len);
}

/* The next packet of a flow (bits 0 and 1 which, 2 IPv6, 3 UDP), all right. */
static inline size_t gro_case_packet(struct gro_case *c, uint8_t *p, unsigned flow, size_t payload)
{
	bool v4 = !(flow & 4), is_tcp = !(flow & 8);
	size_t at = v4 ? 20 : 40, header = at + (is_tcp ? 32 : 8);
	uint8_t *t = p + at;

	memset(p, 0, header);
	twin_fill(p + header, payload, c->seq[flow] + flow);
	p[0] = v4 ? 0x45 : 0x60;
	p[v4 ? 8 : 7] = 64;
	p[v4 ? 9 : 6] = is_tcp ? 6 : 17;
	if (v4) {
		twin_set16(p + 2, header + payload);
		twin_set16(p + 4, c->id[flow]++);
		p[6] = flow & 1 ? 0x40 : 0;
	} else {
		twin_set16(p + 4, header + payload - 40);
	}
	memset(p + (v4 ? 12 : 8), 10, v4 ? 8 : 32);
	twin_set16(t, 40000 + (flow & 3));
	twin_set16(t + 2, 5201);
	if (is_tcp) {
		twin_set32(t + 4, c->seq[flow]);
		twin_set32(t + 8, 77);
		t[12] = 0x80;
		t[13] = 0x10;
		twin_set16(t + 14, 500);
		memcpy(t + 20, "\x01\x01\x08\x0a\x00\x00\x00\x05\x00\x00\x00\x09", 12);
	} else {
		twin_set16(t + 4, 8 + payload);
	}
	c->seq[flow] += (uint32_t)payload;
	twin_finish_ip(p);
	twin_finish_transport(p, header + payload, at, is_tcp);
	return header + payload;
}

/* As the receive path gives them: version and length agree with what is there. */
static inline void gro_case_mend(uint8_t *p, size_t len, bool v4)
{
	p[0] = (uint8_t)((v4 ? 0x40 : 0x60) | (p[0] & 15));
	twin_set16(p + (v4 ? 2 : 4), v4 ? len : len - 40);
}

static inline void gro_case_spoil(
	struct twin_source *s, uint8_t *p, size_t *len, unsigned flow, unsigned what)
{
	/* Bytes worth changing: DF and fragment, TTL, TOS, protocol; ports, sequence, flags,
	 * checksum. */
	static const uint8_t places4[] = {
		0, 1, 4, 5, 6, 7, 8, 9, 12, 16, 20, 22, 26, 27, 28, 32, 33, 34, 36, 38, 40, 43};
	static const uint8_t nested[][2] = {{0x12, 0xb5}, {0x21, 0x18}, {0x17, 0xc1}};
	bool v4 = !(flow & 4);
	size_t at = v4 ? 20 : 40, place;

	switch (what) {
	case 0:
		place = places4[twin_next(s) % sizeof(places4)] + (v4 ? 0 : twin_next(s) % 21);
		place %= *len;
		p[place] ^= (uint8_t)twin_next(s);
		break;
	case 1:
		place = twin_next(s) % *len;
		p[place] ^= (uint8_t)twin_next(s);
		break;
	case 2:
		*len = at + twin_next(s) % (*len - at + 1);
		if (flow & 8 && *len >= at + 8)
			twin_set16(p + at + 4, *len - at);
		break;
	case 3:
		memcpy(p + at + 2, nested[twin_next(s) % 3], 2);
		break;
	default: /* UDP without a checksum */
		twin_set16(p + at + (flow & 8 ? 6 : 16), 0);
		break;
	}
	gro_case_mend(p, *len, v4);
	/* A wrong sum would hide what else is wrong; now and then it is all that is. */
	if (twin_next(s) % 8)
		gro_case_sum(p, *len);
}

static inline void gro_case_step(struct gro_case *c, struct twin_source *s, size_t segment)
{
	static uint8_t p[65535];
	unsigned what = twin_next(s), flow = what & 15;
	size_t payload = segment, len;

	what >>= 4;
	if (what == 13 && twin_next(s) % 4 == 0)
		gro_case_flush(c);
	if (what == 12)
		payload = twin_next(s) * 256 % (segment + 300);
	if (what == 11)
		c->seq[flow] += twin_next(s);
	len = gro_case_packet(c, p, flow, payload);
	if (what == 10 && !(flow & 8)) {
		p[(flow & 4 ? 40 : 20) + 13] |= (uint8_t)twin_next(s);
		twin_finish_transport(p, len, flow & 4 ? 40 : 20, true);
	}
	if (what < 5)
		gro_case_spoil(s, p, &len, flow, what);
	gro_case_add(c, p, len);
}

/* How large a case is: with all of it the naive twin takes milliseconds. */
struct gro_scale {
	size_t packets;	    /* at most GRO_CASE_MOST */
	size_t segments[4]; /* payloads, one of which a case has */
};

static const struct gro_scale GRO_SCALE_REAL = {GRO_CASE_MOST, {1368, 100, 1, 9000}};
static const struct gro_scale GRO_SCALE_SMALL = {16, {24, 8, 1, 64}};

/* Empty; one that gave up merging is made anew. */
static inline struct gro *gro_case_take(unsigned kinds, bool renew)
{
	static struct gro *all[4];

	if (renew) {
		gro_free(all[kinds]);
		all[kinds] = NULL;
	}
	if (!all[kinds])
		all[kinds] = gro_new(kinds & GRO_TCP, kinds & GRO_UDP);
	return all[kinds];
}

/* How many writes it took. */
static inline size_t gro_case_run(const uint8_t *data, size_t size, const struct gro_scale *scale)
{
	struct twin_source s = {data, size};
	struct gro_case c = {0};
	unsigned how = twin_next(&s), kinds = ~how >> 2 & 3;

	c.gro = gro_case_take(kinds, false);
	/* In three of eight cases. */
	c.refused = how & 128 ? how >> 5 & (GRO_TCP | GRO_UDP) : 0;
	for (unsigned i = 0; i < 16; i++)
		c.seq[i] = how & 16 ? UINT32_MAX - 3000 : 1000 * i;
	for (unsigned i = 0; i < scale->packets && s.left; i++)
		gro_case_step(&c, &s, scale->segments[how & 3]);
	gro_case_flush(&c);
	if (c.ended)
		gro_case_take(kinds, true);
	return c.all_writes;
}

#endif
