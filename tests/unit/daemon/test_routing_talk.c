/* SPDX-License-Identifier: MIT */
/* What routing engines say of their sessions, whole, in pieces, and wrong. */
#include "../unit.h"
#include "base/buf.h"
#include "daemon/routing_talk.h"
#include <errno.h>
#include <string.h>

#define BIRD_HELLO "0001 BIRD 2.0.12 ready.\n"
#define BIRD_HEAD "2002-Name       Proto      Table      State  Since         Info\n"
#define BIRD_DEVICE "1002-device1    Device     ---        up     23:59:01.123  \n1006-\n"
#define BIRD_ESTABLISHED                                                                      \
	"1002-hub_a_4    BGP        ---        up     23:59:02.001  Established   \n"         \
	"1006-  Description:    hub-a over IPv4\n"                                            \
	"   BGP state:          Established\n"                                                \
	"     Neighbor address: 10.10.0.1\n"                                                  \
	"     Neighbor AS:      4200000001\n"                                                 \
	"     Local AS:         4200000011\n"                                                 \
	"     Neighbor ID:      10.10.0.1\n"                                                  \
	"     Session:          external multihop AS4\n"                                      \
	"   Channel ipv4\n"                                                                   \
	"     State:          UP\n"                                                           \
	"     Routes:         12 imported, 1 filtered, 3 exported, 12 preferred\n"            \
	"     Route change stats:     received   rejected   filtered    ignored   accepted\n" \
	"       Import updates:             13          0          1          0         12\n" \
	"   Channel ipv6\n"                                                                   \
	"     Routes:         5 imported, 0 exported, 5 preferred\n"                          \
	" \n"
#define BIRD_ACTIVE                                                                         \
	"1002-hub_b_6    BGP        ---        start  23:59:02.001  Active        Socket: " \
	"Connection refused\n"                                                              \
	"1006-  BGP state:          Active\n"                                               \
	"     Neighbor address: fe80::2%wg0\n"                                              \
	"     Last error:       Socket: Connection refused\n"                               \
	"   Channel ipv6\n"                                                                 \
	"     State:          DOWN\n"                                                       \
	" \n"
/* Listens for a range of neighbors, and has none itself. */
#define BIRD_LISTENER                                                                 \
	"1002-sites      BGP        ---        start  23:59:02.001  Passive       \n" \
	"1006-  BGP state:          Passive\n"                                        \
	"     Neighbor range:   10.10.0.0/24\n \n"
#define BIRD_END "0000 \n"

static const char bird[] =
	BIRD_HELLO BIRD_HEAD BIRD_DEVICE BIRD_LISTENER BIRD_ESTABLISHED BIRD_ACTIVE BIRD_END;

static const char frr[] =
	"{\n\"ipv4Unicast\":{\n  \"routerId\":\"10.10.0.11\",\n  \"as\":4200000011,\n"
	"  \"peers\":{\n"
	"    \"10.10.0.1\":{\"remoteAs\":4200000001,\"version\":4,\"peerUptime\":\"00:01:02\","
	"\"peerUptimeMsec\":62000,\"pfxRcd\":12,\"pfxSnt\":3,\"state\":\"Established\","
	"\"peerState\":\"OK\",\"idType\":\"ipv4\"},\n"
	"    \"wg0\":{\"state\":\"Established\",\"pfxRcd\":9,\"idType\":\"interface\"},\n"
	"    \"10.10.0.2\":{\"peerUptimeMsec\":5000,\"pfxRcd\":0,\"state\":\"Idle (Admin)\"}},\n"
	"  \"failedPeers\":1,\"totalPeers\":3\n}\n,\n"
	"\"ipv6Unicast\":{\"peers\":{\"10.10.0.1\":{\"pfxRcd\":4,\"state\":\"Established\"},"
	"\"fd10::1\":{\"pfxRcd\":-3,\"state\":\"OpenConfirm\"}}},\"junk\":7}\n\0\0\0";

/* "neighbor state routes" of each. */
static void expect(const routing_sessions *list, const char *want)
{
	AUTO_BUF text = {0};
	char addr[IP_ADDR_STRLEN];

	for (size_t i = 0; i < list->n; i++) {
		const struct routing_session *s = &list->items[i];

		buf_printf(&text, "%s%s %s %u", i ? ", " : "", ip_addr_format(&s->neighbor, addr),
			routing_state_name(s->state), (unsigned)s->routes);
		if (s->error[0])
			buf_printf(&text, " (%s)", s->error);
	}
	assert_string_equal(buf_str(&text), want);
}

static void test_bird(void **state)
{
	routing_sessions found = {0};
	size_t at = 0;

	assert_int_equal(routing_talk_bird.whole(bird, sizeof(bird) - 1, &at), sizeof(bird) - 1);
	assert_int_equal(routing_talk_bird.parse(bird, sizeof(bird) - 1, &found), 0);
	expect(&found, "10.10.0.1 established 17, fe80::2 active 0 (Socket: Connection refused)");
	assert_true(found.items[0].for_ns < 0);
	vec_done(&found);
}

static void test_frr(void **state)
{
	routing_sessions found = {0};
	size_t at = 0;

	assert_int_equal(routing_talk_frr.whole(frr, sizeof(frr), &at), sizeof(frr));
	assert_int_equal(routing_talk_frr.parse(frr, sizeof(frr), &found), 0);
	expect(&found, "10.10.0.1 established 16, 10.10.0.2 idle 0, fd10::1 open-confirm 0");
	assert_int_equal(found.items[0].for_ns, 62 * NS_PER_S);
	vec_done(&found);
}

