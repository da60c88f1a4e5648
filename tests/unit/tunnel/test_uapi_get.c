/* SPDX-License-Identifier: MIT */
/* An answer to get=1 piece by piece, and what is set between two pieces: it shows one moment,
 * before or after a set, with everything in it once. */
#include "tunnel_fixture.h"

#include "tunnel/uapi_get.h"
#include "tunnel/uapi_level.h"

#define PREFIXES 4000
#define PEERS 3
#define TAIL "000000000000000000000000000000000000000000000000000000000000001"

static struct device d;

static void set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void set(const char *fmt, ...)
{
	AUTO_BUF request = {0};
	va_list ap;

	buf_puts(&request, "set=1\n");
	va_start(ap, fmt);
	buf_vprintf(&request, fmt, ap);
	va_end(ap);
	buf_puts(&request, "\n");
	assert_int_equal(uapi_ask(&d, buf_str(&request), NULL), 0);
}

/* Some peers and a set of owners, each with many prefixes. */
static int start(void **state)
{
	AUTO_BUF lines = {0};

	device_start(&d, false);
	for (unsigned p = 0; p < PEERS; p++) {
		buf_printf(&lines, "public_key=%u" TAIL "\n", p);
		for (unsigned i = 0; i < PREFIXES; i++)
			buf_printf(&lines,
				i & 1 ? "allowed_ip=fd00:%x::%x/128\n"
				      : "allowed_ip=10.%u.%u.0/24\n",
				i & 1 ? p : p * 80 + (i >> 8), i & 1 ? i : i & 255);
	}
	buf_puts(&lines, "owners=5\nowner=1" TAIL ",0,1\nowner=2" TAIL ",1,1\n");
	for (unsigned i = 0; i < PREFIXES; i++)
		buf_printf(&lines, "allowed_ip=172.%u.%u.0/24\n", i >> 8, i & 255);
	set("%s", buf_str(&lines));
	return 0;
}

static int stop(void **state)
{
	device_stop(&d);
	return 0;
}

static struct uapi_get *begin(void)
{
	struct uapi_get *g = uapi_get_begin(d.t, "get=1\n\n", 7);

	assert_non_null(g);
	return g;
}

/* To the end; returns how many pieces had no text. */
static unsigned finish(struct uapi_get *g, struct buf *out)
{
	unsigned silent = 0;
	size_t n;

	do
		n = out->n;
	while (uapi_get_more(g, out) && (silent += out->n == n) < 10000);
	uapi_get_free(g);
	assert_memory_equal(buf_str(out) + out->n - 9, "errno=0\n\n", 9);
	return silent;
}

static unsigned count(const struct buf *out, const char *line)
{
	unsigned n = 0;

	for (const char *at = buf_str(out), *end = at + out->n; at < end;
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		n += !strncmp(at, line, strlen(line));
	return n;
}

/* Too long to be printed whole. */
static void check_same(const struct buf *a, const struct buf *b)
{
	size_t n = 0;

	while (n < a->n && n < b->n && a->data[n] == b->data[n])
		n++;
	if (n < a->n || n < b->n)
		fail_msg("%zu and %zu bytes; from byte %zu on: %.80s\ninstead of: %.80s", a->n,
			b->n, n, buf_str(a) + n, buf_str(b) + n);
}

/* What a get without a pause tells. */
static void check_is_now(const struct buf *out)
{
	AUTO_BUF now = {0};

	assert_int_equal(uapi_ask(&d, "get=1\n\n", &now), 0);
	check_same(out, &now);
}

static void piece_by_piece(void **state)
{
	AUTO_BUF out = {0};

	/* No piece may take all: a set would wait for as long. */
	assert_in_range(finish(begin(), &out), 3, 30);
	assert_int_equal(count(&out, "public_key="), PEERS);
	assert_int_equal(count(&out, "allowed_ip="), (PEERS + 1) * PREFIXES);
	check_is_now(&out);
}

/* Whatever the copy stands at may be gone when it goes on. */
static void set_between(void **state)
{
	static const char *const table[] = {
		"fwmark=7\n",
		"public_key=0" TAIL "\nremove=true\n",
		"public_key=1" TAIL "\nremove=true\n",
		"replace_peers=true\n",
		"public_key=0" TAIL "\nreplace_allowed_ips=true\n",
		"public_key=0" TAIL "\nreplace_allowed_ips=true\nallowed_ip=10.0.8.0/24\n",
		"public_key=2" TAIL "\nallowed_ip=10.0.8.0/24\nallowed_ip=-10.160.2.0/24\n",
		"public_key=9" TAIL "\nallowed_ip=10.0.0.0/24\n",
		"owners=5\nremove=true\n",
		"owners=5\nowner=2" TAIL ",0,1\n",
		"owners=4\nowner=1" TAIL ",0,1\nallowed_ip=172.0.0.0/24\n",
	};

	for (unsigned pieces = 0; pieces < 4; pieces++)
		for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
			struct uapi_get *g;
			AUTO_BUF out = {0};

			stop(NULL);
			start(NULL);
			g = begin();
			for (unsigned n = 0; n < pieces; n++)
				assert_true(uapi_get_more(g, &out));
			assert_int_equal(out.n, 0);
			set("%s", table[i]);
			finish(g, &out);
			check_is_now(&out);
		}
}

