/* SPDX-License-Identifier: MIT */
/* The UAPI's extension for prefixes with several owners (docs/uapi.md): whole conversations, and
 * what the keys that everybody knows do to it. */
#include "tunnel_fixture.h"

#define KEY_A "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
#define KEY_B "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define KEY_C "662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58"
#define PEERS "public_key=" KEY_A "\npublic_key=" KEY_B "\npublic_key=" KEY_C "\n"

static struct device d;
static struct buf out;

static int start(void **state)
{
	device_start(&d, false);
	return 0;
}

static int stop(void **state)
{
	device_stop(&d);
	buf_done(&out);
	return 0;
}

static int set(const char *lines)
{
	AUTO_BUF request = {0};

	buf_printf(&request, "set=1\n%s\n", lines);
	return uapi_ask(&d, buf_str(&request), &out);
}

/* A line that is there whatever was said. */
static bool is_dull(const char *line)
{
	static const char *const dull[] = {"shunt_", "preshared_key=000",
		"protocol_version=", "last_handshake_", "tx_bytes=", "rx_bytes=", "persistent_",
		"max_owners=", "errno="};

	for (size_t i = 0; i < ARRAY_SIZE(dull); i++)
		if (!strncmp(line, dull[i], strlen(dull[i])))
			return true;
	return *line == '\n';
}

static void take_out_dull(const char *answer, struct buf *ret)
{
	for (const char *line = answer, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!is_dull(line))
			buf_add(ret, line, (size_t)(end - line) + 1);
	}
}

/* The rest of a get's answer is just this. */
static void check_told(const char *lines)
{
	AUTO_BUF answer = {0}, told = {0};

	assert_int_equal(uapi_ask(&d, "get=1\n\n", &answer), 0);
	take_out_dull(buf_str(&answer), &told);
	assert_string_equal(buf_str(&told), lines);
}

/* What a device tells, told to another one, makes it tell the same. */
static void check_told_again(void)
{
	AUTO_BUF answer = {0}, lines = {0};

	assert_int_equal(uapi_ask(&d, "get=1\n\n", &answer), 0);
	take_out_dull(buf_str(&answer), &lines);
	device_stop(&d);
	device_start(&d, false);
	assert_int_equal(set(buf_str(&lines)), 0);
	check_told(buf_str(&lines));
}

/* --- conversations -------------------------------------------------------------------------------
 */

static void can_be_told_from_others(void **state)
{
	assert_int_equal(uapi_ask(&d, "get=1\n\n", &out), 0);
	assert_memory_equal(buf_str(&out), "max_owners=16\n", 14);
	assert_int_equal(set("max_owners=16\n"), -EINVAL);
}

/* Shown under whom it would go by; who the owners are comes after all peers. */
static void a_set(void **state)
{
	assert_int_equal(set(PEERS "owners=7\nowner=" KEY_B ",2,100\nowner=" KEY_A
				   ",1,100,relay\nowner=" KEY_C
				   ",0,0\nallowed_ip=10.1.2.3/16\nallowed_ip=fd00:1::/32\n"
				   "public_key=" KEY_A "\nallowed_ip=10.0.0.1/32\n"),
		0);
	check_told("public_key=" KEY_A "\nallowed_ip=10.0.0.1/32\nowners=7\n"
		   "allowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
		   "public_key=" KEY_B "\npublic_key=" KEY_C "\nowners=7\n"
		   "owner=" KEY_A ",1,100,relay\nowner=" KEY_B ",2,100\nowner=" KEY_C ",0,0\n");
	check_told_again();
	/* By one line others own all of it. */
	assert_int_equal(set("owners=7\nowner=" KEY_C ",0,65535\n"), 0);
	check_told(
		"public_key=" KEY_A "\nallowed_ip=10.0.0.1/32\npublic_key=" KEY_B "\n"
		"public_key=" KEY_C "\nowners=7\nallowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
		"owners=7\nowner=" KEY_C ",0,65535\n");
	check_told_again();
}

