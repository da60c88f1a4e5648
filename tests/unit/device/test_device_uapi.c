/* SPDX-License-Identifier: MIT */
/* The UAPI back end against a program of the test's own, old, new, broken or hostile. */
#include "unit.h"

#include "device/internal.h"
#include "fake_device.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* How the program answers a get. */
enum manner { CORRECT, STALLS, GARBAGE, HANGS_UP, WRONG_SIGN, VERY_MANY, SAYS_NO };
#define MANY 70000

static struct {
	char dir[64], path[96];
	int listener;
	pthread_t thread;
	_Atomic enum manner manner;
	atomic_bool is_ours; /* as shunt-wg, it says more than the protocol has */
	atomic_bool abrupt;  /* hangs up after an error, with the rest of the request unread */
	pthread_mutex_t lock;
	struct fake_device fake;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static wg_key keys[3];

/* --- the program ---------------------------------------------------------------------------- */

static void write_peers(FILE *out)
{
	char hex[WG_KEY_HEX_LEN], text[IP_PREFIX_STRLEN];
	const struct fake_device *f = &server.fake;

	for (size_t i = 0; i < f->peers.n; i++) {
		fprintf(out, "public_key=%s\n", wg_key_to_hex(&f->peers.items[i], hex));
		for (size_t j = 0; j < f->entries.n; j++)
			if (wg_key_eq(&f->entries.items[j].owner, &f->peers.items[i]))
				fprintf(out, "allowed_ip=%s\n",
					ip_prefix_format(&f->entries.items[j].prefix, text));
	}
}

static void write_many(FILE *out)
{
	for (unsigned i = 0; i < MANY; i++)
		fprintf(out,
			"public_key=%064x\nendpoint=192.0.2.1:51820\n"
			"allowed_ip=10.%u.%u.%u/32\nallowed_ip=fd00::%x:%x/128\n",
			i + 1, i >> 16, i >> 8 & 255, i & 255, i >> 16, i & 0xffff);
}

/* False: hang up. */
static bool answer_get(FILE *out)
{
	char hex[WG_KEY_HEX_LEN];

	if (server.manner == GARBAGE) {
		fputs("\x7f\x45LF\x01\n\xff\xfe=\n=\n\n", out);
		return false;
	}
	if (server.manner == SAYS_NO) {
		fputs("errno=-13\n\n", out);
		return true;
	}
	if (server.is_ours)
		fputs("shunt_something=7\n", out);
	if (!wg_key_is_zero(&server.fake.private_key))
		fprintf(out, "private_key=%s\n", wg_key_to_hex(&server.fake.private_key, hex));
	if (server.manner == VERY_MANY)
		write_many(out);
	else
		write_peers(out);
	if (server.manner == STALLS || server.manner == HANGS_UP)
		return server.manner == STALLS;
	fputs("errno=0\n\n", out);
	return true;
}

/* The key of the peer that the lines of a set are about. */
struct request {
	wg_key peer;
	bool skip;
};

static int set_peer(struct request *r, const char *key, const char *value)
{
	struct fake_device *f = &server.fake;
	ip_prefix p;

	if (!strcmp(key, "remove"))
		fake_del_peer(f, &r->peer);
	else if (!strcmp(key, "update_only"))
		r->skip = !fake_has_peer(f, &r->peer);
	else if (!strcmp(key, "allowed_ip") && *value == '-' && ip_prefix_parse(&p, value + 1))
		return r->skip || fake_del_prefix(f, &r->peer, &p) ? 0 : EINVAL;
	else if (!strcmp(key, "allowed_ip") && ip_prefix_parse(&p, value) && !r->skip) {
		fake_add_peer(f, &r->peer);
		fake_add_prefix(f, &r->peer, &p);
	} else if (!strncmp(key, "replace", 7))
		return EBADE; /* which nobody may ask for */
	return 0;
}

static int set_line(struct request *r, char *line)
{
	char *value = strchr(line, '=');

	if (!value)
		return EPROTO;
	*value++ = '\0';
	value[strcspn(value, "\n")] = '\0';
	if (!strcmp(line, "private_key"))
		return wg_key_from_hex(&server.fake.private_key, value) ? 0 : EINVAL;
	if (!strcmp(line, "listen_port")) {
		server.fake.listen_port = (uint16_t)atoi(value);
		return server.fake.listen_port == 1 ? EADDRINUSE : 0;
	}
	if (!strcmp(line, "public_key")) {
		r->skip = false;
		return wg_key_from_hex(&r->peer, value) ? 0 : EINVAL;
	}
	return set_peer(r, line, value);
}

static bool answer_set(FILE *in, FILE *out)
{
	struct request r = {0};
	char line[512];
	int code = 0;

	while (fgets(line, sizeof(line), in) && *line != '\n') {
		if (!code)
			code = set_line(&r, line);
		if (code && server.abrupt)
			break;
	}
	fprintf(out, "errno=%d\n\n", server.manner == WRONG_SIGN ? code : -code);
	return !server.abrupt;
}

static void serve(int fd)
{
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[512];
	bool more = true;

	while (more && fgets(line, sizeof(line), in)) {
		pthread_mutex_lock(&server.lock);
		if (!strcmp(line, "get=1\n"))
			more = fgets(line, sizeof(line), in) && answer_get(out);
		else
			more = !strcmp(line, "set=1\n") && answer_set(in, out);
		fflush(out);
		pthread_mutex_unlock(&server.lock);
	}
	fclose(out);
	fclose(in);
}

static void *run(void *unused)
{
	int fd;

	while ((fd = accept(server.listener, NULL, NULL)) >= 0)
		serve(fd);
	return NULL;
}

/* --- fixtures ------------------------------------------------------------------------------- */

static int start(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	server.manner = CORRECT;
	server.abrupt = false;
	server.fake = (struct fake_device){0};
	snprintf(server.dir, sizeof(server.dir), "/tmp/shunt-uapi-XXXXXX");
	if (!mkdtemp(server.dir))
		return -1;
	snprintf(server.path, sizeof(server.path), "%s/wg0.sock", server.dir);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", server.path);
	server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(server.listener, 8) < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		wg_key secret;

		wg_key_generate(&secret);
		keys[i] = wg_key_public(&secret);
	}
	return pthread_create(&server.thread, NULL, run, NULL);
}

