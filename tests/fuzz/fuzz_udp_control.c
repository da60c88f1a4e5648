/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells beside a datagram: control messages of any kind, order and length, at the
 * end of memory, read by the product's own function. A naive reading says what must come of them.
 * The first two bytes are the datagram's length; then each message has a byte for its kind, one for
 * the length of its value, and the value.
 */
#include "../../src/tunnel/udp_receive.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
	int level, type;
	size_t len;
} kinds[] = {{IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo)},
	{IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo)}, {IPPROTO_IP, IP_TOS, 1},
	{IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)}, {IPPROTO_UDP, UDP_GRO, sizeof(int)},
	{SOL_SOCKET, SCM_RIGHTS, 0}, {IPPROTO_UDP, 1, 0}};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The naive reading of one. */
static void expect(struct udp_in *want, size_t kind, const uint8_t *value, size_t len)
{
	int number;

	if (len < kinds[kind].len)
		return;
	switch (kind) {
	case 0:
		want->from.local = ip_addr_from_bytes(AF_INET, value + 4);
		memcpy(&want->from.local_ifindex, value, 4);
		break;
	case 1:
		want->from.local = ip_addr_from_bytes(AF_INET6, value);
		memcpy(&want->from.local_ifindex, value + 16, 4);
		break;
	case 2:
		want->tos = value[0];
		break;
	case 3:
		memcpy(&number, value, sizeof(number));
		want->tos = (uint8_t)number;
		break;
	case 4:
		memcpy(&number, value, sizeof(number));
		want->segment = number > 0 ? (size_t)number : 0;
		break;
	}
}

/* All that the input has, one behind another; the length. With room for them and no more. */
static size_t build(const uint8_t *data, size_t size, uint8_t *room, struct udp_in *want)
{
	size_t used = 0;

	while (size >= 2) {
		size_t kind = data[0] % N_KINDS, len = data[1] % 48, space = CMSG_SPACE(len);
		struct cmsghdr h = {.cmsg_level = kinds[kind].level, .cmsg_type = kinds[kind].type};

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		space = CMSG_SPACE(len);
		h.cmsg_len = CMSG_LEN(len);
		if (used + space > CONTROL_IN)
			break;
		memset(room + used, 0, space);
		memcpy(room + used, &h, sizeof(h));
		memcpy(room + used + CMSG_LEN(0), data, len);
		expect(want, kind, data, len);
		used += space;
		data += len;
		size -= len;
	}
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct udp_receiver r;
	uint8_t room[CONTROL_IN], *exact;
	struct udp_in got, want = {0};
	size_t used, len;

	if (size < 2)
		return 0;
	len = (size_t)(data[0] | data[1] << 8);
	used = build(data + 2, size - 2, room, &want);
	/* A broken length at the end, as no kernel sends it. */
	if (size % 5 == 0 && used >= sizeof(struct cmsghdr))
		used -= size % 7 ? 1 : 0;
	exact = malloc(used ? used : 1);
	memcpy(exact, room, used);
	r.messages[0].msg_hdr = (struct msghdr){.msg_control = exact, .msg_controllen = used};
	r.messages[0].msg_len = (unsigned)len;
	read_message(&r, 0, &got);
	check(got.len == len && got.segment <= len && (got.segment || !len));
	check(!got.from.local.family || got.from.local.family == AF_INET ||
		got.from.local.family == AF_INET6);
	if (size % 5) {
		if (!want.segment || want.segment > len)
			want.segment = len;
		check(got.segment == want.segment && got.tos == want.tos);
		check(ip_addr_eq(&got.from.local, &want.from.local) &&
			got.from.local_ifindex == want.from.local_ifindex);
	}
	free(exact);
	return 0;
}
