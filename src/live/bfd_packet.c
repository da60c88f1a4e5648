/* SPDX-License-Identifier: MIT */
/* BFD control packets between bytes and values (RFC 5880 section 4.1), and the names of codes. */
#include "base/mem.h"
#include "live/bfd.h"
#include <arpa/inet.h>
#include <string.h>

#define VERSION 1
#define LEAST_AUTHENTICATED 26

enum flag {
	FLAG_MULTIPOINT = 0x01,
	FLAG_DEMAND = 0x02,
	FLAG_AUTHENTICATION = 0x04,
	FLAG_CONTROL_PLANE_INDEPENDENT = 0x08,
	FLAG_FINAL = 0x10,
	FLAG_POLL = 0x20,
};

static uint32_t get32(const uint8_t *b)
{
	uint32_t v;

	memcpy(&v, b, sizeof(v));
	return ntohl(v);
}

static void put32(uint8_t *b, uint32_t v)
{
	v = htonl(v);
	memcpy(b, &v, sizeof(v));
}

/* The rules of RFC 5880 section 6.8.6 that need no session. */
static bool is_valid(const uint8_t *b, size_t len)
{
	if (len < BFD_PACKET_LEN || b[0] >> 5 != VERSION)
		return false;
	if (b[3] < (b[1] & FLAG_AUTHENTICATION ? LEAST_AUTHENTICATED : BFD_PACKET_LEN) ||
		b[3] > len)
		return false;
	if (b[1] & FLAG_MULTIPOINT)
		return false;
	return b[2] != 0 && get32(b + 4) != 0;
}

/* Without a discriminator of ours only a session that isn't established may speak. */
static bool is_addressed(const struct bfd_packet *p)
{
	return p->your_discriminator || p->state == BFD_DOWN || p->state == BFD_ADMIN_DOWN;
}

bool bfd_packet_decode(struct bfd_packet *ret, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;
	struct bfd_packet p;

	if (!is_valid(b, len))
		return false;
	p = (struct bfd_packet){
		.diag = b[0] & 0x1f,
		.state = b[1] >> 6,
		.poll = b[1] & FLAG_POLL,
		.final = b[1] & FLAG_FINAL,
		.control_plane_independent = b[1] & FLAG_CONTROL_PLANE_INDEPENDENT,
		.demand = b[1] & FLAG_DEMAND,
		.is_authenticated = b[1] & FLAG_AUTHENTICATION,
		.detect_mult = b[2],
		.my_discriminator = get32(b + 4),
		.your_discriminator = get32(b + 8),
		.desired_min_tx = get32(b + 12),
		.required_min_rx = get32(b + 16),
		.required_min_echo_rx = get32(b + 20),
	};
	if (!is_addressed(&p))
		return false;
	*ret = p;
	return true;
}

void bfd_packet_encode(const struct bfd_packet *p, uint8_t out[static BFD_PACKET_LEN])
{
	out[0] = VERSION << 5 | (p->diag & 0x1f);
	out[1] = (uint8_t)(p->state << 6 | (p->poll ? FLAG_POLL : 0) | (p->final ? FLAG_FINAL : 0) |
			   (p->control_plane_independent ? FLAG_CONTROL_PLANE_INDEPENDENT : 0) |
			   (p->demand ? FLAG_DEMAND : 0) |
			   (p->is_authenticated ? FLAG_AUTHENTICATION : 0));
	out[2] = p->detect_mult;
	out[3] = p->is_authenticated ? BFD_PACKET_MAX : BFD_PACKET_LEN;
	put32(out + 4, p->my_discriminator);
	put32(out + 8, p->your_discriminator);
	put32(out + 12, p->desired_min_tx);
	put32(out + 16, p->required_min_rx);
	put32(out + 20, p->required_min_echo_rx);
}

const char *bfd_state_name(enum bfd_state s)
{
	static const char *const names[] = {"AdminDown", "Down", "Init", "Up"};

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

const char *bfd_diag_name(enum bfd_diag d)
{
	static const char *const names[] = {
		"No Diagnostic",
		"Control Detection Time Expired",
		"Echo Function Failed",
		"Neighbor Signaled Session Down",
		"Forwarding Plane Reset",
		"Path Down",
		"Concatenated Path Down",
		"Administratively Down",
		"Reverse Concatenated Path Down",
	};

	return (unsigned)d < ARRAY_SIZE(names) ? names[d] : "unknown";
}
