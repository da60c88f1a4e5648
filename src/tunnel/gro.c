/* SPDX-License-Identifier: MIT */
/*
 * Packets wait in the order in which they came, each as an item; a packet that continues an item of
 * its flow is hung on it instead of becoming one. Only the latest item of a flow may grow, which is
 * what keeps a flow in order: a packet that can't be merged ends its flow's item. Flows are found
 * by a small hash of their last item; a collision costs a merge, never order.
 */
#include "tunnel/gro.h"

#include "tunnel/checksum.h"
#include "tunnel/packet.h"
#include <errno.h>
#include <stdlib.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define FLOWS 256
#define NOBODY UINT16_MAX

struct piece {
	uint8_t *data;
	size_t len;
};

struct item {
	struct virtio_net_hdr vnet;
	uint8_t *packet;   /* the first one, headers and all */
	size_t header_len; /* 0: nothing can be merged to it */
	size_t ip_len;	   /* of the IP header */
	size_t len;	   /* of the whole as it will be written */
	size_t segment;	   /* payload of each but the last */
	uint32_t next_seq;
	bool is_tcp;
	bool is_closed; /* a shorter segment, PSH or FIN came: the last */
	uint16_t n_pieces;
	uint16_t old_sum, old_ip_sum; /* of the first packet, once it was made the superpacket */
	uint32_t flow;
	struct piece pieces[GRO_MAX_IOV - 2]; /* payloads after the first packet */
};

struct gro {
	bool tcp, udp;
	size_t n;
	uint16_t last_of_flow[FLOWS];
	struct item items[GRO_MAX_OUT];
};

struct gro *gro_new(bool tcp, bool udp)
{
	struct gro *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->tcp = tcp;
	g->udp = udp;
	memset(g->last_of_flow, 0xff, sizeof(g->last_of_flow));
	return g;
}

void gro_free(struct gro *g)
{
	free(g);
}

/* --- what a packet is ----------------------------------------------------------------------------
 */

struct shape {
	bool is_tcp;
	size_t ip_len, header_len, payload;
	uint32_t flow;
};

static uint32_t flow_hash(const uint8_t *packet, size_t ip_len, bool v4)
{
	const uint8_t *at = v4 ? packet + 12 : packet + 8;
	size_t n = v4 ? 8 : 32;
	uint32_t h = (get_be32(packet + ip_len) + packet[v4 ? 9 : 6]) * 0x9e3779b1;

	for (size_t i = 0; i < n; i += 4)
		h = (h ^ get_be32(at + i)) * 0x85ebca6b;
	return h ^ h >> 15;
}

/* No options, no fragments, no reserved flag: what the kernel's own merging takes. */
static bool ip_is_plain(const uint8_t *p, size_t len, uint8_t *ret_protocol, size_t *ret_ip_len)
{
	if (p[0] == 0x45 && len >= 28 && !(get_be16(p + 6) & 0xbfff)) {
		*ret_protocol = p[9];
		*ret_ip_len = 20;
		return get_be16(p + 2) == len;
	}
	if (p[0] >> 4 == 6 && len >= 48) {
		*ret_protocol = p[6];
		*ret_ip_len = 40;
		return (size_t)get_be16(p + 4) + 40 == len;
	}
	return false;
}

static bool udp_port_is_nested(uint16_t port)
{
	return port == 4789 || port == 8472 || port == 6081;
}

/* A merged packet gets sums of its own, so only what has right ones may become part of it. */
static bool sums_are_right(const uint8_t *p, size_t len, const struct shape *s)
{
	bool v4 = p[0] >> 4 == 4;
	size_t transport_len = len - s->ip_len;
	uint64_t sum = checksum_pseudo(v4 ? p + 12 : p + 8, v4 ? p + 16 : p + 24, v4 ? 4 : 16,
		s->is_tcp ? IPPROTO_OF_TCP : IPPROTO_OF_UDP, transport_len);

	if (v4 && checksum_finish(checksum_add(0, p, s->ip_len)))
		return false;
	return !checksum_finish(checksum_add(sum, p + s->ip_len, transport_len));
}

