/* SPDX-License-Identifier: MIT */
/*
 * The cryptokey table with a million prefixes, half of each family: how long it takes to fill and
 * to empty, what memory it takes, and lookups per second of one and two readers, alone and while a
 * writer makes 10,000 changes a second (moves to another owner, removals and insertions).
 *
 *	cryptokey [--json] [--prefixes N] [--data DIRECTORY]
 *
 * Prefixes are real ones if --data names a folder that has them (prefixes-v4.txt.xz and -v6, one a
 * line) and, where these aren't a million, random more specific ones within them; otherwise random
 * ones of the same lengths. "far": addresses all over the table, each lookup with cold caches;
 * "near": a thousand flows. Seconds are of each reader's own CPU time, so that fewer cores than
 * threads don't show.
 */
#include "wg/cryptokey.h"
#include "base/mem.h"
#include "prefixes.h"
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define OWNERS 1000
#define N_ADDRESSES (1u << 20)
#define NEAR 1000
#define ROUND_NS INT64_C(700000000)
#define CHANGES_PER_S 10000
#define MAX_READERS 2

/* --- time and memory --------------------------------------------------------------------------
 */

static int64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static size_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* --- readers and the writer ----------------------------------------------------------------------
 */

struct bench {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct cryptokey_owner owners[OWNERS];
	struct prefixes all;
	bool v4;
	uint8_t (*addresses)[16];
	_Atomic bool stop;
	uint64_t state;
	unsigned n_changes;
};

struct reader {
	struct bench *b;
	size_t first, n_addresses;
	uint64_t lookups, misses;
	int64_t cpu_ns;
	pthread_t thread;
};

