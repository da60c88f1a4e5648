/* SPDX-License-Identifier: MIT */
/* What nodes tell each other beside BFD: report.h. It goes with the session: who has none, or can't
 * authenticate it, is told nothing and not heard. */
#include "live/live_internal.h"

#include "base/mem.h"

/* Of other meshes than our own more is heard than it has nodes: it may just be growing. */
#define NODES_ROOM 256

static bool reports(const struct live_peer_config *c)
{
	return c->probe == LIVE_PROBE_BFD && c->signals && c->authenticates;
}

void live_reports_follow(struct live *l, struct peer *p, instant now)
{
	bool is_told = reports(&p->config) && peer_has_session(p);

	report_out_session(&l->report, &p->told, is_told ? p->bfd.remote_discriminator : 0, now);
	if (p->state == LIVE_DOWN && p->bfd.state != BFD_UP)
		report_in_forget(&p->heard);
}

void live_reports_renew(struct peer *p)
{
	report_in_renew(&p->heard);
}

void live_reports_leave(struct live *l, struct peer *p)
{
	report_out_forget(&l->report, &p->told);
}

/* RFC 5881 section 3 is the model: the discriminator finds the session, the addresses must be its
 * own. */
static struct peer *session_of(
	const struct live *l, uint32_t discriminator, const struct live_datagram *d)
{
	struct peer *p = map_get(l->by_discriminator, &discriminator, sizeof(discriminator));

	if (!p || !reports(&p->config))
		return NULL;
	return ip_addr_eq(&d->src, &p->config.remote) && ip_addr_eq(&d->dst, &p->config.local)
		       ? p
		       : NULL;
}

static uint32_t nodes_max(const struct live *l)
{
	return 2 * l->report.own.n_nodes + NODES_ROOM;
}

static bool is_sealed(struct peer *p, const struct live_datagram *d, instant now)
{
	return report_in_may(&p->heard, now) &&
	       report_is_right(d->bytes, d->len, p->gate.auth.keys.receive);
}

static bool on_ages(struct live *l, const struct live_datagram *d, instant now)
{
	struct report_ages ages;
	struct peer *p;

	if (!report_decode_ages(&ages, d->bytes, d->len))
		return false;
	p = session_of(l, ages.discriminator, d);
	if (!p || !is_sealed(p, d, now))
		return false;
	if (report_in_take_ages(&p->heard, &ages, now))
		live_tell(l, LIVE_EVENT_REPORT, p, now);
	return true;
}

bool live_on_report(struct live *l, const struct live_datagram *d, instant now)
{
	struct report_part part;
	struct peer *p;

	if (d->ttl != 255)
		return false;
	if (!report_decode(&part, d->bytes, d->len))
		return on_ages(l, d, now);
	p = session_of(l, part.discriminator, d);
	if (!p)
		return false;
	if (!report_in_wants(&p->heard, &part))
		return true;
	if (!is_sealed(p, d, now))
		return false;
	if (report_in_take(&p->heard, &part, nodes_max(l)))
		live_tell(l, LIVE_EVENT_REPORT, p, now);
	return true;
}

/* If our inventory has grown, what was too large may fit now. */
static void begin_round(struct live *l, bool is_larger, instant now)
{
	list_for_each (link, &l->peers) {
		struct peer *p = container_of(link, struct peer, link);

		report_out_again(&l->report, &p->told, now);
		if (is_larger)
			report_in_reopen(&p->heard);
	}
}

void live_tell_report(struct live *l, const struct live_report *r, instant now)
{
	report_out_tell(&l->report, r, now);
	live_reports_step(l, now);
}

void live_reports_step(struct live *l, instant now)
{
	uint32_t n_nodes = l->report.own.n_nodes;
	struct report_target *t;

	if (report_out_step(&l->report, now))
		begin_round(l, l->report.own.n_nodes > n_nodes, now);
	while ((t = report_out_due(&l->report, now))) {
		const struct peer *p = container_of(t, struct peer, told);
		uint8_t bytes[LIVE_REPORT_DATAGRAM];
		size_t len = report_out_encode(&l->report, t, p->gate.auth.keys.send, now, bytes);

		l->ops->send_report(p->config.peer, bytes, len, l->data);
	}
}

const struct live_report *live_peer_report(const struct live *l, uint32_t peer)
{
	const struct peer *p = live_find(l, peer);

	return p ? report_in_whole(&p->heard) : NULL;
}
