/* SPDX-License-Identifier: MIT */
/*
 * Lines from a control client, answered by a daemon that is whole but for two things: its device
 * takes everything and remembers nothing, and its kernel has one interface, no routes, and says
 * yes. Whatever a line says, the answer is one JSON object with ok in it, and the daemon goes on. A
 * line
 * "#N" of the input puts the N-th inventory into the file, for the next reload.
 */
#include "daemon/run.h"
#include "device/internal.h"
#include "sys/nl.h"
#include "sys/rtnl_internal.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
const char *__asan_default_options(void);

/* What hangs on memory for secrets is lost to the leak checker, which doesn't look there. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

#define LISTEN_PORT 51820
#define IFINDEX 7

/* What is said of hub-a and of site-1 beyond what every one says, and what follows. */
struct inventory {
	const char *of_hub, *of_self, *rest;
};

#define HUB_B                                                                                      \
	"  hub-b: {role: hub, public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, address: " \
	"[10.10.0.2], endpoint: '192.0.2.2:1'"
#define SITE_2                                                                           \
	"  site-2: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, address: " \
	"[10.10.0.12]"

static const struct inventory inventories[] = {
	{"", "", HUB_B "}\n" SITE_2 ", networks: [10.20.2.0/24, 10.20.0.0/16]}\n"},
	/* A hub and a site are gone, and a network holds one of ours. */
	{", networks: [10.0.0.0/8]", "", ""},
	/* Not YAML; no such key; another interface; a node that isn't known. */
	{"", "", "  hub-b: ["},
	{", colour: red", "", ""},
	{"", ", interface: wg9", ""},
	{"", "", "links: [[site-1, site-9]]\n"},
	/* A default route, and another way to probe. */
	{", networks: [0.0.0.0/0, '::/0']", ", networks: []", HUB_B ", liveness: {probe: echo}}\n"},
	{", networks: [{prefix: 10.30.0.0/24, on_dead: hold}]", "",
		HUB_B "}\n" SITE_2 ", role: client}\n"},
};

/* --- the device and the kernel --- */

static int device_is_empty(struct device *d, struct device_state *ret)
{
	*ret = (struct device_state){.listen_port = LISTEN_PORT};
	return 0;
}

static int device_takes(struct device *d, const struct device_change *c)
{
	return 0;
}

static void device_stays(struct device *d)
{
}

static const struct device_ops device_ops = {device_is_empty, device_takes, device_stays};
static struct device device = {
	.ops = &device_ops, .kind = DEVICE_UAPI, .ifname = "wg0", .name = "fuzz"};

/* The request that was sent last. */
struct kernel {
	struct nlmsghdr asked;
};

static ssize_t kernel_send(void *data, const void *message, size_t n)
{
	memcpy(&((struct kernel *)data)->asked, message, sizeof(struct nlmsghdr));
	return (ssize_t)n;
}

static struct nlmsghdr *put(void *at, const struct kernel *k, uint16_t type)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);

	h->nlmsg_type = type;
	h->nlmsg_seq = k->asked.nlmsg_seq;
	return h;
}

static ssize_t kernel_recv(void *data, void *buf, size_t size)
{
	const struct kernel *k = data;
	bool dump = (k->asked.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	uint8_t *at = buf;
	struct nlmsghdr *h;

	if (k->asked.nlmsg_type == RTM_GETLINK) {
		h = put(at, k, RTM_NEWLINK);
		((struct ifinfomsg *)mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg)))
			->ifi_index = IFINDEX;
		mnl_attr_put_strz(h, IFLA_IFNAME, "wg0");
		at += h->nlmsg_len;
	}
	h = put(at, k, dump ? NLMSG_DONE : NLMSG_ERROR);
	*(int *)mnl_nlmsg_put_extra_header(h, sizeof(struct nlmsgerr)) =
		!dump && k->asked.nlmsg_type == RTM_GETROUTE ? -ENETUNREACH : 0;
	return at + h->nlmsg_len - (uint8_t *)buf;
}

static void kernel_close(void *data)
{
}

static struct rtnl *fake_rtnl(void)
{
	struct kernel *kernel = mem_zalloc(1, sizeof(*kernel));
	struct rtnl *rtnl = mem_zalloc(1, sizeof(*rtnl));
	const struct nl_io io = {kernel_send, kernel_recv, NULL, kernel_close, kernel};

	rtnl->nl = nl_new(&io);
	return rtnl;
}