static void *read_on(void *data)
{
	struct reader *r = data;
	struct bench *b = r->b;
	unsigned worker = qsbr_register(b->q);
	uint8_t packet[40] = {b->v4 ? 0x45 : 0x60}, *to = packet + (b->v4 ? 16 : 24);
	size_t i = r->first % r->n_addresses;

	qsbr_wake(b->q, worker);
	while (!atomic_load_explicit(&b->stop, memory_order_relaxed)) {
		for (unsigned j = 0; j < 64; j++) {
			memcpy(to, b->addresses[i], b->v4 ? 4 : 16);
			r->misses += !cryptokey_choose(b->t, packet, sizeof(packet), NULL).owner;
			if (++i == r->n_addresses)
				i = 0;
		}
		r->lookups += 64;
		qsbr_quiescent(b->q, worker);
	}
	qsbr_unregister(b->q, worker);
	r->cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

/* Only prefixes of the upper half are taken away; addresses are in the lower half. */
static void change(struct bench *b)
{
	size_t half = b->all.n / 2, i = half + chance(&b->state) % (b->all.n - half);
	struct cryptokey_owner *o = &b->owners[chance(&b->state) % OWNERS];
	const ip_prefix *p = &b->all.p[i];

	if (b->n_changes % 4 < 2) {
		cryptokey_insert(b->t, &b->all.p[chance(&b->state) % b->all.n], o);
	} else {
		cryptokey_insert(b->t, p, o);
		cryptokey_remove(b->t, p, o);
	}
	b->n_changes++;
}

static void write_until(struct bench *b, int64_t end)
{
	const struct timespec pause = {0, 1000000};

	while (now_ns() < end) {
		for (unsigned i = 0; i < CHANGES_PER_S / 1000; i++)
			change(b);
		nanosleep(&pause, NULL);
	}
}

/* Lookups per second of CPU time, of all readers together, in millions. */
static double run(struct bench *b, unsigned n_readers, size_t n_addresses, bool writing)
{
	struct reader readers[MAX_READERS] = {0};
	int64_t start = now_ns();
	uint64_t misses = 0;
	double sum = 0;

	atomic_store_explicit(&b->stop, false, memory_order_relaxed);
	for (unsigned i = 0; i < n_readers; i++) {
		readers[i] = (struct reader){
			.b = b, .first = i * N_ADDRESSES / 2, .n_addresses = n_addresses};
		if (pthread_create(&readers[i].thread, NULL, read_on, &readers[i]))
			exit(1);
	}
	if (writing)
		write_until(b, start + ROUND_NS);
	else
		usleep(ROUND_NS / 1000);
	atomic_store_explicit(&b->stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < n_readers; i++) {
		pthread_join(readers[i].thread, NULL);
		sum += (double)readers[i].lookups * 1e3 / (double)readers[i].cpu_ns;
		misses += readers[i].misses;
	}
	if (misses) {
		fprintf(stderr, "cryptokey: %" PRIu64 " lookups missed\n", misses);
		exit(1);
	}
	return sum;
}

/* --- figures -------------------------------------------------------------------------------------
 */

struct figures {
	const char *family;
	size_t n, n_real;
	double insert_s, move_s, remove_s, bytes_per_prefix, empty_bytes;
	double far[MAX_READERS][2], near[MAX_READERS][2]; /* [readers - 1][writing] */
};

static void fill_addresses(struct bench *b)
{
	b->addresses = mem_alloc(N_ADDRESSES * sizeof(*b->addresses));
	for (size_t i = 0; i < N_ADDRESSES; i++) {
		const ip_prefix *p = &b->all.p[chance(&b->state) % (b->all.n / 2)];
		ip_prefix host = prefix_within(p, ip_family_bits(p->family), &b->state);

		memcpy(b->addresses[i], host.bytes, 16);
	}
}

static double insert_all(struct bench *b, unsigned shift)
{
	int64_t start = now_ns();

	for (size_t i = 0; i < b->all.n; i++)
		if (cryptokey_insert(b->t, &b->all.p[i], &b->owners[(i + shift) % OWNERS]))
			exit(1);
	return (double)(now_ns() - start) / 1e9;
}

static double remove_all(struct bench *b)
{
	int64_t start = now_ns();

	for (unsigned i = 0; i < OWNERS; i++)
		cryptokey_remove_owner(b->t, &b->owners[i]);
	return (double)(now_ns() - start) / 1e9;
}

static void measure(struct figures *f, bool v4, size_t n, const char *directory)
{
	static struct bench bench;
	struct bench *b = &bench;
	size_t before;

	*b = (struct bench){.v4 = v4, .state = 1};
	b->all = prefixes_load(v4 ? AF_INET : AF_INET6, n, directory, &b->state);
	fill_addresses(b);
	before = heap_bytes();
	b->q = qsbr_new();
	b->t = cryptokey_new(b->q, 1);
	if (!b->t)
		exit(1);
	f->empty_bytes = (double)(heap_bytes() - before);
	for (unsigned i = 0; i < OWNERS; i++)
		cryptokey_owner_init(&b->owners[i], i);
	f->family = v4 ? "IPv4" : "IPv6";
	f->n_real = b->all.n_real;
	f->insert_s = insert_all(b, 0);
	f->n = cryptokey_count(b->t);
	qsbr_reclaim(b->q);
	f->bytes_per_prefix = ((double)(heap_bytes() - before) - f->empty_bytes) / (double)f->n;
	f->move_s = insert_all(b, 1);
	for (unsigned readers = 1; readers <= MAX_READERS; readers++)
		for (unsigned writing = 0; writing < 2; writing++) {
			f->far[readers - 1][writing] = run(b, readers, N_ADDRESSES, writing);
			f->near[readers - 1][writing] = run(b, readers, NEAR, writing);
		}
	f->remove_s = remove_all(b);
	cryptokey_free(b->t);
	qsbr_free(b->q);
	free(b->addresses);
	free(b->all.p);
}

static void print_text(const struct figures *f)
{
	printf("%s: %zu different prefixes (%zu real ones)\n", f->family, f->n, f->n_real);
	printf("  insert / move / remove all   %6.2f / %.2f / %.2f s\n", f->insert_s, f->move_s,
		f->remove_s);
	printf("  memory per prefix            %6.1f bytes (and %.0f KiB)\n", f->bytes_per_prefix,
		f->empty_bytes / 1024);
	for (unsigned i = 0; i < MAX_READERS; i++)
		printf("  %u reader%s, million lookups/s  far %5.2f, with writer %5.2f; "
		       "near %6.2f, with writer %6.2f\n",
			i + 1, i ? "s" : " ", f->far[i][0], f->far[i][1], f->near[i][0],
			f->near[i][1]);
}

static void print_json(const struct figures *f, bool first)
{
	printf("%s{\"family\": \"%s\", \"prefixes\": %zu, \"real\": %zu, \"insert_s\": %.3f, "
	       "\"move_s\": %.3f, \"remove_s\": %.3f, \"bytes_per_prefix\": %.1f, "
	       "\"empty_bytes\": %.0f, \"mlookups\": [",
		first ? "" : ", ", f->family, f->n, f->n_real, f->insert_s, f->move_s, f->remove_s,
		f->bytes_per_prefix, f->empty_bytes);
	for (unsigned i = 0; i < MAX_READERS; i++)
		printf("%s{\"readers\": %u, \"far\": %.2f, \"far_writer\": %.2f, \"near\": %.2f, "
		       "\"near_writer\": %.2f}",
			i ? ", " : "", i + 1, f->far[i][0], f->far[i][1], f->near[i][0],
			f->near[i][1]);
	printf("]}");
}

int main(int argc, char **argv)
{
	const char *directory = NULL;
	struct figures f = {0};
	size_t n = 1000000;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--prefixes") && i + 1 < argc) {
			n = strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(argv[i], "--data") && i + 1 < argc) {
			directory = argv[++i];
		} else {
			fprintf(stderr, "usage: %s [--json] [--prefixes N] [--data DIRECTORY]\n",
				argv[0]);
			return 2;
		}
	}
	if (n < 100) {
		fprintf(stderr, "cryptokey: at least 100 prefixes\n");
		return 2;
	}
	if (json)
		printf("{\"bench\": \"cryptokey\", \"results\": [");
	for (unsigned v4 = 2; v4--;) {
		measure(&f, v4, n / 2, directory);
		if (json)
			print_json(&f, v4);
		else
			print_text(&f);
	}
	if (json)
		printf("]}\n");
	return 0;
}
