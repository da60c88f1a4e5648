/* SPDX-License-Identifier: MIT */
/* The keys of BFD between two nodes: the same at both ends, each direction its own, made once. */
#include "daemon/session_keys.h"
#include "unit.h"
#include <string.h>

struct node {
	wg_key private, public;
	struct session_keys *keys;
};

static void make(struct node *n)
{
	wg_key_generate(&n->private);
	n->public = wg_key_public(&n->private);
	n->keys = session_keys_new();
	session_keys_begin(n->keys, &n->private);
}

static struct bfd_keys with(struct node *n, const struct node *peer)
{
	struct bfd_keys keys;

	session_keys_get(n->keys, &peer->public, &keys);
	return keys;
}

static void test_both_ends(void **state)
{
	struct node n[3];

	for (int i = 0; i < 3; i++)
		make(&n[i]);
	for (int a = 0; a < 3; a++)
		for (int b = 0; b < a; b++) {
			struct bfd_keys ours = with(&n[a], &n[b]), theirs = with(&n[b], &n[a]);

			assert_memory_equal(ours.send, theirs.receive, BFD_KEY_LEN);
			assert_memory_equal(ours.receive, theirs.send, BFD_KEY_LEN);
			assert_memory_not_equal(ours.send, ours.receive, BFD_KEY_LEN);
		}
	assert_memory_not_equal(with(&n[0], &n[1]).send, with(&n[0], &n[2]).send, BFD_KEY_LEN);
	for (int i = 0; i < 3; i++)
		session_keys_free(n[i].keys);
}

/* A reload keeps them, another key of ours makes them anew, who isn't asked for is forgotten. */
static void test_reload(void **state)
{
	struct bfd_keys before, after;
	struct node a, b, renewed;

	make(&a);
	make(&b);
	make(&renewed);
	before = with(&a, &b);
	for (int i = 0; i < 3; i++) {
		session_keys_end(a.keys);
		session_keys_begin(a.keys, &a.private);
		if (i == 1)
			continue;
		after = with(&a, &b);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	session_keys_begin(a.keys, &renewed.private);
	after = with(&a, &b);
	assert_memory_not_equal(&before, &after, sizeof(before));
	assert_memory_equal(after.send, with(&renewed, &b).send, BFD_KEY_LEN);
	session_keys_free(a.keys);
	session_keys_free(b.keys);
	session_keys_free(renewed.keys);
}

/* A public key of low order gives no secret: nobody may know what comes of it. */
static void test_low_order(void **state)
{
	struct node a, b, weak;

	make(&a);
	make(&b);
	memset(&weak.public, 0, sizeof(weak.public));
	assert_memory_not_equal(with(&a, &weak).receive, with(&b, &weak).receive, BFD_KEY_LEN);
	session_keys_free(a.keys);
	session_keys_free(b.keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_low_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