static bool shape_of(const struct gro *g, const uint8_t *p, size_t len, struct shape *s)
{
	uint8_t protocol;

	if (!ip_is_plain(p, len, &protocol, &s->ip_len))
		return false;
	if (protocol == IPPROTO_OF_TCP && g->tcp && len >= s->ip_len + 20) {
		s->is_tcp = true;
		s->header_len = s->ip_len + (size_t)(p[s->ip_len + 12] >> 4) * 4;
		if (s->header_len < s->ip_len + 20 || s->header_len > len)
			return false;
	} else if (protocol == IPPROTO_OF_UDP && g->udp) {
		s->is_tcp = false;
		s->header_len = s->ip_len + 8;
		if (get_be16(p + s->ip_len + 4) != len - s->ip_len ||
			!get_be16(p + s->ip_len + 6) ||
			udp_port_is_nested(get_be16(p + s->ip_len + 2)))
			return false;
	} else {
		return false;
	}
	if (!sums_are_right(p, len, s))
		return false;
	s->payload = len - s->header_len;
	s->flow = flow_hash(p, s->ip_len, p[0] >> 4 == 4);
	return true;
}

/* A segment that data flows in: nothing but ACK, and PSH or FIN at an end. CWR is left to itself.
 */
static bool tcp_may_grow(uint8_t flags)
{
	return flags == TCP_ACK;
}

static bool tcp_may_join(uint8_t flags)
{
	return (flags & (uint8_t) ~(TCP_PSH | TCP_FIN)) == TCP_ACK;
}

/* An extension header of IPv6 that a transport's may follow. */
static bool is_extension(uint8_t kind)
{
	return kind == 0 || kind == 43 || kind == 44 || kind == 51 || kind == 60 || kind == 135;
}

/*
 * What can't be merged ends the flow that it belongs to, so that nothing behind it is hung on what
 * came before it; where the flow can't be seen (a fragment, headers between), all of them.
 */
static void end_flows(struct gro *g, const uint8_t *p, size_t len)
{
	bool v4 = p[0] >> 4 == 4;
	size_t ip_len = v4 ? (size_t)(p[0] & 15) * 4 : 40;
	uint8_t protocol = p[v4 ? 9 : 6];
	bool has_ports = protocol == IPPROTO_OF_TCP || protocol == IPPROTO_OF_UDP;

	if (!has_ports && (v4 || !is_extension(protocol)))
		return;
	if (has_ports && ip_len >= 20 && ip_len + 4 <= len && !(v4 && get_be16(p + 6) & 0x3fff))
		g->last_of_flow[flow_hash(p, ip_len, v4) % FLOWS] = NOBODY;
	else
		memset(g->last_of_flow, 0xff, sizeof(g->last_of_flow));
}

/* --- merging -------------------------------------------------------------------------------------
 */

/* b comes n packets after a. Without DF the ids must be those that cutting gives again: the packets
 * may be cut further, and no two may then have one id (RFC 6864). */
static bool same_ip(const uint8_t *a, const uint8_t *b, size_t n)
{
	if (a[0] != b[0])
		return false;
	if (a[0] >> 4 == 4 && !(b[6] & 0x40) && (uint16_t)(get_be16(a + 4) + n) != get_be16(b + 4))
		return false;
	if (a[0] >> 4 == 4) /* TOS, DF, TTL, protocol, addresses */
		return a[1] == b[1] && (a[6] & 0x40) == (b[6] & 0x40) && a[8] == b[8] &&
		       a[9] == b[9] && !memcmp(a + 12, b + 12, 8);
	return !memcmp(a, b, 4) && a[6] == b[6] && a[7] == b[7] && !memcmp(a + 8, b + 8, 32);
}

