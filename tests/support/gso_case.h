/* SPDX-License-Identifier: MIT */
/*
 * One superpacket, made after a few bytes, split by tunnel/gso.h and by its twin: both refuse it,
 * or both give the same packets. Shared by the unit test, whose bytes come by chance, and the fuzz
 * target. The first byte: bit 0, the rest is vnet header and packet as they stand; else bit 1, a
 * long one; bit 2, cut off somewhere; bits 3 and 4, how many bytes are patched.
 */
#ifndef SHUNT_TESTS_GSO_CASE_H
#define SHUNT_TESTS_GSO_CASE_H

#include "split_twin.h"
#include "tunnel/gso.h"

#define GSO_CASE_ROOM 15 /* for padding, behind the packet */
#define GSO_CASE_MOST 65535

struct gso_case {
	struct virtio_net_hdr vnet;
	uint8_t packet[GSO_CASE_MOST];
	size_t len;
};

enum gso_case_shape {
	CASE_IP6 = 1,
	CASE_UDP = 2,
	CASE_IP_OPTIONS = 4, /* of IPv4, or extension headers */
	CASE_TCP_OPTIONS = 8,
	CASE_ECN = 16,
	CASE_NO_GSO = 32,
	CASE_NO_CSUM = 64,
};

static inline size_t case_ip4(uint8_t *p, unsigned shape, size_t rest, struct twin_source *s)
{
	size_t header = shape & CASE_IP_OPTIONS ? 20 + 4 * (1 + twin_next(s) % 10) : 20;

	memset(p, 1, header); /* no-operations */
	p[0] = (uint8_t)(0x40 | header / 4);
	p[1] = 0;
	twin_set16(p + 2, header + rest);
	twin_set16(p + 4, twin_next16(s));
	twin_set16(p + 6, 0x4000);
	p[8] = 64;
	p[9] = shape & CASE_UDP ? 17 : 6;
	twin_fill(p + 12, 8, twin_next(s));
	twin_finish_ip(p);
	return header;
}

static inline size_t case_ip6(uint8_t *p, unsigned shape, size_t rest, struct twin_source *s)
{
	static const uint8_t kinds[] = {0, 43, 60, 44};
	uint8_t protocol = shape & CASE_UDP ? 17 : 6, *next = p + 6;
	size_t at = 40, n = shape & CASE_IP_OPTIONS ? 1 + twin_next(s) % 3 : 0;

	memset(p, 0, 40);
	p[0] = 0x60;
	p[7] = 64;
	twin_fill(p + 8, 32, twin_next(s));
	for (; n; n--) {
		unsigned how = twin_next(s);

		*next = how < 250 ? kinds[how % 3] : kinds[3];
		next = p + at;
		memset(p + at, 0, 8 * (1 + (how >> 6) % 3));
		p[at + 1] = (uint8_t)((how >> 6) % 3);
		at += 8 * (1 + (size_t)p[at + 1]);
	}
	*next = protocol;
	twin_set16(p + 4, at - 40 + rest);
	return at;
}

static inline size_t case_transport(
	uint8_t *t, unsigned shape, size_t payload, struct twin_source *s)
{
	size_t header = shape & CASE_UDP ? 8 : shape & CASE_TCP_OPTIONS ? 20 + 12 : 20;

	twin_fill(t, header, twin_next(s));
	if (shape & CASE_UDP) {
		twin_set16(t + 4, 8 + payload);
	} else {
		t[12] = (uint8_t)(header << 2);
		t[13] = (uint8_t)twin_next(s);
	}
	return header;
}

