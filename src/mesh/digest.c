/* SPDX-License-Identifier: MIT */
/*
 * Each value is hashed in a form that can't run into the next: numbers as eight bytes, texts and
 * lists behind their length. A field that is added to the inventory belongs here, too.
 */
#include "mesh/digest.h"

#include <sodium.h>
#include <string.h>

typedef crypto_generichash_state hash;

static void add_number(hash *h, uint64_t v)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(v >> 8 * i);
	crypto_generichash_update(h, bytes, sizeof(bytes));
}

/* NULL differs from an empty text. */
static void add_text(hash *h, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	add_number(h, text ? n : UINT64_MAX);
	crypto_generichash_update(h, (const uint8_t *)text, n);
}

static void add_addr(hash *h, const ip_addr *a)
{
	add_number(h, a->family);
	crypto_generichash_update(h, a->bytes, a->family == AF_INET ? 4 : 16);
}

static void add_prefix(hash *h, const ip_prefix *p)
{
	add_number(h, p->family);
	add_number(h, p->len);
	crypto_generichash_update(h, p->bytes, p->family == AF_INET ? 4 : 16);
}

static void add_endpoint(hash *h, const struct mesh_endpoint *e)
{
	add_text(h, e->host);
	add_number(h, e->port);
}

static void add_liveness(hash *h, const struct mesh_liveness *l)
{
	add_number(h, l->probe);
	add_number(h, (uint64_t)l->interval_ns);
	add_number(h, l->multiplier);
	add_number(h, (uint64_t)l->hold_ns);
}

static void add_networks(hash *h, const struct mesh_node *n)
{
	add_number(h, n->n_networks);
	for (size_t i = 0; i < n->n_networks; i++) {
		const struct mesh_network *w = &n->networks[i];

		add_prefix(h, &w->prefix);
		add_number(h, w->metric);
		add_number(h, w->weight);
		add_number(h, w->on_dead);
	}
}

/* Who the node is, and where. */
static void add_identity(hash *h, const struct mesh_node *n)
{
	add_text(h, n->name);
	add_number(h, n->role);
	add_number(h, n->key_valid);
	if (n->key_valid)
		crypto_generichash_update(h, n->public_key.bytes, sizeof(n->public_key.bytes));
	else
		add_text(h, n->public_key_text);
	add_number(h, n->n_addresses);
	for (size_t i = 0; i < n->n_addresses; i++)
		add_addr(h, &n->addresses[i].addr);
	add_endpoint(h, &n->endpoint);
}

static void add_routing(hash *h, const struct mesh_node *n)
{
	const struct mesh_routing *r = &n->routing;

	add_number(h, r->engine);
	add_number(h, r->protocol);
	add_number(h, r->layout);
	add_number(h, r->asn);
	add_number(h, r->distance);
	add_number(h, r->n_tables);
	for (size_t i = 0; i < r->n_tables; i++)
		add_number(h, r->tables[i]);
	add_number(h, r->n_protocols);
	for (size_t i = 0; i < r->n_protocols; i++)
		add_number(h, r->protocols[i]);
	add_number(h, r->n_reflectors);
	for (size_t i = 0; i < r->n_reflectors; i++)
		add_number(h, r->reflectors[i]);
	add_text(h, r->socket);
	add_number(h, n->n_may_announce);
	for (size_t i = 0; i < n->n_may_announce; i++)
		add_prefix(h, &n->may_announce[i].prefix);
}

static void add_dns(hash *h, const struct mesh_node *n)
{
	add_text(h, "dns");
	add_number(h, n->n_dns);
	for (size_t i = 0; i < n->n_dns; i++)
		add_text(h, n->dns[i]);
}

static void add_takers(hash *h, const struct mesh_takers *t)
{
	add_text(h, "default_route");
	add_number(h, t->clients);
	add_number(h, t->n_nodes);
	for (size_t i = 0; i < t->n_nodes; i++)
		add_number(h, t->nodes[i]);
}

static void add_drain_on_stop(hash *h, int64_t ns)
{
	add_text(h, "drain_on_stop");
	add_number(h, (uint64_t)ns);
}

static void add_node(hash *h, const struct mesh_node *n)
{
	add_identity(h, n);
	add_number(h, n->metric);
	add_number(h, n->weight);
	add_number(h, n->device);
	add_number(h, n->nat);
	add_networks(h, n);
	add_routing(h, n);
	add_text(h, n->interface);
	add_number(h, n->listen_port);
	add_number(h, (uint64_t)(int64_t)n->keepalive);
	add_number(h, n->mtu);
	add_liveness(h, &n->liveness);
	add_text(h, n->private_key_file);
	/* Whoever doesn't know of it takes the rest for the same as we do. */
	if (n->n_dns)
		add_dns(h, n);
	if (n->takers.stated)
		add_takers(h, &n->takers);
	if (n->drain_on_stop_ns)
		add_drain_on_stop(h, n->drain_on_stop_ns);
}

static void add_link(hash *h, const struct mesh_link *l)
{
	add_number(h, l->a);
	add_number(h, l->b);
	add_text(h, l->preshared_key_file);
	add_endpoint(h, &l->endpoints[0]);
	add_endpoint(h, &l->endpoints[1]);
}

void mesh_digest(const struct mesh_inventory *inv, uint8_t out[static MESH_DIGEST_LEN])
{
	hash h;

	crypto_generichash_init(&h, NULL, 0, MESH_DIGEST_LEN);
	add_text(&h, inv->name);
	add_number(&h, inv->topology);
	add_number(&h, inv->n_overlays);
	for (size_t i = 0; i < inv->n_overlays; i++)
		add_prefix(&h, &inv->overlays[i].prefix);
	add_number(&h, inv->n_nodes);
	for (size_t i = 0; i < inv->n_nodes; i++)
		add_node(&h, &inv->nodes[i]);
	add_number(&h, inv->n_links);
	for (size_t i = 0; i < inv->n_links; i++)
		add_link(&h, &inv->links[i]);
	for (size_t i = 0; i < inv->n_revoked; i++)
		crypto_generichash_update(&h, inv->revoked[i].key.bytes, WG_KEY_LEN);
	crypto_generichash_final(&h, out, MESH_DIGEST_LEN);
}
