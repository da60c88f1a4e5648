/* SPDX-License-Identifier: MIT */
/*
 * The model of a device with several owners against shunt-wg's own table: the same changes to both,
 * in any order, and then whom they send to and take from. They share no code; whichever is wrong,
 * the simulation of meshes would be.
 */
#include "model.h"
#include "unit.h"

#include "base/mem.h"
#include "wg/cryptokey.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define N_PEERS 5
#define N_SETS 4
#define CHANGES 30000
#define FLOWS 4096

static const char *const prefixes[] = {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.0/24",
	"10.1.1.1/32", "10.2.0.0/16", "::/0", "fd00::/8", "fd00:1::/32", "fd00:1::1/128"};
static const char *const addresses[] = {"10.1.1.1", "10.1.1.2", "10.1.2.1", "10.2.0.1", "10.3.0.1",
	"192.0.2.1", "fd00:1::1", "fd00:1::2", "fd00:2::1", "2001:db8::1"};

#define N_OF(x) (sizeof(x) / sizeof((x)[0]))

struct both {
	struct model *model;
	struct qsbr *qsbr;
	struct cryptokey_table *table;
	struct cryptokey_owner owners[N_PEERS];
	struct cryptokey_set *sets[N_SETS]; /* NULL: it isn't there */
	struct chance chance;
};

static wg_key key_of(unsigned i)
{
	wg_key key;

	memset(key.bytes, 0x42, sizeof(key.bytes));
	key.bytes[0] = (uint8_t)i;
	return key;
}

static ip_prefix prefix_at(unsigned i)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, prefixes[i]));
	return p;
}

static ip_prefix any_prefix(struct both *b)
{
	return prefix_at(chance_below(&b->chance, N_OF(prefixes)));
}

/* --- the same to both --------------------------------------------------------------------------
 */

static void change_peer(struct both *b, const struct device_peer_change *c)
{
	struct device_change all = {.peers = c, .n_peers = 1};

	assert_int_equal(model_device_set(b->model, &all), 0);
}

static void give(struct both *b, unsigned peer)
{
	ip_prefix p = any_prefix(b);

	change_peer(b, &(struct device_peer_change){.key = key_of(peer), .add = &p, .n_add = 1});
	assert_int_equal(cryptokey_insert(b->table, &p, &b->owners[peer]), 0);
}

static void take(struct both *b, unsigned peer)
{
	ip_prefix p = any_prefix(b);

	change_peer(b, &(struct device_peer_change){.key = key_of(peer), .del = &p, .n_del = 1});
	cryptokey_remove(b->table, &p, &b->owners[peer]);
}

static void set_level(struct both *b, unsigned peer)
{
	static const enum cryptokey_level same[] = {[DEVICE_UP] = CRYPTOKEY_UP,
		[DEVICE_LAST_RESORT] = CRYPTOKEY_LAST_RESORT,
		[DEVICE_DOWN] = CRYPTOKEY_DOWN};
	enum device_level level = (enum device_level)chance_below(&b->chance, 3);

	change_peer(b, &(struct device_peer_change){
			       .key = key_of(peer), .set_level = true, .level = level});
	cryptokey_owner_set_level(&b->owners[peer], same[level]);
}

static void set_silent(struct both *b, unsigned peer)
{
	wg_key key = key_of(peer);
	bool is = chance_below(&b->chance, 3) == 0;

	model_peer(b->model, &key)->is_silent = is;
	cryptokey_owner_set_answers(&b->owners[peer], !is);
}

/* He is made anew, without anything, at once. */
static void remove_peer(struct both *b, unsigned peer)
{
	change_peer(b, &(struct device_peer_change){.key = key_of(peer), .remove = true});
	change_peer(b, &(struct device_peer_change){.key = key_of(peer)});
	cryptokey_remove_owner(b->table, &b->owners[peer]);
	cryptokey_owner_set_level(&b->owners[peer], CRYPTOKEY_UP);
	cryptokey_owner_set_answers(&b->owners[peer], true);
}

static void change_set(struct both *b, const struct device_owner_set_change *c)
{
	struct device_change all = {.sets = c, .n_sets = 1};

	assert_int_equal(model_device_set(b->model, &all), 0);
}

static struct cryptokey_set *made(struct both *b, unsigned set)
{
	if (!b->sets[set])
		b->sets[set] = cryptokey_set_new(b->table, NULL);
	return b->sets[set];
}

