/* SPDX-License-Identifier: MIT */
#include "sys/process.h"

#include "base/buf.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* --- capabilities, by the system calls themselves: two words of 32 bits each ----------------- */

struct caps {
	struct __user_cap_data_struct word[_LINUX_CAPABILITY_U32S_3];
};

static int caps_get(struct caps *ret)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	return syscall(SYS_capget, &h, ret->word) < 0 ? -errno : 0;
}

static int caps_set(const struct caps *c)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	return syscall(SYS_capset, &h, c->word) < 0 ? -errno : 0;
}

#define GROUPS_MAX 256 /* who has more gets no other */

int process_join_groups(const char *const *names)
{
	gid_t list[GROUPS_MAX + 1];
	int n = getgroups(GROUPS_MAX, list);

	for (; n >= 0 && *names; names++) {
		const struct group *g = getgrnam(*names);

		if (g && n < GROUPS_MAX)
			list[n++] = g->gr_gid;
	}
	return n < 0 || setgroups((size_t)n, list) ? -errno : 0;
}

bool process_has_cap(int cap)
{
	struct caps c;

	if (!cap_valid(cap) || caps_get(&c) < 0)
		return false;
	return c.word[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

int process_keep_caps(const int *caps, size_t n, size_t n_own)
{
	struct caps now, keep = {0};
	int r = caps_get(&now);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (!cap_valid(caps[i]))
			return -EINVAL;
		keep.word[CAP_TO_INDEX(caps[i])].permitted |= CAP_TO_MASK(caps[i]);
		if (i < n_own)
			keep.word[CAP_TO_INDEX(caps[i])].effective |= CAP_TO_MASK(caps[i]);
	}
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		keep.word[i].permitted &= now.word[i].permitted;
		keep.word[i].effective &= keep.word[i].permitted;
		keep.word[i].inheritable = keep.word[i].permitted;
	}
	r = caps_set(&keep);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	/* Root's children get what is permitted here by their user id alone. */
	if (geteuid() == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (keep.word[CAP_TO_INDEX(caps[i])].permitted & CAP_TO_MASK(caps[i]) &&
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, caps[i], 0, 0) < 0)
			return -errno;
	return 0;
}

void process_drop_cap(int cap)
{
	struct caps c;

	if (!cap_valid(cap) || caps_get(&c) < 0)
		return;
	c.word[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	c.word[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	c.word[CAP_TO_INDEX(cap)].inheritable &= ~CAP_TO_MASK(cap);
	(void)caps_set(&c);
}

void process_keep_secrets(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* --- the service manager -------------------------------------------------------------------- */

void process_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t len;
	size_t n;
	int fd;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return;
	n = strlen(path);
	if (n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0'; /* the abstract namespace */
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Whoever doesn't read its news goes without. */
	(void)sendto(
		fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to, len);
	close(fd);
}

/* --- who goes first -------------------------------------------------------------------------- */

/* sched_setattr(2): the C library has neither this nor its structure. */
struct scheduling {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t slice_ns; /* of an ordinary thread, since Linux 6.12; 0: as it is for all */
	uint64_t deadline_ns, period_ns;
};
#define KEEP_POLICY 0x08
#define SLICE_URGENT_NS 500000 /* who asks for little at a time is let in sooner */

static void set_nice(int nice)
{
	struct scheduling s = {.size = sizeof(s), .flags = KEEP_POLICY, .nice = nice};

	if (nice < PROCESS_NICE_BULK)
		s.slice_ns = SLICE_URGENT_NS;
	if (syscall(SYS_sched_setattr, 0, &s, 0) < 0)
		(void)setpriority(PRIO_PROCESS, 0, nice);
}

void process_set_nice(enum process_nice nice)
{
	set_nice((int)nice);
}

#define LENT_PRIORITY 1 /* of SCHED_FIFO's 1 to 99 */

void process_lend_priority(pthread_t thread)
{
	const struct sched_param param = {.sched_priority = LENT_PRIORITY};

	(void)pthread_setschedparam(thread, SCHED_FIFO | SCHED_RESET_ON_FORK, &param);
}

bool process_has_lent_priority(void)
{
	return sched_getscheduler(0) == (SCHED_FIFO | SCHED_RESET_ON_FORK);
}

void process_return_priority(enum process_nice nice)
{
	const struct sched_param param = {0};

	if (!process_has_lent_priority())
		return;
	/* Only who has CAP_SYS_NICE may have children as usual again. */
	if (sched_setscheduler(0, SCHED_OTHER, &param) < 0)
		(void)sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
	set_nice((int)nice);
}

/* The kernel takes ten changes a second, of all sessions together. */
void process_go_first(void)
{
	int nice = getpriority(PRIO_PROCESS, 0), fd = -1;
	char text[] = {'-', (char)('0' + -nice / 10), (char)('0' + -nice % 10)};

	if (nice >= 0)
		return;
	set_nice(nice);
	if (getsid(0) == getpid())
		fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (int i = 0; i < 5 && write(fd, text, sizeof(text)) < 0 && errno == EAGAIN; i++)
		usleep(110 * 1000);
	close(fd);
}

/* --- sysctls -------------------------------------------------------------------------------- */

static int sysctl_open(const char *path, int flags)
{
	AUTO_BUF full = {0};
	int fd;

	if (path[0] == '/' || !strncmp(path, "../", 3) || strstr(path, "/../"))
		return -EINVAL;
	buf_printf(&full, "/proc/sys/%s", path);
	fd = open(buf_str(&full), flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read_int(const char *path, int *ret)
{
	char text[32], *end;
	ssize_t n;
	long value;
	int err;
	int fd = sysctl_open(path, O_RDONLY);

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	err = errno;
	close(fd);
	if (n < 0)
		return -err;
	text[n] = '\0';
	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || (*end && *end != '\n') || errno || value < INT_MIN || value > INT_MAX)
		return -EINVAL;
	*ret = (int)value;
	return 0;
}

int sysctl_write_int(const char *path, int value)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%d\n", value);
	int fd = sysctl_open(path, O_WRONLY);
	int r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)n) != n)
		r = -errno;
	close(fd);
	return r;
}

/* What may be written to is left alone. */
static int forget_segments(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t at = info->dlpi_addr + h->p_vaddr, from = at & ~(page - 1);

		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W))
			madvise((void *)from, at + h->p_filesz - from, MADV_DONTNEED);
	}
	return 0;
}

void process_forget_start(void)
{
	dl_iterate_phdr(forget_segments, NULL);
}
