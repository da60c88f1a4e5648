/* SPDX-License-Identifier: MIT */
/*
 * still MS: tells when a processor stood still, as under a hypervisor that lent it to somebody
 * else. A thread of real-time priority on each sleeps a millisecond at a time; whenever one of them
 * finds itself MS or more late, a line says "CPU LATE_MS SECONDS": which, by how much, and when it
 * ran again, in seconds of the wall clock. Ends with its input.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS 1000000
#define PRIORITY 50 /* above all that the mesh runs at */

static int64_t late_ns;

static int64_t ns_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *look(void *data)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	long cpu = (intptr_t)data;

	for (;;) {
		int64_t began = ns_of(CLOCK_MONOTONIC), late;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
		late = ns_of(CLOCK_MONOTONIC) - began - NAP_NS;
		if (late >= late_ns)
			printf("%ld %.1f %.3f\n", cpu, (double)late / 1e6,
				(double)ns_of(CLOCK_REALTIME) / 1e9);
	}
	return NULL;
}

static int start(long cpu)
{
	const struct sched_param param = {.sched_priority = PRIORITY};
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t on;
	int err;

	CPU_ZERO(&on);
	CPU_SET((size_t)cpu, &on);
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(on), &on);
	err = pthread_create(&thread, &attr, look, (void *)(intptr_t)cpu);
	pthread_attr_destroy(&attr);
	return err;
}

int main(int argc, char **argv)
{
	char byte;

	if (argc != 2 || (late_ns = (int64_t)(strtod(argv[1], NULL) * 1e6)) <= 0) {
		fprintf(stderr, "usage: still MS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
		int err = start(cpu);

		if (err) {
			fprintf(stderr, "still: %s\n", strerror(err));
			return 1;
		}
	}
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
