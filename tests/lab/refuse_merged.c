/* SPDX-License-Identifier: MIT */
/* To be preloaded: a kernel that takes a TUN's offloads when it is asked for them, and answers
 * EINVAL to each merged packet of the kinds (t, u) that REFUSE_MERGED names. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

typedef ssize_t writev_fn(int fd, const struct iovec *iov, int n);

writev_fn writev;

static bool is_refused(const struct iovec *iov, int n)
{
	const char *kinds = getenv("REFUSE_MERGED");
	struct virtio_net_hdr vnet;

	if (!kinds || n < 3 || iov[0].iov_len != sizeof(vnet))
		return false;
	memcpy(&vnet, iov[0].iov_base, sizeof(vnet));
	return vnet.gso_type && strchr(kinds, vnet.csum_offset == 16 ? 't' : 'u');
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	writev_fn *real = (writev_fn *)dlsym(RTLD_NEXT, "writev");

	if (is_refused(iov, n)) {
		errno = EINVAL;
		return -1;
	}
	return real(fd, iov, n);
}