static int stop(void **state)
{
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	unlink(server.path);
	rmdir(server.dir);
	fake_done(&server.fake);
	return 0;
}

static struct device *open_device(void)
{
	struct device *d;

	assert_int_equal(uapi_device_open(server.path, "wg0", &d), 0);
	return d;
}

static ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static int add(struct device *d, const wg_key *key, const ip_prefix *p, size_t n)
{
	struct device_peer_change peer = {.key = *key, .add = p, .n_add = n};
	struct device_change c = {.peers = &peer, .n_peers = 1};

	return device_set(d, &c);
}

static int del(struct device *d, const wg_key *key, const ip_prefix *p, size_t n)
{
	struct device_peer_change peer = {.key = *key, .del = p, .n_del = n};
	struct device_change c = {.peers = &peer, .n_peers = 1};

	return device_set(d, &c);
}

/* --- tests ---------------------------------------------------------------------------------- */

static void sets_and_gets(void **state)
{
	struct device *d = open_device();
	const ip_prefix nets[] = {P("10.1.0.0/16"), P("fd00:1::/32")};
	struct device_state s;
	wg_key secret;
	struct device_change c = {.set_private_key = true};

	/* The kernel keeps 15 characters of it. */
	assert_int_equal(strncmp(device_name(d), program_invocation_short_name, 15), 0);
	assert_int_equal(device_kind_of(d), DEVICE_UAPI);
	assert_string_equal(device_ifname(d), "wg0");
	assert_int_equal(device_get(d, &s), 0);
	assert_false(s.has_key);
	device_state_done(&s);
	wg_key_generate(&secret);
	c.private_key = secret;
	assert_int_equal(device_set(d, &c), 0);
	assert_int_equal(add(d, &keys[0], nets, 2), 0);
	assert_int_equal(device_get(d, &s), 0);
	secret = wg_key_public(&secret);
	assert_true(wg_key_eq(&s.public_key, &secret));
	assert_int_equal(s.n_peers, 1);
	assert_int_equal(s.peers[0].n_allowed, 2);
	device_state_done(&s);
	device_close(d);
}

