/* SPDX-License-Identifier: MIT */
#include "tunnel/watch.h"

#include "base/mem.h"
#include "sys/rtnl.h"
#include "tunnel/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 1000
#define NEWS_ROOM (1 << 18)

struct watch {
	struct tun tun;
	struct watch_calls calls;
	struct tunnel *tunnel;
	struct rtnl *rtnl;
	struct rtnl_monitor *monitor;
	bool hears_everywhere;
	bool is_elsewhere; /* the interface, in another network namespace */
	int bind_error;	   /* the last, said once */
	uv_poll_t news, tun_poll;
	uv_timer_t timer;
	unsigned n_handles; /* that were made, in this order */
};

int watch_new(const struct tun *tun, const struct watch_calls *calls, struct watch **ret)
{
	struct watch *w = mem_zalloc(1, sizeof(*w));
	int err;

	w->tun = *tun;
	w->calls = *calls;
	err = rtnl_open(&w->rtnl);
	if (!err)
		err = rtnl_monitor_open_for(RTNL_LINK, NEWS_ROOM, &w->monitor);
	if (err) {
		watch_free(w);
		return err;
	}
	w->hears_everywhere = !rtnl_monitor_everywhere(w->monitor);
	*ret = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	rtnl_monitor_close(w->monitor);
	rtnl_close(w->rtnl);
	free(w);
}

/* --- the interface -------------------------------------------------------------------------------
 */

/* The id by which our namespace knows the interface's, which is another one; -1 if it can't be
 * told. */
static int netns_id_of_tun(struct watch *w)
{
	struct stat ours, its;
	int id = -1, fd = tun_open_netns(&w->tun);

	if (fd < 0)
		return -1;
	if (!stat("/proc/self/ns/net", &ours) && !fstat(fd, &its) && ours.st_ino != its.st_ino &&
		rtnl_netns_id(w->rtnl, fd, &id))
		id = -1;
	close(fd);
	return id;
}

/* -EBADFD: it was deleted. */
static int find_link(struct watch *w, struct rtnl_link *ret)
{
	char name[IFNAMSIZ];
	int id, err = tun_get_name(&w->tun, name);

	if (err)
		return err;
	err = rtnl_link_get(w->rtnl, name, ret);
	w->is_elsewhere = err == -ENODEV || (!err && ret->index != w->tun.ifindex);
	if (!w->is_elsewhere)
		return err;
	id = netns_id_of_tun(w);
	return id < 0 ? -ENODEV : rtnl_link_get_in(w->rtnl, id, name, ret);
}

static void say_bind_error(struct watch *w, int err)
{
	char line[160];

	if (err == w->bind_error)
		return;
	snprintf(line, sizeof(line), "the sockets can't be bound: %s", strerror(-err));
	w->calls.said(true, line, w->calls.data);
}

static void follow(struct watch *w, const struct rtnl_link *link)
{
	int err;

	tunnel_lock(w->tunnel);
	tunnel_set_mtu(w->tunnel, link->mtu);
	if (link->flags & IFF_UP && !tunnel_is_up(w->tunnel)) {
		err = tunnel_up(w->tunnel);
		if (!err)
			w->calls.said(false, "interface up", w->calls.data);
		else
			say_bind_error(w, err);
		w->bind_error = err;
	} else if (!(link->flags & IFF_UP)) {
		w->bind_error = 0;
		if (tunnel_is_up(w->tunnel)) {
			tunnel_down(w->tunnel);
			w->calls.said(false, "interface down", w->calls.data);
		}
	}
	tunnel_unlock(w->tunnel);
}

/* --- when to look --------------------------------------------------------------------------------
 */

static void look(struct watch *w);

static void on_tun(uv_poll_t *poll, int status, int events)
{
	look(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

/* A TUN can be written while it is up: while it isn't, that is what is waited for; its end shows
 * either way. */
static void await_news(struct watch *w, bool is_up, bool is_found)
{
	bool must_ask = w->bind_error || !is_found || (w->is_elsewhere && !w->hears_everywhere);

	uv_poll_start(&w->tun_poll, is_up ? UV_DISCONNECT : UV_WRITABLE | UV_DISCONNECT, on_tun);
	if (!must_ask)
		uv_timer_stop(&w->timer);
	else if (!uv_is_active((uv_handle_t *)&w->timer))
		uv_timer_start(&w->timer, on_timer, LOOK_MS, LOOK_MS);
}

static void look(struct watch *w)
{
	struct rtnl_link link = {0};
	int err = find_link(w, &link);

	if (err == -EBADFD) {
		w->calls.said(false, "the interface is gone", w->calls.data);
		uv_poll_stop(&w->tun_poll);
		uv_timer_stop(&w->timer);
		w->calls.gone(w->calls.data);
		return;
	}
	if (!err)
		follow(w, &link);
	/* What can't be seen now isn't asked by the TUN, which may be writable all the time. */
	await_news(w, err || link.flags & IFF_UP, !err);
}

static void on_news(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	int what = rtnl_monitor_read(w->monitor);

	if (what < 0 || what & (RTNL_LINK | RTNL_OVERRUN))
		look(w);
}

int watch_start(struct watch *w, uv_loop_t *loop, struct tunnel *t)
{
	int err;

	w->tunnel = t;
	w->news.data = w->tun_poll.data = w->timer.data = w;
	err = uv_poll_init(loop, &w->news, rtnl_monitor_fd(w->monitor));
	if (err)
		return err;
	w->n_handles++;
	err = uv_poll_init(loop, &w->tun_poll, w->tun.fd);
	if (err)
		return err;
	w->n_handles++;
	err = uv_timer_init(loop, &w->timer);
	if (err)
		return err;
	w->n_handles++;
	err = uv_poll_start(&w->news, UV_READABLE, on_news);
	if (!err)
		look(w);
	return err;
}

void watch_stop(struct watch *w)
{
	uv_handle_t *const handles[] = {
		(uv_handle_t *)&w->news, (uv_handle_t *)&w->tun_poll, (uv_handle_t *)&w->timer};

	for (; w->n_handles; w->n_handles--)
		uv_close(handles[w->n_handles - 1], NULL);
}