static void define(struct both *b, unsigned set)
{
	struct device_owner owners[N_PEERS];
	struct cryptokey_member members[N_PEERS];
	size_t n = 0;

	for (unsigned i = 0; i < N_PEERS; i++) {
		struct device_owner o = {.key = key_of(i),
			.rank = (uint16_t)chance_below(&b->chance, 3),
			.weight = (uint16_t)chance_below(&b->chance, 4),
			.is_relay = chance_below(&b->chance, 2)};

		if (chance_below(&b->chance, 2))
			continue;
		members[n] = (struct cryptokey_member){&b->owners[i], o.rank, o.weight, o.is_relay};
		owners[n++] = o;
	}
	if (!n)
		return;
	change_set(b,
		&(struct device_owner_set_change){.number = set, .owners = owners, .n_owners = n});
	assert_int_equal(cryptokey_set_define(b->table, made(b, set), members, n), 0);
}

static void share(struct both *b, unsigned set)
{
	ip_prefix p = any_prefix(b);

	change_set(b, &(struct device_owner_set_change){.number = set, .add = &p, .n_add = 1});
	assert_int_equal(cryptokey_bind(b->table, &p, made(b, set)), 0);
}

static void unshare(struct both *b, unsigned set)
{
	ip_prefix p = any_prefix(b);

	change_set(b, &(struct device_owner_set_change){.number = set, .del = &p, .n_del = 1});
	cryptokey_unbind(b->table, &p, made(b, set));
}

static void remove_set(struct both *b, unsigned set)
{
	change_set(b, &(struct device_owner_set_change){.number = set, .remove = true});
	if (b->sets[set])
		cryptokey_set_remove(b->table, b->sets[set]);
	b->sets[set] = NULL;
}

static void change(struct both *b)
{
	static void (*const changes[])(struct both *, unsigned) = {give, take, set_level, set_level,
		set_silent, set_silent, share, share, share, unshare, define, define};
	unsigned which = chance_below(&b->chance, N_OF(changes) + 1);
	unsigned of = chance_below(&b->chance, N_SETS);

	if (which < N_OF(changes))
		changes[which](b, of);
	else if (chance_below(&b->chance, 4) == 0)
		remove_set(b, of);
	else if (chance_below(&b->chance, 4) == 0)
		remove_peer(b, of);
}

/* --- and do they agree? ------------------------------------------------------------------------
 */

struct packet {
	uint8_t bytes[48];
	size_t len;
};

static struct packet packet_of(const ip_addr *from, const ip_addr *to, uint16_t port)
{
	struct packet p = {.len = from->family == AF_INET ? 24 : 44};
	size_t addr = from->family == AF_INET ? 4 : 16;

	p.bytes[0] = from->family == AF_INET ? 0x45 : 0x60;
	p.bytes[from->family == AF_INET ? 9 : 6] = 17;
	memcpy(p.bytes + p.len - 4 - 2 * addr, from->bytes, addr);
	memcpy(p.bytes + p.len - 4 - addr, to->bytes, addr);
	memcpy(p.bytes + p.len - 4, &port, sizeof(port));
	return p;
}

static unsigned peer_at(const struct both *b, const struct cryptokey_owner *o)
{
	return (unsigned)(o - b->owners);
}

/* How many of the hops are this one. */
static const struct model_hop *hop_to(const struct model_hops *hops, unsigned peer)
{
	for (unsigned i = 0; i < hops->n; i++)
		if (hops->items[i].peer->key.bytes[0] == peer)
			return &hops->items[i];
	return NULL;
}

/* Everybody gets some, in proportion; after others of his rank are lost, nearly so. */
static void check_shares(
	const struct both *b, const struct model_hops *hops, const ip_addr *from, const ip_addr *to)
{
	unsigned sum = 0, got[N_PEERS] = {0};

	for (unsigned i = 0; i < hops->n; i++)
		sum += hops->items[i].weight;
	for (unsigned port = 0; port < FLOWS; port++) {
		struct packet p = packet_of(from, to, (uint16_t)port);

		got[peer_at(b, cryptokey_choose(b->table, p.bytes, p.len, NULL).owner)]++;
	}
	for (unsigned i = 0; i < hops->n; i++) {
		double share = (double)got[hops->items[i].peer->key.bytes[0]] / FLOWS;

		assert_true(fabs(share - (double)hops->items[i].weight / sum) < 0.08);
	}
}

/* relay: a peer; N_PEERS: another; above: none. */
static void check_send(struct both *b, const ip_addr *from, const ip_addr *to, unsigned relay)
{
	static const struct cryptokey_owner other;
	static const struct model_peer other_peer;
	const struct cryptokey_owner *owner = relay < N_PEERS	 ? &b->owners[relay]
					      : relay == N_PEERS ? &other
								 : NULL;
	wg_key key = key_of(relay);
	const struct model_peer *peer = relay < N_PEERS	   ? model_peer(b->model, &key)
					: relay == N_PEERS ? &other_peer
							   : NULL;
	struct packet p = packet_of(from, to, (uint16_t)chance_u64(&b->chance));
	struct cryptokey_answer a = cryptokey_choose(b->table, p.bytes, p.len, owner);
	struct model_hops hops;

	model_send(b->model, to, peer, &hops);
	assert_int_equal(a.is_refused, hops.is_refused);
	assert_int_equal(a.owner != NULL, hops.n != 0);
	assert_true(!a.owner || hop_to(&hops, peer_at(b, a.owner)));
	if (hops.n > 1 && !owner && chance_below(&b->chance, 500) == 0)
		check_shares(b, &hops, from, to);
}