static void removes(enum fake_removal way, const char *name)
{
	struct device *d = open_device();
	const ip_prefix nets[] = {P("10.1.0.0/16"), P("10.2.0.0/16"), P("10.3.0.0/16")};
	const ip_prefix theirs[] = {P("10.4.0.0/16"), P("10.1.0.0/16")};
	struct fake_device *f = &server.fake;

	f->removal = way;
	assert_int_equal(add(d, &keys[0], nets, 3), 0);
	assert_int_equal(add(d, &keys[1], theirs, 1), 0);
	assert_string_equal(device_removal_way(d), "unknown");
	/* What it doesn't own teaches nothing, and nothing happens to it. */
	assert_int_equal(del(d, &keys[0], theirs, 1), 0);
	assert_string_equal(device_removal_way(d), "unknown");
	assert_true(fake_owns(f, &keys[1], &theirs[0]));
	assert_int_equal(del(d, &keys[0], nets, 2), 0);
	assert_string_equal(device_removal_way(d), name);
	assert_null(fake_entry(f, &nets[0]));
	assert_null(fake_entry(f, &nets[1]));
	assert_true(fake_owns(f, &keys[0], &nets[2]));
	/* No parking peer stays, and an absent peer isn't made by a removal. */
	assert_int_equal(del(d, &keys[2], nets, 3), 0);
	assert_int_equal(f->peers.n, 2);
	/* Known by now; another's prefix is still another's. */
	assert_int_equal(del(d, &keys[0], theirs, 1), 0);
	assert_true(fake_owns(f, &keys[1], &theirs[0]));
	assert_int_equal(f->thefts, 0);
	assert_int_equal(del(d, &keys[0], &nets[2], 1), 0);
	assert_null(fake_entry(f, &nets[2]));
	device_close(d);
}

/* It is known by its answer, and nothing is read when it has to remove for the first time. */
static void ours_removes(void **state)
{
	struct device *d = open_device();
	const ip_prefix net = P("10.1.0.0/16");
	struct device_state s;

	server.fake.removal = FAKE_REMOVES;
	server.is_ours = true;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	assert_string_equal(device_removal_way(d), "incremental flag");
	assert_int_equal(add(d, &keys[0], &net, 1), 0);
	server.manner = SAYS_NO; /* to a get */
	assert_int_equal(del(d, &keys[0], &net, 1), 0);
	assert_null(fake_entry(&server.fake, &net));
	server.manner = CORRECT;
	server.is_ours = false;
	device_close(d);
}

static void a_new_program_removes(void **state)
{
	removes(FAKE_REMOVES, "incremental flag");
}

static void an_old_program_removes(void **state)
{
	removes(FAKE_REFUSES, "parking peer");
}

static void one_that_overlooks_the_sign_removes(void **state)
{
	removes(FAKE_OVERLOOKS, "parking peer");
}

