/* SPDX-License-Identifier: MIT */
/* The cryptokey table while each allocation in turn fails: an insertion or a definition that can't
 * be is told and changes nothing, a removal always succeeds. */
#include "../support/cryptokey_whose.h"
#include "../unit/unit.h"
#include "base/mem.h"
#include "wg/cryptokey.h"

#include <errno.h>
#include <stdbool.h>

static int64_t fail_in = -1; /* allocations until the one that fails; negative: none */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static const char *const prefixes[] = {
	"10.0.0.0/8",
	"10.1.0.0/16",
	"10.1.2.0/24",
	"10.1.3.0/24",
	"10.1.3.128/25",
	"10.1.3.192/26",
	"2001:db8::/32",
	"2001:db8:1::/48",
	"2001:db8:2::/48",
	"2001:db8:2::/49",
};
#define N ARRAY_SIZE(prefixes)

struct scene {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct cryptokey_owner owners[2];
	ip_prefix p[N];
	int owner[N]; /* -1: nobody */
};

/* Whose is the first address of the prefix? */
static int naive_owner(const struct scene *s, const ip_prefix *p)
{
	ip_addr first = ip_prefix_addr(p);
	int best = -1;

	for (size_t i = 0; i < N; i++)
		if (s->owner[i] >= 0 && ip_prefix_has_addr(&s->p[i], &first) &&
			(best < 0 || s->p[i].len > s->p[best].len))
			best = (int)i;
	return best < 0 ? -1 : s->owner[best];
}

static void check(const struct scene *s)
{
	size_t n = 0;

	for (size_t i = 0; i < N; i++) {
		const ip_prefix *p = &s->p[i];
		int want = naive_owner(s, p);

		assert_ptr_equal(whose_address(s->t, p->family, p->bytes),
			want < 0 ? NULL : &s->owners[want]);
		n += s->owner[i] >= 0;
	}
	assert_int_equal(cryptokey_count(s->t), n);
	assert_int_equal(s->owners[0].own.n_entries + s->owners[1].own.n_entries, n);
}

/* True if none of its allocations failed. */
static bool insert(struct scene *s, size_t i, int owner)
{
	int err = cryptokey_insert(s->t, &s->p[i], &s->owners[owner]);

	assert_true(err == 0 || err == -ENOMEM);
	if (!err)
		s->owner[i] = owner;
	check(s);
	return !err;
}

static void remove_one(struct scene *s, size_t i)
{
	if (s->owner[i] < 0)
		return;
	assert_true(cryptokey_remove(s->t, &s->p[i], &s->owners[s->owner[i]]));
	s->owner[i] = -1;
	check(s);
}

/* All in, every other one out, in again to the other owner, all out. The nth allocation fails; true
 * if there were so many. */
static bool play(int64_t nth)
{
	struct scene s = {.q = qsbr_new()};
	bool failed;

	s.t = cryptokey_new(s.q, 1);
	for (size_t i = 0; i < N; i++) {
		assert_true(ip_prefix_parse(&s.p[i], prefixes[i]));
		s.owner[i] = -1;
	}
	cryptokey_owner_init(&s.owners[0], 0);
	cryptokey_owner_init(&s.owners[1], 1);
	fail_in = nth;
	for (size_t i = 0; i < N; i++)
		insert(&s, i * 7 % N, 0);
	for (size_t i = 0; i < N; i += 2)
		remove_one(&s, i);
	for (size_t i = 0; i < N; i++)
		insert(&s, i, 1);
	for (size_t i = 0; i < N; i++)
		remove_one(&s, i * 3 % N);
	failed = fail_in < 0;
	fail_in = -1;
	for (size_t i = 0; i < N; i++)
		assert_true(insert(&s, i, 0));
	cryptokey_remove_owner(s.t, &s.owners[0]);
	assert_int_equal(cryptokey_count(s.t), 0);
	cryptokey_free(s.t);
	qsbr_free(s.q);
	return failed;
}

