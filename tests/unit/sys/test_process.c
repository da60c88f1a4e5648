/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "sys/process.h"
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int no_caps_test(void)
{
	/* As somebody else, a process has what it kept and no more, and so have its children. */
	static const int keep[] = {CAP_NET_RAW, CAP_NET_ADMIN};

	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid(65534, 65534, 65534) < 0)
		return 2;
	if (process_has_cap(CAP_NET_RAW)) /* permitted, not effective */
		return 3;
	if (process_keep_caps(keep, 2, 2) < 0)
		return 4;
	if (!process_has_cap(CAP_NET_RAW) || process_has_cap(CAP_SYS_ADMIN))
		return 5;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 6;
	/* CAP_NET_ADMIN is 12 and CAP_NET_RAW 13. */
	return system("grep -q '^CapEff:.0*3000$' /proc/self/status") ? 7 : 0;
}

static int as_root_test(void)
{
	static const int keep[] = {CAP_NET_ADMIN, CAP_NET_RAW};

	if (process_keep_caps(keep, 2, 1) < 0)
		return 2;
	if (!process_has_cap(CAP_NET_ADMIN) || process_has_cap(CAP_NET_RAW))
		return 3;
	/* A program that it starts gets what is only for programs. */
	if (system("grep -q '^CapEff:.0*3000$' /proc/self/status"))
		return 4;
	process_drop_cap(CAP_NET_RAW);
	process_drop_cap(-1);
	return system("grep -q '^CapEff:.0*1000$' /proc/self/status") ? 5 : 0;
}

/* To a thread that is nice to nobody: it has it, what it starts hasn't, and it is as nice as before
 * when it has given it back. */
struct borrower {
	pthread_barrier_t lent, seen;
	int policy, child_policy, nice_after;
};

static void *borrow(void *data)
{
	struct borrower *b = data;
	int status;
	pid_t pid;

	process_set_nice(PROCESS_NICE_URGENT);
	pthread_barrier_wait(&b->seen);
	pthread_barrier_wait(&b->lent);
	b->policy = process_has_lent_priority() ? sched_getscheduler(0) & ~SCHED_RESET_ON_FORK : -1;
	pid = fork();
	if (!pid)
		_exit(sched_getscheduler(0));
	waitpid(pid, &status, 0);
	b->child_policy = WEXITSTATUS(status);
	process_return_priority(PROCESS_NICE_URGENT);
	b->nice_after = process_has_lent_priority() ? 99 : getpriority(PRIO_PROCESS, 0);
	return NULL;
}

static int lend_test(void)
{
	struct borrower b = {.policy = -1};
	pthread_t thread;

	pthread_barrier_init(&b.lent, NULL, 2);
	pthread_barrier_init(&b.seen, NULL, 2);
	if (pthread_create(&thread, NULL, borrow, &b))
		return 2;
	pthread_barrier_wait(&b.seen);
	process_lend_priority(thread);
	pthread_barrier_wait(&b.lent);
	pthread_join(thread, NULL);
	if (b.policy != SCHED_FIFO)
		return 3;
	if (b.child_policy != SCHED_OTHER)
		return 4;
	return b.nice_after == PROCESS_NICE_URGENT ? 0 : 5;
}

/* Nothing was lent, so nothing is given back, and nobody who may not lend it does any harm. */
static int lend_nothing_test(void)
{
	if (setpriority(PRIO_PROCESS, 0, 3))
		return 2;
	process_return_priority(PROCESS_NICE_URGENT);
	if (getpriority(PRIO_PROCESS, 0) != 3)
		return 3;
	if (setresuid(65534, 65534, 65534) < 0)
		return 4;
	process_lend_priority(pthread_self());
	return process_has_lent_priority() ? 5 : 0;
}

/* Who may have it by a limit alone (RLIMIT_RTPRIO), without the capability, gives it back, too. */
static int return_without_cap_test(void)
{
	process_lend_priority(pthread_self());
	if (!process_has_lent_priority())
		return 2;
	process_drop_cap(CAP_SYS_NICE);
	process_return_priority(PROCESS_NICE_BULK);
	return sched_getscheduler(0) == (SCHED_OTHER | SCHED_RESET_ON_FORK) ? 0 : 3;
}

static void in_a_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void keeps_capabilities(void **state)
{
	const int wrong = 77;

	assert_false(process_has_cap(-1));
	assert_false(process_has_cap(77));
	assert_int_equal(process_keep_caps(&wrong, 1, 1), -EINVAL);
	if (!process_has_cap(CAP_SETUID) || !process_has_cap(CAP_NET_ADMIN) ||
		!process_has_cap(CAP_NET_RAW))
		skip();
	in_a_child(no_caps_test);
	in_a_child(as_root_test);
}

static void notifies(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		struct sockaddr_un at = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		char path[64], text[64] = "";
		socklen_t len;

		snprintf(path, sizeof(path), "%sshunt-notify-%d", i ? "@" : "/tmp/", (int)getpid());
		memcpy(at.sun_path, path, strlen(path));
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
		if (path[0] == '@')
			at.sun_path[0] = '\0';
		assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
		setenv("NOTIFY_SOCKET", path, 1);
		process_notify("READY=1");
		assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 7);
		assert_string_equal(text, "READY=1");
		close(fd);
		if (path[0] == '/')
			unlink(path);
		process_notify("READY=1"); /* nobody there any more: nothing happens */
	}
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	process_notify("READY=1");
	unsetenv("NOTIFY_SOCKET");
	process_notify("READY=1");
}

static void sysctls(void **state)
{
	int v = 0;

	assert_int_equal(sysctl_read_int("kernel/pid_max", &v), 0);
	assert_true(v > 0);
	assert_int_equal(sysctl_read_int("net/ipv4/no_such_thing", &v), -ENOENT);
	assert_int_equal(sysctl_read_int("kernel/ostype", &v), -EINVAL);
	assert_int_equal(sysctl_read_int("../self/status", &v), -EINVAL);
	assert_int_equal(sysctl_read_int("net/../../self/status", &v), -EINVAL);
	assert_int_equal(sysctl_read_int("/etc/passwd", &v), -EINVAL);
	assert_int_equal(sysctl_write_int("net/ipv4/no_such_thing", 1), -ENOENT);
}

/* KiB of files' pages; the page cache keeps them. */
static long resident_files(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/status", "r");
	long kib = -1;

	while (kib < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "RssFile: %ld", &kib);
	fclose(f);
	return kib;
}

static void forgets_its_start(void **state)
{
	static const char constant[] = "what is needed again comes back";
	long before = resident_files();

	assert_true(before > 0);
	process_forget_start();
	assert_true(resident_files() < before);
	assert_int_equal(strlen(constant), 31);
	assert_true(process_has_cap(-1) == false);
}

static void lends_priority(void **state)
{
	if (geteuid() != 0)
		skip();
	in_a_child(lend_test);
	in_a_child(lend_nothing_test);
	in_a_child(return_without_cap_test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_capabilities),
		cmocka_unit_test(lends_priority),
		cmocka_unit_test(notifies),
		cmocka_unit_test(sysctls),
		cmocka_unit_test(forgets_its_start),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
