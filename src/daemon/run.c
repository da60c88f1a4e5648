/* SPDX-License-Identifier: MIT */
#include "daemon/run.h"

#include "base/secret.h"
#include "daemon/actions.h"
#include "daemon/asked.h"
#include "daemon/bfd_filter.h"
#include "daemon/client_watch.h"
#include "daemon/diagnosis.h"
#include "daemon/generation_load.h"
#include "daemon/interface_lock.h"
#include "daemon/kernel_feed.h"
#include "daemon/leave.h"
#include "daemon/listen_port.h"
#include "daemon/peers.h"
#include "daemon/problems.h"
#include "daemon/reload.h"
#include "daemon/routing_status.h"
#include "daemon/say.h"
#include "daemon/signals.h"
#include "daemon/sync.h"
#include "daemon/takedown.h"
#include "daemon/transit_watch.h"
#include "sys/clock.h"
#include "sys/descriptors.h"
#include "sys/process.h"
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/*
 * What a start opens, at most; fewer, and libuv ends the program without a word. What the prober
 * has for each own address. And what is kept for what may come: a device that is made anew, a
 * reload, names to be resolved, the journal.
 */
#define FILES_OF_START 32
#define FILES_OF_ADDRESS 5
#define FILES_IN_RESERVE 16
#define CLIENTS_MAX 256

/* A program that is just ending gets this long to be gone. */
#define DYING_MS 1000
#define SECOND_MS 1000
#define FIRST_SECOND_MS 250 /* behind the first look of diagnosis.c */
#define AWAIT_NAMES_MS 1000
#define SECONDS_PER_LOOK 3 /* for problems, for the log */

static void on_second(uv_timer_t *t)
{
	struct daemon *d = t->data;

	bfd_filter_step(d->bfd_filter, d, sys_now());
	transit_watch_step(d->transit, sys_now());
	routing_status_step(d, sys_now());
	own_networks_step(&d->own_networks, d->gen, &d->fib, d->rtnl);
	endpoint_ways_step(
		&d->endpoint_ways, d->gen, engine_endpoints(d->engine), &d->fib, d->rtnl);
	kernel_feed_second(d);
	if (d->seconds++ % SECONDS_PER_LOOK == 0)
		problems_look(d, say_now());
	log_tell_left_out();
}

static void on_prober(uv_poll_t *p, int status, int events)
{
	peers_take_events(p->data);
	process_return_priority(PROCESS_NICE_URGENT);
}

static void watch_kernel(struct daemon *d);

static void on_monitor(uv_poll_t *p, int status, int events)
{
	struct daemon *d = p->data;
	int what = rtnl_monitor_read(d->monitor);

	/* An overrun is an error of the socket, after which libuv watches it no more. */
	if (status < 0)
		watch_kernel(d);
	if (what & RTNL_OVERRUN)
		log_debug("the kernel's news came too fast; all is looked at");
	if (what > 0)
		actions_feed_type(d, ENGINE_NEWS);
}

static void watch_kernel(struct daemon *d)
{
	uv_poll_start(&d->monitor_poll, UV_READABLE, on_monitor);
}

/* --- start and stop ------------------------------------------------------------------------------
 */

static void close_walk(uv_handle_t *h, void *data)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void on_sighup(uv_signal_t *s, int signum)
{
	struct daemon *d = s->data;

	reload_ask(d->reload, NULL, NULL);
}

static int refuse(const struct buf *why, int status)
{
	log_error("%s", buf_str(why));
	return status;
}

static int check_privileges(struct buf *why)
{
	if (!process_has_cap(CAP_NET_ADMIN) || !process_has_cap(CAP_NET_RAW)) {
		buf_puts(why, "needs the capabilities CAP_NET_ADMIN and CAP_NET_RAW: run it as "
			      "root or by the systemd unit");
		return -EPERM;
	}
	return 0;
}