static void each_allocation_fails_once(void **state)
{
	int64_t nth = 0;

	while (play(nth))
		nth++;
	assert_true(nth > 20);
}

/* --- sets ----------------------------------------------------------------------------------------
 */

#define EQUALS 3

struct shared {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct cryptokey_owner owners[EQUALS];
	struct cryptokey_set *set;
	ip_prefix p[2];
};

static struct shared shared_new(void)
{
	struct shared s = {.q = qsbr_new()};

	s.t = cryptokey_new(s.q, 1);
	assert_true(ip_prefix_parse(&s.p[0], "10.0.0.0/8"));
	assert_true(ip_prefix_parse(&s.p[1], "2001:db8::/32"));
	return s;
}

/* Equals as many as there are; true if none of its allocations failed. */
static bool define(struct shared *s, size_t n)
{
	struct cryptokey_member m[EQUALS], before[CRYPTOKEY_MAX_OWNERS],
		after[CRYPTOKEY_MAX_OWNERS];
	size_t n_before = cryptokey_set_members(s->set, before);
	int err;

	for (size_t i = 0; i < n; i++)
		m[i] = (struct cryptokey_member){&s->owners[i], 0, 1, false};
	err = cryptokey_set_define(s->t, s->set, m, n);
	assert_true(err == 0 || err == -ENOMEM);
	assert_int_equal(cryptokey_set_members(s->set, after), err ? n_before : n);
	return !err;
}

static bool bind_both(struct shared *s)
{
	for (unsigned i = 0; i < 2; i++) {
		size_t n = cryptokey_count(s->t);
		int err = cryptokey_bind(s->t, &s->p[i], s->set);

		assert_true(err == 0 || err == -ENOMEM);
		assert_int_equal(cryptokey_count(s->t), n + !err);
		if (err)
			return false;
	}
	return true;
}

/* Who is removed is in no set, and nobody is sent to him, whether there was memory or not. */
static void remove_each(struct shared *s)
{
	for (unsigned i = 0; i < EQUALS; i++) {
		struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
		size_t n = cryptokey_set_members(s->set, m);
		bool was_in = s->owners[i].n_sets;
		struct cryptokey_owner *now;

		cryptokey_remove_owner(s->t, &s->owners[i]);
		assert_int_equal(s->owners[i].n_sets, 0);
		assert_int_equal(cryptokey_set_members(s->set, m), n - was_in);
		now = whose_address(s->t, AF_INET, s->p[0].bytes);
		assert_ptr_not_equal(now, &s->owners[i]);
		if (cryptokey_count(s->t) && n > was_in)
			assert_non_null(now);
	}
}

static bool play_shared(int64_t nth)
{
	struct shared s = shared_new();
	bool failed;

	for (unsigned i = 0; i < EQUALS; i++)
		cryptokey_owner_init(&s.owners[i], i);
	fail_in = nth;
	s.set = cryptokey_set_new(s.t, NULL);
	if (s.set) {
		if (define(&s, EQUALS) && bind_both(&s))
			define(&s, 2);
		define(&s, EQUALS);
		remove_each(&s);
		cryptokey_set_remove(s.t, s.set);
	}
	failed = fail_in < 0;
	fail_in = -1;
	assert_int_equal(cryptokey_count(s.t), 0);
	assert_null(cryptokey_set_next(s.t, NULL));
	cryptokey_free(s.t);
	qsbr_free(s.q);
	return failed;
}

static void each_allocation_of_a_set_fails_once(void **state)
{
	int64_t nth = 0;

	while (play_shared(nth))
		nth++;
	assert_true(nth > 6);
}

static void no_table_without_memory(void **state)
{
	for (int64_t nth = 0; nth < 3; nth++) {
		struct qsbr *q;

		fail_in = nth;
		q = qsbr_new();
		if (q)
			cryptokey_free(cryptokey_new(q, 1));
		qsbr_free(q);
		assert_true(fail_in < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once),
		cmocka_unit_test(each_allocation_of_a_set_fails_once),
		cmocka_unit_test(no_table_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