/* All right, with the checksum left to be finished. */
static inline void case_build(struct gso_case *c, struct twin_source *s, unsigned how)
{
	unsigned shape = twin_next(s), size = twin_next16(s);
	size_t payload = how & 2 ? twin_next16(s) % 65200 : twin_next(s) % 9 * size + twin_next(s);
	size_t transport_len, ip_len;
	uint8_t transport[64];

	payload = payload > 65200 ? 65200 : payload;
	transport_len = case_transport(transport, shape, payload, s);
	ip_len = shape & CASE_IP6 ? case_ip6(c->packet, shape, transport_len + payload, s)
				  : case_ip4(c->packet, shape, transport_len + payload, s);
	memcpy(c->packet + ip_len, transport, transport_len);
	c->len = ip_len + transport_len + payload;
	twin_fill(c->packet + ip_len + transport_len, payload, twin_next(s));
	twin_set16(c->packet + ip_len + (shape & CASE_UDP ? 6 : 16),
		twin_pseudo_sum(c->packet, shape & CASE_UDP ? 17 : 6, transport_len + payload));
	if (!(shape & CASE_NO_CSUM)) {
		c->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		c->vnet.csum_start = (uint16_t)ip_len;
		c->vnet.csum_offset = shape & CASE_UDP ? 6 : 16;
	}
	if (shape & CASE_NO_GSO)
		return;
	c->vnet.gso_type = shape & CASE_UDP   ? TWIN_GSO_UDP_L4
			   : shape & CASE_IP6 ? VIRTIO_NET_HDR_GSO_TCPV6
					      : VIRTIO_NET_HDR_GSO_TCPV4;
	if (shape & CASE_ECN && !(shape & CASE_UDP))
		c->vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	c->vnet.gso_size = (uint16_t)(how & 2 && size < 64 ? 64 + size : size);
	c->vnet.hdr_len = (uint16_t)twin_next(s); /* lies, as the kernel's may */
}

static inline void case_patch(struct gso_case *c, struct twin_source *s)
{
	unsigned at = twin_next(s);

	if (at < sizeof(c->vnet))
		((uint8_t *)&c->vnet)[at] ^= (uint8_t)twin_next(s);
	else if (at - sizeof(c->vnet) < c->len)
		c->packet[at - sizeof(c->vnet)] ^= (uint8_t)twin_next(s);
}

static inline void case_make(struct gso_case *c, const uint8_t *data, size_t size)
{
	struct twin_source s = {data, size};
	unsigned how = twin_next(&s);

	memset(&c->vnet, 0, sizeof(c->vnet));
	if (how & 1) {
		for (size_t i = 0; i < sizeof(c->vnet); i++)
			((uint8_t *)&c->vnet)[i] = (uint8_t)twin_next(&s);
		c->len = s.left < GSO_CASE_MOST ? s.left : GSO_CASE_MOST;
		memcpy(c->packet, s.data, c->len);
		return;
	}
	case_build(c, &s, how);
	for (unsigned i = how >> 3 & 3; i; i--)
		case_patch(c, &s);
	if (how & 4)
		c->len = twin_next16(&s) % (c->len + 1);
}

/* Behind a segment lies what the padding overwrites for a while. */
static inline void case_pad(uint8_t *end)
{
	uint8_t saved[GSO_CASE_ROOM];

	memcpy(saved, end, sizeof(saved));
	memset(end, 0, sizeof(saved));
	memcpy(end, saved, sizeof(saved));
}

/* Both ways; how many packets came out, 0 if it was refused. */
static inline size_t case_compare(
	const struct virtio_net_hdr *vnet, const uint8_t *packet, size_t len)
{
	uint8_t *mine = malloc(len + GSO_CASE_ROOM), *segment;
	struct twin_list want = {0};
	struct gso g;
	size_t n = 0, segment_len;
	bool ok;

	memcpy(mine, packet, len);
	ok = gso_start(&g, vnet, mine, len);
	twin_check(ok == twin_split(vnet, packet, len, &want));
	if (ok)
		twin_check(g.n_segments == want.n);
	else
		twin_check(!memcmp(mine, packet, len));
	while (ok && (segment = gso_next(&g, &segment_len))) {
		twin_check(n < want.n && segment_len == want.items[n].len);
		twin_check(segment >= mine && segment + segment_len <= mine + len);
		twin_check(!memcmp(segment, want.items[n].bytes, segment_len));
		case_pad(segment + segment_len);
		n++;
	}
	twin_check(n == want.n);
	twin_list_done(&want);
	free(mine);
	return n;
}

static inline size_t gso_case_run(const uint8_t *data, size_t size)
{
	static struct gso_case c;

	case_make(&c, data, size);
	return case_compare(&c.vnet, c.packet, c.len);
}

#endif
