/* SPDX-License-Identifier: MIT */
#include "daemon/problems.h"

#include "daemon/bfd_filter.h"
#include "daemon/diagnosis.h"
#include "daemon/health.h"
#include "daemon/kernel_feed.h"
#include "daemon/kernel_problems.h"
#include "daemon/routing_status.h"
#include "sys/clock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void add(json_t *list, const char *what, const char *fix)
{
	json_array_append_new(list, json_pack("{s:s, s:s?}", "what", what, "fix", fix));
}

static void add_logged(json_t *list, const char *what)
{
	json_array_append_new(list, json_pack("{s:s, s:b}", "what", what, "is_logged", 1));
}

static void add_health(const char *what, const char *fix, void *data)
{
	add(data, what, fix);
}

/* A key that is there stays the one: the other side has it, too. */
static const char *psk_fix(int err)
{
	if (err == -ENOENT || err == -EINVAL)
		return "put the key there (mode 0600), then `shunt reload`";
	return "let shuntd's user read it, then `shunt reload`";
}

static void add_psk_problems(const struct daemon *d, json_t *list)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		AUTO_FREE char *what = NULL;

		if (!p->psk_error)
			continue;
		what = mem_printf("the preshared key with %s can't be read from %s: %s",
			p->node->name, p->view->preshared_key_file,
			p->psk_error == -EINVAL ? "it holds none" : strerror(-p->psk_error));
		add(list, what, psk_fix(p->psk_error));
	}
}

static void add_faults(const struct daemon *d, json_t *list)
{
	AUTO_FREE char *fix = mem_printf("shunt check %s", d->options->file);

	for (size_t i = 0; i < d->gen->faults.n; i++)
		add(list, d->gen->faults.items[i], fix);
}

static void add_unknown_endpoints(const struct daemon *d, json_t *list)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const char *host = endpoints_unknown(engine_endpoints(d->engine), p->id);
		AUTO_FREE char *what = NULL, *fix = NULL;

		if (!host)
			continue;
		what = mem_printf("%s can't be called: its endpoint's name %s can't be resolved",
			p->node->name, host);
		fix = mem_printf("getent ahosts %s", host);
		add(list, what, fix);
	}
}

static void add_open_key(const struct daemon *d, json_t *list)
{
	const char *file = d->gen->self->private_key_file;
	AUTO_FREE char *what = NULL, *fix = NULL;
	struct stat st;

	if (stat(file, &st) || !(st.st_mode & 077))
		return;
	what = mem_printf("the private key %s may be read by others than its owner", file);
	fix = mem_printf("chmod 600 %s", file);
	add(list, what, fix);
}

/* shunt check, and other nodes as long as they hear nothing of this one, go by what is stated. */
static void add_other_device(const struct daemon *d, json_t *list)
{
	const struct mesh_node *self = d->gen->self;
	AUTO_FREE char *what = NULL;

	if (!device_choice_differs(self, d->device.kind, d->device.max_owners))
		return;
	what = mem_printf("%s is %s%s, but the inventory states `device: %s` for %s: `shunt check` "
			  "judges by what is stated",
		self->interface,
		d->device.kind == DEVICE_KERNEL ? "the kernel's WireGuard" : d->device.name,
		d->device.max_owners > 1 ? ", which holds several owners of a prefix" : "",
		mesh_device_name(self->device), self->name);
	add(list, what,
		"state there what it is, or take the interface down and start shuntd again");
}

static void add_flapping(const struct daemon *d, json_t *list)
{
	AUTO_FREE char *what = mem_printf("several peers go down and come back within a minute: "
					  "the line of %s seems to lose packets; it holds until "
					  "they are calm",
		d->gen->self->name);

	add_logged(list, what);
}

static void add_foreign(const struct daemon *d, json_t *list)
{
	const struct fib_trouble *t;
	size_t n = foreign_look_troubles(d->foreign, &t);

	for (size_t i = 0; i < n; i++)
		add(list, t[i].what, t[i].fix);
}

/* Names of another generation would be another's. */
static void add_kernel_routes(struct daemon *d, json_t *list)
{
	struct route_reader_view v;
	int err = d->routes.err;

	if (kernel_feed_look(d, &v)) {
		err = v.counts.err;
		if (v.counts.generation == d->gen->number)
			kernel_problems_of(
				d->gen, v.troubles.items, v.troubles.n, add_health, list);
		vec_done(&v.troubles);
	}
	if (err)
		kernel_problems_of_reading(err, add_health, list);
}

static void add_trouble(const struct daemon *d, json_t *list)
{
	AUTO_FREE char *what = mem_printf("%s can't be brought into line: %s; it is tried again",
		d->gen->self->interface, engine_trouble(d->engine));

	add_logged(list, what);
}

static bool is_heard(uint32_t peer, void *daemon)
{
	struct daemon *d = daemon;
	struct live_peer_info info;

	return prober_info(d->prober, peer, &info) && info.is_heard;
}

void problems_of_lines(struct daemon *d, lines_fn *fn, void *data)
{
	struct lines_facts facts = {
		.gen = d->gen,
		.file = d->options->file,
		.reports = engine_reports(d->engine),
		.rib = d->rib,
		.is_heard = is_heard,
		.data = d,
	};

	lines_find(&facts, sys_now(), fn, data);
}

static void add_line(const struct lines_trouble *t, void *list)
{
	add(list, t->what, t->fix);
}

static json_t *problems_now(struct daemon *d)
{
	json_t *list = json_array();
	char text[256];

	health_check(d->gen, add_health, list);
	bfd_filter_check(d->bfd_filter, d, sys_now(), add_health, list);
	for (size_t i = 0; i < d->fib.problems.n; i++)
		add(list, d->fib.problems.items[i].what, d->fib.problems.items[i].fix);
	add_foreign(d, list);
	add_kernel_routes(d, list);
	add_faults(d, list);
	add_psk_problems(d, list);
	add_unknown_endpoints(d, list);
	add_open_key(d, list);
	add_other_device(d, list);
	own_networks_check(&d->own_networks, d->gen, add_health, list);
	endpoint_ways_check(&d->endpoint_ways, d->gen, add_health, list);
	if (prober_error(d->prober, text, sizeof(text)))
		add(list, text, NULL);
	diagnosis_problems(d->diagnosis, list);
	routing_status_check(d, sys_now(), add_health, list);
	problems_of_lines(d, add_line, list);
	if (engine_trouble(d->engine))
		add_trouble(d, list);
	if (prober_is_flapping(d->prober))
		add_flapping(d, list);
	return list;
}

void problems_look(struct daemon *d, struct when now)
{
	struct daemon_problems *known = &d->problems;

	json_decref(known->list);
	*known = (struct daemon_problems){problems_now(d), now.at, d->gen->number};
	problem_log_update(&d->problem_log, json_incref(known->list), d->chronicle, &now);
}
