/* SPDX-License-Identifier: MIT */
/*
 * To be preloaded to shuntd: counts the calls that have an effect outside the process, and ends it
 * before the n-th, or lets the n-th fail. What counts is a request that changes something in the
 * device or the kernel, a file written or renamed or removed, a connection, a process. What only
 * asks (dumps, get=1), the answers to who asks us, lines of the log and the probes' packets don't.
 *
 * SHUNT_EFFECTS names a file of sizeof(struct control) that the test shares with us (scene.py). The
 * daemon's children go on without.
 */
#undef _FILE_OFFSET_BITS /* open and open64 are two symbols here */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define CALLS_MAX 65536
#define NAME_LEN 32

enum how { HOW_KILL = 1, HOW_FAIL = 2 };

struct control {
	_Atomic uint64_t armed, count, at, how; /* at: which one, from 1 on; 0: none */
	uint64_t unused[4];
	char calls[CALLS_MAX][NAME_LEN];
};

static struct control *control;
static pid_t daemon_pid;

__attribute__((constructor)) static void find_control(void)
{
	const char *path = getenv("SHUNT_EFFECTS");
	int fd = -1;

	if (path && !strcmp(program_invocation_short_name, "shuntd"))
		fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		control = NULL;
	daemon_pid = getpid();
	close(fd);
}

static bool counts(void)
{
	char thread[16] = "";

	if (!control || !atomic_load(&control->armed) || getpid() != daemon_pid)
		return false;
	prctl(PR_GET_NAME, thread);
	return strcmp(thread, "prober") != 0;
}

/* True if the call is to fail, with errno set. */
static bool strikes(const char *call, const char *of, int error)
{
	uint64_t n = atomic_fetch_add(&control->count, 1) + 1;

	if (n <= CALLS_MAX)
		snprintf(control->calls[n - 1], NAME_LEN, "%s %s", call, of ? of : "");
	if (n != atomic_load(&control->at))
		return false;
	if (atomic_load(&control->how) == HOW_KILL)
		syscall(SYS_kill, getpid(), SIGKILL);
	errno = error;
	return true;
}

static int number_option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

static bool netlink_only_asks(int fd, const struct nlmsghdr *h, size_t len)
{
	if (len < sizeof(*h))
		return true;
	if ((h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP)
		return true;
	if (number_option(fd, SO_PROTOCOL) == NETLINK_ROUTE)
		return h->nlmsg_type >= RTM_BASE && (h->nlmsg_type - RTM_BASE) % 4 == 2;
	return number_option(fd, SO_PROTOCOL) == NETLINK_GENERIC && h->nlmsg_type == NLMSG_MIN_TYPE;
}

/* Who asked us by our control socket gets an answer. */
static bool is_an_answer(int fd)
{
	struct sockaddr_un at = {0};
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 &&
	       strstr(at.sun_path, "control.sock");
}

/* Whether these bytes, sent by that socket, change anything. */
static bool has_effect(int fd, const void *bytes, size_t len)
{
	switch (number_option(fd, SO_DOMAIN)) {
	case AF_NETLINK:
		return !netlink_only_asks(fd, bytes, len);
	case AF_UNIX:
		return !is_an_answer(fd) && !(len >= 4 && !memcmp(bytes, "get=", 4));
	default:
		return false;
	}
}

static const char *kind_of(int fd)
{
	return number_option(fd, SO_DOMAIN) == AF_NETLINK ? "netlink" : "unix";
}

static bool send_strikes(const char *call, int fd, const void *bytes, size_t len)
{
	return counts() && fd != STDERR_FILENO && has_effect(fd, bytes, len) &&
	       strikes(call, kind_of(fd), ENOBUFS);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* --- sockets -------------------------------------------------------------------------------------
 */

ssize_t sendto(
	int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t len)
{
	if (send_strikes("sendto", fd, bytes, n))
		return -1;
	return REAL(sendto)(fd, bytes, n, flags, to, len);
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	return send_strikes("send", fd, bytes, n) ? -1 : REAL(send)(fd, bytes, n, flags);
}

static bool message_strikes(const char *call, int fd, const struct msghdr *m)
{
	return m->msg_iovlen > 0 &&
	       send_strikes(call, fd, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	return message_strikes("sendmsg", fd, m) ? -1 : REAL(sendmsg)(fd, m, flags);
}

int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
	if (n > 0 && message_strikes("sendmmsg", fd, &m[0].msg_hdr))
		return -1;
	return REAL(sendmmsg)(fd, m, n, flags);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
	struct stat st;

	if (counts() && fd != STDERR_FILENO && fstat(fd, &st) == 0) {
		if (S_ISREG(st.st_mode) && strikes("write", "file", ENOSPC))
			return -1;
		if (S_ISSOCK(st.st_mode) && send_strikes("write", fd, bytes, n))
			return -1;
	}
	return REAL(write)(fd, bytes, n);
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	if (counts() && to->sa_family == AF_UNIX && strikes("connect", "unix", ENOBUFS))
		return -1;
	return REAL(connect)(fd, to, len);
}

int bind(int fd, const struct sockaddr *to, socklen_t len)
{
	if (counts() && strikes("bind", NULL, ENOBUFS))
		return -1;
	return REAL(bind)(fd, to, len);
}

static bool is_a_question(unsigned long request)
{
	return request == FIONBIO || request == FIONREAD || request == FIOCLEX ||
	       request == TCGETS || request == TIOCGWINSZ ||
	       (request >= SIOCGIFNAME && request <= SIOCGIFINDEX && request % 2);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *data;

	va_start(ap, request);
	data = va_arg(ap, void *);
	va_end(ap);
	if (counts() && !is_a_question(request) && strikes("ioctl", NULL, EIO))
		return -1;
	return REAL(ioctl)(fd, request, data);
}

/* --- files ---------------------------------------------------------------------------------------
 */

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool file_strikes(const char *call, const char *path, int error)
{
	return counts() && strikes(call, path ? last_part(path) : NULL, error);
}

#define OPENS(name, at_arguments, at_values)                               \
	int name at_arguments                                              \
	{                                                                  \
		mode_t mode = 0;                                           \
                                                                           \
		if (flags & O_CREAT) {                                     \
			va_list ap;                                        \
                                                                           \
			va_start(ap, flags);                               \
			mode = va_arg(ap, mode_t);                         \
			va_end(ap);                                        \
		}                                                          \
		if (flags & O_CREAT && file_strikes("open", path, ENOSPC)) \
			return -1;                                         \
		return REAL(name) at_values;                               \
	}

OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENS(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

int rename(const char *from, const char *to)
{
	return file_strikes("rename", to, ENOSPC) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	if (file_strikes("rename", to, ENOSPC))
		return -1;
	return REAL(renameat)(from_folder, from, to_folder, to);
}

int unlink(const char *path)
{
	return file_strikes("unlink", path, EIO) ? -1 : REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags)
{
	return file_strikes("unlink", path, EIO) ? -1 : REAL(unlinkat)(folder, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
	bool is_there = access(path, F_OK) == 0;

	return !is_there && file_strikes("mkdir", path, ENOSPC) ? -1 : REAL(mkdir)(path, mode);
}

int fsync(int fd)
{
	return file_strikes("fsync", NULL, EIO) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
	return file_strikes("fdatasync", NULL, EIO) ? -1 : REAL(fdatasync)(fd);
}

/* --- processes -----------------------------------------------------------------------------------
 */

pid_t fork(void)
{
	return counts() && strikes("fork", NULL, EAGAIN) ? -1 : REAL(fork)();
}
