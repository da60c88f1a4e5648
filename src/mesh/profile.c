/* SPDX-License-Identifier: MIT */
#include "mesh/profile.h"

#include "base/mem.h"
#include "base/vec.h"
#include "mesh/aggregate.h"
#include "mesh/allowed.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A list that is longer has the overlay in place of the addresses in it, and halves merged: a code
 * that a camera can read has no room for each node's. */
#define PLAIN_MAX 16

typedef VEC(ip_prefix) prefix_list;

struct profile {
	const struct mesh_topology_index *t;
	const struct mesh_inventory *inv;
	const struct mesh_node *self;
	int server;
	mesh_profile_psk_fn *psk;
	void *data;
	struct mesh_allowed *allowed;
	const struct mesh_link **ret_link;
};

static void add_addresses(const struct profile *p, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < p->self->n_addresses; i++) {
		ip_prefix a = ip_prefix_host(&p->self->addresses[i].addr);

		buf_puts(out, i ? ", " : "Address = ");
		buf_puts(out, ip_prefix_format(&a, text));
	}
	if (p->self->n_addresses)
		buf_putc(out, '\n');
}

static void add_interface(const struct profile *p, const wg_key *private_key, struct buf *out)
{
	const struct mesh_node *self = p->self;
	char key[WG_KEY_BASE64_LEN];

	buf_printf(out, "[Interface]\nPrivateKey = ");
	buf_puts(out, wg_key_to_base64(private_key, key));
	explicit_bzero(key, sizeof(key));
	buf_putc(out, '\n');
	add_addresses(p, out);
	/* Who calls others only has a port of his own choice, so that two tunnels don't collide. */
	if (self->endpoint.host)
		buf_printf(out, "ListenPort = %u\n", self->listen_port);
	for (size_t i = 0; i < self->n_dns; i++)
		buf_printf(out, "%s%s", i ? ", " : "DNS = ", self->dns[i]);
	if (self->n_dns)
		buf_putc(out, '\n');
	buf_printf(out, "MTU = %u\n", self->mtu);
}

static int add_preshared_key(const struct profile *p, unsigned peer, struct buf *out)
{
	const struct mesh_link *link = mesh_link_between(p->t, p->self->index, peer);
	char text[WG_KEY_BASE64_LEN];
	wg_key key;

	if (!link || !link->preshared_key_file)
		return 0;
	if (!p->psk || !p->psk(link, &key, p->data)) {
		*p->ret_link = link;
		return -ENOKEY;
	}
	buf_puts(out, "PresharedKey = ");
	buf_puts(out, wg_key_to_base64(&key, text));
	buf_putc(out, '\n');
	explicit_bzero(text, sizeof(text));
	wg_key_wipe(&key);
	return 0;
}

/* What mesh_allowed_print wrote. */
static void read_list(const char *text, prefix_list *ret)
{
	AUTO_FREE char *copy = mem_strdup(text);
	char *rest = copy, *word;
	ip_prefix prefix;

	while ((word = strsep(&rest, ", ")))
		if (*word && ip_prefix_parse(&prefix, word))
			vec_push(ret, prefix);
}

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool is_node_address(const struct profile *p, const ip_prefix *prefix)
{
	ip_addr a = ip_prefix_addr(prefix);

	return prefix->len == ip_family_bits(prefix->family) && mesh_overlay_of(p->inv, &a);
}

/* Addresses in the overlay give way to it; what is left is in order, each once. */
static void cover_addresses(const struct profile *p, prefix_list *list)
{
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (!is_node_address(p, &list->items[i]))
			list->items[n++] = list->items[i];
	list->n = n;
	for (size_t i = 0; i < p->inv->n_overlays; i++)
		vec_push(list, p->inv->overlays[i].prefix);
	qsort(list->items, list->n, sizeof(*list->items), prefix_cmp);
	for (size_t i = 0; i < list->n; i++)
		if (!kept || !ip_prefix_eq(&list->items[i], &list->items[kept - 1]))
			list->items[kept++] = list->items[i];
	list->n = kept;
}

/* Somebody's own network isn't to arise by merging: another peer of the profile may have it. */
static bool is_in_mesh(const ip_prefix *prefix, const void *data)
{
	const struct mesh_inventory *inv = data;

	for (size_t i = 0; i < inv->n_nodes; i++)
		for (size_t k = 0; k < inv->nodes[i].n_networks; k++)
			if (ip_prefix_eq(&inv->nodes[i].networks[k].prefix, prefix))
				return true;
	return false;
}

static void add_allowed_ips(const struct profile *p, unsigned peer, struct buf *out)
{
	AUTO_BUF text = {0};
	prefix_list list = {0};

	mesh_allowed_print(p->allowed, peer, &text);
	read_list(buf_str(&text), &list);
	if (list.n > PLAIN_MAX && (int)peer == p->server) {
		cover_addresses(p, &list);
		struct mesh_aggregate *a =
			mesh_aggregate_new(list.items, list.n, is_in_mesh, p->inv);

		buf_reset(&text);
		mesh_aggregate_print(a, &text);
		mesh_aggregate_free(a);
	}
	if (text.n)
		buf_printf(out, "AllowedIPs = %s\n", buf_str(&text));
	vec_done(&list);
}

static int add_peer(const struct profile *p, unsigned peer, struct buf *out)
{
	const struct mesh_endpoint *e = mesh_endpoint_of(p->t, p->self->index, peer);
	int keepalive = mesh_keepalive(p->t, p->self->index, peer);
	char key[WG_KEY_BASE64_LEN];

	buf_printf(out, "\n[Peer]\nPublicKey = %s\n",
		wg_key_to_base64(&p->inv->nodes[peer].public_key, key));
	int err = add_preshared_key(p, peer, out);

	add_allowed_ips(p, peer, out);
	if (e->host)
		buf_printf(out,
			strchr(e->host, ':') ? "Endpoint = [%s]:%u\n" : "Endpoint = %s:%u\n",
			e->host, e->port);
	if (keepalive)
		buf_printf(out, "PersistentKeepalive = %d\n", keepalive);
	return err;
}

int mesh_profile_render(const struct mesh_topology_index *t, unsigned client, int server,
	const wg_key *private_key, mesh_profile_psk_fn *psk, void *data, struct buf *out,
	const struct mesh_link **ret_link)
{
	struct profile p = {.t = t,
		.inv = mesh_topology_inventory(t),
		.server = server,
		.psk = psk,
		.data = data,
		.ret_link = ret_link};
	AUTO_FREE unsigned *peers = NULL;
	size_t n = mesh_peers_by(t, client, server, &peers);
	int err = 0;

	p.self = &p.inv->nodes[client];
	p.allowed = mesh_allowed_new(t);
	mesh_allowed_select_by(p.allowed, client, server);
	add_interface(&p, private_key, out);
	for (size_t i = 0; i < n && !err; i++)
		err = add_peer(&p, peers[i], out);
	mesh_allowed_free(p.allowed);
	return err;
}
