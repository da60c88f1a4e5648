/* SPDX-License-Identifier: MIT */
#include "sys/resolver.h"

#include "base/mem.h"
#include "base/vec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
	uv_loop_t *loop;
	resolver_fn *answered;
	void *data;
	struct query *queries; /* under way */
};

/* Outlives its resolver if need be: libuv can't take back what a thread is doing. */
struct query {
	uv_getaddrinfo_t req;
	struct resolver *owner; /* NULL: nobody wants the answer any more */
	struct query *next;
	struct resolver_tag tag;
	char *host;
};

struct resolver *resolver_new(uv_loop_t *loop, resolver_fn *answered, void *data)
{
	struct resolver *r = mem_zalloc(1, sizeof(*r));

	r->loop = loop;
	r->answered = answered;
	r->data = data;
	return r;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	for (struct query *q = r->queries; q; q = q->next) {
		q->owner = NULL;
		uv_cancel((uv_req_t *)&q->req);
	}
	free(r);
}

static void unlink_query(struct query *q)
{
	for (struct query **at = &q->owner->queries; *at; at = &(*at)->next) {
		if (*at == q) {
			*at = q->next;
			return;
		}
	}
}

static void answer(const struct query *q, const struct addrinfo *first, int err)
{
	struct resolver *r = q->owner;
	VEC(sock_addr) addrs = {0};

	for (const struct addrinfo *ai = first; ai; ai = ai->ai_next) {
		sock_addr a = {0};

		if (ai->ai_addrlen > sizeof(a))
			continue;
		memcpy(&a, ai->ai_addr, ai->ai_addrlen);
		vec_push(&addrs, a);
	}
	r->answered(&q->tag, q->host, addrs.items, addrs.n, err, r->data);
	vec_done(&addrs);
}

static void on_answer(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct query *q = container_of(req, struct query, req);

	if (q->owner) {
		unlink_query(q);
		answer(q, status ? NULL : res, status);
	}
	uv_freeaddrinfo(res);
	free(q->host);
	free(q);
}

void resolver_ask(
	struct resolver *r, const struct resolver_tag *tag, const char *host, uint16_t port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	struct query *q = mem_zalloc(1, sizeof(*q));
	char service[8];

	q->owner = r;
	q->tag = *tag;
	q->host = mem_strdup(host);
	snprintf(service, sizeof(service), "%u", port);
	if (uv_getaddrinfo(r->loop, &q->req, on_answer, q->host, service, &hints)) {
		free(q->host);
		free(q);
		return;
	}
	q->next = r->queries;
	r->queries = q;
}

bool resolver_is_asked(const struct resolver *r)
{
	return r->queries != NULL;
}
