/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/buf.h"
#include "device/uapi_codec.h"
#include <errno.h>
#include <string.h>

#define KEY_A "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
#define KEY_B "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define PRIVATE "e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a"
#define PSK "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"

static const char answer[] =
	"private_key=" PRIVATE "\n"
	"listen_port=12912\n"
	"fwmark=51820\n"
	"public_key=" KEY_B "\n"
	"preshared_key=" PSK "\n"
	"protocol_version=1\n"
	"endpoint=[abcd:23::33%lo]:51820\n"
	"last_handshake_time_sec=1700000000\n"
	"last_handshake_time_nsec=999999999\n"
	"tx_bytes=38333\n"
	"rx_bytes=18446744073709551615\n"
	"persistent_keepalive_interval=65535\n"
	"allowed_ip=fd00::/64\n"
	"allowed_ip=192.168.4.9/24\n"
	"something_new=with=equals\n"
	"public_key=" KEY_A "\n"
	"preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
	"endpoint=182.122.22.19:3233\n"
	"allowed_ip=0.0.0.0/0\n"
	"errno=0\n"
	"\n";

/* Feeds the text in pieces of at most n bytes. */
static int parse(const char *text, size_t len, size_t n, struct device_state *ret)
{
	struct uapi_reader r = {0};
	int err;

	for (size_t at = 0; at < len; at += n)
		uapi_reader_feed(&r, text + at, len - at < n ? len - at : n);
	err = uapi_reader_finish(&r, ret);
	uapi_reader_done(&r);
	return err;
}

static void check_prefix(const ip_prefix *p, const char *text)
{
	char buf[IP_PREFIX_STRLEN];

	assert_string_equal(ip_prefix_format(p, buf), text);
}

static void check_answer(const struct device_state *s)
{
	char text[SOCK_ADDR_STRLEN], hex[WG_KEY_HEX_LEN];
	const struct device_peer *p;
	wg_key key;

	assert_true(wg_key_from_hex(&key, PRIVATE));
	key = wg_key_public(&key);
	assert_true(s->has_key && wg_key_eq(&key, &s->public_key));
	assert_int_equal(s->listen_port, 12912);
	assert_int_equal(s->fwmark, 51820);
	assert_int_equal(s->n_peers, 2);
	p = &s->peers[0];
	assert_string_equal(wg_key_to_hex(&p->key, hex), KEY_A);
	assert_false(p->has_psk);
	assert_string_equal(sock_addr_format(&p->endpoint, text), "182.122.22.19:3233");
	assert_int_equal(p->n_allowed, 1);
	check_prefix(&p->allowed[0], "0.0.0.0/0");
	p = &s->peers[1];
	assert_string_equal(wg_key_to_hex(&p->key, hex), KEY_B);
	assert_true(p->has_psk);
	assert_string_equal(wg_key_to_hex(&p->psk, hex), PSK);
	assert_string_equal(sock_addr_format(&p->endpoint, text), "[abcd:23::33%lo]:51820");
	assert_int_equal(p->keepalive, 65535);
	assert_true(p->rx_bytes == UINT64_MAX);
	assert_int_equal(p->tx_bytes, 38333);
	assert_int_equal(p->last_handshake.tv_sec, 1700000000);
	assert_int_equal(p->last_handshake.tv_nsec, 999999999);
	assert_int_equal(p->n_allowed, 2);
	check_prefix(&p->allowed[0], "192.168.4.0/24"); /* masked, sorted */
	check_prefix(&p->allowed[1], "fd00::/64");
	assert_ptr_equal(device_state_peer(s, &p->key), p);
	assert_null(device_state_peer(s, &key));
}

static void pieces_of_every_size(void **state)
{
	for (size_t n = 1; n <= sizeof(answer); n++) {
		struct device_state s = {0};

		assert_int_equal(parse(answer, sizeof(answer) - 1, n, &s), 0);
		check_answer(&s);
		device_state_done(&s);
		assert_null(s.peers);
	}
}

/* Cut anywhere before its last byte, it is no answer. */
static void cut_at_every_byte(void **state)
{
	for (size_t n = 0; n < sizeof(answer) - 1; n++) {
		struct device_state s = {.listen_port = 7};

		assert_int_equal(parse(answer, n, sizeof(answer), &s), -EPROTO);
		assert_int_equal(s.listen_port, 7); /* untouched */
	}
}

