/* SPDX-License-Identifier: MIT */
/* The state directory: what survives a daemon's life, and what damage does to it. */
#include "daemon/journal.h"
#include "daemon/state.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the linker's --wrap puts in place of the C library's: the disk's refusals. */
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_close(int fd);
int __wrap_close(int fd);

static struct {
	int files, folders, closing; /* an errno each, 0: as usual */
} refuse;

int __wrap_fsync(int fd)
{
	struct stat st;
	int error;

	assert_int_equal(fstat(fd, &st), 0);
	error = S_ISDIR(st.st_mode) ? refuse.folders : refuse.files;
	errno = error;
	return error ? -1 : __real_fsync(fd);
}

int __wrap_close(int fd)
{
	bool writes = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY;
	int r = __real_close(fd);

	if (!refuse.closing || !writes)
		return r;
	errno = refuse.closing;
	return -1;
}

struct dirs {
	char root[64];
	char run[96], state[96];
};

static int setup(void **ret)
{
	struct dirs *d = calloc(1, sizeof(*d));

	strcpy(d->root, "/tmp/shunt-test-state-XXXXXX");
	assert_non_null(mkdtemp(d->root));
	snprintf(d->run, sizeof(d->run), "%s/a/run", d->root);
	snprintf(d->state, sizeof(d->state), "%s/b/state", d->root);
	*ret = d;
	return 0;
}

static int drop(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int teardown(void **data)
{
	struct dirs *d = *data;

	memset(&refuse, 0, sizeof(refuse));
	nftw(d->root, drop, 16, FTW_DEPTH | FTW_PHYS);
	free(d);
	return 0;
}

static struct state *open_state(const struct dirs *d)
{
	struct buf why = {0};
	struct state *s = NULL;

	assert_int_equal(state_open(d->run, d->state, &s, &why), 0);
	buf_done(&why);
	return s;
}

static ip_prefix prefix(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static void journal_survives(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d);
	wg_key keys[] = {{{1}}, {{2}}};
	ip_prefix prefixes[] = {prefix("10.0.0.0/8"), prefix("fd00::/64")};
	ip_prefix address = prefix("10.10.0.1/24");
	struct journal_content j = {keys, 2, prefixes, 2, &address, 1, prefixes, 1, 51820};

	assert_int_equal(state_journal_write(s, &j, false), 0);
	state_close(s);
	s = open_state(d);
	assert_true(journal_has_peer(state_journal(s), &keys[0]));
	assert_true(journal_has_peer(state_journal(s), &keys[1]));
	assert_true(journal_has_prefix(state_journal(s), &prefixes[1]));
	assert_int_equal(state_journal(s)->addresses.n, 1);
	assert_true(ip_prefix_eq(&state_journal(s)->addresses.items[0], &address));
	assert_true(journal_has_backstop(state_journal(s), &prefixes[0]));
	assert_false(journal_has_backstop(state_journal(s), &prefixes[1]));
	assert_int_equal(state_journal(s)->marks.n, 1);
	assert_int_equal(state_journal(s)->marks.items[0], 51820);
	/* Adding keeps what was there, exactly drops it. */
	j = (struct journal_content){keys, 1, NULL, 0, NULL, 0};
	assert_int_equal(state_journal_write(s, &j, false), 0);
	assert_true(journal_has_prefix(state_journal(s), &prefixes[0]));
	assert_true(journal_has_backstop(state_journal(s), &prefixes[0]));
	assert_int_equal(state_journal_write(s, &j, true), 0);
	assert_false(journal_has_prefix(state_journal(s), &prefixes[0]));
	assert_false(journal_has_peer(state_journal(s), &keys[1]));
	state_close(s);
	s = open_state(d);
	assert_true(journal_has_peer(state_journal(s), &keys[0]));
	assert_false(journal_has_prefix(state_journal(s), &prefixes[0]));
	assert_int_equal(state_journal(s)->addresses.n, 0);
	assert_false(journal_has_backstop(state_journal(s), &prefixes[0]));
	assert_int_equal(state_journal(s)->marks.n, 0);
	state_close(s);
}

static void drain_survives(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d);

	assert_int_equal(state_drained_until(s), STATE_NOT_DRAINED);
	assert_int_equal(state_set_drained(s, STATE_NO_END), 0);
	state_close(s);
	s = open_state(d);
	assert_int_equal(state_drained_until(s), STATE_NO_END);
	assert_int_equal(state_set_drained(s, STATE_NOT_DRAINED), 0);
	assert_int_equal(state_set_drained(s, STATE_NOT_DRAINED), 0);
	state_close(s);
	s = open_state(d);
	assert_int_equal(state_drained_until(s), STATE_NOT_DRAINED);
	state_close(s);
}

