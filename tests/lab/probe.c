/* SPDX-License-Identifier: MIT */
/*
 * probe PORT: sends and receives for the network tests, told by lines on standard input; each is
 * answered by one line of JSON. It ends with its standard input, so that no probe survives the one
 * who asked. Times are nanoseconds of CLOCK_MONOTONIC.
 *
 *	in ID                            expect the UDP flow ID on PORT
 *	out ID RATE ADDRESS PORT         RATE packets a second to there, once started
 *	stream-in ID PORT                accept a TCP stream
 *	stream-out ID BITS ADDRESS PORT  connect one, BITS a second once started
 *	start, stop                      the pace of all that goes out
 *	sent FROM TO                     which packets went out in the window
 *	received ID FIRST END FROM TO    what became of them; a gap is looked for within the window
 *	stream ID FROM TO                what came in on a stream within the window
 */
#include "probe.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRAIN_MS 5
#define ARGS_MAX 6

struct probe {
	struct sender sender;
	struct receiver receiver;
};

static int64_t number(const char *text)
{
	return strtoll(text, NULL, 10);
}

/* IPv4 goes through the same socket, as a mapped address. */
static int parse_address(struct sockaddr_in6 *ret, const char *address, const char *port)
{
	char mapped[64];
	struct sockaddr_in6 a = {
		.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number(port))};

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(address, ':') ? "" : "::ffff:", address);
	if (inet_pton(AF_INET6, mapped, &a.sin6_addr) != 1)
		return -EINVAL;
	*ret = a;
	return 0;
}

static void answer(int err)
{
	if (err)
		printf("{\"ok\": false, \"error\": \"%s\"}\n", strerror(-err));
	else
		printf("{\"ok\": true}\n");
}

static void do_in(struct probe *p, char **args)
{
	answer(receiver_add_flow(&p->receiver, (uint32_t)number(args[0])));
}

static void do_out(struct probe *p, char **args)
{
	struct sockaddr_in6 to;
	int err = parse_address(&to, args[2], args[3]);

	if (!err)
		err = sender_add_flow(
			&p->sender, (uint32_t)number(args[0]), (unsigned)number(args[1]), &to);
	answer(err);
}

static void do_stream_in(struct probe *p, char **args)
{
	answer(receiver_add_stream(
		&p->receiver, (uint32_t)number(args[0]), (uint16_t)number(args[1])));
}

static void do_stream_out(struct probe *p, char **args)
{
	struct sockaddr_in6 to;
	int err = parse_address(&to, args[2], args[3]);

	if (!err)
		err = sender_add_stream(
			&p->sender, (uint32_t)number(args[0]), (uint64_t)number(args[1]), &to);
	answer(err);
}

static void do_start(struct probe *p, char **args)
{
	sender_run(&p->sender, true);
	answer(0);
}

static void do_stop(struct probe *p, char **args)
{
	sender_run(&p->sender, false);
	answer(0);
}

static void do_sent(struct probe *p, char **args)
{
	fputs("{\"ok\": true, \"flows\": [", stdout);
	sender_print(&p->sender, number(args[0]), number(args[1]), stdout);
	puts("]}");
}

static void print_verdict(const struct verdict *v)
{
	printf("{\"ok\": true, \"received\": %llu, \"lost\": %llu, \"duplicates\": %llu, "
	       "\"gap_ms\": %.3f}\n",
		(unsigned long long)v->received, (unsigned long long)v->lost,
		(unsigned long long)v->duplicates, (double)v->gap_ns / 1e6);
}

static void do_received(struct probe *p, char **args)
{
	const int64_t window[2] = {number(args[3]), number(args[4])};
	struct verdict v;
	int err = receiver_judge(&p->receiver, (uint32_t)number(args[0]), (uint64_t)number(args[1]),
		(uint64_t)number(args[2]), window, &v);

	if (err)
		answer(err);
	else
		print_verdict(&v);
}

static void do_stream(struct probe *p, char **args)
{
	const int64_t window[2] = {number(args[1]), number(args[2])};
	struct verdict v;
	int err = receiver_judge_stream(&p->receiver, (uint32_t)number(args[0]), window, &v);

	if (err)
		answer(err);
	else
		print_verdict(&v);
}

static const struct command {
	const char *name;
	int n_args;
	void (*run)(struct probe *p, char **args);
} commands[] = {
	{"in", 1, do_in},
	{"out", 4, do_out},
	{"stream-in", 2, do_stream_in},
	{"stream-out", 4, do_stream_out},
	{"start", 0, do_start},
	{"stop", 0, do_stop},
	{"sent", 2, do_sent},
	{"received", 5, do_received},
	{"stream", 3, do_stream},
};

static void obey(struct probe *p, char *line)
{
	char *args[ARGS_MAX + 1], *rest, *name = strtok_r(line, " \n", &rest);
	int n = 0;

	while (n <= ARGS_MAX && (args[n] = strtok_r(NULL, " \n", &rest)))
		n++;
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i].name, name) && commands[i].n_args == n) {
			commands[i].run(p, args);
			return;
		}
	answer(-EINVAL);
}

/* True until standard input ends. */
static bool take_commands(struct probe *p)
{
	static char line[1024];
	static size_t n;
	ssize_t got = read(STDIN_FILENO, line + n, sizeof(line) - 1 - n);

	if (got <= 0)
		return false;
	n += (size_t)got;
	for (char *end; (end = memchr(line, '\n', n));) {
		size_t taken = (size_t)(end - line) + 1;
		*end = '\0';
		/* The answer is about all that has arrived until now. */
		receiver_drain(&p->receiver);
		obey(p, line);
		n -= taken;
		memmove(line, line + taken, n);
	}
	fflush(stdout);
	return n < sizeof(line) - 1;
}

int main(int argc, char **argv)
{
	static struct probe p;
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = argc == 2 ? receiver_open(&p.receiver, (uint16_t)number(argv[1])) : -EINVAL;
	if (!err)
		err = sender_start(&p.sender, p.receiver.fd);
	if (err) {
		fprintf(stderr, "probe: %s\n", strerror(-err));
		return 1;
	}
	for (;;) {
		int ready = poll(&in, 1, DRAIN_MS);
		if (ready > 0 && !take_commands(&p))
			break;
		receiver_drain(&p.receiver);
	}
	sender_stop(&p.sender);
	receiver_close(&p.receiver);
	return 0;
}
