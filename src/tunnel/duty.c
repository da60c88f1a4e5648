/* SPDX-License-Identifier: MIT */
#include "tunnel/duty.h"

#include "tunnel/governor.h"
#include "tunnel/workers.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STAT_LEN 16384 /* the lines of some two hundred cores; what follows isn't needed */

struct duty {
	int n_workers;
	struct governor governor;
	instant since;
	int64_t cpu_ns;	 /* at since */
	int64_t idle_ns; /* at since; -1: not read */
	uint64_t bytes;	 /* since then */
	int stat_fd;	 /* -1: not needed yet */
	cpu_set_t cpus;
	char stat[STAT_LEN + 1];
};

static unsigned n_cpus(cpu_set_t *ret)
{
	if (sched_getaffinity(0, sizeof(*ret), ret)) /* more cores than the set holds */
		memset(ret, 0xff, sizeof(*ret));
	return (unsigned)CPU_COUNT(ret);
}

unsigned duty_threads(int n_workers)
{
	cpu_set_t cpus;
	unsigned n = n_workers < 0 ? n_cpus(&cpus) - 1 : (unsigned)n_workers;

	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

struct duty *duty_new(int n_workers)
{
	struct duty *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->n_workers = n_workers;
	d->idle_ns = -1;
	governor_init(&d->governor);
	n_cpus(&d->cpus);
	d->stat_fd = -1;
	return d;
}

void duty_free(struct duty *d)
{
	if (!d)
		return;
	if (d->stat_fd >= 0)
		close(d->stat_fd);
	free(d);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* proc(5): "cpuN user nice system idle iowait ...", in ticks since boot. -1: can't be told. */
static int64_t read_idle_ns(struct duty *d)
{
	unsigned long long idle, waiting, sum = 0;
	char *rest = d->stat;
	unsigned cpu;
	ssize_t len;

	if (d->stat_fd < 0)
		d->stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	len = d->stat_fd < 0 ? -1 : pread(d->stat_fd, d->stat, STAT_LEN, 0);
	if (len <= 0)
		return -1;
	d->stat[len] = '\0';
	for (char *line; (line = strsep(&rest, "\n"));)
		if (sscanf(line, "cpu%u %*u %*u %*u %llu %llu", &cpu, &idle, &waiting) == 3 &&
			cpu < CPU_SETSIZE && CPU_ISSET(cpu, &d->cpus))
			sum += idle + waiting;
	return (int64_t)sum * (NS_PER_S / sysconf(_SC_CLK_TCK));
}

static void sample(struct duty *d, instant now)
{
	struct governor_sample s = {
		.ns = instant_diff(now, d->since), .cpu_ns = thread_cpu_ns(), .bytes = d->bytes};
	int64_t cpu_ns = s.cpu_ns, idle_ns = -1;

	s.cpu_ns -= d->cpu_ns;
	if (d->governor.state == GOVERNOR_ALONE && s.cpu_ns >= s.ns / 10 * 9)
		idle_ns = read_idle_ns(d);
	if (idle_ns >= 0 && d->idle_ns >= 0)
		s.idle_ns = idle_ns - d->idle_ns;
	governor_step(&d->governor, &s);
	d->since = now;
	d->cpu_ns = cpu_ns;
	d->idle_ns = idle_ns;
	d->bytes = 0;
}

bool duty_wants_help(struct duty *d, uint64_t bytes, instant now)
{
	if (!d)
		return false;
	if (d->n_workers >= 0)
		return d->n_workers > 0;
	d->bytes += bytes;
	if (instant_diff(now, d->since) >= GOVERNOR_SAMPLE_NS)
		sample(d, now);
	return d->governor.state != GOVERNOR_ALONE;
}