static void write_drained(const struct dirs *d, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/drained", d->state);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* What can't be read as one is none, and the node stays drained. */
static void the_end_of_a_drain_survives(void **data)
{
	static const char *const odd[] = {
		"", "\n", "soon\n", "12", "-5\n", "0\n", "5 \n", "99999999999999999999999\n"};
	struct dirs *d = *data;
	struct state *s = open_state(d);

	assert_int_equal(state_set_drained(s, 1795849471123456789), 0);
	state_close(s);
	s = open_state(d);
	assert_int_equal(state_drained_until(s), 1795849471123456789);
	assert_int_equal(state_set_drained(s, STATE_NO_END), 0);
	state_close(s);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		write_drained(d, odd[i]);
		s = open_state(d);
		assert_int_equal(state_drained_until(s), STATE_NO_END);
		state_close(s);
	}
}

static void two_daemons_exclude_each_other(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d), *other = NULL;
	struct buf why = {0};

	assert_int_equal(state_open(d->run, d->state, &other, &why), -EBUSY);
	assert_non_null(strstr(buf_str(&why), d->run));
	assert_null(other);
	state_close(s);
	s = open_state(d);
	state_close(s);
	buf_done(&why);
}

/* A damaged journal loses the damaged lines and nothing else. */
static void damage_is_passed_over(void **data)
{
	struct dirs *d = *data;
	char path[128];
	FILE *f;
	struct state *s = open_state(d);
	ip_prefix kept = prefix("10.1.0.0/16");

	state_close(s);
	snprintf(path, sizeof(path), "%s/journal", d->state);
	f = fopen(path, "w");
	fputs("peer not-a-key\nprefix 10.1.0.0/16\nprefix 10.0.0.0/99\n\nnonsense\nprefix", f);
	fclose(f);
	s = open_state(d);
	assert_true(journal_has_prefix(state_journal(s), &kept));
	state_close(s);
}

/* The end of a line that is too long is no line, and a zero ends none. */
static void a_piece_of_a_line_is_none(void **data)
{
	static const char zero[] = "prefix 10.2.0.0/16\0 and more\n";
	struct journal j;
	AUTO_BUF text = {0};

	for (size_t n = 100; n < 300; n++) {
		journal_init(&j);
		buf_reset(&text);
		for (size_t i = 0; i < n; i++)
			buf_putc(&text, 'x');
		buf_puts(&text, "prefix 10.1.0.0/16\naddress 10.3.0.1/24");
		journal_read(&j, buf_str(&text), text.n);
		journal_read(&j, zero, sizeof(zero) - 1);
		assert_int_equal(map_count(j.prefixes), 0);
		assert_int_equal(j.addresses.n, 1);
		journal_done(&j);
	}
}

/* The old address of an interface that got a new one is nobody's any more. */
static void exactly_forgets_addresses(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d);
	ip_prefix old = prefix("10.10.0.1/24"), fresh = prefix("10.10.0.2/24");
	struct journal_content j = {.addresses = &old, .n_addresses = 1};

	assert_int_equal(state_journal_write(s, &j, true), 0);
	j.addresses = &fresh;
	assert_int_equal(state_journal_write(s, &j, true), 0);
	assert_int_equal(state_journal(s)->addresses.n, 1);
	assert_true(ip_prefix_eq(&state_journal(s)->addresses.items[0], &fresh));
	state_close(s);
}