static void several_sets(void **state)
{
	assert_int_equal(
		set(PEERS "owners=18446744073709551615\nowner=" KEY_B
			  ",0,1\nallowed_ip=10.3.0.0/16\n"
			  "owners=0\nowner=" KEY_A ",0,1\nowner=" KEY_B ",0,1\n"
			  "shared_ip=10.1.0.0/16\n"
			  "owners=1\nowner=" KEY_B ",5,1\nallowed_ip=10.2.0.0/16\n"
			  "owners=2\nowner=" KEY_C ",0,0\nallowed_ip=10.4.0.0/16\nowners=3\n"),
		0);
	check_told("public_key=" KEY_A "\nowners=0\nallowed_ip=10.1.0.0/16\n"
		   "public_key=" KEY_B "\nowners=1\nallowed_ip=10.2.0.0/16\n"
		   "owners=18446744073709551615\nallowed_ip=10.3.0.0/16\npublic_key=" KEY_C "\n"
		   "owners=0\nowner=" KEY_A ",0,1\nowner=" KEY_B ",0,1\n"
		   "owners=1\nowner=" KEY_B ",5,1\n"
		   "owners=2\nowner=" KEY_C ",0,0\nshared_ip=10.4.0.0/16\nowners=3\n"
		   "owners=18446744073709551615\nowner=" KEY_B ",0,1\n");
	check_told_again();
	/* A prefix has one holder, who had it last. */
	assert_int_equal(
		set("owners=1\nallowed_ip=10.1.0.0/16\nallowed_ip=10.3.0.0/16\n"
		    "allowed_ip=-10.2.0.0/16\nallowed_ip=-10.4.0.0/16\n"
		    "owners=2\nremove=true\nallowed_ip=10.9.0.0/16\nowners=3\nremove=true\n"
		    "owners=99\nremove=true\n"),
		0);
	check_told("public_key=" KEY_A "\npublic_key=" KEY_B "\nowners=1\nallowed_ip=10.1.0.0/16\n"
		   "allowed_ip=10.3.0.0/16\npublic_key=" KEY_C "\n"
		   "owners=0\nowner=" KEY_A ",0,1\nowner=" KEY_B ",0,1\n"
		   "owners=1\nowner=" KEY_B ",5,1\nowners=18446744073709551615\nowner=" KEY_B
		   ",0,1\n");
}

static void only_if_it_is_there(void **state)
{
	assert_int_equal(
		set(PEERS "owners=1\nupdate_only=true\nowner=" KEY_A
			  ",0,1\nallowed_ip=10.1.0.0/16\nallowed_ip=-10.2.0.0/16\nowners=2\n"
			  "update_only=true\nremove=true\nowners=3\nowner=" KEY_A ",0,1\n"),
		0);
	check_told(PEERS "owners=3\nowner=" KEY_A ",0,1\n");
	assert_int_equal(
		set("owners=3\nupdate_only=true\nowner=" KEY_B ",0,1\nallowed_ip=10.1.0.0/16\n"),
		0);
	assert_int_equal(set("owners=1\nupdate_only=true\nallowed_ip=10.0.0.0/33\n"), -EINVAL);
	check_told("public_key=" KEY_A "\npublic_key=" KEY_B
		   "\nowners=3\nallowed_ip=10.1.0.0/16\npublic_key=" KEY_C
		   "\nowners=3\nowner=" KEY_B ",0,1\n");
}

static void what_peers_have(void **state)
{
	assert_int_equal(
		set("multicast=true\npublic_key=" KEY_A
		    "\nlevel=last-resort\nmulticast=true\nlink_local=fe80::a\npublic_key=" KEY_B
		    "\nlevel=down\nlink_local=fe80::b\npublic_key=" KEY_C "\nlink_local=\n"),
		0);
	check_told("multicast=true\npublic_key=" KEY_A
		   "\nlevel=last-resort\nmulticast=true\nlink_local=fe80::a\n"
		   "public_key=" KEY_B "\nlevel=down\nlink_local=fe80::b\npublic_key=" KEY_C "\n");
	check_told_again();
	/* An address is one peer's. */
	assert_int_equal(set("multicast=false\npublic_key=" KEY_A
			     "\nlevel=up\nmulticast=false\nlink_local=\npublic_key=" KEY_C
			     "\nlink_local=fe80::b\n"),
		0);
	check_told("public_key=" KEY_A "\npublic_key=" KEY_B "\nlevel=down\npublic_key=" KEY_C
		   "\nlink_local=fe80::b\n");
}

/* --- what everybody's keys do to sets ------------------------------------------------------------
 */

#define TWO                                                          \
	PEERS "owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_B ",1,1\n" \
	      "allowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"