static int open_netlink(struct daemon *d, struct buf *why)
{
	int err = rtnl_open(&d->rtnl);

	if (!err)
		err = rtnl_open(&d->io.rtnl);
	if (!err)
		err = rtnl_monitor_open(&d->monitor);
	if (err)
		buf_printf(why, "can't open rtnetlink: %s", strerror(-err));
	return err;
}

static int open_device(struct daemon *d, struct buf *why)
{
	struct device_options o =
		device_choice(d->options->kind, &d->options->programs, d->gen->self);
	char text[512] = "";
	struct device *device;
	int err;

	o.patience_ms = DYING_MS;
	process_set_nice(PROCESS_NICE_URGENT); /* so is the data plane that it may start */
	process_go_first();
	err = device_open(&o, &device, &d->cold_start, text, sizeof(text));
	process_set_nice(PROCESS_NICE_BULK);
	if (!err)
		daemon_take_device(d, device);
	if (err)
		buf_printf(why, "can't use the interface %s: %s", o.ifname,
			text[0] ? text : strerror(-err));
	else
		log_info(
			"%s %s (%s)", d->cold_start ? "made" : "adopted", o.ifname, d->device.name);
	return err;
}

/* What was adopted may have been about to end. */
static int read_device(struct daemon *d, struct device_state *ret, struct buf *why)
{
	int err = device_get(d->io.device, ret);

	if (err == -ENODEV || err == -ECONNRESET) {
		device_close(d->io.device);
		d->io.device = NULL;
		err = open_device(d, why);
		if (err)
			return err;
		err = device_get(d->io.device, ret);
	}
	if (err)
		buf_printf(why, "can't read the device %s: %s", d->gen->self->interface,
			strerror(-err));
	else
		d->device.max_owners = daemon_max_owners(ret);
	return err;
}

/* Before the first thread is started, since each has its own; CAP_SYS_NICE is for the prober's
 * real-time priority, what follows for a device in userspace: a listen port below 1024, a queue
 * for network control. */
static int drop_privileges(struct buf *why)
{
	static const int keep[] = {
		CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE, CAP_NET_BIND_SERVICE, CAP_BPF};
	int err = process_keep_caps(keep, ARRAY_SIZE(keep), 3);

	if (err)
		buf_printf(why, "can't drop privileges: %s", strerror(-err));
	return err;
}

/* Their sockets are open to their groups. Where that can't be had, its sessions aren't shown. */
static void join_engine(enum mesh_engine engine)
{
	static const char *const bird[] = {"bird", NULL}, *const frr[] = {"frr", "frrvty", NULL};

	if (engine == MESH_ENGINE_BIRD)
		process_join_groups(bird);
	if (engine == MESH_ENGINE_FRR)
		process_join_groups(frr);
}

static void tell_start_error(const struct daemon *d, struct buf *why)
{
	if (d->start_error)
		buf_printf(why, "can't start probing: %s", strerror(-d->start_error));
	else
		buf_printf(why, "can't set up %s: %s", d->gen->self->interface,
			engine_trouble(d->engine));
}

/* Until the device is in line, and the prober runs; or something stands in the way. */
static int begin(struct daemon *d, const struct engine_event *found, struct buf *why)
{
	struct fib_thread_hooks hooks = {actions_on_order_done, sync_on_task_done, d};
	int err = fib_thread_start(&d->loop, &hooks, &d->io.io, &d->fib_thread);

	if (err) {
		buf_printf(why, "can't start a thread: %s", strerror(-err));
		return err;
	}
	actions_feed(d, found);
	while (!d->prober && !d->start_error && !engine_trouble(d->engine))
		uv_run(&d->loop, UV_RUN_ONCE);
	return 0;
}

