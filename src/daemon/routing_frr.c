/* SPDX-License-Identifier: MIT */
/*
 * The socket by which vtysh speaks to FRR's bgpd: a command and a zero byte; the answer ends with
 * three zero bytes and the command's outcome, of which a refusal tells nothing that the text
 * doesn't. `show bgp summary json` lists the neighbors of each family by their addresses, or by
 * interface where they have none.
 */
#include "daemon/routing_talk.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#define END_LEN 4

static size_t whole(const char *bytes, size_t n, size_t *at)
{
	const char *end = *at < n ? memchr(bytes + *at, 0, n - *at) : NULL;

	*at = end ? (size_t)(end - bytes) : n;
	return end && n - *at >= END_LEN ? *at + END_LEN : 0;
}

static uint32_t count_of(const json_t *peer)
{
	json_int_t n = json_integer_value(json_object_get(peer, "pfxRcd"));

	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

/* True: it is of a neighbor with an address. */
static bool session_of(const char *key, const json_t *peer, struct routing_session *ret)
{
	const char *state = json_string_value(json_object_get(peer, "state"));
	const json_t *up = json_object_get(peer, "peerUptimeMsec");

	*ret = (struct routing_session){.for_ns = -1};
	if (!state || !ip_addr_parse(&ret->neighbor, key))
		return false;
	ret->state = routing_state_of(state, strlen(state));
	ret->routes = count_of(peer);
	if (ret->state == ROUTING_ESTABLISHED && json_integer_value(up) > 0 &&
		json_integer_value(up) < INT64_MAX / NS_PER_MS)
		ret->for_ns = json_integer_value(up) * NS_PER_MS;
	return true;
}

static int take_family(json_t *family, routing_sessions *ret)
{
	struct routing_session s;
	const char *key;
	json_t *peer;

	json_object_foreach(json_object_get(family, "peers"), key, peer)
	{
		if (session_of(key, peer, &s) && !routing_add(ret, &s))
			return -EMSGSIZE;
	}
	return 0;
}

/* Without an instance of BGP it is an empty object. */
static int parse(const char *bytes, size_t n, routing_sessions *ret)
{
	json_t *all = n < END_LEN ? NULL : json_loadb(bytes, n - END_LEN, 0, NULL), *family;
	const char *key;
	int err = 0;

	ret->n = 0;
	if (!json_is_object(all)) {
		json_decref(all);
		return -EPROTO;
	}
	json_object_foreach(all, key, family)
	{
		if (!err)
			err = take_family(family, ret);
	}
	json_decref(all);
	routing_settle(ret);
	return err;
}

#define QUESTION "show bgp summary json" /* with its zero byte */

const struct routing_talk routing_talk_frr = {
	.socket = "/run/frr/bgpd.vty",
	.question = QUESTION,
	.len = sizeof(QUESTION),
	.whole = whole,
	.parse = parse,
};
