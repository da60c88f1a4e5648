/* SPDX-License-Identifier: MIT */
#include "daemon/foreign_look.h"

#include "daemon/kernel_table.h"
#include "daemon/shadows.h"
#include "mesh/routing.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* Of the time that a look took, before the next. */
#define PAUSE_FACTOR 19
#define SOON (2 * NS_PER_S)

struct foreign_look {
	uv_loop_t *loop; /* NULL: nobody wants its answers any more */
	bool busy;
	instant next; /* not before */
	fib_troubles troubles;
};

/* What the thread works on: nothing that others have. */
struct job {
	uv_work_t req;
	struct foreign_look *owner;
	struct shall_rib rib;
	prefix_vec overlays, own, apart, guarded;
	VEC(ip_addr) endpoints;
	struct want_facts want;
	VEC(uint8_t) engine_protocols;
	shadow_vec found;
	int err;
	int64_t took_ns;
};

static void job_free(struct job *j)
{
	shall_rib_done(&j->rib);
	vec_done(&j->overlays);
	vec_done(&j->own);
	vec_done(&j->apart);
	vec_done(&j->guarded);
	vec_done(&j->endpoints);
	vec_done(&j->engine_protocols);
	vec_done(&j->found);
	free(j);
}

/* --- in the thread -------------------------------------------------------------------------------
 */

static int read_rules(struct rtnl *r, rule_vec *ret)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		AUTO_FREE struct rtnl_rule *list = NULL;
		size_t n = 0;
		int err = rtnl_rule_list_all(r, families[i], &list, &n);

		if (err && err != -EAFNOSUPPORT)
			return err;
		for (size_t k = 0; !err && k < n; k++)
			vec_push(ret, list[k]);
	}
	return 0;
}

static int look(struct job *j)
{
	struct rtnl_route any = {.type = RTNL_ANY_TYPE};
	AUTO_FREE struct rtnl_route *routes = NULL;
	struct rtnl *r = NULL;
	rule_vec rules = {0};
	size_t n = 0;
	int err = rtnl_open(&r);

	if (!err)
		err = read_rules(r, &rules);
	if (!err)
		err = rtnl_route_list_where(r, &any, &routes, &n);
	if (!err) {
		struct shadow_facts facts = {&j->want, j->own.items, j->own.n, j->endpoints.items,
			j->endpoints.n, rules.items, rules.n, routes, n};

		shadows_find(&facts, &j->found);
	}
	vec_done(&rules);
	rtnl_close(r);
	return err;
}

static void work(uv_work_t *req)
{
	struct job *j = container_of(req, struct job, req);
	instant from = sys_now();

	process_set_nice(PROCESS_NICE_BULK);
	j->err = look(j);
	j->took_ns = instant_diff(sys_now(), from);
}

/* --- what it found -------------------------------------------------------------------------------
 */

static const char *type_word(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return "blackhole ";
	case RTN_UNREACHABLE:
		return "unreachable ";
	case RTN_PROHIBIT:
		return "prohibit ";
	case RTN_THROW:
		return "throw ";
	case RTN_LOCAL:
		return "local ";
	}
	return "";
}

/* As `ip route` has it, and takes it. */
static void route_text(const struct rtnl_route *r, struct buf *out)
{
	char text[IP_PREFIX_STRLEN], ifname[IFNAMSIZ];

	buf_printf(out, "%s%s", type_word(r->type), ip_prefix_format(&r->dst, text));
	if (r->via.family)
		buf_printf(out, " via %s", ip_addr_format(&r->via, text));
	if (r->ifindex && if_indextoname((unsigned)r->ifindex, ifname))
		buf_printf(out, " dev %s", ifname);
	if (r->metric)
		buf_printf(out, " metric %u", r->metric);
	if (r->table && r->table != RT_TABLE_LOCAL)
		buf_printf(out, " table %u", r->table);
}

static struct fib_trouble trouble_of(const struct shadow *s)
{
	const char *family = s->ours.family == AF_INET6 ? "-6 " : "";
	char ours[IP_PREFIX_STRLEN], others[48] = "";
	AUTO_BUF theirs = {0};

	ip_prefix_format(&s->ours, ours);
	if (s->others)
		snprintf(others, sizeof(others), " and %zu more of its networks", s->others);
	if (s->by_rule)
		return (struct fib_trouble){
			mem_printf("packets for %s%s don't reach the mesh: the policy rule of "
				   "priority %u, which isn't ours, refuses them",
				ours, others, s->rule.priority),
			mem_printf("ip %srule del priority %u", family, s->rule.priority)};
	route_text(&s->route, &theirs);
	return (struct fib_trouble){
		mem_printf("packets for %s%s don't all reach the mesh: the route %s, which isn't "
			   "ours, takes them",
			ours, others, buf_str(&theirs)),
		mem_printf("ip %sroute del %s%s", family, buf_str(&theirs),
			s->route.type == RTN_LOCAL ? " table local" : "")};
}

