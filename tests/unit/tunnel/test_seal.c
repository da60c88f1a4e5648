/* SPDX-License-Identifier: MIT */
/* Superpackets in line against the same packets sealed one by one: the same bytes, in order. */
#include "unit.h"

#include "../../support/gso_case.h"
#include "base/mem.h"
#include "tunnel/keypair.h"
#include "tunnel/seal.h"

static const struct aead_backend *backend;
static struct aead_thread *aead;
static struct keypair keypair;
static const struct udp_endpoint to = {.remote = {.in4 = {.sin_family = AF_INET, .sin_port = 9}}};

static void padding(void **state)
{
	static const struct {
		size_t len;
		unsigned mtu;
		size_t padded;
	} cases[] = {{0, 1420, 0}, {1, 1420, 16}, {16, 1420, 16}, {17, 1420, 32},
		{1408, 1420, 1408}, {1409, 1420, 1420}, {1420, 1420, 1420}, {1419, 1420, 1420},
		{1421, 1420, 1436}, {50, 0, 64}, {2850, 1420, 2856}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(seal_padded_len(cases[i].len, cases[i].mtu), cases[i].padded);
}

/* --- what the line should give -------------------------------------------------------------------
 */

struct wanted {
	uint8_t bytes[128 * 1024];
	size_t len, n;
	size_t sizes[1024];
};

static struct gso_case c;
static struct wanted wanted[LINE_LEN];

/* Of the superpacket in c, which stays as it is. */
static void want(struct wanted *w, uint64_t counter, unsigned mtu)
{
	static uint8_t packet[GSO_CASE_MOST + 15];
	struct gso g;
	uint8_t *segment;
	size_t len;

	memcpy(packet, c.packet, c.len);
	assert_true(gso_start(&g, &c.vnet, packet, c.len));
	for (w->len = w->n = 0; (segment = gso_next(&g, &len)); w->n++) {
		size_t padded = seal_padded_len(len, mtu), sealed = padded + WG_DATA_OVERHEAD;

		assert_true(w->len + sealed <= sizeof(w->bytes) && w->n < ARRAY_SIZE(w->sizes));
		seal_packet(backend, aead, &keypair, counter++, segment, len, padded,
			w->bytes + w->len);
		w->sizes[w->n] = sealed;
		w->len += sealed;
	}
}

/* The datagrams that the messages stand for. */
static void check_messages(const struct wanted *w, const struct udp_out *out, size_t n)
{
	size_t at = 0, datagram = 0;

	assert_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		assert_true(out[i].len <= UDP_MAX_PAYLOAD - 20 && out[i].len);
		assert_true((out[i].len + out[i].segment - 1) / out[i].segment <= UDP_MAX_SEGMENTS);
		assert_int_equal(out[i].tos, 2);
		assert_memory_equal(&out[i].to, &to, sizeof(to));
		for (size_t done = 0; done < out[i].len; datagram++) {
			size_t len = out[i].len - done < out[i].segment ? out[i].len - done
									: out[i].segment;

			assert_true(datagram < w->n);
			assert_int_equal(len, w->sizes[datagram]);
			assert_memory_equal(out[i].data + done, w->bytes + at, len);
			done += len;
			at += len;
		}
	}
	assert_int_equal(datagram, w->n);
	assert_int_equal(at, w->len);
}

static void make(struct chance *chance)
{
	uint8_t how[12];
	struct gso g;

	for (;;) {
		for (size_t i = 0; i < sizeof(how); i++)
			how[i] = (uint8_t)chance_u64(chance);
		how[0] = 2; /* right, and long */
		how[1] &= ~(CASE_NO_GSO | CASE_NO_CSUM);
		case_make(&c, how, sizeof(how));
		c.vnet.gso_size = (uint16_t)(100 + chance_below(chance, 1500));
		if (c.len > 3000 && gso_start(&g, &c.vnet, c.packet, c.len))
			return;
	}
}

