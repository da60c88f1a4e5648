/* SPDX-License-Identifier: MIT */
/* Merging: by hand how much a rule lets pass, by chance that nothing is lost or out of order. */
#include "unit.h"

#include "../../support/gro_case.h"

enum { TCP4 = 1, TCP4_NO_DF = 0, TCP6 = 5, UDP4 = 9, UDP4_NO_DF = 8, UDP6 = 13 };

static struct gro_case c;
static uint8_t packet[65535];
static size_t len;

static int start(void **state)
{
	c = (struct gro_case){.gro = gro_new(true, true)};
	return 0;
}

static int stop(void **state)
{
	gro_free(c.gro);
	return 0;
}

static void make(unsigned flow, size_t payload)
{
	len = gro_case_packet(&c, packet, flow, payload);
}

static void add(void)
{
	gro_case_add(&c, packet, len);
}

static void add_next(unsigned flow, size_t payload)
{
	make(flow, payload);
	add();
}

/* How many writes since the last time. */
static size_t writes(void)
{
	gro_case_flush(&c);
	return c.writes;
}

static void bulk(void **state)
{
	static const unsigned flows[] = {TCP4, TCP4_NO_DF, TCP6, UDP4, UDP4_NO_DF, UDP6};

	for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++) {
		for (unsigned k = 0; k < 40; k++)
			add_next(flows[i], 1368);
		add_next(flows[i], 7);
		assert_int_equal(writes(), 1);
	}
	/* All at once, one packet of each in turn. */
	for (unsigned k = 0; k < 40; k++)
		for (unsigned i = 0; i < sizeof(flows) / sizeof(flows[0]); i++)
			add_next(flows[i], 1368);
	assert_int_equal(writes(), 6);
}

/* A kernel that promised to take merged packets: they come out one by one as they came, the kind is
 * merged no more, the other is. */
static void refused(void **state)
{
	static const struct {
		unsigned kind, flow, same, other;
	} cases[] = {{GRO_TCP, TCP4, TCP6, UDP4}, {GRO_TCP, TCP6, TCP4_NO_DF, UDP6},
		{GRO_UDP, UDP4, UDP6, TCP4}, {GRO_UDP, UDP6, UDP4_NO_DF, TCP6}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		stop(state);
		start(state);
		c.refused = cases[i].kind;
		/* Two superpackets of one flow in the same flush: the second ends by PSH. */
		for (unsigned k = 0; k < 80; k++)
			add_next(cases[i].flow, 1000);
		make(cases[i].flow, 9);
		if (cases[i].kind == GRO_TCP)
			packet[cases[i].flow & 4 ? 53 : 33] |= 8;
		gro_case_sum(packet, len);
		add();
		assert_int_equal(writes(), 81);
		assert_int_equal(c.n_refused, 2);
		assert_int_equal(c.ended, cases[i].kind);
		c.ended = 0;
		for (unsigned k = 0; k < 10; k++) {
			add_next(cases[i].flow, 1000);
			add_next(cases[i].same, 1000);
			add_next(cases[i].other, 1000);
		}
		assert_int_equal(writes(), 21);
		assert_int_equal(c.n_refused, 2);
		assert_int_equal(c.ended, 0);
	}
}

static long take_nothing(const struct iovec *iov, int n, void *data)
{
	++*(size_t *)data;
	return -EINVAL;
}

/* Who refuses everything has something against the interface, not against merging. */
static void refused_singly_too(void **state)
{
	size_t n = 0;

	for (unsigned k = 0; k < 3; k++)
		add_next(TCP4, 1000);
	assert_int_equal(gro_flush(c.gro, take_nothing, &n), 0);
	assert_int_equal(n, 4);
	assert_false(gro_is_refused(3, -EIO));
	assert_false(gro_is_refused(2, -EINVAL));
	twin_list_done(&c.came);
	twin_list_done(&c.given);
	add_next(TCP4, 1000);
	add_next(TCP4, 1000);
	assert_int_equal(writes(), 1);
}

/* A shorter one ends a superpacket; a longer one begins another. */
static void lengths(void **state)
{
	for (unsigned flow = TCP4; flow < 16; flow += 4) {
		add_next(flow, 100);
		add_next(flow, 99);
		add_next(flow, 99);
		assert_int_equal(writes(), 2);
		add_next(flow, 100);
		add_next(flow, 101);
		assert_int_equal(writes(), 2);
		add_next(flow, 0);
		add_next(flow, 100);
		add_next(flow, 0);
		add_next(flow, 100);
		assert_int_equal(writes(), 4);
	}
}

