/* SPDX-License-Identifier: MIT */
/* Reconcile against a naive device: a list of peers and an owner per prefix. */
#include "unit.h"

#include "base/mem.h"
#include "base/secret.h"
#include "device/reconcile.h"
#include <string.h>

#define N_PEERS 8
#define N_PREFIXES 12
#define NOBODY (-1)

/*
 * Peers 0..3 may be wanted, 4..5 are ours from earlier, 6..7 are foreign. Prefixes 0..7 are ours,
 * wanted or not; 8..11 foreign.
 */
struct naive {
	bool has[N_PEERS];
	bool psk[N_PEERS];
	bool endpoint[N_PEERS];
	uint16_t keepalive[N_PEERS];
	int owner[N_PREFIXES];
};

static wg_key keys[N_PEERS];
static ip_prefix prefixes[N_PREFIXES];

static int index_of(const wg_key *key)
{
	for (int i = 0; i < N_PEERS; i++)
		if (wg_key_eq(&keys[i], key))
			return i;
	fail_msg("a peer from nowhere");
	return -1;
}

static int prefix_index(const ip_prefix *p)
{
	for (int i = 0; i < N_PREFIXES; i++)
		if (ip_prefix_eq(&prefixes[i], p))
			return i;
	fail_msg("a prefix from nowhere");
	return -1;
}

static bool peer_is_ours(const wg_key *key, void *data)
{
	int i = index_of(key);

	return i == 4 || i == 5;
}

static bool prefix_is_ours(const ip_prefix *p, void *data)
{
	return prefix_index(p) < 8;
}

static const struct device_ownership ours = {peer_is_ours, prefix_is_ours, NULL};

static sock_addr somewhere(uint16_t port)
{
	ip_addr a;

	ip_addr_parse(&a, "192.0.2.1");
	return sock_addr_make(&a, port);
}

static int by_key(const void *a, const void *b)
{
	return memcmp(((const struct device_peer *)a)->key.bytes,
		((const struct device_peer *)b)->key.bytes, WG_KEY_LEN);
}

static struct device_state state_of(const struct naive *d)
{
	struct device_state s = {.has_key = true};
	struct device_peer peers[N_PEERS] = {0};

	for (int i = 0; i < N_PEERS; i++) {
		struct device_peer *p = &peers[s.n_peers];

		if (!d->has[i])
			continue;
		s.n_peers++;
		p->key = keys[i];
		p->has_psk = d->psk[i];
		p->psk.bytes[0] = d->psk[i];
		if (d->endpoint[i])
			p->endpoint = somewhere(1);
		p->keepalive = d->keepalive[i];
		p->allowed = mem_zalloc(N_PREFIXES, sizeof(*p->allowed));
		for (int j = 0; j < N_PREFIXES; j++)
			if (d->owner[j] == i)
				p->allowed[p->n_allowed++] = prefixes[j];
	}
	qsort(peers, s.n_peers, sizeof(*peers), by_key);
	s.peers = secret_zalloc(s.n_peers, sizeof(*peers));
	memcpy(s.peers, peers, s.n_peers * sizeof(*peers));
	return s;
}

/* What a prefix' owner was and shall be; checked after every single step. */
struct watch {
	int before[N_PREFIXES], after[N_PREFIXES];
};

static void check_no_hole(const struct naive *d, const struct watch *w)
{
	for (int j = 0; j < N_PREFIXES; j++)
		if (w && w->before[j] != NOBODY && w->after[j] != NOBODY)
			assert_int_not_equal(d->owner[j], NOBODY);
}

static void apply_peer(struct naive *d, const struct device_peer_change *p, const struct watch *w)
{
	int i = index_of(&p->key);

	if (p->update_only && !d->has[i])
		return;
	d->has[i] = true;
	if (p->set_psk)
		d->psk[i] = p->psk.bytes[0];
	if (p->set_endpoint)
		d->endpoint[i] = true;
	if (p->set_keepalive)
		d->keepalive[i] = p->keepalive;
	for (size_t j = 0; j < p->n_add; j++) {
		/* Nothing is asked for that is so already. */
		assert_int_not_equal(d->owner[prefix_index(&p->add[j])], i);
		d->owner[prefix_index(&p->add[j])] = i;
		check_no_hole(d, w);
	}
}

