/* SPDX-License-Identifier: MIT */
#include "base/heap.h"
#include "base/mem.h"
#include "unit.h"

#define NODES 200

/* Every node knows its place and none is earlier than its parent. */
static void check_shape(const struct heap *h)
{
	for (size_t i = 0; i < h->n; i++) {
		assert_int_equal(h->nodes[i]->place, i + 1);
		if (i)
			assert_false(instant_before(h->nodes[i]->at, h->nodes[(i - 1) / 2]->at));
	}
}

static void empty(void **state)
{
	struct heap h;
	struct heap_node node = {0};

	heap_init(&h);
	assert_null(heap_first(&h));
	assert_true(instant_is_never(heap_deadline(&h)));
	heap_remove(&h, &node);
	heap_set(&h, &node, INSTANT_NEVER);
	assert_null(heap_first(&h));
	assert_int_equal(node.place, 0);
	heap_done(&h);
}

static void one_node(void **state)
{
	struct heap h;
	struct heap_node node = {0};

	heap_init(&h);
	heap_set(&h, &node, (instant){7});
	assert_ptr_equal(heap_first(&h), &node);
	assert_int_equal(heap_deadline(&h).ns, 7);
	heap_set(&h, &node, (instant){-9});
	assert_int_equal(heap_deadline(&h).ns, -9);
	assert_int_equal(h.n, 1);
	heap_set(&h, &node, INSTANT_NEVER);
	assert_null(heap_first(&h));
	assert_true(instant_is_never(node.at));
	heap_set(&h, &node, (instant){8});
	heap_remove(&h, &node);
	heap_remove(&h, &node);
	assert_null(heap_first(&h));
	heap_set(&h, &node, (instant){9});
	heap_done(&h);
	assert_null(heap_first(&h));
}

/* The oracle: one pass over an array in which absent nodes stand at never. */
static instant naive_deadline(const instant at[NODES])
{
	instant first = INSTANT_NEVER;

	for (int i = 0; i < NODES; i++)
		first = instant_min(first, at[i]);
	return first;
}

static void random_against_naive(void **state)
{
	struct chance c = chance_start("heap");
	struct heap_node nodes[NODES] = {0};
	instant at[NODES];
	struct heap h;

	heap_init(&h);
	for (int i = 0; i < NODES; i++)
		at[i] = INSTANT_NEVER;
	for (int step = 0; step < 50000; step++) {
		unsigned i = chance_below(&c, NODES);

		at[i] = INSTANT_NEVER;
		switch (chance_below(&c, 8)) {
		case 0:
			heap_remove(&h, &nodes[i]);
			break;
		case 1:
			heap_set(&h, &nodes[i], INSTANT_NEVER);
			break;
		default: /* few different values, so that equal deadlines are common */
			at[i].ns = chance_below(&c, 300);
			heap_set(&h, &nodes[i], at[i]);
		}
		assert_int_equal(heap_deadline(&h).ns, naive_deadline(at).ns);
		if (step % 100 == 0)
			check_shape(&h);
	}
	heap_done(&h);
}

static void drains_in_order(void **state)
{
	struct chance c = chance_start("heap");
	struct heap_node nodes[NODES] = {0}, *node;
	instant last = {INT64_MIN};
	struct heap h;
	int n = 0;

	heap_init(&h);
	for (int i = 0; i < NODES; i++)
		heap_set(&h, &nodes[i], (instant){(int64_t)chance_u64(&c) / 2});
	for (; (node = heap_first(&h)); n++) {
		assert_false(instant_before(node->at, last));
		last = node->at;
		heap_remove(&h, node);
		check_shape(&h);
	}
	assert_int_equal(n, NODES);
	heap_done(&h);
}

/* With room for n, n nodes come and go in the memory that was reserved; and what was there stays.
 */
static void reserves(void **state)
{
	struct heap_node nodes[NODES] = {0}, **memory;
	struct heap h;
	size_t cap;

	heap_init(&h);
	heap_reserve(&h, 0);
	assert_int_equal(h.cap, 0);
	heap_set(&h, &nodes[0], (instant){NODES});
	heap_reserve(&h, NODES);
	assert_true(h.cap >= NODES);
	assert_int_equal(h.n, 1);
	assert_ptr_equal(heap_first(&h), &nodes[0]);
	memory = h.nodes;
	cap = h.cap;
	for (int round = 0; round < 2; round++) {
		for (int i = 1; i < NODES; i++)
			heap_set(&h, &nodes[i], (instant){NODES - i});
		assert_int_equal(h.n, NODES);
		check_shape(&h);
		assert_int_equal(heap_deadline(&h).ns, 1);
		for (int i = 1; i < NODES; i++)
			heap_remove(&h, &nodes[i]);
	}
	heap_reserve(&h, 1);
	heap_reserve(&h, cap);
	assert_ptr_equal(h.nodes, memory);
	assert_int_equal(h.cap, cap);
	/* One more than there was room for at a time makes room for many: it isn't asked for often.
	 */
	heap_reserve(&h, cap + 1);
	assert_true(h.cap >= 2 * cap);
	assert_ptr_equal(heap_first(&h), &nodes[0]);
	heap_done(&h);
	assert_int_equal(h.cap, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(one_node),
		cmocka_unit_test(random_against_naive),
		cmocka_unit_test(drains_in_order),
		cmocka_unit_test(reserves),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
