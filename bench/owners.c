/* SPDX-License-Identifier: MIT */
/*
 * What several owners of a prefix cost a lookup: the prefixes of a table belong to one owner each,
 * then to sets of three ranks, then to sets of three equals, in turns of some milliseconds, round
 * after round, in the same memory. What is told is the median of the ratios to one owner in the
 * same round, since a machine that has other things to do slows down the turns of a round alike.
 *
 *	owners [--json] [--rounds N] [--data DIRECTORY] [PREFIXES...]
 *
 * Three quarters of the prefixes are IPv4, real ones if --data has them (prefixes.h). "far":
 * packets to all over the table, each with cold caches; "near": a thousand flows. Owners are 16,
 * and 16 are the sets; a few are what a mesh has, since all prefixes of the same owners share one.
 */
#include "base/mem.h"
#include "prefixes.h"
#include "wg/cryptokey.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNERS 16
#define OF_A_SET 3
#define PACKET_LEN 64 /* a line, as where packets are read: in the cache by then */
#define N_FAR (1u << 19)
#define N_NEAR 1000
#define MAX_ROUNDS 1001
#define TURN_NS INT64_C(8000000)
#define WARM_UP 4096 /* lookups */
#define AT_ONCE 256

struct __attribute__((aligned(64))) owner {
	struct cryptokey_owner o;
};

/* To whom the prefixes go. */
enum owning { ONE, RANKS, EQUALS };

struct bench {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct owner owners[OWNERS];
	struct cryptokey_set *sets[OWNERS];
	struct prefixes all;
	uint8_t (*packets)[PACKET_LEN];
	bool v4;
	uint64_t state;
};

/* --- one lookup of each kind ---------------------------------------------------------------------
 */

typedef bool look_fn(const struct bench *b, const uint8_t *packet);

static bool look_to_send(const struct bench *b, const uint8_t *packet)
{
	return cryptokey_choose(b->t, packet, PACKET_LEN, NULL).owner;
}

/* Packets are from where they go to, by the first owner of the prefix that they were made of, who
 * isn't always the one that matters. */
static bool look_to_receive(const struct bench *b, const uint8_t *packet)
{
	const struct cryptokey_owner *from = &b->owners[packet[PACKET_LEN - 1]].o;

	return cryptokey_accept(b->t, packet, from) != CRYPTOKEY_PASS;
}

/* --- whose the prefixes are ----------------------------------------------------------------------
 */

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "owners: out of memory\n");
	exit(1);
}

/* Three in a row each, of one rank or of three. */
static void define_sets(struct bench *b, bool has_ranks)
{
	struct cryptokey_member m[OF_A_SET];

	for (unsigned i = 0; i < OWNERS; i++) {
		for (unsigned j = 0; j < OF_A_SET; j++)
			m[j] = (struct cryptokey_member){&b->owners[(i + j) % OWNERS].o,
				(uint16_t)(has_ranks ? j : 0), 1, false};
		must(cryptokey_set_define(b->t, b->sets[i], m, OF_A_SET));
	}
}

static void give_all(struct bench *b, enum owning to)
{
	define_sets(b, to == RANKS);
	for (size_t i = 0; i < b->all.n; i++) {
		const ip_prefix *p = &b->all.p[i];

		must(to == ONE ? cryptokey_insert(b->t, p, &b->owners[i % OWNERS].o)
			       : cryptokey_bind(b->t, p, b->sets[i % OWNERS]));
	}
	qsbr_reclaim(b->q);
}

static void set_losses(struct bench *b, bool is_lossy)
{
	for (unsigned i = 0; i < OWNERS; i += OF_A_SET)
		cryptokey_owner_set_answers(&b->owners[i].o, !is_lossy);
}

