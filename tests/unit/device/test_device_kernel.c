/* SPDX-License-Identifier: MIT */
/*
 * The kernel back end against a kernel of the test's own, behind the functions that send and
 * receive: an old one, a new one, one whose dumps are interrupted, cut, or refused.
 */
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

static struct nlmsghdr *answer(const struct nlmsghdr *request, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(k.queue[k.tail].bytes);

	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	h->nlmsg_seq = request->nlmsg_seq;
	return h;
}

static void queue(struct nlmsghdr *h)
{
	k.queue[k.tail].n = h->nlmsg_len;
	if (++k.tail == ARRAY_SIZE(k.queue))
		fail_msg("more answers than the test has room for");
}

static void answer_code(const struct nlmsghdr *request, uint16_t type, int code)
{
	struct nlmsghdr *h = answer(request, type, 0);
	struct nlmsgerr *e =
		mnl_nlmsg_put_extra_header(h, type == NLMSG_ERROR ? sizeof(*e) : sizeof(e->error));

	e->error = code;
	queue(h);
}

static void answer_family(const struct nlmsghdr *request)
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

static void chunk_end_peer(struct chunk *c)
{
	if (c->ips)
		mnl_attr_nest_end(c->h, c->ips);
	if (c->peer)
		mnl_attr_nest_end(c->h, c->peer);
	c->ips = c->peer = NULL;
}

static void chunk_end(struct chunk *c)
{
	chunk_end_peer(c);
	if (c->peers)
		mnl_attr_nest_end(c->h, c->peers);
	c->peers = NULL;
	queue(c->h);
}

static void chunk_begin(struct chunk *c)
{
	c->h = answer(c->request, FAMILY, NLM_F_MULTI | c->flags);
	mnl_nlmsg_put_extra_header(c->h, sizeof(struct genlmsghdr));
	c->entries = 0;
}

static void chunk_peer(struct chunk *c, const wg_key *key, bool first)
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

static void chunk_entry(struct chunk *c, const struct fake_entry *e)
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

static void answer_dump(const struct nlmsghdr *request)
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

static int set_prefix(const wg_key *key, const struct nlattr *nest)
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

static int set_peer(const struct nlattr *nest)
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

static int set_device(const struct nlmsghdr *h)
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

static void answer_set(const struct nlmsghdr *h)
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

static ssize_t fake_send(void *data, const void *message, size_t n)
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

static ssize_t fake_recv(void *data, void *buf, size_t size)
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

static void fake_close(void *data)
{
}

static const struct nl_io fake_io = {fake_send, fake_recv, NULL, fake_close, NULL};

static struct device *open_device(void)
{
	struct device *d;

	assert_int_equal(kernel_device_new(nl_new(&fake_io), "wg0", &d), 0);
	return d;
}

static int start(void **state)
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

static int stop(void **state)
{
	bool bad = k.bad_flags;

	fake_done(&k.fake);
	return bad ? -1 : 0;
}

static ip_prefix P(unsigned i)
{
	char text[IP_PREFIX_STRLEN];
	ip_prefix p;

	snprintf(text, sizeof(text), i % 2 ? "10.%u.%u.0/24" : "fd00:%x:%x::/64", i >> 8, i & 255);
	assert_true(ip_prefix_parse(&p, text));
	return p;
}

/* --- dumps ---------------------------------------------------------------------------------- */

/* Peers of 0, 1, .. prefixes, in messages of every size: each peer is whole. */
static void dumps_in_chunks(void **state)
{
	enum { N = 14 };
	struct device *d = open_device();
	wg_key many[N];
	unsigned at = 0;

	wg_key_generate(&k.fake.private_key);
	k.fake.listen_port = 51820;
	for (unsigned i = 0; i < N; i++) {
		wg_key_generate(&many[i]);
		fake_add_peer(&k.fake, &many[i]);
		for (unsigned j = 0; j < i; j++) {
			ip_prefix p = P(at++);

			fake_add_prefix(&k.fake, &many[i], &p);
		}
	}
	for (k.entries_per_chunk = 2; k.entries_per_chunk < 200; k.entries_per_chunk++) {
		struct device_state s;

		assert_int_equal(device_get(d, &s), 0);
		assert_true(s.has_key);
		assert_int_equal(s.listen_port, 51820);
		assert_int_equal(s.n_peers, N);
		for (unsigned i = 0; i < N; i++) {
			const struct device_peer *p = device_state_peer(&s, &many[i]);

			assert_int_equal(p->n_allowed, i);
			assert_int_equal(p->keepalive, 25);
			assert_int_equal(p->rx_bytes, 7);
			for (unsigned j = 0; j < i; j++)
				assert_true(fake_owns(&k.fake, &many[i], &p->allowed[j]));
		}
		device_state_done(&s);
	}
	assert_true(k.dumps > 190);
	device_close(d);
}