/* Who changes device and kernel, and who looks at them, are of two threads. */
static struct kernel_io looking;

static int open_look(const struct device_address *at, struct fib_io **ret)
{
	*ret = &looking.io;
	return 0;
}

static void close_look(struct fib_io *io)
{
}

static const struct look_io look = {open_look, close_look};

/* --- the daemon --- */

static char *folder;
static char *key_file, *inventory_file, *public_key;

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void choose_inventory(unsigned number)
{
	const struct inventory *i = &inventories[number % ARRAY_SIZE(inventories)];
	AUTO_FREE char *text = mem_printf(
		"mesh: fuzz\n"
		"overlay: [10.10.0.0/24, 'fd10::/64']\n"
		"nodes:\n"
		"  hub-a: {role: hub, public_key: 6BpWvKhzbDFZkEvmveZqWKjuxFAwioX90No32OIrA0k=, "
		"address: [10.10.0.1], endpoint: '192.0.2.1:1', metric: 10%s}\n"
		"  site-1: {public_key: '%s', private_key_file: '%s', listen_port: 51820, address: "
		"[10.10.0.11, 'fd10::11']%s}\n%s",
		i->of_hub, public_key, key_file,
		i->of_self[0] ? i->of_self : ", networks: [10.20.1.0/24]", i->rest);

	write_file(inventory_file, text);
}

static void remove_folder(void)
{
	AUTO_FREE char *command = mem_printf("rm -rf %s", folder);

	assert(!system(command));
}

static void make_files(void)
{
	static char text[2][WG_KEY_BASE64_LEN];
	wg_key private = {{8, [31] = 64}}, public = wg_key_public(&private);

	/* Where a file that must be on disk is so at once. */
	folder = mem_printf(
		"%s/fuzz-control.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert(mkdtemp(folder));
	atexit(remove_folder);
	key_file = mem_printf("%s/key", folder);
	inventory_file = mem_printf("%s/mesh.yaml", folder);
	write_file(key_file, wg_key_to_base64(&private, text[0]));
	public_key = wg_key_to_base64(&public, text[1]);
	choose_inventory(0);
}

static struct daemon_options *make_options(void)
{
	static struct daemon_options o = {.node = "site-1", .kind = DEVICE_UAPI};

	o.file = inventory_file;
	o.run_dir = mem_printf("%s/run", folder);
	o.state_dir = mem_printf("%s/state", folder);
	return &o;
}

/* As run.c does, but for the device, the kernel, and what listens to them. */
static struct daemon *start(void)
{
	struct daemon *d;
	AUTO_BUF why = {0};

	/* Whatever of the kernel is asked past the fake is a kernel's of our own; without the right
	 * to that there is none to touch this one. */
	assert(!unshare(CLONE_NEWNET) || errno == EPERM);
	make_files();
	d = daemon_new(make_options(), &why);
	assert(d);
	assert(!daemon_take_inventory(d, &why));
	assert(!state_open(d->options->run_dir, d->options->state_dir, &d->state, &why));
	kernel_io_init(&looking, &device, fake_rtnl());
	daemon_take_device(d, &device);
	d->io.rtnl = fake_rtnl();
	d->rtnl = fake_rtnl();
	d->look = &look;
	assert(!daemon_first_sync(d, &why));
	return d;
}

static void on_answer(char *text, void *data)
{
	*(char **)data = text;
}

static void take_line(struct daemon *d, const char *line, size_t n)
{
	AUTO_FREE char *text = NULL;
	json_t *reply;

	if (n == 2 && line[0] == '#') {
		choose_inventory((unsigned char)line[1] - (unsigned)'0');
		return;
	}
	control_take_line(line, n, control_call_new(on_answer, &text), control_serve, d->desk);
	while (!text)
		uv_run(&d->loop, UV_RUN_ONCE);
	reply = json_loads(text, 0, NULL);
	assert(json_is_boolean(json_object_get(reply, "ok")));
	assert(json_is_true(json_object_get(reply, "ok")) ||
		json_is_string(json_object_get(reply, "error")));
	json_decref(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct daemon *d;
	const char *line = (const char *)data;

	if (!d)
		d = start();
	for (unsigned lines = 0; n && lines < 8; lines++) {
		const char *end = memchr(line, '\n', n);
		size_t len = end ? (size_t)(end - line) : n;

		take_line(d, line, len);
		len += end != NULL;
		line += len;
		n -= len;
	}
	uv_run(&d->loop, UV_RUN_NOWAIT);
	return 0;
}