static void nothing_is_for_others(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d);
	ip_prefix p = prefix("10.0.0.0/8");
	struct journal_content j = {NULL, 0, &p, 1, NULL, 0};
	char path[128];
	struct stat st;

	assert_int_equal(state_journal_write(s, &j, false), 0);
	assert_int_equal(stat(d->state, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	snprintf(path, sizeof(path), "%s/journal", d->state);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	state_close(s);
}

static void unusable_directory_is_named(void **data)
{
	struct dirs *d = *data;
	struct buf why = {0};
	struct state *s = NULL;

	assert_int_equal(state_open("/proc/nowhere/run", d->state, &s, &why), -ENOENT);
	assert_non_null(strstr(buf_str(&why), "/proc/nowhere/run"));
	buf_done(&why);
}

/* Whatever the disk refuses, the answer is an error, and what was remembered before is it still. */
static void what_the_disk_refuses_is_told(void **data)
{
	struct dirs *d = *data;
	static const struct {
		int files, folders, closing;
	} cases[] = {{EIO, 0, 0}, {0, EIO, 0}, {0, 0, EDQUOT}};
	ip_prefix p = prefix("10.0.0.0/8");
	struct journal_content j = {NULL, 0, &p, 1, NULL, 0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct state *s = open_state(d);

		memcpy(&refuse, &cases[i], sizeof(refuse));
		assert_true(state_set_drained(s, STATE_NO_END) < 0);
		assert_int_equal(state_drained_until(s), STATE_NOT_DRAINED);
		assert_true(state_journal_write(s, &j, false) < 0);
		memset(&refuse, 0, sizeof(refuse));
		state_close(s);
		s = open_state(d);
		assert_int_equal(state_drained_until(s), STATE_NOT_DRAINED);
		/* The journal may hold it by now; a call that succeeds makes sure. */
		assert_int_equal(state_journal_write(s, &j, false), 0);
		assert_int_equal(state_set_drained(s, STATE_NO_END), 0);
		refuse.folders = EIO;
		assert_int_equal(state_set_drained(s, STATE_NOT_DRAINED), -EIO);
		assert_int_equal(state_drained_until(s), STATE_NO_END);
		refuse.folders = 0;
		state_close(s);
		s = open_state(d);
		assert_int_equal(state_drained_until(s), STATE_NO_END);
		assert_int_equal(state_set_drained(s, STATE_NOT_DRAINED), 0);
		assert_int_equal(state_journal_write(s, &(struct journal_content){0}, true), 0);
		state_close(s);
	}
}

static void make_oddity(const char *path, int kind)
{
	switch (kind) {
	case 0:
		assert_int_equal(mkfifo(path, 0600), 0);
		break;
	case 1:
		assert_int_equal(mknod(path, S_IFCHR | 0600, 0x103), 0); /* null */
		break;
	case 2:
		assert_int_equal(symlink("/etc/hostname", path), 0);
		break;
	default:
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

/* A test that hangs here is the fault that it looks for. */
static void what_is_no_plain_file_is_refused(void **data)
{
	static const char *const names[] = {"run/lock", "state/drained", "state/drained.new",
		"state/journal", "state/journal.new"};
	struct dirs *d = *data;

	state_close(open_state(d));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (int kind = 0; kind < 4; kind++) {
			struct buf why = {0};
			struct state *s = NULL;
			char path[128];

			if (kind == 1 && geteuid() != 0)
				continue;
			snprintf(path, sizeof(path), "%s/%c/%s", d->root, i ? 'b' : 'a', names[i]);
			unlink(path);
			make_oddity(path, kind);
			assert_int_equal(state_open(d->run, d->state, &s, &why), -EINVAL);
			assert_non_null(strstr(buf_str(&why), strchr(names[i], '/')));
			assert_non_null(strstr(buf_str(&why), "no plain file"));
			buf_done(&why);
			remove(path);
		}
	}
}

/* One that appears while the daemon runs. */
static void what_stands_in_the_way_later_is_replaced(void **data)
{
	struct dirs *d = *data;
	struct state *s = open_state(d);
	ip_prefix p = prefix("10.0.0.0/8");
	struct journal_content j = {NULL, 0, &p, 1, NULL, 0};
	char path[128];

	snprintf(path, sizeof(path), "%s/journal.new", d->state);
	make_oddity(path, 0);
	snprintf(path, sizeof(path), "%s/drained", d->state);
	make_oddity(path, 0);
	assert_int_equal(state_journal_write(s, &j, false), 0);
	assert_int_equal(state_set_drained(s, STATE_NO_END), 0);
	state_close(s);
	s = open_state(d);
	assert_int_equal(state_drained_until(s), STATE_NO_END);
	assert_true(journal_has_prefix(state_journal(s), &p));
	state_close(s);
}

static void folders_and_files_of_others_are_refused(void **data)
{
	struct dirs *d = *data;
	struct buf why = {0};
	struct state *s = NULL;
	char path[128];

	if (geteuid() != 0)
		skip();
	s = open_state(d);
	assert_int_equal(state_set_drained(s, STATE_NO_END), 0);
	state_close(s);
	snprintf(path, sizeof(path), "%s/drained", d->state);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(state_open(d->run, d->state, &s, &why), -EPERM);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chmod(d->state, 0777), 0);
	assert_int_equal(state_open(d->run, d->state, &s, &why), -EPERM);
	assert_int_equal(chmod(d->state, 0700), 0);
	assert_int_equal(chown(d->run, 65534, 65534), 0);
	assert_int_equal(state_open(d->run, d->state, &s, &why), -EPERM);
	assert_non_null(strstr(buf_str(&why), "another user"));
	buf_done(&why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(journal_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(drain_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(the_end_of_a_drain_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(two_daemons_exclude_each_other, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_passed_over, setup, teardown),
		cmocka_unit_test(a_piece_of_a_line_is_none),
		cmocka_unit_test_setup_teardown(exactly_forgets_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_for_others, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_disk_refuses_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_plain_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_stands_in_the_way_later_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(
			folders_and_files_of_others_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(unusable_directory_is_named, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