/* The new owner stands before the old one in the change or behind it; the old one may even go. */
static void a_move_leaves_no_hole(void **state)
{
	for (int order = 0; order < 2; order++)
		for (int way = FAKE_REMOVES; way <= FAKE_OVERLOOKS; way++) {
			struct device *d = open_device();
			ip_prefix net = P("10.1.0.0/16"), other = P("10.2.0.0/16");
			struct device_peer_change peers[2] = {
				{.key = keys[order ? 0 : 1]}, {.key = keys[order ? 1 : 0]}};
			struct device_change c = {.peers = peers, .n_peers = 2};
			struct device_peer_change *from = &peers[order ? 0 : 1];
			struct device_peer_change *to = &peers[order ? 1 : 0];

			server.fake.removal = (enum fake_removal)way;
			assert_int_equal(add(d, &keys[0], &net, 1), 0);
			assert_int_equal(add(d, &keys[0], &other, 1), 0);
			server.fake.watched = net;
			to->add = &net;
			to->n_add = 1;
			from->del = (const ip_prefix[]){net, other};
			from->n_del = 2;
			assert_int_equal(device_set(d, &c), 0);
			assert_true(fake_owns(&server.fake, &keys[1], &net));
			assert_null(fake_entry(&server.fake, &other));
			*to = (struct device_peer_change){.key = keys[1], .remove = true};
			*from = (struct device_peer_change){
				.key = keys[0], .add = &net, .n_add = 1};
			assert_int_equal(device_set(d, &c), 0);
			assert_true(fake_owns(&server.fake, &keys[0], &net));
			assert_int_equal(server.fake.peers.n, 1);
			assert_int_equal(server.fake.holes + server.fake.thefts, 0);
			device_close(d);
			fake_done(&server.fake);
			server.fake = (struct fake_device){0};
		}
}

static void update_only_makes_no_peer(void **state)
{
	struct device *d = open_device();
	ip_prefix net = P("10.1.0.0/16");
	struct device_peer_change peer = {
		.key = keys[0], .update_only = true, .add = &net, .n_add = 1};
	struct device_change c = {.peers = &peer, .n_peers = 1};

	assert_int_equal(device_set(d, &c), 0);
	assert_int_equal(server.fake.peers.n, 0);
	device_close(d);
}

static void errors_of_either_sign(void **state)
{
	struct device_change c = {.set_listen_port = true, .listen_port = 1};
	struct device *d = open_device();
	struct device_state s = {.listen_port = 7};

	assert_int_equal(device_set(d, &c), -EADDRINUSE);
	server.manner = WRONG_SIGN;
	assert_int_equal(device_set(d, &c), -EADDRINUSE);
	server.manner = SAYS_NO;
	assert_int_equal(device_get(d, &s), -EACCES);
	assert_int_equal(s.listen_port, 7);
	device_close(d);
}

/* It hung up on most of a long request; what it said before that counts. */
static void hung_up_on_a_long_set(void **state)
{
	enum { N = 50000 };
	struct device *d = open_device();
	ip_prefix *many = mem_zalloc(N, sizeof(*many));
	struct device_peer_change peer = {.key = keys[0], .add = many, .n_add = N};
	struct device_change c = {
		.set_listen_port = true, .listen_port = 1, .peers = &peer, .n_peers = 1};

	for (size_t i = 0; i < N; i++)
		many[i] = P("10.1.0.0/16");
	server.abrupt = true;
	assert_int_equal(device_set(d, &c), -EADDRINUSE);
	server.abrupt = false;
	c.set_listen_port = false;
	assert_int_equal(device_set(d, &c), 0);
	free(many);
	device_close(d);
}

/* Stands before libc's: what we say to the program can't be sent. */
static int send_error;

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
	if (send_error) {
		errno = send_error;
		return -1;
	}
	return sendto(fd, bytes, n, flags, NULL, 0);
}

/* Nobody waits for the answer to what wasn't said: the time-out is the default, of seconds. */
static void not_sent(void **state)
{
	static const int table[][2] = {
		{ENOBUFS, -ENOBUFS}, {ENOMEM, -ENOMEM}, {EAGAIN, -ETIMEDOUT}};
	struct device *d = open_device();
	struct device_change c = {.set_listen_port = true, .listen_port = 7};
	struct device_state s = {0};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		send_error = table[i][0];
		assert_int_equal(device_set(d, &c), table[i][1]);
		assert_int_equal(device_get(d, &s), table[i][1]);
	}
	send_error = 0;
	assert_int_equal(device_set(d, &c), 0);
	device_close(d);
}

