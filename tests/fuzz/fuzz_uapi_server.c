/* SPDX-License-Identifier: MIT */
/*
 * Requests to a device that is down, one behind another as a client sends them. Whatever was asked,
 * each has one answer, our own client can read what the device tells of itself, no prefix has two
 * owners, and what it tells, set on another device or once more on itself, gives the same again.
 */
#include "device/uapi_codec.h"
#include "tunnel/tunnel.h"
#include "tunnel/uapi.h"
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* On something that never has anything to read. */
static struct tunnel *make(void)
{
	struct tun tun = {.name = "fuzz"};
	struct tunnel *t;

	tun.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t = tunnel_new(&tun, 0, NULL, NULL);
	check(t);
	return t;
}

/* The errno of an answer, which stands at its end and nowhere else. */
static int ask(struct tunnel *t, const char *text, size_t len, struct buf *out)
{
	const char *all, *found;

	bool known;

	buf_reset(out);
	/* What is set hangs on a device in locked memory, where no pointers are looked for. */
	if (!strncmp(text, "set", 3))
		__lsan_disable();
	known = uapi_answer(t, text, len, out);
	if (!strncmp(text, "set", 3))
		__lsan_enable();
	if (!known)
		return 1;
	all = buf_str(out);
	found = strstr(all, "errno=");
	check(found && (found == all || found[-1] == '\n'));
	check(!strcmp(strchr(found, '\n'), "\n\n"));
	check(strncmp(text, "set", 3) || atoi(found + 6) <= 0);
	return atoi(found + 6);
}

static bool is_state(const char *line)
{
	static const char *const others[] = {"errno=", "shunt_",
		"max_owners=", "answers=", "last_handshake_time_", "tx_bytes=", "rx_bytes="};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(line, others[i], strlen(others[i])))
			return false;
	return *line != '\n';
}

static void check_readable(const char *answer, unsigned peers)
{
	struct uapi_reader r = {0};
	struct device_state s;

	uapi_reader_feed(&r, answer, strlen(answer));
	check(!uapi_reader_finish(&r, &s));
	check(s.n_peers == peers);
	device_state_done(&s);
	uapi_reader_done(&r);
}

/* What a device tells, as a request that sets it. */
static void dump(struct tunnel *t, struct buf *answer, struct buf *ret)
{
	unsigned peers = 0;

	check(!ask(t, "get=1\n\n", 7, answer));
	buf_reset(ret);
	buf_printf(ret, "set=1\n");
	for (const char *line = buf_str(answer), *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (is_state(line))
			buf_printf(ret, "%.*s\n", (int)(end - line), line);
		peers += !strncmp(line, "public_key=", 11);
	}
	buf_printf(ret, "\n");
	check_readable(buf_str(answer), peers);
}

/* The next prefix, whichever key says it; NULL: none. */
static const char *next_prefix(const char *text)
{
	const char *a = strstr(text, "\nallowed_ip="), *b = strstr(text, "\nshared_ip=");
	const char *first = b && (!a || b < a) ? b : a;

	return first ? strchr(first, '=') : NULL;
}

static void check_owners(const char *text)
{
	for (const char *a = text; (a = next_prefix(a));) {
		size_t n = (size_t)(strchr(a, '\n') - a) + 1;

		for (const char *b = a; (b = next_prefix(b));)
			check(strncmp(a, b, n));
	}
}

/* An empty line ends each; the rest is none. */
static void ask_all(struct tunnel *t, const uint8_t *data, size_t size, struct buf *out)
{
	const char *at = (const char *)data, *end = at + size;

	while (at < end) {
		const char *stop = memmem(at, (size_t)(end - at), "\n\n", 2);
		char *request;
		int err;

		if (!stop)
			return;
		/* Of exactly this size. */
		request = malloc((size_t)(stop - at) + 2);
		memcpy(request, at, (size_t)(stop - at) + 2);
		err = ask(t, request, (size_t)(stop - at) + 2, out);
		free(request);
		if (err == 1)
			return;
		at = stop + 2;
	}
}

/* As it was made: what a device's threads cost at their start would be most of all. */
static void clear(struct tunnel *t, struct buf *out)
{
	static const char nothing[] =
		"set=1\nprivate_key="
		"0000000000000000000000000000000000000000000000000000000000000000\n"
		"listen_port=0\nfwmark=0\nmulticast=false\nreplace_peers=true\n\n";

	check(!ask(t, nothing, sizeof(nothing) - 1, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tunnel *a, *b;
	struct buf out = {0}, first = {0}, second = {0};

	if (!a) {
		__lsan_disable();
		a = make();
		b = make();
		__lsan_enable();
	}
	clear(a, &out);
	clear(b, &out);

	ask_all(a, data, size, &out);
	dump(a, &out, &first);
	check_owners(buf_str(&first));
	check(!ask(b, buf_str(&first), first.n, &out));
	dump(b, &out, &second);
	check(!strcmp(buf_str(&first), buf_str(&second)));
	check(!ask(a, buf_str(&first), first.n, &out));
	dump(a, &out, &second);
	check(!strcmp(buf_str(&first), buf_str(&second)));
	buf_done(&out);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