static bool tcp_continues(const struct item *i, const uint8_t *p, const struct shape *s)
{
	const uint8_t *a = i->packet + i->ip_len, *b = p + s->ip_len;

	return !memcmp(a, b, 4) && !memcmp(a + 8, b + 8, 4) && get_be32(b + 4) == i->next_seq &&
	       a[12] == b[12] && !memcmp(a + 14, b + 14, 2) && !memcmp(a + 18, b + 18, 2) &&
	       !memcmp(a + 20, b + 20, i->header_len - i->ip_len - 20) && tcp_may_join(b[13]);
}

static bool udp_continues(const struct item *i, const uint8_t *p, const struct shape *s)
{
	return !memcmp(i->packet + i->ip_len, p + s->ip_len, 4);
}

static bool may_hang(const struct item *i, const uint8_t *p, const struct shape *s)
{
	if (i->is_closed || i->is_tcp != s->is_tcp || i->header_len != s->header_len ||
		!s->payload || s->payload > i->segment || i->len + s->payload > GRO_MAX_BYTES ||
		i->n_pieces == GRO_MAX_IOV - 2 || !same_ip(i->packet, p, i->n_pieces + 1u))
		return false;
	return s->is_tcp ? tcp_continues(i, p, s) : udp_continues(i, p, s);
}

static void hang(struct item *i, uint8_t *p, const struct shape *s)
{
	i->pieces[i->n_pieces++] = (struct piece){p + s->header_len, s->payload};
	i->len += s->payload;
	i->next_seq += (uint32_t)s->payload;
	if (s->payload < i->segment)
		i->is_closed = true;
	if (s->is_tcp && p[s->ip_len + 13] & (TCP_PSH | TCP_FIN)) {
		i->packet[i->ip_len + 13] |= p[s->ip_len + 13] & (TCP_PSH | TCP_FIN);
		i->is_closed = true;
	}
}

static struct item *new_item(struct gro *g, uint8_t *p, size_t len)
{
	struct item *i = &g->items[g->n++];

	i->vnet = (struct virtio_net_hdr){0};
	i->packet = p;
	i->len = len;
	i->header_len = 0;
	i->n_pieces = 0;
	i->is_closed = true;
	return i;
}

static void begin(struct gro *g, uint8_t *p, size_t len, const struct shape *s)
{
	struct item *i = new_item(g, p, len);

	i->is_tcp = s->is_tcp;
	i->ip_len = s->ip_len;
	i->header_len = s->header_len;
	i->segment = s->payload;
	i->is_closed = !s->payload || (s->is_tcp && !tcp_may_grow(p[s->ip_len + 13]));
	if (s->is_tcp)
		i->next_seq = get_be32(p + s->ip_len + 4) + (uint32_t)s->payload;
	i->flow = s->flow;
	g->last_of_flow[s->flow % FLOWS] = (uint16_t)(i - g->items);
}

bool gro_add(struct gro *g, uint8_t *packet, size_t len)
{
	struct shape s;
	uint16_t last;

	if (g->n == GRO_MAX_OUT)
		return false;
	if (!shape_of(g, packet, len, &s)) {
		end_flows(g, packet, len);
		new_item(g, packet, len);
		return true;
	}
	last = g->last_of_flow[s.flow % FLOWS];
	if (last != NOBODY && g->items[last].flow == s.flow &&
		may_hang(&g->items[last], packet, &s))
		hang(&g->items[last], packet, &s);
	else
		begin(g, packet, len, &s);
	return true;
}

/* --- writing -------------------------------------------------------------------------------------
 */

