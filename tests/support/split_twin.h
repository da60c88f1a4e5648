/* SPDX-License-Identifier: MIT */
/*
 * What a packet behind a vnet header stands for, done naively: every segment is built anew in
 * memory of its own, sums are added byte by byte. The twin of tunnel/gso.h, with which it shares no
 * code; also what takes apart again what tunnel/gro.h has merged.
 */
#ifndef SHUNT_TESTS_SPLIT_TWIN_H
#define SHUNT_TESTS_SPLIT_TWIN_H

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TWIN_GSO_UDP_L4 5
#define TWIN_HEADER_MOST 128 /* longer ones are refused */

struct twin_packet {
	uint8_t *bytes; /* of exactly this size, so that a sanitizer sees a byte too far */
	size_t len;
};

struct twin_list {
	struct twin_packet *items;
	size_t n, room;
};

static inline void twin_check_at(bool ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "line %d: %s\n", line, what);
	abort();
}

#define twin_check(ok) twin_check_at(ok, #ok, __LINE__)

static inline struct twin_packet *twin_add(struct twin_list *l, const uint8_t *bytes, size_t len)
{
	struct twin_packet *p;

	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->items = realloc(l->items, l->room * sizeof(*l->items));
	}
	p = &l->items[l->n++];
	p->bytes = malloc(len ? len : 1);
	p->len = len;
	memcpy(p->bytes, bytes, len);
	return p;
}

static inline void twin_list_done(struct twin_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].bytes);
	free(l->items);
	*l = (struct twin_list){0};
}

static inline unsigned twin_get16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static inline uint32_t twin_get32(const uint8_t *at)
{
	return (uint32_t)twin_get16(at) << 16 | twin_get16(at + 2);
}