static bool put(struct seal_line *l, uint64_t counter, unsigned mtu)
{
	uint8_t *buffer = seal_line_buffer(l);
	struct gso g;
	struct seal_order order = {&g, &keypair, counter, mtu, &to, 2};

	memcpy(buffer, c.packet, c.len);
	if (!gso_start(&g, &c.vnet, buffer, c.len))
		return false;
	return seal_line_put(l, &order) > 0;
}

static void check_line(unsigned n_workers)
{
	struct chance chance = chance_start("seal");
	struct workers *w = workers_new(backend, n_workers);
	struct seal_line *l = seal_line_new(backend, workers_lane(w, LANE_TX));
	unsigned first = 0, next = 0;
	uint64_t counter = 7;
	bool by_worker;

	workers_start(w);
	while (first < 600) {
		const struct udp_out *out;
		size_t n;

		if (next < 600 && chance_below(&chance, 3) && seal_line_buffer(l)) {
			unsigned mtu = chance_below(&chance, 2) ? 1420 : 576;

			make(&chance);
			if (!put(l, counter, mtu))
				continue;
			want(&wanted[next % LINE_LEN], counter, mtu);
			counter += wanted[next++ % LINE_LEN].n;
			continue;
		}
		n = seal_line_take(
			l, aead, chance_below(&chance, 2) || next == 600, &out, &by_worker);
		if (n)
			check_messages(&wanted[first++ % LINE_LEN], out, n);
		assert_int_equal(seal_line_is_empty(l), first == next);
	}
	seal_line_free(l);
	workers_free(w);
}

static void in_line(void **state)
{
	check_line(0);
	check_line(1);
	check_line(3);
}

/* As many as fit, and then none, until one is taken. */
static void full_line(void **state)
{
	struct chance chance = chance_start("full");
	struct workers *w = workers_new(backend, 0);
	struct seal_line *l = seal_line_new(backend, workers_lane(w, LANE_TX));
	const struct udp_out *out;
	bool by_worker;
	size_t n;

	assert_int_equal(seal_line_take(l, aead, true, &out, &by_worker), 0);
	make(&chance);
	c.vnet.gso_size = 1000; /* few enough */
	for (unsigned i = 0; i < LINE_LEN; i++)
		assert_true(put(l, i, 1420));
	assert_null(seal_line_buffer(l));
	assert_int_equal(seal_line_take(l, aead, false, &out, &by_worker), 0);
	want(&wanted[0], 0, 1420);
	n = seal_line_take(l, aead, true, &out, &by_worker);
	check_messages(&wanted[0], out, n);
	assert_false(by_worker);
	assert_non_null(seal_line_buffer(l));
	while (!seal_line_is_empty(l))
		assert_true(seal_line_take(l, aead, true, &out, &by_worker) > 0);
	seal_line_free(l);
	workers_free(w);
}

/* Segments so small that their headers fill the room, or take too many messages: not in line. */
static void too_many_segments(void **state)
{
	struct workers *w = workers_new(backend, 0);
	struct seal_line *l = seal_line_new(backend, workers_lane(w, LANE_TX));
	uint8_t how[] = {2, CASE_TCP_OPTIONS, 0, 1, 0xfe, 0x00, 7, 9, 0xff, 0xf0, 5};

	case_make(&c, how, sizeof(how));
	for (unsigned size = 1; size < 200; size++) {
		c.vnet.gso_size = (uint16_t)size;
		assert_false(put(l, 0, 1420));
		assert_true(seal_line_is_empty(l));
	}
	c.vnet.gso_size = 1368;
	assert_true(put(l, 0, 1420));
	seal_line_take(l, aead, true, &(const struct udp_out *){NULL}, &(bool){false});
	seal_line_free(l);
	seal_line_free(NULL);
	workers_free(w);
}

static int start(void **state)
{
	backend = aead_choose(NULL);
	aead = backend->thread_new(backend);
	memset(&keypair.send, 0x5a, sizeof(keypair.send));
	keypair.remote_index = 0x01020304;
	return 0;
}

static int stop(void **state)
{
	backend->thread_free(aead);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding),
		cmocka_unit_test(in_line),
		cmocka_unit_test(full_line),
		cmocka_unit_test(too_many_segments),
	};

	return cmocka_run_group_tests_name("seal", tests, start, stop);
}