/* Never more than an IP packet, nor than the pieces there are. */
static void limits(void **state)
{
	for (unsigned flow = TCP4; flow < 16; flow += 4) {
		for (unsigned i = 0; i < 8; i++)
			add_next(flow, 9000);
		assert_int_equal(writes(), 2);
		for (unsigned i = 0; i < 2 * (GRO_MAX_IOV - 1); i++)
			add_next(flow, 10);
		assert_int_equal(writes(), 2);
		for (unsigned i = 0; i < 2; i++)
			add_next(flow, 32700);
		assert_int_equal(writes(), 1);
	}
	/* The last byte. */
	for (unsigned more = 0; more < 3; more++) {
		add_next(TCP4, 32742);
		add_next(TCP4, 32741 - 1 + more);
		assert_int_equal(writes(), more == 2 ? 2 : 1);
	}
}

static void spoilt(unsigned flow, size_t at, uint8_t bits, size_t want)
{
	add_next(flow, 500);
	make(flow, 500);
	packet[at] ^= bits;
	gro_case_sum(packet, len);
	add();
	add_next(flow, 500);
	assert_int_equal(writes(), want);
}

/* One byte of the middle one is another: what follows neither joins it nor the first. */
static void differences(void **state)
{
	static const struct {
		uint8_t at, bits;
	} ip4[] = {{0, 1}, {1, 4}, {1, 3}, {6, 0x40}, {6, 0x20}, {6, 0x80}, {7, 1}, {8, 1}, {9, 1}},
	  ip6[] = {{0, 1}, {1, 0x20}, {3, 1}, {6, 1}, {7, 1}},
	  tcp[] = {{8, 1}, {11, 1}, {12, 0x10}, {13, 2}, {13, 4}, {13, 0x20}, {13, 0x40},
		  {13, 0x80}, {14, 1}, {18, 1}, {27, 1}, {7, 1}, {13, 0x10}};

	for (size_t i = 0; i < sizeof(ip4) / sizeof(ip4[0]); i++) {
		spoilt(TCP4, ip4[i].at, ip4[i].bits, 3);
		spoilt(UDP4, ip4[i].at, ip4[i].bits, ip4[i].at == 9 ? 2 : 3);
	}
	for (size_t i = 0; i < sizeof(ip6) / sizeof(ip6[0]); i++)
		spoilt(TCP6, ip6[i].at, ip6[i].bits, 3);
	for (size_t i = 0; i < sizeof(tcp) / sizeof(tcp[0]); i++) {
		spoilt(TCP4, 20u + tcp[i].at, tcp[i].bits, 3);
		spoilt(TCP6, 40u + tcp[i].at, tcp[i].bits, 3);
	}
	/* A length that isn't so. */
	spoilt(UDP4, 20 + 5, 1, 3);
}

static void ends(void **state)
{
	static const uint8_t flags[] = {8, 1, 9};

	for (unsigned i = 0; i < 3; i++) {
		add_next(TCP4, 500);
		make(TCP4, 500);
		packet[20 + 13] |= flags[i];
		gro_case_sum(packet, len);
		add();
		add_next(TCP4, 500);
		add_next(TCP4, 500);
		assert_int_equal(writes(), 2);
	}
}

static void sequence(void **state)
{
	add_next(TCP4, 500);
	c.seq[TCP4]++;
	add_next(TCP4, 500);
	c.seq[TCP4] -= 1000;
	add_next(TCP4, 500);
	assert_int_equal(writes(), 3);
	c.seq[TCP4] = UINT32_MAX - 700;
	for (unsigned i = 0; i < 4; i++)
		add_next(TCP4, 500);
	assert_int_equal(writes(), 1);
}

/* Without DF the id must be what splitting gives again; with it it means nothing. */
static void ids(void **state)
{
	static const unsigned flows[] = {TCP4, TCP4_NO_DF, UDP4, UDP4_NO_DF};

	for (unsigned i = 0; i < 4; i++) {
		c.id[flows[i]] = 0xfffe;
		for (unsigned k = 0; k < 4; k++)
			add_next(flows[i], 500);
		assert_int_equal(writes(), 1);
		for (unsigned k = 0; k < 4; k++) {
			add_next(flows[i], 500);
			c.id[flows[i]]--;
		}
		assert_int_equal(writes(), flows[i] & 1 ? 1 : 4);
	}
}

static void no_checksum(void **state)
{
	for (unsigned flow = UDP4; flow <= UDP6; flow += 4) {
		for (unsigned i = 0; i < 5; i++) {
			make(flow, 500);
			if (i == 2)
				twin_set16(packet + (flow == UDP4 ? 26 : 46), 0);
			add();
		}
		assert_int_equal(writes(), 3);
	}
}