/* However it is cut, it is whole at its last byte and not before. */
static void in_pieces(const struct routing_talk *talk, const char *bytes, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(talk->whole(bytes, i, &at), 0);
	assert_int_equal(talk->whole(bytes, n, &at), n);
	for (size_t step = 2; step < 40; step++) {
		at = 0;
		for (size_t i = 0; i < n; i += step)
			assert_int_equal(talk->whole(bytes, i, &at), 0);
		assert_int_equal(talk->whole(bytes, n, &at), n);
	}
}

static void test_pieces(void **state)
{
	in_pieces(&routing_talk_bird, bird, sizeof(bird) - 1);
	in_pieces(&routing_talk_frr, frr, sizeof(frr));
}

static void refused(const struct routing_talk *talk, const char *bytes, size_t n, int err)
{
	routing_sessions found = {0};

	assert_int_equal(talk->parse(bytes, n, &found), err);
	vec_done(&found);
}

static void test_what_is_no_answer(void **state)
{
	static const char *const birds[] = {"8001 Route not found\n", "9001 syntax error\n",
		BIRD_HELLO "9000-Command too long\n9000 \n"};
	static const char *const frrs[] = {"% Unknown command.\n", "[]", "{", "7", ""};

	for (size_t i = 0; i < ARRAY_SIZE(birds); i++)
		refused(&routing_talk_bird, birds[i], strlen(birds[i]), -EPROTO);
	for (size_t i = 0; i < ARRAY_SIZE(frrs); i++) {
		AUTO_BUF text = {0};

		buf_add(&text, frrs[i], strlen(frrs[i]));
		buf_add(&text, "\0\0\0\1", 4);
		refused(&routing_talk_frr, buf_str(&text), text.n, -EPROTO);
	}
	refused(&routing_talk_frr, "{}", 2, -EPROTO);
}

/* Nobody's neighbors, lines that are cut off, words that nobody knows. */
static void test_odd_answers(void **state)
{
	static const struct {
		const char *text, *want;
	} birds[] = {
		{BIRD_END, ""},
		{"1002-a BGP --- up x\n1006-  BGP state:  Flying\n     Neighbor address: "
		 "fd10::1\n" BIRD_END,
			"fd10::1 down 0"},
		{"1002-a BGP --- up x\n1006-  Neighbor address: 10.10.0.256\n" BIRD_END, ""},
		{"1002-a BGP\n1006-  Neighbor address: 10.10.0.1\n" BIRD_END, ""},
		{"1002-a OSPF --- up x\n1006-  Neighbor address: 10.10.0.1\n" BIRD_END, ""},
		{"1002-a BGP --- up x\n1006-  Neighbor address: 10.10.0.1\n   Routes: "
		 "99999999999999999999 imported\n"
		 "   Last error: \033[2J\001\n" BIRD_END,
			"10.10.0.1 down 4294967295 (?[2J?)"},
	};
	static const char no_bgp[] = "{}\n\0\0\0\1",
			  strange[] = "{\"a\":{\"peers\":[1]},\"b\":{\"peers\":{\"10.10.0.1\":7,"
				      "\"10.10.0.2\":{}}}}\0\0\0";
	routing_sessions found = {0};

	for (size_t i = 0; i < ARRAY_SIZE(birds); i++) {
		assert_int_equal(
			routing_talk_bird.parse(birds[i].text, strlen(birds[i].text), &found), 0);
		expect(&found, birds[i].want);
	}
	assert_int_equal(routing_talk_frr.parse(no_bgp, sizeof(no_bgp) - 1, &found), 0);
	assert_int_equal(found.n, 0);
	assert_int_equal(routing_talk_frr.parse(strange, sizeof(strange), &found), 0);
	assert_int_equal(found.n, 0);
	vec_done(&found);
}

/* What tells of more than we take is no answer; as many as we take are all told. */
static void test_too_many(void **state)
{
	routing_sessions found = {0};
	AUTO_BUF text = {0};

	for (unsigned i = 0; i < ROUTING_SESSIONS_MAX; i++)
		buf_printf(&text, "1002-p%u BGP --- up x\n1006-  Neighbor address: 10.%u.%u.1\n", i,
			i >> 8, i & 255);
	assert_int_equal(routing_talk_bird.parse(buf_str(&text), text.n, &found), 0);
	assert_int_equal(found.n, ROUTING_SESSIONS_MAX);
	buf_puts(&text, "1002-q BGP --- up x\n1006-  Neighbor address: 10.99.0.1\n");
	assert_int_equal(routing_talk_bird.parse(buf_str(&text), text.n, &found), -EMSGSIZE);
	vec_done(&found);
}

static void test_who_is_asked(void **state)
{
	assert_ptr_equal(routing_talk_of(MESH_ENGINE_BIRD), &routing_talk_bird);
	assert_ptr_equal(routing_talk_of(MESH_ENGINE_FRR), &routing_talk_frr);
	assert_null(routing_talk_of(MESH_ENGINE_OTHER));
	assert_null(routing_talk_of(MESH_ENGINE_NONE));
	assert_int_equal(routing_talk_frr.question[routing_talk_frr.len - 1], 0);
	assert_int_equal(routing_talk_bird.question[routing_talk_bird.len - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bird),
		cmocka_unit_test(test_frr),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_what_is_no_answer),
		cmocka_unit_test(test_odd_answers),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_who_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