static const struct kind {
	const char *name;
	enum owning to; /* those of one stand together */
	look_fn *look;
	unsigned against; /* whose time is 1 */
	bool is_lossy;	  /* one of each set's three is lost */
} kinds[] = {
	{"send, one owner", ONE, look_to_send, 0},
	{"receive, one owner", ONE, look_to_receive, 1},
	{"send, three ranks", RANKS, look_to_send, 0},
	{"receive, three ranks", RANKS, look_to_receive, 1},
	{"send, three equals", EQUALS, look_to_send, 0},
	{"send, three equals, one lost", EQUALS, look_to_send, 0, true},
	{"receive, three equals", EQUALS, look_to_receive, 1},
};
#define KINDS ARRAY_SIZE(kinds)

/* --- measuring -----------------------------------------------------------------------------------
 */

struct turn {
	const struct bench *b;
	const struct kind *kind;
	size_t n_packets, at, n_missed;
};

/* What was begun ends before what comes next begins: in a device a packet is sealed or opened
 * between two lookups, here they would overlap and hide each other's waiting for memory. */
static inline void finish(void)
{
#if defined(__x86_64__)
	__asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

static void look_up(struct turn *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		t->n_missed += !t->kind->look(t->b, t->b->packets[t->at]);
		if (++t->at == t->n_packets)
			t->at = 0;
		finish();
	}
}

/* Nanoseconds of CPU time a lookup. */
static double play_turn(struct bench *b, const struct kind *k, size_t n_packets)
{
	struct turn t = {b, k, n_packets, chance(&b->state) % n_packets, 0};
	int64_t start, now;
	size_t n = 0;

	set_losses(b, k->is_lossy);
	look_up(&t, WARM_UP);
	start = now = read_clock(CLOCK_THREAD_CPUTIME_ID);
	for (; now - start < TURN_NS; n += AT_ONCE) {
		look_up(&t, AT_ONCE);
		now = read_clock(CLOCK_THREAD_CPUTIME_ID);
	}
	if (t.n_missed) {
		fprintf(stderr, "owners: %zu lookups found nobody\n", t.n_missed);
		exit(1);
	}
	return (double)(now - start) / (double)n;
}

struct figure {
	double ns[MAX_ROUNDS], ratio[MAX_ROUNDS];
};

static void note(struct figure f[KINDS], size_t kind, unsigned round, double ns)
{
	f[kind].ns[round] = ns;
	f[kind].ratio[round] = ns / f[kinds[kind].against].ns[round];
}

static void play_round(
	struct bench *b, struct figure far[KINDS], struct figure near[KINDS], unsigned round)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (!i || kinds[i].to != kinds[i - 1].to)
			give_all(b, kinds[i].to);
		note(far, i, round, play_turn(b, &kinds[i], N_FAR));
		note(near, i, round, play_turn(b, &kinds[i], N_NEAR));
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
}

/* --- all of it -----------------------------------------------------------------------------------
 */

struct options {
	bool is_json;
	unsigned rounds;
	const char *directory;
};

static void make_packets(struct bench *b)
{
	b->packets = aligned_alloc(PACKET_LEN, N_FAR * sizeof(*b->packets));
	must(!b->packets);
	memset(b->packets, 0, N_FAR * sizeof(*b->packets));
	for (size_t i = 0; i < N_FAR; i++) {
		size_t of = chance(&b->state) % b->all.n;
		const ip_prefix *p = &b->all.p[of];
		ip_prefix host = prefix_within(p, ip_family_bits(p->family), &b->state);
		uint8_t *packet = b->packets[i];
		uint32_t ports = (uint32_t)chance(&b->state);
		size_t n = b->v4 ? 4 : 16, from = b->v4 ? 12 : 8;

		packet[0] = b->v4 ? 0x45 : 0x60;
		packet[b->v4 ? 9 : 6] = 17;
		memcpy(packet + from, host.bytes, n);
		memcpy(packet + from + n, host.bytes, n);
		memcpy(packet + from + 2 * n, &ports, sizeof(ports));
		packet[PACKET_LEN - 1] = (uint8_t)(of % OWNERS);
	}
}

