/* SPDX-License-Identifier: MIT */
/* What is held against UDP segmentation offload, and what isn't. */
#include "unit.h"

#include "tunnel/udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

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

/* Superpackets still leave as such: whoever listens with UDP_GRO gets one whole, in one piece, as
 * nothing but segmentation offload over loopback makes it. */
static void check_offload(struct udp *u)
{
	static uint8_t got[65536];
	char place[32];
	sock_addr here = {0};
	socklen_t n = sizeof(here);
	struct timeval patience = {20, 0};
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	struct udp_out out;

	here.in4.sin_family = AF_INET;
	here.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, &here.sa, sizeof(here.in4)), 0);
	assert_int_equal(getsockname(fd, &here.sa, &n), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (setsockopt(fd, IPPROTO_UDP, 104, &on, sizeof(on))) { /* UDP_GRO: an old kernel */
		close(fd);
		return;
	}
	snprintf(place, sizeof(place), "127.0.0.1:%u", ntohs(here.in4.sin_port));
	out = superpacket(place);
	assert_int_equal(udp_send(u, &out, 1, &err), 3);
	assert_int_equal(err, 0);
	assert_int_equal(recv(fd, got, sizeof(got), 0), 3000);
	close(fd);
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
	check_offload(u);
	udp_free(u);
}

/* A path that is too narrow for one peer says EMSGSIZE: it alone is sent to one by one. */
static void a_datagram_that_is_too_large_costs_nobody_the_offload(void **state)
{
	static const uint8_t data[65535];
	struct udp *u = udp_new(count_line, NULL);
	struct udp_out out = superpacket("127.0.0.1:9");
	uint16_t port = 0;
	int err = 0;

	lines = 0;
	assert_int_equal(udp_bind(u, &port, 0), 0);
	out.data = data;
	out.len = sizeof(data); /* no datagram holds so much */
	out.segment = 1000;
	udp_send(u, &out, 1, &err);
	assert_int_equal(lines, 0);
	check_offload(u);
	udp_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_endpoint_that_cant_be_sent_to_costs_nobody_the_offload),
		cmocka_unit_test(a_datagram_that_is_too_large_costs_nobody_the_offload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
