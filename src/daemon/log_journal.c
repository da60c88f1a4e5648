/* SPDX-License-Identifier: MIT */
#include "daemon/log_journal.h"

#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#define ENTRY_MAX 4096

bool log_journal_has_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	/* Whoever redirects it leaves the variable as it is. */
	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 && !fstat(2, &st) &&
	       st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

int log_journal_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

struct entry {
	char bytes[ENTRY_MAX];
	size_t n;
	bool is_cut;
};

static void add(struct entry *e, const void *bytes, size_t n)
{
	if (n > sizeof(e->bytes) - e->n) {
		e->is_cut = true;
		return;
	}
	memcpy(e->bytes + e->n, bytes, n);
	e->n += n;
}

/* A value of several lines goes with its length. */
static void add_field(struct entry *e, const struct log_journal_field *f)
{
	size_t n = strlen(f->value);
	uint64_t le = htole64(n);

	add(e, f->name, strlen(f->name));
	if (strchr(f->value, '\n')) {
		add(e, "\n", 1);
		add(e, &le, sizeof(le));
	} else {
		add(e, "=", 1);
	}
	add(e, f->value, n);
	add(e, "\n", 1);
}

bool log_journal_put(int fd, const char *path, const struct log_journal_field *fields, size_t n)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct entry e;

	e.n = 0;
	e.is_cut = false;
	for (size_t i = 0; i < n; i++)
		if (fields[i].value)
			add_field(&e, &fields[i]);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	return !e.is_cut && sendto(fd, e.bytes, e.n, MSG_DONTWAIT | MSG_NOSIGNAL,
				    (const struct sockaddr *)&to, sizeof(to)) == (ssize_t)e.n;
}