static inline void twin_set16(uint8_t *at, size_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void twin_set32(uint8_t *at, uint32_t v)
{
	twin_set16(at, v >> 16);
	twin_set16(at + 2, v & 0xffff);
}

/* RFC 1071: the sum of big-endian words, folded. */
static inline uint32_t twin_sum(uint32_t sum, const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline uint32_t twin_pseudo_sum(const uint8_t *ip, uint8_t protocol, size_t len)
{
	uint8_t rest[8] = {0};
	uint32_t sum = ip[0] >> 4 == 4 ? twin_sum(0, ip + 12, 8) : twin_sum(0, ip + 8, 32);

	twin_set32(rest, (uint32_t)len);
	rest[7] = protocol;
	return twin_sum(sum, rest, sizeof(rest));
}

/* The checksum of IPv4's header made right. */
static inline void twin_finish_ip(uint8_t *ip)
{
	if (ip[0] >> 4 != 4)
		return;
	twin_set16(ip + 10, 0);
	twin_set16(ip + 10, ~twin_sum(0, ip, (size_t)(ip[0] & 15) * 4) & 0xffff);
}

/* The transport's, its header at `at`. */
static inline void twin_finish_transport(uint8_t *ip, size_t len, size_t at, bool is_tcp)
{
	uint8_t *field = ip + at + (is_tcp ? 16 : 6);
	uint32_t sum = twin_pseudo_sum(ip, is_tcp ? 6 : 17, len - at);

	twin_set16(field, 0);
	sum = ~twin_sum(sum, ip + at, len - at) & 0xffff;
	twin_set16(field, sum || is_tcp ? sum : 0xffff);
}

/* Where the transport's header begins, 0 if nowhere; and whose it is. */
static inline size_t twin_transport(const uint8_t *p, size_t len, uint8_t *ret_protocol)
{
	size_t at = 40;
	uint8_t next;

	if (p[0] >> 4 == 4) {
		at = (size_t)(p[0] & 15) * 4;
		*ret_protocol = p[9];
		return at < 20 || at > len ? 0 : at;
	}
	/* Hop by hop, routing, destination: RFC 8200 section 4. */
	for (next = p[6]; next == 0 || next == 43 || next == 60;) {
		if (at + 8 > len)
			return 0;
		next = p[at];
		at += 8 * ((size_t)p[at + 1] + 1);
	}
	*ret_protocol = next;
	return at > len ? 0 : at;
}

/* Virtio 1.1 section 5.1.6.2: the field holds the sum of the pseudo header. */
static inline void twin_finish_partial(struct twin_packet *p, size_t start, size_t offset)
{
	uint32_t sum = ~twin_sum(0, p->bytes + start, p->len - start) & 0xffff;

	if (!sum && offset == 6)
		sum = 0xffff;
	twin_set16(p->bytes + start + offset, sum);
}

static inline void twin_segment(struct twin_list *out, const uint8_t *p, size_t header,
	size_t transport, bool is_tcp, const uint8_t *payload, size_t n, size_t index, bool is_last)
{
	struct twin_packet *s;
	uint8_t *all = malloc(header + n), *t;

	memcpy(all, p, header);
	memcpy(all + header, payload, n);
	s = twin_add(out, all, header + n);
	free(all);
	t = s->bytes + transport;
	if (p[0] >> 4 == 4) {
		twin_set16(s->bytes + 2, s->len);
		twin_set16(s->bytes + 4, (twin_get16(p + 4) + index) & 0xffff);
		twin_finish_ip(s->bytes);
	} else {
		twin_set16(s->bytes + 4, s->len - 40);
	}
	if (is_tcp) {
		twin_set32(
			t + 4, twin_get32(p + transport + 4) + (uint32_t)(payload - (p + header)));
		if (!is_last) /* FIN, PSH */
			t[13] &= 0xf6;
		if (index) /* CWR */
			t[13] &= 0x7f;
	} else {
		twin_set16(t + 4, 8 + n);
	}
	twin_finish_transport(s->bytes, s->len, transport, is_tcp);
}

/* False: malformed, and nothing was added. */
static inline bool twin_split(
	const struct virtio_net_hdr *v, const uint8_t *p, size_t len, struct twin_list *out)
{
	bool partial = v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, is_tcp;
	int type = v->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	size_t least = len && p[0] >> 4 == 4 ? 20 : 40, transport, header;
	uint8_t protocol;

	if (!len || (p[0] >> 4 != 4 && p[0] >> 4 != 6) || len < least)
		return false;
	if (partial && (v->csum_start < least || (size_t)v->csum_start + v->csum_offset + 2 > len))
		return false;
	if (v->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		struct twin_packet *whole = twin_add(out, p, len);

		if (partial)
			twin_finish_partial(whole, v->csum_start, v->csum_offset);
		return true;
	}
	is_tcp = type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6;
	if ((!is_tcp && type != TWIN_GSO_UDP_L4) || !partial || !v->gso_size ||
		(type == VIRTIO_NET_HDR_GSO_TCPV4 && p[0] >> 4 != 4) ||
		(type == VIRTIO_NET_HDR_GSO_TCPV6 && p[0] >> 4 != 6))
		return false;
	transport = twin_transport(p, len, &protocol);
	if (!transport || protocol != (is_tcp ? 6 : 17) || v->csum_start != transport ||
		v->csum_offset != (is_tcp ? 16 : 6) || len < transport + (is_tcp ? 20 : 8))
		return false;
	header = transport + (is_tcp ? (size_t)(p[transport + 12] >> 4) * 4 : 8);
	if (header < transport + 8 || (is_tcp && header < transport + 20) || header > len ||
		header > TWIN_HEADER_MOST)
		return false;
	for (size_t at = header, i = 0; at < len || !i; at += v->gso_size, i++) {
		size_t n = len - at < v->gso_size ? len - at : v->gso_size;

		twin_segment(out, p, header, transport, is_tcp, p + at, n, i, at + n == len);
	}
	return true;
}

/* --- cases from bytes ----------------------------------------------------------------------------
 */

/* Bytes that say what a case is, by chance or a fuzzer; zeros after the last. */
struct twin_source {
	const uint8_t *data;
	size_t left;
};

static inline unsigned twin_next(struct twin_source *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return *s->data++;
}

static inline unsigned twin_next16(struct twin_source *s)
{
	unsigned high = twin_next(s);

	return high << 8 | twin_next(s);
}

/* Any bytes from one, with runs of ones, where carries come from. */
static inline void twin_fill(uint8_t *at, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		at[i] = seed >> 30 ? (uint8_t)(seed >> 20) : 0xff;
	}
}

#endif