/* What was damaged before the tunnel must not leave it with a sum that is right. */
static void wrong_sums(void **state)
{
	static const struct {
		unsigned flow;
		size_t sum; /* where the transport's stands */
	} kinds[] = {{TCP4, 36}, {TCP6, 56}, {UDP4, 26}, {UDP6, 46}};

	for (unsigned i = 0; i < 4; i++)
		for (unsigned where = 0; where < (kinds[i].flow & 4 ? 2 : 3); where++) {
			add_next(kinds[i].flow, 500);
			make(kinds[i].flow, 500);
			/* The payload, the sum itself, the sum of the IPv4 header. */
			packet[where == 0 ? len - 1 : where == 1 ? kinds[i].sum : 10] ^= 1;
			add();
			add_next(kinds[i].flow, 500);
			assert_int_equal(writes(), 3);
		}
}

static void nested_ports(void **state)
{
	static const unsigned ports[] = {4789, 8472, 6081};

	for (unsigned i = 0; i < 3; i++)
		for (unsigned flow = TCP4; flow < 16; flow += 4) {
			for (unsigned k = 0; k < 3; k++) {
				make(flow, 500);
				twin_set16(packet + (flow & 4 ? 42 : 22), ports[i]);
				gro_case_sum(packet, len);
				add();
			}
			assert_int_equal(writes(), flow & 8 ? 3 : 1);
		}
}

/* A fragment without ports may be of any flow, and keeps its place. */
static void fragments(void **state)
{
	add_next(UDP4_NO_DF, 500);
	add_next(TCP4, 500);
	make(UDP4_NO_DF, 500);
	twin_set16(packet + 6, 0x2000);
	add();
	make(UDP4_NO_DF, 500);
	twin_set16(packet + 6, 63);
	add();
	add_next(UDP4_NO_DF, 500);
	assert_int_equal(writes(), 5);
}

/* Neither is taken: nothing is merged. */
static void not_taken(void **state)
{
	for (unsigned how = 0; how < 4; how++) {
		gro_free(c.gro);
		c.gro = gro_new(how & 1, how & 2);
		for (unsigned i = 0; i < 3; i++) {
			add_next(TCP4, 500);
			add_next(UDP6, 500);
		}
		assert_int_equal(writes(), (how & 1 ? 1 : 3) + (how & 2 ? 1 : 3));
	}
}

static void full(void **state)
{
	for (unsigned i = 0; i < GRO_MAX_OUT + 5; i++) {
		make(TCP4, 20);
		packet[8] = (uint8_t)(i % 2);
		add();
	}
	assert_int_equal(writes(), 5);
}

static void by_chance(void **state)
{
	struct chance chance = chance_start("by_chance");

	for (unsigned i = 0; i < 1000; i++) {
		uint8_t how[500];
		size_t n = 1 + chance_below(&chance, sizeof(how));
		/* Some, only a few flows; some, only few that are spoilt. */
		uint8_t flows = (uint8_t)(0xf0 | chance_u64(&chance)), right = 0;

		if (chance_below(&chance, 3))
			right = (uint8_t)(chance_below(&chance, 16) << 4);
		for (size_t k = 0; k < n; k++) {
			how[k] = (uint8_t)chance_u64(&chance) & flows;
			if (chance_below(&chance, 8))
				how[k] |= right;
		}
		how[0] = (uint8_t)chance_u64(&chance) & (i % 8 ? 0x11 : 0xff);
		gro_case_run(how, n, &GRO_SCALE_REAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bulk, start, stop),
		cmocka_unit_test_setup_teardown(refused, start, stop),
		cmocka_unit_test_setup_teardown(refused_singly_too, start, stop),
		cmocka_unit_test_setup_teardown(lengths, start, stop),
		cmocka_unit_test_setup_teardown(limits, start, stop),
		cmocka_unit_test_setup_teardown(differences, start, stop),
		cmocka_unit_test_setup_teardown(ends, start, stop),
		cmocka_unit_test_setup_teardown(sequence, start, stop),
		cmocka_unit_test_setup_teardown(ids, start, stop),
		cmocka_unit_test_setup_teardown(no_checksum, start, stop),
		cmocka_unit_test_setup_teardown(wrong_sums, start, stop),
		cmocka_unit_test_setup_teardown(nested_ports, start, stop),
		cmocka_unit_test_setup_teardown(fragments, start, stop),
		cmocka_unit_test_setup_teardown(not_taken, start, stop),
		cmocka_unit_test_setup_teardown(full, start, stop),
		cmocka_unit_test(by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