/* As device_set does: additions, then prefixes that go, then peers that go. */
static void apply(struct naive *d, const struct device_change *c, const struct watch *w)
{
	for (size_t k = 0; k < c->n_peers; k++)
		if (!c->peers[k].remove)
			apply_peer(d, &c->peers[k], w);
	for (size_t k = 0; k < c->n_peers; k++) {
		int i = index_of(&c->peers[k].key);

		for (size_t j = 0; j < c->peers[k].n_del; j++) {
			int *owner = &d->owner[prefix_index(&c->peers[k].del[j])];

			assert_int_equal(*owner, i);
			*owner = NOBODY;
		}
		check_no_hole(d, w);
	}
	for (size_t k = 0; k < c->n_peers; k++) {
		int i = index_of(&c->peers[k].key);

		if (!c->peers[k].remove)
			continue;
		d->has[i] = false;
		d->psk[i] = d->endpoint[i] = false;
		d->keepalive[i] = 0;
		for (int j = 0; j < N_PREFIXES; j++)
			if (d->owner[j] == i)
				d->owner[j] = NOBODY;
		check_no_hole(d, w);
	}
}

/* --- a random wish -------------------------------------------------------------------------- */

struct wish {
	struct desired_device device;
	struct desired_peer peers[4];
	ip_prefix allowed[4][8];
	bool wanted[4];
	int owner[8]; /* of our prefixes */
};

static void random_wish(struct wish *w, struct chance *c)
{
	*w = (struct wish){0};
	for (int j = 0; j < 8; j++)
		w->owner[j] = (int)chance_below(c, 5) - 1;
	for (int i = 0; i < 4; i++) {
		struct desired_peer *p = &w->peers[w->device.n_peers];

		w->wanted[i] = chance_below(c, 4) != 0;
		if (!w->wanted[i])
			continue;
		w->device.n_peers++;
		p->key = keys[i];
		p->has_psk = chance_below(c, 2);
		p->psk.bytes[0] = p->has_psk;
		p->psk_unknown = !p->has_psk && chance_below(c, 2);
		if (chance_below(c, 2))
			p->endpoint = somewhere(1);
		p->keepalive = (uint16_t)chance_below(c, 2) * 25;
		p->allowed = w->allowed[i];
		for (int j = 0; j < 8; j++)
			if (w->owner[j] == i)
				w->allowed[i][p->n_allowed++] = prefixes[j];
	}
	for (int j = 0; j < 8; j++)
		if (w->owner[j] != NOBODY && !w->wanted[w->owner[j]])
			w->owner[j] = NOBODY;
	w->device.peers = w->peers;
}

static void random_device(struct naive *d, struct chance *c)
{
	*d = (struct naive){0};
	for (int i = 0; i < N_PEERS; i++) {
		d->has[i] = chance_below(c, 2);
		d->psk[i] = d->has[i] && chance_below(c, 2);
		d->endpoint[i] = d->has[i] && chance_below(c, 2);
		d->keepalive[i] = (uint16_t)(d->has[i] ? chance_below(c, 2) * 25 : 0);
	}
	for (int j = 0; j < N_PREFIXES; j++) {
		d->owner[j] = (int)chance_below(c, N_PEERS + 1) - 1;
		if (d->owner[j] != NOBODY && !d->has[d->owner[j]])
			d->owner[j] = NOBODY;
	}
}

/* Peers 0..3 are strangers, too, unless the wish names them. */
static bool is_foreign(const struct wish *w, int peer)
{
	return peer >= 6 || (peer >= 0 && peer < 4 && !w->wanted[peer]);
}

/* The owner that prefix j must have in the end, said without looking at the code. */
static int expected_owner(const struct naive *before, const struct wish *w, int j)
{
	int now = before->owner[j];

	if (is_foreign(w, now))
		return now; /* it keeps what it has */
	if (j < 8)
		return w->owner[j];
	return now == 4 || now == 5 ? NOBODY : now;
}

