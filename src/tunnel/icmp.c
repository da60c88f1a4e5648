/* SPDX-License-Identifier: MIT */
#include "tunnel/icmp.h"
#include "tunnel/internal.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <sys/uio.h>

/* Called by tx alone, which owns the limits. */
void icmp_unreachable(
	struct tunnel *t, const uint8_t *packet, size_t len, enum icmp_why why, instant now)
{
	struct virtio_net_hdr plain = {0};
	uint8_t answer[ICMP_ANSWER_MAX];
	struct iovec iov[] = {{&plain, t->tun.has_vnet ? sizeof(plain) : 0}, {answer, 0}};
	ssize_t done;

	iov[1].iov_len = icmp_build_unreachable(answer, packet, len);
	if (!iov[1].iov_len || !icmp_limit_take(&t->icmp_limits[why], now))
		return;
	do {
		done = writev(t->tun.fd, iov, 2);
	} while (done < 0 && errno == EINTR);
	if (done < 0)
		tunnel_count(t, TUNNEL_DROP_TUN_WRITE, 1);
}