static void done(uv_work_t *req, int status)
{
	struct job *j = container_of(req, struct job, req);
	struct foreign_look *l = j->owner;

	l->busy = false;
	if (l->loop && !status && !j->err) {
		fib_troubles_done(&l->troubles);
		for (size_t i = 0; i < j->found.n; i++)
			vec_push(&l->troubles, trouble_of(&j->found.items[i]));
	}
	l->next = instant_add(sys_now(), j->took_ns * PAUSE_FACTOR);
	if (!l->loop) {
		fib_troubles_done(&l->troubles);
		free(l);
	}
	job_free(j);
}

/* --- the question --------------------------------------------------------------------------------
 */

static void copy_own(struct job *j, const struct generation *g)
{
	for (size_t i = 0; i < g->self->n_networks; i++)
		vec_push(&j->own, g->self->networks[i].prefix);
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_addr a = ip_prefix_addr(&g->addresses[i]);

		vec_push(&j->own, ip_prefix_host(&a));
	}
	for (size_t i = 0; i < g->n_guarded; i++)
		vec_push(&j->guarded, g->guarded[i]);
	for (size_t i = 0; i < g->n_overlays; i++)
		vec_push(&j->overlays, g->overlays[i]);
}

static void copy_endpoints(struct job *j, const struct foreign_facts *f)
{
	for (size_t i = 0; i < f->gen->n_peers; i++)
		if (f->endpoints[i].sa.sa_family != AF_UNSPEC)
			vec_push(&j->endpoints, sock_addr_ip(&f->endpoints[i]));
	for (size_t i = 0; i < f->mirror->n_peers; i++)
		if (f->mirror->peers[i].endpoint.sa.sa_family != AF_UNSPEC)
			vec_push(&j->endpoints, sock_addr_ip(&f->mirror->peers[i].endpoint));
}

static void copy_protocols(struct job *j, const struct mesh_node *self)
{
	for (size_t i = 0; mesh_has_engine(self) && i < self->routing.n_protocols; i++)
		vec_push(&j->engine_protocols, self->routing.protocols[i]);
}

static struct job *job_new(const struct foreign_facts *f)
{
	struct job *j = mem_zalloc(1, sizeof(*j));

	j->rib = *f->rib;
	*f->rib = (struct shall_rib){0};
	copy_own(j, f->gen);
	copy_endpoints(j, f);
	copy_protocols(j, f->gen->self);
	for (size_t i = 0; i < f->fib->apart.n; i++)
		vec_push(&j->apart, f->fib->apart.items[i]);
	j->want = (struct want_facts){
		.carried = j->rib.prefixes.items,
		.n_carried = j->rib.prefixes.n,
		.overlays = j->overlays.items,
		.n_overlays = j->overlays.n,
		.apart = j->apart.items,
		.n_apart = j->apart.n,
		.mark = f->fib->fwmark,
		.overlay_table = kernel_overlay_table(f->gen->self->interface),
		.has_engine = mesh_has_engine(f->gen->self),
		.engine_protocols = j->engine_protocols.items,
		.n_engine_protocols = j->engine_protocols.n,
		.guarded = j->guarded.items,
		.n_guarded = j->guarded.n,
		.ifindex = f->fib->ifindex,
	};
	return j;
}

struct foreign_look *foreign_look_new(uv_loop_t *loop)
{
	struct foreign_look *l = mem_zalloc(1, sizeof(*l));

	l->loop = loop;
	l->next = sys_now();
	return l;
}

void foreign_look_free(struct foreign_look *l)
{
	if (!l)
		return;
	l->loop = NULL;
	if (l->busy) /* done() frees it */
		return;
	fib_troubles_done(&l->troubles);
	free(l);
}

bool foreign_look_begin(struct foreign_look *l, const struct foreign_facts *f)
{
	instant now = sys_now();
	struct job *j;

	if (!l)
		return true;
	if (l->busy || instant_before(now, l->next))
		return instant_diff(l->next, now) > SOON;
	j = job_new(f);
	j->owner = l;
	l->busy = !uv_queue_work(l->loop, &j->req, work, done);
	if (!l->busy)
		job_free(j);
	return true;
}

size_t foreign_look_troubles(const struct foreign_look *l, const struct fib_trouble **ret)
{
	*ret = l ? l->troubles.items : NULL;
	return l ? l->troubles.n : 0;
}
