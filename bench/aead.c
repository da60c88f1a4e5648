/* SPDX-License-Identifier: MIT */
/*
 * bench_aead [--json]: nanoseconds to seal and to open a packet on one core, for every AEAD back
 * end that is there, at the payloads of a small packet, a voice packet and a full one: medians of
 * rounds in which the back ends take turns, so that what else the machine does falls on all alike.
 * Sealing is out of place and one packet a call, opening in place and 64 packets a call, as in the
 * tunnel. Also how long the choice at start takes.
 */
#include "wg/aead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BACKENDS 8
#define ROUNDS 41
#define PACKETS 64 /* of 2 KiB: more than the first cache holds, as in the tunnel */
#define REPEATS 4
#define STRIDE 2048

static const size_t lens[] = {32, 128, 1420};
#define N_LENS (sizeof(lens) / sizeof(lens[0]))

static const struct aead_backend *backends[MAX_BACKENDS];
static struct aead_thread *threads[MAX_BACKENDS];
static double seal_ns[MAX_BACKENDS][N_LENS][ROUNDS], open_ns[MAX_BACKENDS][N_LENS][ROUNDS];
static uint8_t plain[PACKETS * STRIDE] __attribute__((aligned(64)));
static uint8_t sealed[PACKETS * STRIDE] __attribute__((aligned(64)));
static uint8_t work[REPEATS][PACKETS * STRIDE] __attribute__((aligned(64)));
static const struct aead_key key = {{1, 2, 3}};

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double time_seal(size_t b, size_t len)
{
	double start = now_ns();

	for (unsigned r = 0; r < REPEATS; r++)
		for (size_t i = 0; i < PACKETS; i++) {
			struct aead_op op = {
				&key, i, plain + i * STRIDE, sealed + i * STRIDE, len, false};

			backends[b]->seal(threads[b], &op, 1);
		}
	return (now_ns() - start) / (REPEATS * PACKETS);
}

static double time_open(size_t b, size_t len)
{
	struct aead_op ops[REPEATS][PACKETS];
	double start;

	for (unsigned r = 0; r < REPEATS; r++) {
		memcpy(work[r], sealed, sizeof(sealed));
		for (size_t i = 0; i < PACKETS; i++)
			ops[r][i] = (struct aead_op){
				&key, i, work[r] + i * STRIDE, work[r] + i * STRIDE, len, false};
	}
	start = now_ns();
	for (unsigned r = 0; r < REPEATS; r++)
		backends[b]->open(threads[b], ops[r], PACKETS);
	start = now_ns() - start;
	for (size_t i = 0; i < PACKETS; i++)
		if (!ops[0][i].ok)
			exit(3);
	return start / (REPEATS * PACKETS);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(values[0]), by_value);
	return values[ROUNDS / 2];
}

static void measure(size_t n)
{
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t b = 0; b < n; b++)
			for (size_t l = 0; l < N_LENS; l++) {
				seal_ns[b][l][round] = time_seal(b, lens[l]);
				open_ns[b][l][round] = time_open(b, lens[l]);
			}
}

static void print_text(size_t n, double choice_us, const char *chosen)
{
	printf("%-24s", "ns, seal / open");
	for (size_t l = 0; l < N_LENS; l++)
		printf("%9zu B    ", lens[l]);
	for (size_t b = 0; b < n; b++) {
		printf("\n%-24s", backends[b]->name);
		for (size_t l = 0; l < N_LENS; l++)
			printf("%6.0f / %-6.0f", median(seal_ns[b][l]), median(open_ns[b][l]));
	}
	printf("\nchosen: %s, in %.0f us\n", chosen, choice_us);
}

static void print_json(size_t n, double choice_us, const char *chosen)
{
	printf("{\"chosen\": \"%s\", \"choice_us\": %.0f, \"backends\": [", chosen, choice_us);
	for (size_t b = 0; b < n; b++) {
		printf("%s\n  {\"name\": \"%s\", \"ns\": [", b ? "," : "", backends[b]->name);
		for (size_t l = 0; l < N_LENS; l++)
			printf("%s{\"bytes\": %zu, \"seal\": %.1f, \"open\": %.1f}", l ? ", " : "",
				lens[l], median(seal_ns[b][l]), median(open_ns[b][l]));
		printf("]}");
	}
	printf("\n]}\n");
}

int main(int argc, char **argv)
{
	double start = now_ns(), choice_us;
	const char *chosen = aead_choose(NULL)->name;
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	size_t n;

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: %s [--json]\n", argv[0]);
		return 2;
	}
	choice_us = (now_ns() - start) / 1e3;
	n = aead_backends(backends, MAX_BACKENDS);
	for (size_t b = 0; b < n; b++) {
		threads[b] = backends[b]->thread_new(backends[b]);
		if (!threads[b])
			return 2;
	}
	measure(n);
	if (json)
		print_json(n, choice_us, chosen);
	else
		print_text(n, choice_us, chosen);
	for (size_t b = 0; b < n; b++)
		backends[b]->thread_free(threads[b]);
	return 0;
}