static void interrupted_dumps(void **state)
{
	struct device *d = open_device();
	struct device_state s;
	ip_prefix p = P(1);

	fake_add_peer(&k.fake, &keys[0]);
	fake_add_prefix(&k.fake, &keys[0], &p);
	k.interrupt = 3;
	assert_int_equal(device_get(d, &s), 0);
	assert_int_equal(k.dumps, 4);
	/* What the interrupted ones told is forgotten. */
	assert_int_equal(s.n_peers, 1);
	assert_int_equal(s.peers[0].n_allowed, 1);
	device_state_done(&s);
	k.interrupt = UINT32_MAX;
	assert_int_equal(device_get(d, &s), -EAGAIN);
	assert_true(k.dumps < 100);
	k.interrupt = 0;
	k.overrun = 2;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	device_close(d);
}

static void refused_dumps(void **state)
{
	struct device *d = open_device();
	struct device_state s = {.listen_port = 7};

	k.refuse_get = ENODEV;
	assert_int_equal(device_get(d, &s), -ENODEV);
	k.refuse_get = EPERM;
	assert_int_equal(device_get(d, &s), -EPERM);
	k.refuse_get = 0;
	k.cut = true;
	assert_int_equal(device_get(d, &s), -EMSGSIZE);
	assert_int_equal(s.listen_port, 7);
	k.cut = false;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	device_close(d);
}

static void no_wireguard(void **state)
{
	struct device *d;

	k.no_family = true;
	assert_int_equal(kernel_device_new(nl_new(&fake_io), "wg0", &d), -EOPNOTSUPP);
}

/* --- changes -------------------------------------------------------------------------------- */

static int change(struct device *d, const wg_key *key, bool remove, const ip_prefix *p, size_t n)
{
	struct device_peer_change peer = {.key = *key};
	struct device_change c = {.peers = &peer, .n_peers = 1};

	if (remove) {
		peer.del = p;
		peer.n_del = n;
	} else {
		peer.add = p;
		peer.n_add = n;
	}
	return device_set(d, &c);
}

static void removes(enum fake_removal way, const char *name)
{
	struct device *d = open_device();
	ip_prefix mine[3] = {P(1), P(2), P(3)}, theirs = P(4);

	k.fake.removal = way;
	assert_int_equal(change(d, &keys[0], false, mine, 3), 0);
	assert_int_equal(change(d, &keys[1], false, &theirs, 1), 0);
	assert_int_equal(change(d, &keys[0], true, &theirs, 1), 0);
	assert_string_equal(device_removal_way(d), "unknown");
	assert_int_equal(change(d, &keys[0], true, mine, 2), 0);
	assert_string_equal(device_removal_way(d), name);
	assert_null(fake_entry(&k.fake, &mine[0]));
	assert_null(fake_entry(&k.fake, &mine[1]));
	assert_true(fake_owns(&k.fake, &keys[0], &mine[2]));
	assert_int_equal(change(d, &keys[2], true, mine, 3), 0);
	assert_int_equal(k.fake.peers.n, 2);
	assert_int_equal(change(d, &keys[0], true, &theirs, 1), 0);
	assert_true(fake_owns(&k.fake, &keys[1], &theirs));
	assert_int_equal(k.fake.thefts, 0);
	device_close(d);
}

static void a_new_kernel_removes(void **state)
{
	removes(FAKE_REMOVES, "incremental flag");
}

static void an_old_kernel_removes(void **state)
{
	removes(FAKE_REFUSES, "parking peer");
}

static void one_that_overlooks_the_flag_removes(void **state)
{
	removes(FAKE_OVERLOOKS, "parking peer");
}

