/* SPDX-License-Identifier: MIT */
/*
 * What a routing engine answers: the first byte says which, the rest comes in pieces. Where it ends
 * doesn't depend on the pieces, and what is read of it keeps what routing_talk.h promises.
 */
#include "daemon/routing_talk.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t end_in_pieces(const struct routing_talk *talk, const char *bytes, size_t n)
{
	size_t at = 0, end = 0;

	for (size_t i = 1; i <= n && !end; i++)
		end = talk->whole(bytes, i, &at);
	return end;
}

static void check_session(const struct routing_session *s)
{
	assert(s->neighbor.family == AF_INET || s->neighbor.family == AF_INET6);
	assert(s->state < ROUTING_N_STATES && routing_state_name(s->state));
	assert(memchr(s->error, 0, sizeof(s->error)));
	for (const char *c = s->error; *c; c++)
		assert(isprint((unsigned char)*c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct routing_talk *talk;
	routing_sessions found = {0};
	size_t at = 0, end;
	const char *bytes;

	if (!size)
		return 0;
	talk = data[0] == 'F' ? &routing_talk_frr : &routing_talk_bird;
	bytes = (const char *)data + 1;
	end = talk->whole(bytes, size - 1, &at);
	assert(end <= size - 1);
	assert((end > 0) == (end_in_pieces(talk, bytes, size - 1) > 0));
	/* Of two answers at once the pieces end at the first. */
	if (!talk->parse(bytes, end ? end : size - 1, &found))
		for (size_t i = 0; i < found.n; i++) {
			check_session(&found.items[i]);
			assert(!i || ip_addr_cmp(&found.items[i - 1].neighbor,
					     &found.items[i].neighbor) < 0);
			assert(routing_session_with(&found, &found.items[i].neighbor) ==
				&found.items[i]);
		}
	vec_done(&found);
	return 0;
}