static void answers(void **state)
{
	static const struct {
		const char *text;
		int result;
	} table[] = {
		{"errno=0\n\n", 0},
		{"errno=0\n\nwhatever follows", 0},
		{"errno=-0\n\n", 0},
		/* Either sign. */
		{"errno=22\n\n", -EINVAL},
		{"errno=-22\n\n", -EINVAL},
		{"errno=-98\n\n", -EADDRINUSE},
		{"listen_port=1\nerrno=1\n\n", -EPERM},
		{"errno=4095\n\n", -4095},
		{"unknown=1\nerrno=0\n\n", 0},
		{"unknown=\nerrno=0\n\n", 0},
		{"public_key=" KEY_A "\nerrno=0\n\n", 0},
		/* The same peer goes on. */
		{"public_key=" KEY_A "\npublic_key=" KEY_A "\nerrno=0\n\n", 0},
		{"\n", -EPROTO},
		{"listen_port=1\n\n", -EPROTO},
		{"errno=4096\n\n", -EPROTO},
		{"errno=--1\n\n", -EPROTO},
		{"errno=\n\n", -EPROTO},
		{"errno=18446744073709551616\n\n", -EPROTO},
		{"=1\nerrno=0\n\n", -EPROTO},
		{"no equals sign\nerrno=0\n\n", -EPROTO},
		{"listen_port=65536\nerrno=0\n\n", -EPROTO},
		{"listen_port=-1\nerrno=0\n\n", -EPROTO},
		{"listen_port= 1\nerrno=0\n\n", -EPROTO},
		{"listen_port=1\r\nerrno=0\n\n", -EPROTO},
		{"fwmark=4294967296\nerrno=0\n\n", -EPROTO},
		{"private_key=0\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "0\nerrno=0\n\n", -EPROTO},
		{"allowed_ip=10.0.0.0/8\nerrno=0\n\n", -EPROTO}, /* of no peer */
		{"rx_bytes=1\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nallowed_ip=10.0.0.0\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nallowed_ip=-10.0.0.0/8\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nendpoint=hub:51820\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nlast_handshake_time_nsec=1000000000\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\nrx_bytes=18446744073709551616\nerrno=0\n\n", -EPROTO},
		{"public_key=" KEY_A "\npublic_key=" KEY_B "\npublic_key=" KEY_A "\nerrno=0\n\n",
			-EPROTO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct device_state s = {0};
		int r = parse(table[i].text, strlen(table[i].text), 3, &s);

		if (r != table[i].result)
			fail_msg("%s: %d instead of %d", table[i].text, r, table[i].result);
		device_state_done(&s);
	}
}

/* --- of many owners --- */

static const char shared[] = "max_owners=16\n"
			     "multicast=true\n"
			     "public_key=" KEY_B "\n"
			     "level=last-resort\n"
			     "answers=false\n"
			     "multicast=true\n"
			     "link_local=fe80::b\n"
			     "allowed_ip=10.0.0.1/32\n"
			     "owners=9\n"
			     "allowed_ip=fd01::/32\n"
			     "allowed_ip=10.1.0.9/16\n"
			     "owners=7\n"
			     "allowed_ip=10.2.0.0/16\n"
			     "public_key=" KEY_A "\n"
			     "allowed_ip=10.0.0.2/32\n"
			     "owners=7\n"
			     "owner=" KEY_B ",0,100,relay\n"
			     "owner=" KEY_A ",65535,65535\n"
			     "owners=8\n"
			     "owner=" KEY_A ",0,0\n"
			     "shared_ip=10.3.0.0/16\n"
			     "owners=9\n"
			     "owner=" KEY_B ",0,1\n"
			     "owners=18446744073709551615\n"
			     "errno=0\n\n";

static void check_owner(const struct device_owner *o, const char *text)
{
	char hex[WG_KEY_HEX_LEN], is[128];

	snprintf(is, sizeof(is), "%s,%u,%u%s", wg_key_to_hex(&o->key, hex), o->rank, o->weight,
		o->is_relay ? ",relay" : "");
	assert_string_equal(is, text);
}

static void check_shared(const struct device_state *s)
{
	const struct device_owner_set *set;
	const struct device_peer *p = &s->peers[1];
	char text[IP_ADDR_STRLEN];

	assert_int_equal(s->max_owners, 16);
	assert_true(s->multicast);
	assert_int_equal(s->n_peers, 2);
	assert_true(p->level == DEVICE_LAST_RESORT && p->is_silent && p->multicast);
	assert_string_equal(ip_addr_format(&p->link_local, text), "fe80::b");
	assert_int_equal(p->n_allowed, 1);
	p = &s->peers[0];
	assert_true(
		p->level == DEVICE_UP && !p->is_silent && !p->multicast && !p->link_local.family);
	assert_int_equal(p->n_allowed, 1);
	assert_int_equal(s->n_sets, 4);
	for (size_t i = 0; i < 4; i++)
		assert_ptr_equal(device_state_set(s, (const uint64_t[]){7, 8, 9, UINT64_MAX}[i]),
			&s->sets[i]);
	assert_null(device_state_set(s, 0));
	set = &s->sets[0];
	assert_true(set->n_owners == 2 && set->n_allowed == 1);
	check_owner(&set->owners[0], KEY_B ",0,100,relay");
	check_owner(&set->owners[1], KEY_A ",65535,65535");
	check_prefix(&set->allowed[0], "10.2.0.0/16");
	check_owner(&s->sets[1].owners[0], KEY_A ",0,0");
	check_prefix(&s->sets[1].allowed[0], "10.3.0.0/16");
	set = &s->sets[2];
	assert_true(set->n_owners == 1 && set->n_allowed == 2);
	check_prefix(&set->allowed[0], "10.1.0.0/16"); /* masked, sorted */
	check_prefix(&set->allowed[1], "fd01::/32");
	assert_true(!s->sets[3].n_owners && !s->sets[3].n_allowed);
}

static void sets_of_owners(void **state)
{
	for (size_t n = 1; n <= sizeof(shared); n += 7) {
		struct device_state s = {0}, copy = {0};

		assert_int_equal(parse(shared, sizeof(shared) - 1, n, &s), 0);
		check_shared(&s);
		copy = s;
		copy.sets = device_owner_sets_copy(s.sets, s.n_sets);
		check_shared(&copy);
		copy.peers = NULL;
		copy.n_peers = 0;
		device_state_done(&copy);
		device_state_done(&s);
		assert_null(s.sets);
	}
	/* Cut off, nothing is left behind. */
	for (size_t n = 0; n < sizeof(shared) - 1; n++)
		assert_int_equal(parse(shared, n, sizeof(shared), NULL), -EPROTO);
}

static void sets_that_make_no_sense(void **state)
{
	static const char *const table[] = {
		"max_owners=0",
		"max_owners=x",
		"max_owners=257",
		"owners=",
		"owners=-1",
		"owners=18446744073709551616",
		"owner=" KEY_A ",0,1",
		"shared_ip=10.0.0.0/8",
		"public_key=" KEY_A "\nshared_ip=10.0.0.0/8",
		"public_key=" KEY_A "\nowner=" KEY_A ",0,1",
		"public_key=" KEY_A "\nlevel=3",
		"public_key=" KEY_A "\nlevel=",
		"public_key=" KEY_A "\nanswers=no",
		"public_key=" KEY_A "\nmulticast=1",
		"public_key=" KEY_A "\nlink_local=fe80",
		"public_key=" KEY_A "\nowners=1\nrx_bytes=1",
		"level=up",
		"multicast=",
		"owners=1\nowner=" KEY_A,
		"owners=1\nowner=" KEY_A ",0",
		"owners=1\nowner=" KEY_A ",0,1,",
		"owners=1\nowner=" KEY_A ",0,1,rely",
		"owners=1\nowner=" KEY_A ",0,1,relay,relay",
		"owners=1\nowner=" KEY_A ",,1",
		"owners=1\nowner=" KEY_A ",65536,1",
		"owners=1\nowner=" KEY_A ",0,65536",
		"owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_A ",1,1",
		"owners=1\nowner=,0,1",
		"owners=1\nallowed_ip=10.0.0.0",
		"owners=1\nallowed_ip=-10.0.0.0/8",
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct device_state s = {0};
		AUTO_BUF text = {0};
		int r;

		buf_printf(&text, "%s\nerrno=0\n\n", table[i]);
		r = parse(buf_str(&text), text.n, 5, &s);
		if (r != -EPROTO)
			fail_msg("%s: %d", table[i], r);
	}
}

/* A key that we don't know may have a value of any length; one that we know may not. */
static void long_lines(void **state)
{
	for (int known = 0; known < 2; known++) {
		struct uapi_reader r = {0};
		char many[1000];

		memset(many, known ? '1' : 'x', sizeof(many));
		uapi_reader_feed(&r, known ? "listen_port=" : "novelty=", known ? 12 : 8);
		for (int i = 0; i < 1000; i++)
			uapi_reader_feed(&r, many, sizeof(many));
		uapi_reader_feed(&r, "\nerrno=0\n\n", 10);
		assert_int_equal(uapi_reader_finish(&r, NULL), known ? -EPROTO : 0);
		uapi_reader_done(&r);
	}
}

static void zero_bytes(void **state)
{
	static const char text[] = "errno=0\0=\n\n";

	assert_int_equal(parse(text, sizeof(text) - 1, 4, NULL), -EPROTO);
}

static void endless_answer(void **state)
{
	struct uapi_reader r = {0};

	r.fed = UAPI_ANSWER_MAX - 2;
	uapi_reader_feed(&r, "a=b\n", 4);
	assert_int_equal(uapi_reader_finish(&r, NULL), -EMSGSIZE);
	uapi_reader_done(&r);
}

static void garbage(void **state)
{
	static const char alphabet[] = "=\n0123456789abcdef/.:%-_ \0\xff";
	struct chance c = chance_start("uapi garbage");

	for (int i = 0; i < 20000; i++) {
		char text[sizeof(answer) + 8];
		size_t n = sizeof(answer) - 1;
		struct device_state s = {0};

		memcpy(text, answer, n);
		for (unsigned j = chance_below(&c, 4) + 1; j; j--)
			text[chance_below(&c, (unsigned)n)] =
				alphabet[chance_below(&c, sizeof(alphabet) - 1)];
		if (!parse(text, n, 1 + chance_below(&c, 300), &s))
			device_state_done(&s);
	}
}

/* --- writing -------------------------------------------------------------------------------- */

static int into_buf(void *data, const char *bytes, size_t n)
{
	buf_add(data, bytes, n);
	return 0;
}

static ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static void a_whole_change(void **state)
{
	const ip_prefix add[] = {P("10.1.0.0/16"), P("fd00::/64")}, del[] = {P("10.2.0.0/16")};
	struct device_peer_change peers[3] = {
		{.set_psk = true, .set_endpoint = true, .set_keepalive = true, .keepalive = 25},
		{.update_only = true, .add = add, .n_add = 2, .del = del, .n_del = 1},
		{.remove = true, .add = add, .n_add = 2},
	};
	struct device_change c = {.set_private_key = true,
		.set_listen_port = true,
		.listen_port = 51820,
		.set_fwmark = true,
		.fwmark = 4294967295u,
		.peers = peers,
		.n_peers = 3};
	struct uapi_writer w = {.write = into_buf};
	AUTO_BUF out = {0};

	w.data = &out;
	assert_true(wg_key_from_hex(&c.private_key, PRIVATE));
	assert_true(wg_key_from_hex(&peers[0].key, KEY_A));
	assert_true(wg_key_from_hex(&peers[0].psk, PSK));
	assert_true(sock_addr_parse(&peers[0].endpoint, "[fe80::1%lo]:5"));
	assert_true(wg_key_from_hex(&peers[1].key, KEY_B));
	peers[2].key = peers[0].key;
	assert_int_equal(uapi_write_set(&w, &c), 0);
	assert_string_equal(buf_str(&out),
		"set=1\nprivate_key=" PRIVATE "\nlisten_port=51820\nfwmark=4294967295\n"
		"public_key=" KEY_A "\npreshared_key=" PSK "\nendpoint=[fe80::1%lo]:5\n"
		"persistent_keepalive_interval=25\n"
		"public_key=" KEY_B "\nupdate_only=true\nallowed_ip=10.1.0.0/16\n"
		"allowed_ip=fd00::/64\nallowed_ip=-10.2.0.0/16\n"
		"public_key=" KEY_A "\nremove=true\n\n");
	for (size_t i = 0; i < sizeof(w.buf); i++)
		assert_int_equal(w.buf[i], 0);
}

static void a_change_of_sets(void **state)
{
	const ip_prefix add[] = {P("10.1.0.0/16"), P("fd00::/64")}, del[] = {P("10.2.0.0/16")};
	struct device_owner owners[2] = {
		{.rank = 1, .weight = 100, .is_relay = true}, {.rank = 65535, .weight = 65535}};
	struct device_owner_set_change sets[] = {
		{.number = 7,
			.owners = owners,
			.n_owners = 2,
			.add = add,
			.n_add = 2,
			.del = del,
			.n_del = 1},
		{.number = UINT64_MAX, .del = del, .n_del = 1},
		{.number = 0, .remove = true, .owners = owners, .n_owners = 2},
	};
	struct device_peer_change peers[3] = {
		{.set_level = true, .level = DEVICE_DOWN, .set_multicast = true},
		{.set_level = true, .level = DEVICE_UP, .set_link_local = true},
		{.set_level = true, .level = DEVICE_LAST_RESORT, .set_link_local = true},
	};
	struct device_change c = {.set_multicast = true,
		.multicast = true,
		.peers = peers,
		.n_peers = 3,
		.sets = sets,
		.n_sets = 3};
	struct uapi_writer w = {.write = into_buf};
	AUTO_BUF out = {0};

	w.data = &out;
	assert_true(wg_key_from_hex(&owners[0].key, KEY_A));
	assert_true(wg_key_from_hex(&owners[1].key, KEY_B));
	peers[0].key = peers[1].key = peers[2].key = owners[0].key;
	assert_true(ip_addr_parse(&peers[1].link_local, "fe80::a"));
	assert_int_equal(uapi_write_set(&w, &c), 0);
	assert_string_equal(buf_str(&out),
		"set=1\nmulticast=true\npublic_key=" KEY_A "\nlevel=down\nmulticast=false\n"
		"public_key=" KEY_A "\nlevel=up\nlink_local=fe80::a\n"
		"public_key=" KEY_A "\nlevel=last-resort\nlink_local=\n"
		"owners=7\nowner=" KEY_A ",1,100,relay\nowner=" KEY_B ",65535,65535\n"
		"allowed_ip=10.1.0.0/16\nallowed_ip=fd00::/64\nallowed_ip=-10.2.0.0/16\n"
		"owners=18446744073709551615\nupdate_only=true\nallowed_ip=-10.2.0.0/16\n"
		"owners=0\nremove=true\n\n");
}

static int refuse(void *data, const char *bytes, size_t n)
{
	int *left = data;

	return --*left ? 0 : -EPIPE;
}

static void a_large_change(void **state)
{
	enum { N = 100000 };
	ip_prefix *many = calloc(N, sizeof(*many));
	struct device_peer_change peer = {.add = many, .n_add = N};
	struct device_change c = {.peers = &peer, .n_peers = 1};
	struct uapi_writer w = {.write = into_buf}, broken = {.write = refuse};
	AUTO_BUF out = {0};
	size_t lines = 0;
	int pieces = 3;

	for (size_t i = 0; i < N; i++)
		many[i] = P("fd00:1234:5678:9abc:def0:1234:5678:9abc/128");
	w.data = &out;
	assert_int_equal(uapi_write_set(&w, &c), 0);
	for (size_t i = 0; i < out.n; i++)
		lines += out.data[i] == '\n';
	assert_int_equal(lines, N + 3);
	broken.data = &pieces;
	assert_int_equal(uapi_write_set(&broken, &c), -EPIPE);
	assert_int_equal(pieces, 0); /* and not called again */
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_every_size),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(answers),
		cmocka_unit_test(sets_of_owners),
		cmocka_unit_test(sets_that_make_no_sense),
		cmocka_unit_test(long_lines),
		cmocka_unit_test(zero_bytes),
		cmocka_unit_test(endless_answer),
		cmocka_unit_test(garbage),
		cmocka_unit_test(a_whole_change),
		cmocka_unit_test(a_change_of_sets),
		cmocka_unit_test(a_large_change),
	};

	return cmocka_run_group_tests_name("uapi_codec", tests, NULL, NULL);
}