/* Parked and gone in one message: nobody sees the parking peer in between. */
static void parking_takes_one_message(void **state)
{
	struct device *d = open_device();
	ip_prefix p[2] = {P(1), P(2)};
	unsigned before;

	k.fake.removal = FAKE_REFUSES;
	assert_int_equal(change(d, &keys[0], false, p, 2), 0);
	assert_int_equal(change(d, &keys[0], true, &p[0], 1), 0);
	before = k.sets;
	assert_int_equal(change(d, &keys[0], true, &p[1], 1), 0);
	assert_int_equal(k.sets, before + 1);
	device_close(d);
}

/* As many messages as it takes, none larger than the kernel's buffers, and nothing lost. */
static void large_changes(void **state)
{
	enum { N = 3000 };
	struct device *d = open_device();
	ip_prefix *p = mem_zalloc(N, sizeof(*p));
	struct device_peer_change *peers = mem_zalloc(N, sizeof(*peers));
	struct device_change c = {.peers = peers, .n_peers = N};

	for (unsigned i = 0; i < N; i++)
		p[i] = P(i);
	assert_int_equal(change(d, &keys[0], false, p, N), 0);
	assert_int_equal(k.fake.entries.n, N);
	assert_int_equal(k.fake.peers.n, 1);
	assert_true(k.sets > 2);
	for (unsigned i = 0; i < N; i++) {
		peers[i].key.bytes[0] = (uint8_t)i;
		peers[i].key.bytes[1] = (uint8_t)(i >> 8);
		peers[i].key.bytes[2] = 1;
		peers[i].set_psk = peers[i].set_keepalive = peers[i].set_endpoint = true;
		assert_true(sock_addr_parse(&peers[i].endpoint, "[fe80::1]:51820"));
		peers[i].add = &p[i];
		peers[i].n_add = 1;
	}
	assert_int_equal(device_set(d, &c), 0);
	assert_int_equal(k.fake.peers.n, N + 1);
	for (unsigned i = 0; i < N; i += 97)
		assert_true(fake_owns(&k.fake, &peers[i].key, &p[i]));
	assert_true(k.largest <= NL_MESSAGE_MAX);
	free(peers);
	free(p);
	device_close(d);
}

static void refused_changes(void **state)
{
	struct device *d = open_device();
	struct device_change c = {.set_listen_port = true, .listen_port = 9};
	ip_prefix p = P(1);

	k.refuse_set = EADDRINUSE;
	assert_int_equal(device_set(d, &c), -EADDRINUSE);
	k.refuse_set = ENODEV;
	assert_int_equal(change(d, &keys[0], false, &p, 1), -ENODEV);
	k.refuse_set = 0;
	/* An acknowledgement that got lost: the change is sent again. */
	k.lost_acks = 2;
	assert_int_equal(device_set(d, &c), 0);
	k.lost_acks = 100;
	assert_int_equal(device_set(d, &c), -ENOBUFS);
	assert_true(k.lost_acks > 90);
	device_close(d);
}

/* --- what the parser refuses ---------------------------------------------------------------- */

static void random_damage(void **state)
{
	struct chance c = chance_start("netlink damage");
	struct device *d = open_device();
	struct device_state s;

	wg_key_generate(&k.fake.private_key);
	fake_add_peer(&k.fake, &keys[0]);
	for (unsigned i = 0; i < 6; i++) {
		ip_prefix p = P(i);

		fake_add_prefix(&k.fake, &keys[0], &p);
	}
	k.entries_per_chunk = 100;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	for (int round = 0; round < 20000; round++) {
		_Alignas(8) char bytes[4096];
		struct state_builder b = {0};
		size_t n = k.queue[0].n;

		assert_true(n < sizeof(bytes));
		memcpy(bytes, k.queue[0].bytes, n);
		for (unsigned j = 1 + chance_below(&c, 4); j; j--)
			bytes[20 + chance_below(&c, (unsigned)n - 20)] = (char)chance_u64(&c);
		if (!kernel_parse_device(&b, (void *)bytes) && !state_builder_finish(&b, &s))
			device_state_done(&s);
		state_builder_reset(&b);
	}
	device_close(d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(dumps_in_chunks),
		T(interrupted_dumps),
		T(refused_dumps),
		T(no_wireguard),
		T(a_new_kernel_removes),
		T(an_old_kernel_removes),
		T(one_that_overlooks_the_flag_removes),
		T(parking_takes_one_message),
		T(large_changes),
		T(refused_changes),
		T(random_damage),
	};

	return cmocka_run_group_tests_name("device_kernel", tests, NULL, NULL);
}
