/* SPDX-License-Identifier: MIT */
/* Prefixes with several owners, as a device is configured. */
#include "tunnel_fixture.h"

#include "tunnel/groups.h"

static struct device d;
static struct tunnel_peer *peers[3];

static int start(void **state)
{
	device_start(&d, false);
	for (unsigned i = 0; i < 3; i++) {
		wg_key private, public;

		wg_key_generate(&private);
		public = wg_key_public(&private);
		peers[i] = device_peer(&d, &public, 0,
			(const char *[]){"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"}[i]);
	}
	tunnel_lock(d.t);
	return 0;
}

static int stop(void **state)
{
	tunnel_unlock(d.t);
	device_stop(&d);
	return 0;
}

static struct tunnel_owners *new_set(uint32_t number)
{
	struct tunnel_owners *s;

	assert_int_equal(tunnel_owners_add(d.t, number, &s), 0);
	return s;
}

static unsigned prefixes_of(const struct tunnel_owners *s)
{
	const struct list *at = NULL;
	ip_prefix p;
	unsigned n = 0;

	while (tunnel_owners_allowed(s, &at, &p, 1))
		n++;
	return n;
}

/* --- sets ----------------------------------------------------------------------------------------
 */

static void a_set_has_a_number(void **state)
{
	struct tunnel_owners *seven = new_set(7), *zero = new_set(0);

	assert_ptr_equal(tunnel_owners_find(d.t, 7), seven);
	assert_ptr_equal(tunnel_owners_find(d.t, 0), zero);
	assert_null(tunnel_owners_find(d.t, 8));
	assert_int_equal(tunnel_owners_number(seven), 7);
	assert_ptr_equal(tunnel_owners_next(d.t, NULL), seven);
	assert_ptr_equal(tunnel_owners_next(d.t, seven), zero);
	assert_null(tunnel_owners_next(d.t, zero));
	tunnel_owners_remove(d.t, seven);
	assert_null(tunnel_owners_find(d.t, 7));
	assert_ptr_equal(tunnel_owners_next(d.t, NULL), zero);
}

static void owners_are_by_rank(void **state)
{
	struct tunnel_owner in[] = {
		{peers[0], 2, 1, false}, {peers[1], 1, 5, true}, {peers[2], 1, 0, false}};
	struct tunnel_owner out[CRYPTOKEY_MAX_OWNERS];
	struct tunnel_owners *s = new_set(1);

	assert_int_equal(tunnel_owners_get(s, out), 0);
	assert_null(tunnel_owners_preferred(s));
	assert_int_equal(tunnel_owners_define(d.t, s, in, 3), 0);
	assert_int_equal(tunnel_owners_get(s, out), 3);
	assert_ptr_equal(out[0].peer, peers[1]);
	assert_int_equal(out[0].weight, 5);
	assert_true(out[0].is_relay);
	assert_ptr_equal(tunnel_owners_preferred(s), peers[1]);
	in[2].peer = peers[0];
	assert_int_equal(tunnel_owners_define(d.t, s, in, 3), -EINVAL);
	assert_int_equal(tunnel_owners_define(d.t, s, in, CRYPTOKEY_MAX_OWNERS + 1), -EINVAL);
	assert_int_equal(tunnel_owners_get(s, out), 3);
}

static void prefixes_move_between_sets_and_peers(void **state)
{
	struct tunnel_owners *a = new_set(1), *b = new_set(2);
	ip_prefix p = prefix("192.0.2.0/24"), q = prefix("2001:db8::/32");

	assert_int_equal(tunnel_owners_bind(d.t, a, &p), 0);
	assert_int_equal(tunnel_owners_bind(d.t, a, &q), 0);
	assert_int_equal(prefixes_of(a), 2);
	assert_int_equal(tunnel_owners_bind(d.t, b, &p), 0);
	assert_int_equal(prefixes_of(a), 1);
	assert_int_equal(prefixes_of(b), 1);
	tunnel_owners_unbind(d.t, a, &p);
	assert_int_equal(prefixes_of(b), 1);
	assert_int_equal(tunnel_peer_allow(d.t, peers[0], &p), 0);
	assert_int_equal(prefixes_of(b), 0);
	tunnel_owners_unbind(d.t, a, &q);
	assert_int_equal(prefixes_of(a), 0);
}

/* What came from relays is remembered for as long as a set has one. */
static void relays_that_leave_are_not_remembered_for(void **state)
{
	struct tunnel_owner in[] = {{peers[0], 1, 1, true}, {peers[1], 2, 1, true}};
	struct tunnel_owners *both = new_set(1), *one = new_set(2);

	assert_int_equal(tunnel_owners_define(d.t, both, in, 2), 0);
	assert_int_equal(tunnel_owners_define(d.t, one, in + 1, 1), 0);
	assert_non_null(atomic_load(&d.t->relays));
	tunnel_peer_remove(d.t, peers[0]);
	assert_non_null(atomic_load(&d.t->relays));
	/* Takes him out of all sets. */
	tunnel_peer_disallow_all(d.t, peers[1]);
	assert_non_null(atomic_load(&d.t->relays));
	tunnel_peer_configured(d.t, peers[1]);
	assert_null(atomic_load(&d.t->relays));
	assert_int_equal(tunnel_owners_define(d.t, one, in + 1, 1), 0);
	assert_non_null(atomic_load(&d.t->relays));
	assert_int_equal(tunnel_owners_remove_some(d.t, one, 1), 0);
	assert_null(atomic_load(&d.t->relays));
}

