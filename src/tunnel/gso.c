/* SPDX-License-Identifier: MIT */
#include "tunnel/gso.h"

#include "tunnel/checksum.h"
#include "tunnel/packet.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* The IP header's length and what follows it; 0 if the headers don't fit the packet. */
static size_t ip_header(const uint8_t *packet, size_t len, uint8_t *ret_protocol)
{
	size_t at;

	if (packet[0] >> 4 == 4) {
		at = (size_t)(packet[0] & 15) * 4;
		*ret_protocol = packet[9];
		return at >= 20 && at <= len ? at : 0;
	}
	/* Extension headers that can stand before the transport's. */
	*ret_protocol = packet[6];
	for (at = 40; at + 8 <= len; at += ((size_t)packet[at + 1] + 1) * 8) {
		if (*ret_protocol != 0 && *ret_protocol != 43 && *ret_protocol != 60)
			return at;
		*ret_protocol = packet[at];
	}
	return at <= len ? at : 0;
}

static bool gso_kind(struct gso *g, uint8_t type)
{
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		g->is_tcp = true;
		return g->ip_version == 4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		g->is_tcp = true;
		return g->ip_version == 6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		g->is_udp = true;
		return true;
	default:
		return false;
	}
}

/* The transport header begins where the checksum does; its own length says where the payload
 * begins. */
static bool find_payload(struct gso *g, size_t csum_start)
{
	uint8_t protocol;
	size_t ip_len = ip_header(g->packet, g->len, &protocol);

	/* The field's place too: elsewhere, it may lie behind a short last segment. */
	if (!ip_len || csum_start != ip_len || g->csum_offset != (g->is_tcp ? 16 : 6) ||
		protocol != (g->is_tcp ? IPPROTO_OF_TCP : IPPROTO_OF_UDP))
		return false;
	if (g->is_tcp) {
		if (ip_len + 20 > g->len)
			return false;
		g->header_len = ip_len + (size_t)(g->packet[ip_len + 12] >> 4) * 4;
		return g->header_len >= ip_len + 20 && g->header_len <= g->len &&
		       g->header_len <= GSO_MAX_HEADER;
	}
	g->header_len = ip_len + 8;
	return g->header_len <= g->len && g->header_len <= GSO_MAX_HEADER;
}

bool gso_start(struct gso *g, const struct virtio_net_hdr *vnet, uint8_t *packet, size_t len)
{
	size_t csum_start = vnet->csum_start, csum_offset = vnet->csum_offset;

	g->packet = packet;
	g->len = len;
	g->header_len = g->segment_len = g->next = 0;
	g->n_segments = 1;
	g->is_tcp = g->is_udp = false;
	g->csum_start = g->csum_offset = 0;
	g->ip_version = len ? packet[0] >> 4 : 0;
	if (!((g->ip_version == 4 && len >= 20) || (g->ip_version == 6 && len >= 40)))
		return false;
	if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		/* Not in the IP header, and so never 0. */
		if (csum_start < (g->ip_version == 4 ? 20 : 40) ||
			csum_start + csum_offset + 2 > len)
			return false;
		g->csum_start = (uint16_t)csum_start;
		g->csum_offset = (uint16_t)csum_offset;
	}
	if (vnet->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return true;
	if (!gso_kind(g, vnet->gso_type) || !g->csum_start || !vnet->gso_size ||
		!find_payload(g, csum_start))
		return false;
	g->segment_len = vnet->gso_size;
	g->n_segments = (len - g->header_len + g->segment_len - 1) / g->segment_len;
	if (!g->n_segments)
		g->n_segments = 1;
	memcpy(g->header, packet, g->header_len);
	return true;
}

/* One packet: only the checksum may be missing. The field holds the pseudo header's sum. */
static uint8_t *whole(struct gso *g, size_t *ret_len)
{
	if (g->csum_start) {
		uint16_t sum = checksum_finish(
			checksum_add(0, g->packet + g->csum_start, g->len - g->csum_start));

		/* UDP's zero means "none" (RFC 768). */
		if (!sum && g->csum_offset == 6)
			sum = 0xffff;
		put_checksum(g->packet + g->csum_start + g->csum_offset, sum);
	}
	*ret_len = g->len;
	return g->packet;
}

static void write_ip(const struct gso *g, uint8_t *p, size_t len)
{
	if (g->ip_version == 6) {
		put_be16(p + 4, len - 40);
		return;
	}
	put_be16(p + 2, len);
	put_be16(p + 4, (size_t)get_be16(g->header + 4) + g->next);
	put_be16(p + 10, 0);
	put_checksum(p + 10, checksum_finish(checksum_add(0, p, (size_t)(p[0] & 15) * 4)));
}

static void write_tcp(const struct gso *g, uint8_t *tcp, bool is_last)
{
	put_be32(tcp + 4,
		get_be32(g->header + g->csum_start + 4) + (uint32_t)(g->next * g->segment_len));
	if (!is_last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (g->next)
		tcp[13] &= (uint8_t)~TCP_CWR;
}

static void write_checksum(const struct gso *g, uint8_t *p, size_t len)
{
	uint8_t *transport = p + g->csum_start;
	size_t transport_len = len - g->csum_start;
	bool v4 = g->ip_version == 4;
	uint64_t sum = checksum_pseudo(v4 ? p + 12 : p + 8, v4 ? p + 16 : p + 24, v4 ? 4 : 16,
		g->is_tcp ? IPPROTO_OF_TCP : IPPROTO_OF_UDP, transport_len);
	uint16_t done;

	put_be16(transport + g->csum_offset, 0);
	done = checksum_finish(checksum_add(sum, transport, transport_len));
	if (!done && g->is_udp)
		done = 0xffff;
	put_checksum(transport + g->csum_offset, done);
}

uint8_t *gso_next(struct gso *g, size_t *ret_len)
{
	size_t at, payload;
	uint8_t *p;

	if (g->next == g->n_segments)
		return NULL;
	if (!g->segment_len) {
		g->next++;
		return whole(g, ret_len);
	}
	at = g->header_len + g->next * g->segment_len;
	payload = g->len - at < g->segment_len ? g->len - at : g->segment_len;
	p = g->packet + at - g->header_len;
	memcpy(p, g->header, g->header_len);
	*ret_len = g->header_len + payload;
	write_ip(g, p, *ret_len);
	if (g->is_tcp)
		write_tcp(g, p + g->csum_start, g->next + 1 == g->n_segments);
	else
		put_be16(p + g->csum_start + 4, 8 + payload);
	write_checksum(g, p, *ret_len);
	g->next++;
	return p;
}