/* The first packet's headers become the superpacket's. */
static void finish(struct item *i)
{
	uint8_t *p = i->packet, *transport = p + i->ip_len;
	bool v4 = p[0] >> 4 == 4;
	size_t transport_len = i->len - i->ip_len;
	size_t csum_offset = i->is_tcp ? 16 : 6;
	uint64_t sum;

	i->old_sum = get_be16(transport + csum_offset);
	if (v4) {
		i->old_ip_sum = get_be16(p + 10);
		put_be16(p + 2, i->len);
		put_be16(p + 10, 0);
		put_checksum(p + 10, checksum_finish(checksum_add(0, p, i->ip_len)));
	} else {
		put_be16(p + 4, i->len - 40);
	}
	if (!i->is_tcp)
		put_be16(transport + 4, transport_len);
	sum = checksum_pseudo(v4 ? p + 12 : p + 8, v4 ? p + 16 : p + 24, v4 ? 4 : 16,
		i->is_tcp ? IPPROTO_OF_TCP : IPPROTO_OF_UDP, transport_len);
	put_checksum(transport + csum_offset, checksum_fold(sum));
	i->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	i->vnet.gso_type = !i->is_tcp ? VIRTIO_NET_HDR_GSO_UDP_L4
			   : v4	      ? VIRTIO_NET_HDR_GSO_TCPV4
				      : VIRTIO_NET_HDR_GSO_TCPV6;
	i->vnet.hdr_len = (uint16_t)i->header_len;
	i->vnet.gso_size = (uint16_t)i->segment;
	i->vnet.csum_start = (uint16_t)i->ip_len;
	i->vnet.csum_offset = (uint16_t)csum_offset;
}

bool gro_is_refused(int n, long result)
{
	return n > 2 && (result == -EINVAL || result == -EOPNOTSUPP || result == -EMSGSIZE ||
				result == -E2BIG);
}

/* The first packet as it came: nothing hangs on one that had more than ACK set. */
static void restore_first(struct item *i)
{
	uint8_t *p = i->packet, *transport = p + i->ip_len;
	size_t len = i->header_len + i->segment;

	if (p[0] >> 4 == 4) {
		put_be16(p + 2, len);
		put_be16(p + 10, i->old_ip_sum);
	} else {
		put_be16(p + 4, len - 40);
	}
	if (i->is_tcp)
		transport[13] = TCP_ACK;
	else
		put_be16(transport + 4, len - i->ip_len);
	put_be16(transport + (i->is_tcp ? 16 : 6), i->old_sum);
}

/* The packets of a merged one, each as it came; the headers of all but the first still stand before
 * their payloads. True if one of them was taken. */
static bool write_singly(
	struct item *i, long (*write)(const struct iovec *iov, int n, void *data), void *data)
{
	struct iovec iov[2] = {
		{&i->vnet, sizeof(i->vnet)}, {i->packet, i->header_len + i->segment}};
	bool taken;

	restore_first(i);
	i->vnet = (struct virtio_net_hdr){0};
	taken = write(iov, 2, data) >= 0;
	for (unsigned k = 0; k < i->n_pieces; k++) {
		iov[1] = (struct iovec){
			i->pieces[k].data - i->header_len, i->header_len + i->pieces[k].len};
		taken |= write(iov, 2, data) >= 0;
	}
	return taken;
}

/* The kind that is merged no more, or 0. */
static unsigned give_up(struct gro *g, const struct item *i)
{
	bool *merges = i->is_tcp ? &g->tcp : &g->udp;

	if (!*merges)
		return 0;
	*merges = false;
	return i->is_tcp ? GRO_TCP : GRO_UDP;
}

unsigned gro_flush(
	struct gro *g, long (*write)(const struct iovec *iov, int n, void *data), void *data)
{
	unsigned ended = 0;

	for (size_t k = 0; k < g->n; k++) {
		struct item *i = &g->items[k];
		struct iovec iov[GRO_MAX_IOV];
		int n = 0;

		if (i->n_pieces)
			finish(i);
		iov[n++] = (struct iovec){&i->vnet, sizeof(i->vnet)};
		iov[n++] = (struct iovec){
			i->packet, i->n_pieces ? i->header_len + i->segment : i->len};
		for (unsigned j = 0; j < i->n_pieces; j++)
			iov[n++] = (struct iovec){i->pieces[j].data, i->pieces[j].len};
		if (gro_is_refused(n, write(iov, n, data)) && write_singly(i, write, data))
			ended |= give_up(g, i);
		if (i->header_len)
			g->last_of_flow[i->flow % FLOWS] = NOBODY;
	}
	g->n = 0;
	return ended;
}
