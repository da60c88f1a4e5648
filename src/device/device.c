/* SPDX-License-Identifier: MIT */
#include "device/internal.h"

#include "base/buf.h"
#include "sys/clock.h"
#include "sys/rtnl.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 20
#define SOCKET_DIR "/var/run/wireguard"

struct opening {
	const struct device_options *o;
	struct rtnl *rtnl;
	char path[108]; /* of the UAPI socket */
	bool served;	/* somebody listens there */
	bool half; /* an interface without its socket was seen, or a socket without interface */
	char *why;
	size_t why_size;
};

static int __attribute__((format(printf, 3, 4)))
fail(struct opening *op, int err, const char *fmt, ...)
{
	va_list ap;

	if (op->why_size) {
		va_start(ap, fmt);
		vsnprintf(op->why, op->why_size, fmt, ap);
		va_end(ap);
	}
	return err;
}

static int open_kernel(struct opening *op, struct device **ret)
{
	const char *name = op->o->ifname;
	int r = kernel_device_open(name, ret);

	if (r == -EPERM || r == -EACCES)
		return fail(op, -EPERM, "%s: no right to configure it (CAP_NET_ADMIN)", name);
	if (r < 0)
		return fail(op, r, "%s: the kernel's WireGuard: %s", name, strerror(-r));
	return 0;
}

static int open_uapi(struct opening *op, struct device **ret)
{
	int r = uapi_device_open(op->path, op->o->ifname, ret);

	if (r == -EACCES || r == -EPERM)
		return fail(op, -EPERM, "%s: no right to connect to it", op->path);
	if (r < 0)
		return fail(op, r, "%s: %s", op->path, strerror(-r));
	return 0;
}

/* The interface is there: a tun interface belongs to whoever serves the socket of its name. A
 * kernel interface here and a socket of that name are no contradiction: sockets are shared by all
 * network namespaces. */
static int adopt(struct opening *op, const struct rtnl_link *link, struct device **ret)
{
	const char *name = op->o->ifname;
	bool tun = !strcmp(link->kind, "tun");

	if (!tun && strcmp(link->kind, "wireguard") != 0)
		return fail(op, -EEXIST, "%s is a %s interface, not WireGuard", name,
			*link->kind ? link->kind : "plain");
	if (tun && !op->served)
		return fail(op, -EEXIST,
			"%s is a tun interface, but no WireGuard program serves %s", name,
			op->path);
	if (tun && op->o->kind == DEVICE_KERNEL && !op->o->adopts_any)
		return fail(op, -EEXIST,
			"%s belongs to a userspace program, and the kernel's was asked for", name);
	if (!tun && op->o->kind == DEVICE_UAPI && !op->o->adopts_any)
		return fail(op, -EEXIST,
			"%s is the kernel's WireGuard, and a userspace device was asked for", name);
	return tun ? open_uapi(op, ret) : open_kernel(op, ret);
}

static int create_userspace(struct opening *op, struct device **ret)
{
	const struct device_options *o = op->o;
	const char *context = o->kind == DEVICE_AUTO ? "this kernel has no WireGuard, and " : "";
	char why[768];
	int r;

	if (!o->userspace)
		return fail(op, -ENOENT, "%s isn't there, and no program to make it was named",
			o->ifname);
	if (op->served)
		return fail(op, -EEXIST,
			"%s: %s%s serves a device of this name in another network namespace: "
			"choose another interface name, or end that device",
			o->ifname, context, op->path);
	snprintf(why, sizeof(why), "%s can't be started", o->userspace);
	r = uapi_start(o->userspace, o->ifname, op->path, why, sizeof(why));
	if (r < 0)
		return fail(op, r, "%s: %s%s", o->ifname, context, why);
	return open_uapi(op, ret);
}

static int create_kernel(struct opening *op, struct device **ret)
{
	const char *name = op->o->ifname;
	struct rtnl_link link;
	int r = rtnl_link_add(op->rtnl, name, "wireguard");

	if (r == -EPERM || r == -EACCES)
		return fail(op, -EPERM, "%s: no right to make interfaces (CAP_NET_ADMIN)", name);
	if (r == -EOPNOTSUPP)
		return fail(op, r, "%s: this kernel has no WireGuard", name);
	if (r < 0)
		return fail(op, r, "%s can't be made: %s", name, strerror(-r));
	r = open_kernel(op, ret);
	if (r < 0 && rtnl_link_get(op->rtnl, name, &link) == 0)
		(void)rtnl_link_del(op->rtnl, link.index);
	return r;
}

static int create(struct opening *op, struct device **ret)
{
	enum device_kind kind = op->o->kind;
	int r = -EOPNOTSUPP;

	if (kind != DEVICE_UAPI)
		r = create_kernel(op, ret);
	if (kind == DEVICE_UAPI || (kind == DEVICE_AUTO && r == -EOPNOTSUPP && op->o->userspace))
		r = create_userspace(op, ret);
	return r;
}