static void a_peer_that_goes_leaves_its_sets(void **state)
{
	struct tunnel_owner in[] = {{peers[0], 1, 1, false}, {peers[1], 2, 1, false}};
	struct tunnel_owner out[CRYPTOKEY_MAX_OWNERS];
	struct tunnel_owners *s = new_set(1);

	assert_int_equal(tunnel_owners_define(d.t, s, in, 2), 0);
	tunnel_peer_remove(d.t, peers[0]);
	assert_int_equal(tunnel_owners_get(s, out), 1);
	assert_ptr_equal(out[0].peer, peers[1]);
}

/* --- peers ---------------------------------------------------------------------------------------
 */

static void a_peer_is_up_until_told_otherwise(void **state)
{
	struct tunnel_peer_info i;

	tunnel_peer_get(d.t, peers[0], &i);
	assert_int_equal(i.level, CRYPTOKEY_UP);
	assert_true(i.answers);
	tunnel_peer_set_level(d.t, peers[0], CRYPTOKEY_LAST_RESORT);
	tunnel_peer_get(d.t, peers[0], &i);
	assert_int_equal(i.level, CRYPTOKEY_LAST_RESORT);
}

static void a_link_local_address_is_one_peers(void **state)
{
	struct tunnel_peer_info i;
	ip_addr a;

	assert_true(ip_addr_parse(&a, "fe80::2"));
	assert_int_equal(tunnel_peer_set_link_local(d.t, peers[0], &a), 0);
	assert_int_equal(tunnel_peer_set_link_local(d.t, peers[1], &a), 0);
	tunnel_peer_get(d.t, peers[0], &i);
	assert_int_equal(i.link_local.family, 0);
	tunnel_peer_get(d.t, peers[1], &i);
	assert_true(ip_addr_eq(&i.link_local, &a));
	assert_int_equal(tunnel_peer_set_link_local(d.t, peers[1], NULL), 0);
	tunnel_peer_get(d.t, peers[1], &i);
	assert_int_equal(i.link_local.family, 0);
}

enum { MANY_PEERS = 100, ADDRESSES = 40, STEPS = 3000 };

static ip_addr nth_address(unsigned n)
{
	ip_addr a = {.family = AF_INET6, .bytes = {0xfe, 0x80}};

	a.bytes[15] = (uint8_t)(n + 1);
	return a;
}

static struct tunnel_peer *new_peer(void)
{
	struct tunnel_peer *p;
	wg_key key;

	randombytes_buf(&key, sizeof(key));
	assert_int_equal(tunnel_peer_add(d.t, &key, &p), 0);
	return p;
}

/* Whoever has it and multicast on, by looking at all. */
static struct tunnel_peer *whose(struct tunnel_peer *const *all, const ip_addr *a)
{
	for (unsigned i = 0; i < MANY_PEERS; i++)
		if (ip_addr_eq(&all[i]->link_local, a) && atomic_load(&all[i]->owner.multicast))
			return all[i];
	return NULL;
}

/* Whatever changes, an address is found to be that of its one peer. */
static void many_link_local_addresses(void **state)
{
	struct tunnel_peer *all[MANY_PEERS];

	for (unsigned i = 0; i < MANY_PEERS; i++)
		all[i] = new_peer();
	assert_int_equal(tunnel_set_multicast(d.t, true), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		unsigned i = randombytes_uniform(MANY_PEERS);
		ip_addr a = nth_address(randombytes_uniform(ADDRESSES));

		switch (randombytes_uniform(4)) {
		case 0:
			tunnel_peer_set_multicast(d.t, all[i], step & 1);
			break;
		case 1:
			tunnel_peer_remove(d.t, all[i]);
			all[i] = new_peer();
			break;
		default:
			tunnel_peer_set_link_local(d.t, all[i], step % 5 ? &a : NULL);
			tunnel_peer_set_multicast(d.t, all[i], true);
		}
		for (unsigned n = 0; n < ADDRESSES; n++) {
			a = nth_address(n);
			assert_ptr_equal(
				groups_find(atomic_load(&d.t->groups), a.bytes), whose(all, &a));
		}
	}
}

static void other_addresses_are_not_link_local(void **state)
{
	static const char *const others[] = {
		"fe80::", "fe80:0:0:1::1", "2001:db8::1", "169.254.0.1"};

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ip_addr a;

		assert_true(ip_addr_parse(&a, others[i]));
		assert_int_equal(tunnel_peer_set_link_local(d.t, peers[0], &a), -EINVAL);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {T(a_set_has_a_number), T(owners_are_by_rank),
		T(prefixes_move_between_sets_and_peers), T(a_peer_that_goes_leaves_its_sets),
		T(relays_that_leave_are_not_remembered_for), T(many_link_local_addresses),
		T(a_peer_is_up_until_told_otherwise), T(a_link_local_address_is_one_peers),
		T(other_addresses_are_not_link_local)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