static void broken_programs(void **state)
{
	static const struct {
		enum manner manner;
		int result;
	} table[] = {{STALLS, -ETIMEDOUT}, {GARBAGE, -EPROTO}, {HANGS_UP, -ECONNRESET}};
	struct device *d = open_device();
	struct device_state s = {.listen_port = 7};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		server.manner = table[i].manner;
		if (server.manner == STALLS)
			uapi_device_set_timeout(d, 100);
		assert_int_equal(device_get(d, &s), table[i].result);
		assert_int_equal(s.listen_port, 7);
		server.manner = CORRECT;
		uapi_device_set_timeout(d, 60000);
		assert_int_equal(device_get(d, &s), 0);
		device_state_done(&s);
		s.listen_port = 7;
	}
	device_close(d);
}

/* What it can't do it isn't asked for, and the rest of such a change isn't either. */
static void many_owners_of_one_who_has_one(void **state)
{
	struct device *d = open_device();
	const ip_prefix net = P("10.1.0.0/16");
	struct device_owner owner = {.key = keys[0], .weight = 1};
	struct device_owner_set_change set = {.number = 1, .owners = &owner, .n_owners = 1};
	struct device_peer_change peers[] = {
		{.key = keys[0], .add = &net, .n_add = 1}, {.key = keys[1]}};
	struct device_change table[] = {
		{.peers = peers, .n_peers = 1, .sets = &set, .n_sets = 1},
		{.peers = peers, .n_peers = 1, .set_multicast = true},
		{.peers = peers, .n_peers = 2},
		{.peers = peers, .n_peers = 2},
		{.peers = peers, .n_peers = 2},
	};
	struct device_state s;

	assert_int_equal(device_max_owners(d), 1);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		peers[1].set_level = i == 2;
		peers[1].set_multicast = i == 3;
		peers[1].set_link_local = i == 4;
		assert_int_equal(device_set(d, &table[i]), -EOPNOTSUPP);
	}
	assert_int_equal(device_get(d, &s), 0);
	assert_int_equal(s.max_owners, 1);
	assert_int_equal(device_max_owners(d), 1);
	assert_int_equal(s.n_peers, 0);
	device_state_done(&s);
	device_close(d);
}

static void very_many_peers(void **state)
{
	struct device *d = open_device();
	struct device_state s;

	server.manner = VERY_MANY;
	assert_int_equal(device_get(d, &s), 0);
	assert_int_equal(s.n_peers, MANY);
	for (size_t i = 0; i < s.n_peers; i++)
		assert_int_equal(s.peers[i].n_allowed, 2);
	device_state_done(&s);
	device_close(d);
}

static void nobody_there(void **state)
{
	struct device *d = open_device(), *none;
	char path[sizeof(server.path)];
	struct device_state s;

	snprintf(path, sizeof(path), "%s/none.sock", server.dir);
	assert_int_equal(uapi_device_open(path, "none", &none), -ENODEV);
	assert_int_equal(uapi_probe(path), -ENODEV);
	assert_int_equal(uapi_probe(server.path), 0);
	/* The program ended; its socket's file may stay. */
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.thread, NULL);
	close(server.listener);
	assert_int_equal(device_get(d, &s), -ENODEV);
	assert_int_equal(uapi_probe(server.path), -ENODEV);
	unlink(server.path);
	assert_int_equal(device_get(d, &s), -ENODEV);
	assert_int_equal(add(d, &keys[0], NULL, 0), -ENODEV);
	device_close(d);
	device_close(NULL);
	rmdir(server.dir);
	assert_int_equal(start(NULL), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(sets_and_gets),
		T(ours_removes),
		T(a_new_program_removes),
		T(an_old_program_removes),
		T(one_that_overlooks_the_sign_removes),
		T(a_move_leaves_no_hole),
		T(update_only_makes_no_peer),
		T(errors_of_either_sign),
		T(hung_up_on_a_long_set),
		T(not_sent),
		T(broken_programs),
		T(many_owners_of_one_who_has_one),
		T(very_many_peers),
		T(nobody_there),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("device_uapi", tests, NULL, NULL);
}
