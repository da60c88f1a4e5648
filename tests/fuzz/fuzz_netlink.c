/* SPDX-License-Identifier: MIT */
/*
 * A kernel's answers to a dump of a WireGuard device: the input is what the socket receives, each
 * datagram behind two bytes of length, with the sequence number mended so that most of it is looked
 * at. The whole way is tried, with its retries.
 */
#include "device/kernel_codec.h"
#include <assert.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t left;
	uint32_t seq;
	bool opened;
};

static ssize_t fuzz_send(void *data, const void *message, size_t n)
{
	struct input *in = data;

	in->seq = ((const struct nlmsghdr *)message)->nlmsg_seq;
	return (ssize_t)n;
}

/* What the family is called comes first, so that the rest is about the device. */
static ssize_t give_family(const struct input *in, void *buf)
{
	char *second;
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct nlmsgerr *e;

	h->nlmsg_type = GENL_ID_CTRL;
	h->nlmsg_seq = in->seq;
	mnl_nlmsg_put_extra_header(h, sizeof(struct genlmsghdr));
	mnl_attr_put_u16(h, CTRL_ATTR_FAMILY_ID, 0x20);
	second = (char *)buf + h->nlmsg_len;
	h = mnl_nlmsg_put_header(second);
	h->nlmsg_type = NLMSG_ERROR;
	h->nlmsg_seq = in->seq;
	e = mnl_nlmsg_put_extra_header(h, sizeof(*e));
	e->error = 0;
	return second + h->nlmsg_len - (char *)buf;
}

static ssize_t fuzz_recv(void *data, void *buf, size_t size)
{
	struct input *in = data;
	struct nlmsghdr *h = buf;
	size_t n;

	if (!in->opened) {
		in->opened = true;
		return give_family(in, buf);
	}
	if (in->left < 2)
		return -ETIMEDOUT;
	n = (size_t)in->data[0] | (size_t)in->data[1] << 8;
	in->data += 2;
	in->left -= 2;
	if (n > in->left)
		n = in->left;
	memcpy(buf, in->data, n);
	in->data += n;
	in->left -= n;
	for (size_t left = n; nl_message_ok(h, left); h = nl_message_next(h, &left))
		h->nlmsg_seq = in->seq;
	return (ssize_t)n;
}

static void fuzz_close(void *data)
{
	(void)data;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .left = size};
	struct nl_io io = {fuzz_send, fuzz_recv, NULL, fuzz_close, &in};
	struct device_state s;
	struct device *d;

	if (kernel_device_new(nl_new(&io), "wg0", &d))
		abort();
	if (!device_get(d, &s)) {
		for (size_t i = 0; i < s.n_peers; i++)
			assert(device_state_peer(&s, &s.peers[i].key) == &s.peers[i]);
		device_state_done(&s);
	}
	device_close(d);
	return 0;
}