/* What is on the device stays as it is until the sessions have had their say. */
int daemon_first_sync(struct daemon *d, struct buf *why)
{
	struct device_state found = {0};
	signal_addrs signals = {0};
	struct engine_event e = {.type = ENGINE_FOUND, .u.found.device = &found};
	int err = read_device(d, &found, why);

	if (err)
		return err;
	/* Without them the device tells as much as it does on any node. */
	(void)signals_read(d->rtnl, d->gen, &signals);
	err = listen_port_check(d->gen, found.listen_port, why);
	if (!err) {
		e.u.found.max_owners = d->device.max_owners;
		e.u.found.signals = signals.items;
		e.u.found.n_signals = signals.n;
		e.u.found.routes = kernel_feed_await(d);
		e.u.found.drain = remember_known(d->state, sys_now(), sys_wall_ns());
		err = begin(d, &e, why);
		kernel_feed_begun(d);
	}
	vec_done(&signals);
	device_state_done(&found);
	if (!err && !d->prober) {
		tell_start_error(d, why);
		err = d->start_error ? d->start_error : -EIO;
	}
	return err;
}

int daemon_take_inventory(struct daemon *d, struct buf *why)
{
	const struct generation *fresh;
	struct engine_event e = {.type = ENGINE_GENERATION};
	int err = generation_load(
		d->options->file, d->options->node, engine_generation(d->engine), &fresh, why);

	if (err)
		return err;
	e.u.generation = fresh;
	actions_feed(d, &e);
	return 0;
}

static sigset_t handled_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