static void begin(struct bench *b, bool v4, size_t n, const char *directory)
{
	*b = (struct bench){.q = qsbr_new(), .v4 = v4, .state = 1};
	b->t = cryptokey_new(b->q, 1);
	must(!b->t);
	b->all = prefixes_load(v4 ? AF_INET : AF_INET6, n, directory, &b->state);
	for (unsigned i = 0; i < OWNERS; i++) {
		cryptokey_owner_init(&b->owners[i].o, i);
		b->sets[i] = cryptokey_set_new(b->t, NULL);
		must(!b->sets[i]);
	}
	make_packets(b);
}

static void end(struct bench *b)
{
	cryptokey_free(b->t);
	qsbr_free(b->q);
	free(b->packets);
	free(b->all.p);
}

static void print_head(const struct options *o, const struct bench *b, bool is_first)
{
	const char *family = b->v4 ? "IPv4" : "IPv6";
	char what[64];

	snprintf(what, sizeof(what), "%s, %zu prefixes (%zu real ones)", family, b->all.n,
		b->all.n_real);
	if (o->is_json)
		printf("%s{\"family\": \"%s\", \"prefixes\": %zu, \"real\": %zu, \"lookups\": [",
			is_first ? "" : ", ", family, b->all.n, b->all.n_real);
	else
		printf("%-44s far ns  ratio  near ns  ratio\n", what);
}

static void print_kind(
	const struct options *o, const struct kind *k, struct figure *far, struct figure *near)
{
	double far_ns = median(far->ns, o->rounds), near_ns = median(near->ns, o->rounds);
	double far_ratio = median(far->ratio, o->rounds);
	double near_ratio = median(near->ratio, o->rounds);

	if (o->is_json)
		printf("%s{\"kind\": \"%s\", \"far_ns\": %.1f, \"far_ratio\": %.3f, "
		       "\"near_ns\": %.1f, \"near_ratio\": %.3f}",
			k == kinds ? "" : ", ", k->name + strspn(k->name, " "), far_ns, far_ratio,
			near_ns, near_ratio);
	else
		printf("  %-40s %8.1f  %5.2f %8.1f  %5.2f\n", k->name, far_ns, far_ratio, near_ns,
			near_ratio);
}

static void measure(const struct options *o, bool v4, size_t n, bool is_first)
{
	static struct figure far[KINDS], near[KINDS];
	static struct bench b;

	begin(&b, v4, n, o->directory);
	for (unsigned r = 0; r < o->rounds; r++)
		play_round(&b, far, near, r);
	print_head(o, &b, is_first);
	for (size_t i = 0; i < KINDS; i++)
		print_kind(o, &kinds[i], &far[i], &near[i]);
	if (o->is_json)
		printf("]}");
	fflush(stdout);
	end(&b);
}

static void usage(const char *name)
{
	fprintf(stderr, "usage: %s [--json] [--rounds N] [--data DIRECTORY] [PREFIXES...]\n", name);
	exit(2);
}

/* The first argument that is a number of prefixes. */
static int take_options(struct options *o, int argc, char **argv)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json"))
			o->is_json = true;
		else if (!strcmp(argv[i], "--rounds") && i + 1 < argc)
			o->rounds = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--data") && i + 1 < argc)
			o->directory = argv[++i];
		else
			usage(argv[0]);
	}
	if (!o->rounds || o->rounds > MAX_ROUNDS)
		usage(argv[0]);
	return i;
}

int main(int argc, char **argv)
{
	static const size_t usual[] = {1, 1000, 240000, 1000000};
	struct options o = {.rounds = 21};
	int first = take_options(&o, argc, argv);
	size_t n_sizes = argc > first ? (size_t)(argc - first) : ARRAY_SIZE(usual);

	if (o.is_json)
		printf("{\"bench\": \"owners\", \"results\": [");
	for (size_t i = 0; i < n_sizes; i++) {
		size_t n = argc > first ? strtoul(argv[(size_t)first + i], NULL, 10) : usual[i];

		if (!n)
			usage(argv[0]);
		measure(&o, true, n - n / 4, !i);
		measure(&o, false, n < 4 ? n : n / 4, false);
	}
	if (o.is_json)
		printf("]}\n");
	return 0;
}