static void allowed_ip_of_a_peer(void **state)
{
	assert_int_equal(set(TWO), 0);
	/* Only what is his alone can be taken from him. */
	assert_int_equal(set("public_key=" KEY_A "\nallowed_ip=-10.1.0.0/16\npublic_key=" KEY_B
			     "\nallowed_ip=-fd00:1::/32\n"),
		0);
	check_told(
		"public_key=" KEY_A "\nowners=1\nallowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
		"public_key=" KEY_B "\npublic_key=" KEY_C "\n"
		"owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_B ",1,1\n");
	/* Whom it is given to has it alone, and gives it back. */
	assert_int_equal(set("public_key=" KEY_C "\nallowed_ip=10.1.0.0/16\n"), 0);
	assert_int_equal(set("owners=1\nallowed_ip=-10.1.0.0/16\n"), 0);
	check_told("public_key=" KEY_A "\nowners=1\nallowed_ip=fd00:1::/32\n"
		   "public_key=" KEY_B "\npublic_key=" KEY_C "\nallowed_ip=10.1.0.0/16\n"
		   "owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_B ",1,1\n");
	assert_int_equal(set("owners=1\nallowed_ip=10.1.0.0/16\n"), 0);
	check_told(
		"public_key=" KEY_A "\nowners=1\nallowed_ip=fd00:1::/32\nallowed_ip=10.1.0.0/16\n"
		"public_key=" KEY_B "\npublic_key=" KEY_C "\n"
		"owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_B ",1,1\n");
}

static void remove_peers(void **state)
{
	assert_int_equal(set(TWO), 0);
	assert_int_equal(set("public_key=" KEY_A "\nremove=true\n"), 0);
	check_told(
		"public_key=" KEY_B "\nowners=1\nallowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
		"public_key=" KEY_C "\nowners=1\nowner=" KEY_B ",1,1\n");
	/* The prefixes of a set stay its own, so that a line brings them back. */
	assert_int_equal(set("public_key=" KEY_B "\nremove=true\n"), 0);
	check_told(
		"public_key=" KEY_C "\nowners=1\nshared_ip=10.1.0.0/16\nshared_ip=fd00:1::/32\n");
	check_told_again();
	assert_int_equal(set("owners=1\nowner=" KEY_C ",0,1\n"), 0);
	check_told(
		"public_key=" KEY_C "\nowners=1\nallowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
		"owners=1\nowner=" KEY_C ",0,1\n");
	assert_int_equal(set("replace_peers=true\n"), 0);
	check_told("");
}

static void replace_allowed_ips(void **state)
{
	assert_int_equal(set(TWO), 0);
	assert_int_equal(
		set("public_key=" KEY_A "\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n"), 0);
	check_told("public_key=" KEY_A "\nallowed_ip=10.1.0.0/16\npublic_key=" KEY_B
		   "\nowners=1\nallowed_ip=fd00:1::/32\npublic_key=" KEY_C
		   "\nowners=1\nowner=" KEY_B ",1,1\n");
}

/* --- errors --------------------------------------------------------------------------------------
 */

static void malformed(void **state)
{
	static const struct {
		const char *lines;
		int err;
	} table[] = {
		{"owners=", -EINVAL},
		{"owners=-1", -EINVAL},
		{"owners=18446744073709551616", -EINVAL},
		{"owners=1x", -EINVAL},
		{"owners", -EPROTO},
		{"owner=" KEY_A ",0,1", -EINVAL},
		{"shared_ip=10.0.0.0/8", -EINVAL},
		{"multicast=yes", -EINVAL},
		{"multicast=", -EINVAL},
		{"level=up", -EINVAL},
		{"owners=1\nowner=" KEY_A, -EINVAL},
		{"owners=1\nowner=" KEY_A ",", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,1,", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,1,rely", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,1,relay,", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,1 ", -EINVAL},
		{"owners=1\nowner=" KEY_A ",-1,1", -EINVAL},
		{"owners=1\nowner=" KEY_A ",65536,1", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,65536", -EINVAL},
		{"owners=1\nowner=" KEY_A ",0,99999999999999999999", -EINVAL},
		{"owners=1\nowner=" KEY_A " 0 1", -EINVAL},
		{"owners=1\nowner=", -EINVAL},
		{"owners=1\nowner=12,0,1", -EINVAL},
		{"owners=1\nowner=g" KEY_A ",0,1", -EINVAL},
		{"owners=1\nowner=" KEY_C "00,0,1", -EINVAL},
		{"owners=1\nowner=" KEY_C ",0,1", -ENOENT},
		{"owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_A ",1,1", -EINVAL},
		{"owners=1\nallowed_ip=", -EINVAL},
		{"owners=1\nallowed_ip=10.0.0.0/33", -EINVAL},
		{"owners=1\nshared_ip=--10.0.0.0/8", -EINVAL},
		{"owners=1\nremove=1", -EINVAL},
		{"owners=1\nupdate_only=1", -EINVAL},
		{"owners=1\nlisten_port=5", -EINVAL},
		{"owners=1\nlevel=up", -EINVAL},
		{"owners=1\nreplace_allowed_ips=true", -EINVAL},
		{"owners=1\nendpoint=1.2.3.4:5", -EINVAL},
		{"public_key=" KEY_A "\nlevel=", -EINVAL},
		{"public_key=" KEY_A "\nlevel=UP", -EINVAL},
		{"public_key=" KEY_A "\nlevel=2", -EINVAL},
		{"public_key=" KEY_A "\nmulticast=1", -EINVAL},
		{"public_key=" KEY_A "\nanswers=false", -EINVAL},
		{"public_key=" KEY_A "\nowner=" KEY_A ",0,1", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=fd00::1", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=fe80::", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=fe80:1::1", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=169.254.0.1", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=fe80::1%lo", -EINVAL},
		{"public_key=" KEY_A "\nlink_local=fe80::1/64", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_BUF lines = {0};

		buf_printf(&lines, "%s\n", table[i].lines);
		assert_int_equal(set("public_key=" KEY_A "\npublic_key=" KEY_B "\n"), 0);
		if (set(buf_str(&lines)) != table[i].err)
			fail_msg("%s: %s", table[i].lines, buf_str(&out));
	}
}

/* Who owns it is said whole or not at all, wherever the request ends. */
static void half_a_definition(void **state)
{
	static const char *const ends[] = {"owner=" KEY_C ",1\n", "owner=" KEY_C ",0,1\n",
		"owner=ff,0,1\n", "nonsense=1\n", "no line\n"};

	assert_int_equal(set(TWO), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		AUTO_BUF lines = {0};

		buf_printf(&lines, "owners=1\nowner=" KEY_C ",0,1\n%s", ends[i]);
		assert_int_not_equal(set(buf_str(&lines)), 0);
		check_told("public_key=" KEY_A
			   "\nowners=1\nallowed_ip=10.1.0.0/16\nallowed_ip=fd00:1::/32\n"
			   "public_key=" KEY_B "\npublic_key=" KEY_C "\n"
			   "owners=1\nowner=" KEY_A ",0,1\nowner=" KEY_B ",1,1\n");
	}
}

static void as_many_as_there_may_be(void **state)
{
	AUTO_BUF lines = {0};

	for (int i = 1; i <= 17; i++)
		buf_printf(&lines, "public_key=%064x\n", i);
	buf_puts(&lines, "owners=1\n");
	for (int i = 1; i <= 16; i++)
		buf_printf(&lines, "owner=%064x,%d,65535,relay\n", i, i);
	assert_int_equal(set(buf_str(&lines)), 0);
	check_told(buf_str(&lines));
	buf_printf(&lines, "owner=%064x,1,1\n", 17);
	assert_int_equal(set(buf_str(&lines)), -EINVAL);
}

/* Sets belong to a moment, too. */
static void in_pieces(void **state)
{
	enum { N = 20000 };
	AUTO_BUF lines = {0};
	unsigned n = 0;

	buf_puts(&lines, TWO);
	for (int i = 0; i < N; i++)
		buf_printf(&lines, "owners=%d\nallowed_ip=10.%d.%d.0/24\n", i % 3 + 1, i >> 8,
			i & 255);
	assert_int_equal(set(buf_str(&lines)), 0);
	assert_int_equal(set("owners=3\nowner=" KEY_B ",0,1\n"), 0);
	assert_int_equal(uapi_ask(&d, "get=1\n\n", &out), 0);
	for (const char *at = buf_str(&out), *end = at + out.n; at < end;
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		n += !strncmp(at, "allowed_ip=", 11) || !strncmp(at, "shared_ip=", 10);
	assert_int_equal(n, N + 2);
	/* One line, however many there are. */
	assert_int_equal(set("owners=1\nowner=" KEY_C ",0,1\n"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(can_be_told_from_others),
		T(a_set),
		T(several_sets),
		T(only_if_it_is_there),
		T(what_peers_have),
		T(allowed_ip_of_a_peer),
		T(remove_peers),
		T(replace_allowed_ips),
		T(malformed),
		T(half_a_definition),
		T(as_many_as_there_may_be),
		T(in_pieces),
	};

	return cmocka_run_group_tests_name("uapi_owners", tests, NULL, NULL);
}