void daemon_block_signals(void)
{
	sigset_t set = handled_signals();

	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Those that came during the start arrive now. */
static void unblock_signals(void)
{
	sigset_t set = handled_signals();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int init_handles(struct daemon *d)
{
	int err = uv_poll_init(&d->loop, &d->prober_poll, prober_fd(d->prober));

	if (!err)
		err = uv_poll_init(&d->loop, &d->monitor_poll, rtnl_monitor_fd(d->monitor));
	if (!err)
		err = uv_signal_init(&d->loop, &d->sigterm);
	if (!err)
		err = uv_signal_init(&d->loop, &d->sigint);
	if (!err)
		err = uv_signal_init(&d->loop, &d->sighup);
	return err;
}

static int watch(struct daemon *d, struct buf *why)
{
	int err = init_handles(d);

	if (err) {
		buf_printf(why, "can't wait for events: %s", strerror(-err));
		return err;
	}
	d->prober_poll.data = d->monitor_poll.data = d;
	d->sigterm.data = d->sigint.data = d->sighup.data = d;
	uv_poll_start(&d->prober_poll, UV_READABLE, on_prober);
	watch_kernel(d);
	d->diagnosis = diagnosis_start(d);
	d->client_watch = client_watch_start(d);
	uv_timer_start(&d->second_timer, on_second, FIRST_SECOND_MS, SECOND_MS);
	uv_signal_start(&d->sigterm, leave_on_signal, SIGTERM);
	uv_signal_start(&d->sigint, leave_on_signal, SIGINT);
	uv_signal_start(&d->sighup, on_sighup, SIGHUP);
	unblock_signals();
	return 0;
}

static void on_names_timer(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

/* A device that has to call a peer before it knows where it is fails, and some try again after five
 * seconds only. */
static void await_names(struct daemon *d)
{
	bool over = false;

	d->stop_timer.data = &over;
	uv_timer_start(&d->stop_timer, on_names_timer, AWAIT_NAMES_MS, 0);
	while (!over && resolver_is_asked(d->resolver))
		uv_run(&d->loop, UV_RUN_ONCE);
	uv_timer_stop(&d->stop_timer);
	d->stop_timer.data = d;
}

/* Clients get what is left when all else has what it needs. */
static int serve(struct daemon *d, struct buf *why)
{
	AUTO_FREE char *path = mem_printf("%s/control.sock", d->options->run_dir);
	struct control_options o = {
		.path = path,
		.answer = control_serve,
		.data = d->desk,
	};
	int limit = descriptors_limit(), open = descriptors_open();
	int needed = (open < 0 ? FILES_OF_START : open) + FILES_IN_RESERVE +
		     FILES_OF_ADDRESS * (int)d->gen->n_addresses;

	if (limit <= needed) {
		buf_printf(why,
			"may have %d files open, and needs %d with this inventory: raise the limit "
			"(ulimit -n, or LimitNOFILE in the unit)",
			limit, needed + 1);
		return -EMFILE;
	}
	o.max_clients = limit - needed < CLIENTS_MAX ? (unsigned)(limit - needed) : CLIENTS_MAX;
	return control_open(&d->loop, &o, &d->control, why);
}

static int start(struct daemon *d, struct buf *why)
{
	const struct daemon_options *o = d->options;
	int err = daemon_take_inventory(d, why);

	if (!err)
		err = check_privileges(why);
	if (!err)
		err = state_open(o->run_dir, o->state_dir, &d->state, why);
	if (!err)
		err = interface_lock_take(
			INTERFACE_LOCK_DIR, d->gen->self->interface, &d->interface_lock, why);
	if (!err)
		err = open_netlink(d, why);
	if (!err)
		err = open_device(d, why);
	if (err)
		return err;
	daemon_set_sysctls(d);
	join_engine(d->gen->self->routing.engine);
	err = drop_privileges(why);
	if (err)
		return err;
	d->foreign = foreign_look_new(&d->loop);
	if (d->cold_start)
		await_names(d);
	err = daemon_first_sync(d, why);
	if (!err)
		err = serve(d, why);
	return err ? err : watch(d, why);
}

/* Handles close within a few turns. A name that is being resolved may take half a minute, and
 * nobody is left who would wait for it. */
static bool end_loop(struct daemon *d)
{
	uv_walk(&d->loop, close_walk, NULL);
	for (int i = 0; i < 8 && uv_loop_alive(&d->loop); i++)
		uv_run(&d->loop, UV_RUN_NOWAIT);
	return uv_loop_close(&d->loop) == 0;
}

/* Whoever asked for something gets an answer. */
static void refuse_askers(struct daemon *d)
{
	reload_free(d->reload);
	for (size_t i = 0; i < d->drainers.n; i++)
		d->drainers.items[i].done("shuntd is about to end", d->drainers.items[i].arg);
	vec_done(&d->drainers);
}

/* False if a thread of libuv is still at work. */
static bool stop_threads(struct daemon *d)
{
	d->stopping = true;
	refuse_askers(d);
	control_desk_flush(d->desk);
	control_close(d->control);
	client_watch_stop(d->client_watch);
	device_reader_free(d->reader);
	control_desk_free(d->desk);
	diagnosis_stop(d->diagnosis);
	routing_status_free(d->routing);
	resolver_free(d->resolver);
	foreign_look_free(d->foreign);
	remember_free(d->remember);
	kernel_feed_stop(d);
	fib_thread_stop(d->fib_thread);
	return end_loop(d) && fib_thread_free(d->fib_thread);
}

/* False if that thread may use what would be freed: the program ends without it. */
static bool stop(struct daemon *d)
{
	bool ended = stop_threads(d);

	prober_stop(d->prober);
	if (!ended)
		return false;
	session_keys_free(d->session_keys);
	kernel_io_done(&d->io);
	device_close(d->io.device);
	rtnl_monitor_close(d->monitor);
	rtnl_close(d->io.rtnl);
	rtnl_close(d->rtnl);
	snapshot_put(d->snapshot);
	json_decref(d->problems.list);
	problem_log_done(&d->problem_log);
	chronicle_free(d->chronicle);
	events_free(d->events);
	own_networks_done(&d->own_networks);
	endpoint_ways_done(&d->endpoint_ways);
	device_state_done(&d->mirror);
	handshakes_free(d->handshakes);
	bfd_filter_free(d->bfd_filter);
	transit_watch_free(d->transit);
	vec_done(&d->fib.apart);
	vec_done(&d->fib.foreign);
	fib_troubles_done(&d->fib.problems);
	vec_done(&d->orders);
	engine_free(d->engine);
	state_close(d->state);
	interface_lock_release(d->interface_lock);
	vec_done(&d->standing);
	return true;
}

/* A device that nobody had before shall not stay half made. */
static void undo_start(struct daemon *d)
{
	if (!d->cold_start || !d->io.device)
		return;
	fib_thread_stop(d->fib_thread);
	takedown_kernel(d);
	device_destroy(d->io.device);
}

static int check_files(struct buf *why)
{
	int limit = descriptors_limit(), open = descriptors_open();

	if (limit >= FILES_OF_START && (open < 0 || limit - open >= FILES_OF_START - 3))
		return 0;
	buf_printf(why,
		"may have %d files open, too few to start: raise the limit (ulimit -n, or "
		"LimitNOFILE "
		"in the unit)",
		limit);
	return -EMFILE;
}

static int init_loop(struct daemon *d, struct buf *why)
{
	int err = check_files(why);

	if (err)
		return err;
	err = uv_loop_init(&d->loop);
	if (err) {
		buf_printf(why, "can't make an event loop: %s", strerror(-err));
		return err;
	}
	uv_timer_init(&d->loop, &d->engine_timer);
	uv_timer_init(&d->loop, &d->second_timer);
	uv_timer_init(&d->loop, &d->stop_timer);
	uv_idle_init(&d->loop, &d->gather_idle);
	d->engine_timer.data = d->second_timer.data = d->stop_timer.data = d;
	d->gather_idle.data = d;
	return 0;
}

/* remember_fn */
static void on_remembered(
	const struct engine_drain *drain, uint64_t generation, int err, void *data)
{
	struct daemon *d = data;

	actions_on_remembered(d, drain, generation, err);
	transit_watch_step(d->transit, sys_now());
	if (!drain->is_end)
		asked_on_remembered(d, err);
}

struct daemon *daemon_new(const struct daemon_options *o, struct buf *why)
{
	struct daemon *d = mem_zalloc(1, sizeof(*d));

	d->options = o;
	d->started_at = sys_now();
	if (init_loop(d, why)) {
		free(d);
		return NULL;
	}
	d->feed = actions_feed;
	d->look = &look_io_kernel;
	kernel_io_init(&d->io, NULL, NULL);
	d->engine = engine_new(d->started_at);
	d->remember = remember_new(&d->loop, on_remembered, d);
	d->reload = reload_new(d);
	d->resolver = resolver_new(&d->loop, actions_on_resolved, d);
	d->handshakes = handshakes_new();
	d->reader = device_reader_new(&d->loop, daemon_take_reading, d);
	d->events = say_events_new(o->node);
	d->chronicle = chronicle_new(d->events);
	d->desk = control_desk_new(&d->loop, &asked_source, d);
	d->bfd_filter = bfd_filter_new();
	d->transit = transit_watch_new(d);
	d->routing = routing_status_new(&d->loop);
	return d;
}

/* From now on moves may be waited for. */
static void run_loop(struct daemon *d)
{
	process_set_nice(PROCESS_NICE_URGENT);
	fib_thread_set_urgent(d->fib_thread);
	prober_urge(d->prober, pthread_self());
	uv_run(&d->loop, UV_RUN_DEFAULT);
}

int daemon_run(const struct daemon_options *o)
{
	AUTO_BUF why = {0};
	struct daemon *d = daemon_new(o, &why);
	int status = 0;

	if (!d)
		return refuse(&why, 1);
	if (start(d, &why)) {
		status = refuse(&why, 1);
		undo_start(d);
	} else {
		process_notify("READY=1");
		if (secret_lock_was_refused())
			log_warning("keys can't all be locked in memory (see ulimit -l, or "
				    "LimitMEMLOCK in the unit); they are kept out of core dumps");
		say_own(d, EVENT_START, d->cold_start ? "made" : "adopted", LOG_LEVEL_INFO,
			"ready: %zu peers, device %s", d->gen->n_peers, d->gen->self->interface);
		run_loop(d);
	}
	if (!stop(d))
		_exit(status); /* exit() would wait for it */
	free(d);
	return status;
}