/* Who lets nobody in because too many wait is somebody, too. */
static bool is_served(const char *path)
{
	int r = uapi_probe(path);

	return r == 0 || r == -ETIMEDOUT;
}

static int adopt_or_create(struct opening *op, struct device **ret, bool *ret_created)
{
	struct rtnl_link link;
	int r = rtnl_link_get(op->rtnl, op->o->ifname, &link);

	if (r < 0 && r != -ENODEV)
		return fail(op, r, "%s: %s", op->o->ifname, strerror(-r));
	*ret_created = r == -ENODEV;
	op->served = is_served(op->path);
	op->half |= *ret_created ? op->served : !strcmp(link.kind, "tun") && !op->served;
	return *ret_created ? create(op, ret) : adopt(op, &link, ret);
}

/* A program that is dying lets go of its socket and its interface one after the other, and may
 * still take a request and not answer it. */
static bool may_be_dying(const struct opening *op, int err)
{
	return err == -ENODEV || err == -ECONNRESET || (err < 0 && op->half);
}

static int open_patiently(struct opening *op, struct device **ret, bool *ret_created)
{
	instant end = instant_add(sys_now(), op->o->patience_ms * NS_PER_MS);

	/* Longer each time: each look is one more connection to whoever doesn't accept. */
	for (int pause = RETRY_MS;; pause *= 2) {
		int r = adopt_or_create(op, ret, ret_created);

		if (!may_be_dying(op, r) || !instant_before(sys_now(), end))
			return r;
		poll(NULL, 0, pause);
	}
}

static bool ifname_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n < IFNAMSIZ && !strchr(name, '/') && strcmp(name, ".") &&
	       strcmp(name, "..");
}

int device_open(const struct device_options *o, struct device **ret, bool *ret_created, char *why,
	size_t why_size)
{
	struct opening op = {.o = o, .why = why, .why_size = why_size};
	int n = snprintf(op.path, sizeof(op.path), "%s/%s.sock",
		o->socket_dir ? o->socket_dir : SOCKET_DIR, o->ifname);
	struct device *d = NULL;
	bool created = false;
	int r;

	if (!ifname_ok(o->ifname) || n < 0 || (size_t)n >= sizeof(op.path))
		return fail(&op, -EINVAL,
			"%s: not an interface name, or its socket's path is too long", o->ifname);
	r = rtnl_open(&op.rtnl);
	if (r < 0)
		return fail(&op, r, "rtnetlink: %s", strerror(-r));
	r = open_patiently(&op, &d, &created);
	rtnl_close(op.rtnl);
	if (r < 0)
		return r;
	*ret = d;
	*ret_created = created;
	return 0;
}

int device_address(const struct device *d, struct device_address *ret)
{
	*ret = (struct device_address){.kind = d->kind};
	memcpy(ret->ifname, d->ifname, sizeof(ret->ifname));
	return d->ops->address ? d->ops->address(d, ret) : -EOPNOTSUPP;
}

int device_open_at(const struct device_address *at, struct device **ret)
{
	return at->kind == DEVICE_KERNEL ? kernel_device_open(at->ifname, ret)
					 : uapi_device_open(at->path, at->ifname, ret);
}

void device_close(struct device *d)
{
	if (d)
		d->ops->close(d);
}

int device_destroy(struct device *d)
{
	struct rtnl_link link;
	struct rtnl *rtnl;
	int r = rtnl_open(&rtnl);

	if (r < 0)
		return r;
	r = rtnl_link_get(rtnl, d->ifname, &link);
	if (!r)
		r = rtnl_link_del(rtnl, link.index);
	rtnl_close(rtnl);
	if (r != -ENODEV || d->kind != DEVICE_UAPI)
		return r;
	/* Its interface is out of sight; a program ends when its socket is taken away, too. */
	return unlink(uapi_device_path(d)) < 0 ? -errno : 0;
}

const char *device_ifname(const struct device *d)
{
	return d->ifname;
}

enum device_kind device_kind_of(const struct device *d)
{
	return d->kind;
}

const char *device_name(const struct device *d)
{
	return d->name;
}

unsigned device_max_owners(const struct device *d)
{
	return d->max_owners ? d->max_owners : 1;
}

const char *device_removal_way(const struct device *d)
{
	static const char *const ways[] = {"unknown", "incremental flag", "parking peer"};

	return ways[d->removal];
}

int device_get(struct device *d, struct device_state *ret)
{
	int r = d->ops->get(d, ret);

	if (!r)
		d->max_owners = ret->max_owners;
	return r;
}