static void check_result(
	const struct naive *before, const struct naive *after, const struct wish *w)
{
	for (int i = 0, k = 0; i < N_PEERS; i++) {
		const struct desired_peer *want = i < 4 && w->wanted[i] ? &w->peers[k++] : NULL;

		if (!want) {
			/* Ours from earlier goes; a stranger stays as it was. */
			assert_int_equal(after->has[i], before->has[i] && i != 4 && i != 5);
			if (after->has[i]) {
				assert_int_equal(after->psk[i], before->psk[i]);
				assert_int_equal(after->endpoint[i], before->endpoint[i]);
				assert_int_equal(after->keepalive[i], before->keepalive[i]);
			}
			continue;
		}
		assert_true(after->has[i]);
		assert_int_equal(after->psk[i], want->psk_unknown ? before->psk[i] : want->has_psk);
		assert_int_equal(after->keepalive[i], want->keepalive);
		assert_int_equal(after->endpoint[i],
			before->endpoint[i] || want->endpoint.sa.sa_family != AF_UNSPEC);
	}
	for (int j = 0; j < N_PREFIXES; j++)
		assert_int_equal(after->owner[j], expected_owner(before, w, j));
}

static void check_conflicts(
	const struct reconcile *r, const struct naive *before, const struct wish *w)
{
	const struct device_conflict *list;
	size_t n = reconcile_conflicts(r, &list), expected = 0;

	for (int j = 0; j < 8; j++)
		expected += w->owner[j] != NOBODY && is_foreign(w, before->owner[j]);
	assert_int_equal(n, expected);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(before->owner[prefix_index(&list[i].prefix)],
			index_of(&list[i].foreign_owner));
}

static void random_devices(void **state)
{
	struct chance c = chance_start("reconcile");

	for (int round = 0; round < 20000; round++) {
		struct naive before, after;
		struct wish w;
		struct watch watch;
		struct device_state s;
		struct reconcile *r;

		random_device(&before, &c);
		random_wish(&w, &c);
		after = before;
		for (int j = 0; j < N_PREFIXES; j++) {
			watch.before[j] = before.owner[j];
			watch.after[j] = expected_owner(&before, &w, j);
		}
		s = state_of(&before);
		r = reconcile_new(&s, &w.device, &ours);
		apply(&after, reconcile_change(r), &watch);
		check_result(&before, &after, &w);
		check_conflicts(r, &before, &w);
		reconcile_free(r);
		device_state_done(&s);
		/* Nothing is left to do. */
		s = state_of(&after);
		r = reconcile_new(&s, &w.device, &ours);
		assert_true(reconcile_is_empty(r));
		reconcile_free(r);
		device_state_done(&s);
	}
}

/* --- by hand -------------------------------------------------------------------------------- */

static void counts_a_move_once(void **state)
{
	struct naive d = {.has = {true, true}};
	struct desired_peer peers[2] = {{.key = keys[0]}, {.key = keys[1]}};
	struct desired_device want = {.peers = peers, .n_peers = 2};
	struct reconcile_counts n;
	struct device_state s;
	struct reconcile *r;

	for (int j = 1; j < N_PREFIXES; j++)
		d.owner[j] = NOBODY;
	peers[1].allowed = &prefixes[0];
	peers[1].n_allowed = 1;
	s = state_of(&d);
	r = reconcile_new(&s, &want, &ours);
	n = reconcile_counts(r);
	/* Only the addition: the old owner needs no removal. */
	assert_int_equal(reconcile_change(r)->n_peers, 1);
	assert_int_equal(reconcile_change(r)->peers[0].n_del, 0);
	assert_int_equal(n.prefixes_moved, 1);
	assert_int_equal(n.prefixes_added, 0);
	assert_int_equal(n.prefixes_removed, 0);
	assert_int_equal(n.peers_changed, 1);
	assert_int_equal(n.peers_added + n.peers_removed, 0);
	reconcile_free(r);
	device_state_done(&s);
}

static void device_settings(void **state)
{
	struct device_state s = {.listen_port = 1, .fwmark = 7};
	struct desired_device want = {.has_private_key = true, .listen_port = 51820};
	struct reconcile *r;

	wg_key_generate(&want.private_key);
	r = reconcile_new(&s, &want, &ours);
	assert_true(reconcile_change(r)->set_private_key);
	assert_true(reconcile_change(r)->set_listen_port);
	assert_false(reconcile_change(r)->set_fwmark); /* not asked for */
	reconcile_free(r);
	s.has_key = true;
	s.public_key = wg_key_public(&want.private_key);
	s.listen_port = 51820;
	want.set_fwmark = true;
	r = reconcile_new(&s, &want, &ours);
	assert_false(reconcile_change(r)->set_private_key);
	assert_false(reconcile_change(r)->set_listen_port);
	assert_true(reconcile_change(r)->set_fwmark);
	assert_int_equal(reconcile_change(r)->fwmark, 0);
	reconcile_free(r);
	want.listen_port = 0; /* whatever it is */
	want.fwmark = 7;
	r = reconcile_new(&s, &want, &ours);
	assert_true(reconcile_is_empty(r));
	reconcile_free(r);
	reconcile_free(NULL);
}