static void check_receive(struct both *b, const ip_addr *from, const ip_addr *to, unsigned peer)
{
	static const enum model_verdict same[] = {[CRYPTOKEY_PASS] = MODEL_PASS,
		[CRYPTOKEY_REFUSE] = MODEL_REFUSE,
		[CRYPTOKEY_ACCEPT] = MODEL_ACCEPT,
		[CRYPTOKEY_ACCEPT_RELAY] = MODEL_ACCEPT_RELAY};
	struct packet p = packet_of(from, to, 1);
	wg_key key = key_of(peer);

	assert_int_equal(same[cryptokey_accept(b->table, p.bytes, &b->owners[peer])],
		model_receive(b->model, from, model_peer(b->model, &key)));
}

static void check(struct both *b)
{
	for (unsigned i = 0; i < N_OF(addresses); i++) {
		ip_addr a;

		assert_true(ip_addr_parse(&a, addresses[i]));
		for (unsigned relay = 0; relay < N_PEERS + 2; relay++)
			check_send(b, &a, &a, relay);
		for (unsigned peer = 0; peer < N_PEERS; peer++)
			check_receive(b, &a, &a, peer);
	}
}

static void begin(struct both *b, struct model *m)
{
	*b = (struct both){.model = m, .qsbr = qsbr_new(), .chance = chance_start("model")};
	m->max_owners = MODEL_MAX_OWNERS;
	model_device_make(m);
	b->table = cryptokey_new(b->qsbr, 1);
	for (unsigned i = 0; i < N_PEERS; i++) {
		wg_key key = key_of(i);

		model_peer_add(m, &key);
		cryptokey_owner_init(&b->owners[i], chance_u64(&b->chance));
	}
}

static void test_agree(void **state)
{
	struct both b;

	(void)state;
	begin(&b, model_new(NULL, 0, NULL, 0));
	for (unsigned i = 0; i < CHANGES; i++) {
		change(&b);
		check(&b);
		model_plan_begins(b.model);
		qsbr_reclaim(b.qsbr);
	}
	for (unsigned i = 0; i < N_PEERS; i++)
		cryptokey_remove_owner(b.table, &b.owners[i]);
	cryptokey_free(b.table);
	qsbr_free(b.qsbr);
	model_free(b.model);
}

/* What it reads as makes another one the same. */
static void test_read_back(void **state)
{
	struct model *m = model_new(NULL, 0, NULL, 0);
	ip_prefix p = prefix_at(3), alone = prefix_at(4);
	struct device_peer_change peers[] = {{.key = key_of(0), .add = &alone, .n_add = 1},
		{.key = key_of(1), .set_level = true, .level = DEVICE_LAST_RESORT}};
	struct device_owner owners[] = {{key_of(0), 1, 0, false}, {key_of(1), 2, 5, true}};
	struct device_owner_set_change set = {
		.number = 9, .owners = owners, .n_owners = 2, .add = &p, .n_add = 1};
	struct device_change c = {.peers = peers, .n_peers = 2, .sets = &set, .n_sets = 1};
	struct device_state s;

	(void)state;
	model_device_make(m);
	assert_int_equal(model_device_set(m, &c), -EOPNOTSUPP);
	m->max_owners = MODEL_MAX_OWNERS;
	assert_int_equal(model_device_set(m, &c), 0);
	assert_int_equal(model_device_get(m, &s), 0);
	assert_int_equal(s.max_owners, MODEL_MAX_OWNERS);
	assert_int_equal(s.n_sets, 1);
	assert_int_equal(s.sets[0].number, 9);
	assert_int_equal(s.sets[0].n_allowed, 1);
	assert_int_equal(s.sets[0].n_owners, 2);
	assert_int_equal(s.sets[0].owners[0].weight, 5); /* who is never sent to stands last */
	assert_int_equal(device_state_peer(&s, &peers[0].key)->n_allowed, 1);
	assert_int_equal(device_state_peer(&s, &peers[1].key)->level, DEVICE_LAST_RESORT);
	device_state_done(&s);
	owners[1].key = key_of(4);
	assert_int_equal(model_device_set(m, &c), -ENOENT);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
