/* SPDX-License-Identifier: MIT */
/* What is held against UDP segmentation offload, and what isn't. */
#include "unit.h"

#include "tunnel/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static unsigned lines;

static void count_line(const char *line, void *data)
{
	lines++;
}

static struct udp_out superpacket(const char *address)
{
	static const uint8_t data[3000];
	struct udp_out out = {.data = data, .len = sizeof(data), .segment = 1000};

	assert_true(sock_addr_parse(&out.to.remote, address));
	return out;
}

/* EINVAL says the kernel to a port of 0, as it does where it can't segment. A peer, or somebody on
 * the way to it, could slow all down for good. */
static void an_endpoint_that_cant_be_sent_to_costs_nobody_the_offload(void **state)
{
	static const char *const nowhere[] = {"127.0.0.1:0", "255.255.255.255:9"};
	struct udp *u = udp_new(count_line, NULL);
	uint16_t port = 0;

	lines = 0;
	assert_int_equal(udp_bind(u, &port, 0), 0);
	for (size_t i = 0; i < 2; i++) {
		struct udp_out out = superpacket(nowhere[i]);
		int err = 0;

		assert_int_equal(udp_send(u, &out, 1, &err), 0);
		assert_int_not_equal(err, 0);
	}
	assert_int_equal(lines, 0);
	udp_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_that_cant_be_sent_to_costs_nobody_the_offload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
