/* SPDX-License-Identifier: MIT */
/* The lock of an interface: one holder for each network namespace and name, and root's alone. */
#include "daemon/interface_lock.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char root[64], dir[80];

static int setup(void **data)
{
	strcpy(root, "/tmp/shunt-test-lock-XXXXXX");
	assert_non_null(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/locks", root);
	return 0;
}

static int teardown(void **data)
{
	rmdir(dir);
	return rmdir(root);
}

static int take(const char *ifname, struct interface_lock **ret)
{
	AUTO_BUF why = {0};
	int err = interface_lock_take(dir, ifname, ret, &why);

	assert_int_equal(why.n != 0, err != 0);
	return err;
}

static void one_holder(void **data)
{
	struct interface_lock *a = NULL, *b = NULL, *c = NULL;
	struct stat st;

	assert_int_equal(take("wg0", &a), 0);
	assert_int_equal(take("wg0", &b), -EBUSY);
	assert_null(b);
	assert_int_equal(take("wg1", &c), 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	interface_lock_release(a);
	assert_int_equal(take("wg0", &b), 0);
	interface_lock_release(b);
	interface_lock_release(c);
	interface_lock_release(NULL);
	/* Nothing stays: the teardown removes an empty folder. */
}

/* The lock ends with its holder, however that ends, and what it left is in nobody's way. */
static void a_holder_that_is_killed(void **data)
{
	struct interface_lock *l = NULL;
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(take("wg0", &l) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(take("wg0", &l), 0);
	interface_lock_release(l);
}

/* The same name in another network namespace is another interface. */
static void another_network(void **data)
{
	struct interface_lock *l = NULL, *other = NULL;
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	assert_int_equal(take("wg0", &l), 0);
	pid = fork();
	if (pid == 0) {
		int err = unshare(CLONE_NEWNET) ? -errno : take("wg0", &other);

		interface_lock_release(other);
		_exit(err ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	interface_lock_release(l);
}

static void a_folder_of_somebody_else(void **data)
{
	struct interface_lock *l = NULL;

	if (geteuid() != 0)
		skip();
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	assert_int_equal(take("wg0", &l), -EPERM);
	assert_int_equal(chown(dir, 0, 0), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(take("wg0", &l), -EPERM);
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(a_holder_that_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(another_network, setup, teardown),
		cmocka_unit_test_setup_teardown(a_folder_of_somebody_else, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