/* What comes when the copy is whole isn't in it. */
static void set_after_the_copy(void **state)
{
	struct uapi_get *g = begin();
	AUTO_BUF out = {0};

	while (!out.n)
		assert_true(uapi_get_more(g, &out));
	set("fwmark=7\nreplace_peers=true\n");
	finish(g, &out);
	assert_int_equal(count(&out, "fwmark="), 0);
	assert_int_equal(count(&out, "allowed_ip="), (PEERS + 1) * PREFIXES);
}

/* After some sets between the pieces it wants to be let alone, and then it comes to its end. */
static void set_again_and_again(void **state)
{
	struct uapi_get *g = begin();
	AUTO_BUF out = {0};
	unsigned moves = 0;

	while (!uapi_get_is_disturbed(g)) {
		assert_in_range(++moves, 1, 10);
		set("fwmark=%u\npublic_key=%u" TAIL "\nallowed_ip=10.0.0.0/24\n", moves, moves & 1);
		assert_true(uapi_get_more(g, &out));
		assert_int_equal(out.n, 0);
	}
	while (!out.n)
		assert_true(uapi_get_more(g, &out));
	assert_false(uapi_get_is_disturbed(g));
	finish(g, &out);
	assert_int_equal(count(&out, "allowed_ip="), (PEERS + 1) * PREFIXES);
	assert_int_equal(count(&out, "allowed_ip=10.0.0.0/24\n"), 1);
}

/* Levels don't disturb it. */
static void levels_between(void **state)
{
	static const char *const levels[] = {"down", "up", "last-resort"};
	struct uapi_get *g = begin();
	AUTO_BUF out = {0};
	AUTO_BUF level = {0};

	for (unsigned i = 0; uapi_get_more(g, &out); i++) {
		assert_false(uapi_get_is_disturbed(g));
		buf_reset(&level);
		buf_printf(&level, "set=1\npublic_key=0" TAIL "\nlevel=%s\n\n",
			levels[i % ARRAY_SIZE(levels)]);
		assert_true(uapi_level_answer(d.t, level.data, level.n));
	}
	uapi_get_free(g);
	assert_int_equal(count(&out, "allowed_ip="), (PEERS + 1) * PREFIXES);
}

/* What says more than levels of those who are there is no such request, and changes nothing. */
static void levels_alone(void **state)
{
	static const struct {
		const char *lines;
		bool is_it;
	} table[] = {
		{"public_key=0" TAIL "\nlevel=down\n", true},
		{"public_key=0" TAIL "\nupdate_only=true\nlevel=down\n", true},
		{"public_key=1" TAIL "\nlevel=up\npublic_key=0" TAIL "\nlevel=down\n", true},
		{"public_key=0" TAIL "\nlevel=down\npublic_key=0" TAIL "\n", false},
		{"public_key=0" TAIL "\nlevel=down\npublic_key=9" TAIL "\nlevel=up\n", false},
		{"public_key=0" TAIL "\nlevel=down\nremove=true\n", false},
		{"public_key=0" TAIL "\nlevel=down\nlevel=sideways\n", false},
		{"public_key=0" TAIL "\nlevel=\n", false},
		{"public_key=0" TAIL "0\nlevel=down\n", false},
		{"fwmark=1\npublic_key=0" TAIL "\nlevel=down\n", false},
		{"", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		AUTO_BUF request = {0};
		AUTO_BUF out = {0};

		set("public_key=0" TAIL "\nlevel=up\n");
		buf_printf(&request, "set=1\n%s\n", table[i].lines);
		if (uapi_level_answer(d.t, request.data, request.n) != table[i].is_it)
			fail_msg("%s", table[i].lines);
		finish(begin(), &out);
		assert_int_equal(count(&out, "level=down\n"), table[i].is_it);
		assert_int_equal(count(&out, "public_key="), PEERS);
	}
}

/* A get changes nothing, so that two don't hold each other up. */
static void get_between(void **state)
{
	struct uapi_get *a = begin(), *b = begin();
	AUTO_BUF first = {0}, second = {0};

	for (unsigned i = 0; !first.n; i++) {
		assert_in_range(i, 0, 100);
		assert_true(uapi_get_more(a, &first));
		assert_true(uapi_get_more(b, &second));
	}
	finish(a, &first);
	finish(b, &second);
	check_same(&first, &second);
	/* And one that nobody waits for any more. */
	a = begin();
	assert_true(uapi_get_more(a, &first));
	uapi_get_free(a);
}

static void without_peers(void **state)
{
	AUTO_BUF out = {0};

	set("replace_peers=true\n");
	finish(begin(), &out);
	assert_int_equal(count(&out, "public_key="), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(piece_by_piece),
		T(set_between),
		T(set_after_the_copy),
		T(set_again_and_again),
		T(levels_between),
		T(levels_alone),
		T(get_between),
		T(without_peers),
	};

	return cmocka_run_group_tests_name("uapi_get", tests, NULL, NULL);
}