static void endpoints(void **state)
{
	struct naive d = {.has = {true}, .endpoint = {true}};
	struct desired_peer peer = {.key = keys[0], .endpoint = somewhere(2)};
	struct desired_device want = {.peers = &peer, .n_peers = 1};
	struct device_state s;
	struct reconcile *r;

	for (int j = 0; j < N_PREFIXES; j++)
		d.owner[j] = NOBODY;
	s = state_of(&d);
	r = reconcile_new(&s, &want, &ours);
	assert_true(reconcile_is_empty(r)); /* it may have roamed */
	reconcile_free(r);
	peer.force_endpoint = true;
	r = reconcile_new(&s, &want, &ours);
	assert_true(reconcile_change(r)->peers[0].set_endpoint);
	reconcile_free(r);
	device_state_done(&s);
}

/* A process died between the two steps of a removal: what it left behind goes. */
static void parking_peer_goes(void **state)
{
	struct device_state s = {.has_key = true};
	struct device_peer peer = {0};
	struct desired_peer heir = {.key = keys[0], .allowed = &prefixes[0], .n_allowed = 1};
	struct desired_device want = {.peers = &heir, .n_peers = 1};
	const struct device_ownership nothing_ours = {0};
	const struct device_conflict *conflicts;
	struct reconcile *r;

	s.public_key = keys[1];
	peer.key = device_parking_key(&s.public_key);
	peer.allowed = &prefixes[0];
	peer.n_allowed = 1;
	s.peers = &peer;
	s.n_peers = 1;
	r = reconcile_new(&s, &want, &nothing_ours);
	assert_int_equal(reconcile_conflicts(r, &conflicts), 0);
	assert_int_equal(reconcile_change(r)->n_peers, 2);
	assert_int_equal(reconcile_change(r)->peers[0].n_add, 1);
	assert_true(reconcile_change(r)->peers[1].remove);
	assert_true(wg_key_eq(&reconcile_change(r)->peers[1].key, &peer.key));
	reconcile_free(r);
	/* The key is another one on another device, and no low-order point. */
	peer.key = device_parking_key(&keys[2]);
	assert_false(wg_key_is_low_order(&peer.key));
	r = reconcile_new(&s, &want, &nothing_ours);
	assert_int_equal(reconcile_conflicts(r, &conflicts), 1);
	reconcile_free(r);
}

static void a_prefix_wanted_twice_rests(void **state)
{
	struct naive d = {.has = {true, true}};
	struct desired_peer peers[2] = {{.key = keys[0]}, {.key = keys[1]}};
	struct desired_device want = {.peers = peers, .n_peers = 2};
	struct device_state s;
	struct reconcile *r;

	for (int j = 0; j < N_PREFIXES; j++)
		d.owner[j] = NOBODY;
	for (int i = 0; i < 2; i++) {
		peers[i].allowed = &prefixes[0];
		peers[i].n_allowed = 1;
	}
	s = state_of(&d);
	r = reconcile_new(&s, &want, &ours);
	apply(&d, reconcile_change(r), NULL);
	assert_int_equal(d.owner[0], 0);
	reconcile_free(r);
	device_state_done(&s);
	s = state_of(&d);
	r = reconcile_new(&s, &want, &ours);
	assert_true(reconcile_is_empty(r));
	reconcile_free(r);
	device_state_done(&s);
}

static int prepare(void **state)
{
	char text[IP_PREFIX_STRLEN];
	wg_key secret;

	for (int i = 0; i < N_PEERS; i++) {
		wg_key_generate(&secret);
		keys[i] = wg_key_public(&secret);
	}
	for (int j = 0; j < N_PREFIXES; j++) {
		snprintf(text, sizeof(text), j % 2 ? "fd00:%d::/32" : "10.%d.0.0/16", j);
		if (!ip_prefix_parse(&prefixes[j], text))
			return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_devices),
		cmocka_unit_test(counts_a_move_once),
		cmocka_unit_test(device_settings),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(parking_peer_goes),
		cmocka_unit_test(a_prefix_wanted_twice_rests),
	};

	return cmocka_run_group_tests_name("reconcile", tests, prepare, NULL);
}
