/* SPDX-License-Identifier: MIT */
/*
 * The text of a wg-quick file. Two things in it need care:
 *
 * The private key isn't in the file but set by PostUp, and `wg setconf` and `wg syncconf` erase a
 * key (and the fwmark of a default route) that their input doesn't name. So the head of the file
 * holds the one command line that reloads it without harm.
 *
 * A PostUp line passes two readers before it runs: wg-quick cuts lines at '#', strips blanks and
 * replaces %i, then bash evaluates what is left. A path is therefore written either bare, if it
 * consists of harmless characters, or as $'...' with every other byte in hexadecimal.
 */
#include "mesh/render.h"

#include "base/mem.h"
#include "mesh/allowed.h"
#include "mesh/routing.h"
#include <stdlib.h>
#include <string.h>

struct peer_text {
	char *text; /* NULL until needed */
	size_t len;
};

struct mesh_renderer {
	const struct mesh_topology_index *t;
	const struct mesh_inventory *inv;
	struct mesh_allowed *allowed;
	/* From the comment with the peer's name to its own endpoint: the same in nearly every file.
	 */
	struct peer_text *peer_texts;
	struct buf scratch;
};

struct mesh_renderer *mesh_renderer_new(const struct mesh_topology_index *t)
{
	struct mesh_renderer *r = mem_zalloc(1, sizeof(*r));

	r->t = t;
	r->inv = mesh_topology_inventory(t);
	r->allowed = mesh_allowed_new(t);
	r->peer_texts = mem_zalloc(r->inv->n_nodes + 1, sizeof(*r->peer_texts));
	return r;
}

void mesh_renderer_free(struct mesh_renderer *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->inv->n_nodes; i++)
		free(r->peer_texts[i].text);
	free(r->peer_texts);
	mesh_allowed_free(r->allowed);
	buf_done(&r->scratch);
	free(r);
}

static bool is_harmless(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("/._+=:,@-", c));
}

/* A word for bash that also survives wg-quick's own reading of the line. */
static void add_word(struct buf *out, const char *word)
{
	const char *p = word;

	if (*word == '-') /* no option */
		buf_puts(out, "./");
	while (is_harmless(*p))
		p++;
	if (*word && !*p) {
		buf_puts(out, word);
		return;
	}
	buf_puts(out, "$'");
	for (p = word; *p; p++)
		if (is_harmless(*p) || *p == ' ')
			buf_putc(out, *p);
		else
			buf_printf(out, "\\x%02x", (unsigned char)*p);
	buf_putc(out, '\'');
}

/* Text from the inventory in a comment: one line, whatever it holds. */
static void add_comment_text(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_putc(out, (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

void mesh_render_mark(const struct mesh_inventory *inv, const char *node, struct buf *out)
{
	buf_printf(out, "# shunt render: node %s of mesh ", node);
	add_comment_text(out, inv->name);
	buf_puts(out, ". ");
}

static void add_head(const struct mesh_renderer *r, const struct mesh_node *node, struct buf *out)
{
	const char *dev = node->interface;

	mesh_render_mark(r->inv, node->name, out);
	buf_puts(out, "Change the inventory, not this file.\n#\n");
	buf_printf(out,
		"# Start and stop (in /etc/wireguard): wg-quick up %s, wg-quick down %s\n"
		"# Reload peers and allowed IPs of the running interface, in bash as root:\n"
		"#   wg syncconf %s <(printf '[Interface]\\nFwMark = %%s\\nPrivateKey = ' "
		"\"$(wg show %s fwmark)\"; cat ",
		dev, dev, dev, dev);
	add_word(out, node->private_key_file);
	buf_printf(out,
		"; wg-quick strip %s)\n"
		"# Never give this file to wg syncconf or wg setconf by itself: it holds no "
		"private "
		"key, and\n"
		"# they would erase the running one. New prefixes may need a route: ip route add "
		"PREFIX dev %s\n",
		dev, dev);
	if (node->role == MESH_CLIENT)
		buf_printf(out,
			"# It is for wg-quick, and the key stays where it is. The apps of phones "
			"and "
			"desktops take no such\n# file: shunt client %s INVENTORY makes theirs, "
			"with a new "
			"key.\n",
			node->name);
}

/* A file gives a prefix to one peer: what shuntd would share among equal hubs goes by the first. */
static void add_note_on_sharing(
	const struct mesh_renderer *r, const struct mesh_node *node, struct buf *out)
{
	const unsigned *hubs;
	size_t n = mesh_hubs(r->t, &hubs), equal = 1;

	if (node->role != MESH_SPOKE || r->inv->topology == MESH_FULL_MESH || n < 2)
		return;
	while (equal < n && r->inv->nodes[hubs[equal]].metric == r->inv->nodes[hubs[0]].metric)
		equal++;
	if (equal == 1)
		return;
	buf_puts(out, "# Hubs of equal metric:");
	for (size_t i = 0; i < equal; i++)
		buf_printf(out, "%s %s", i ? "," : "", r->inv->nodes[hubs[i]].name);
	buf_printf(out,
		". shuntd on shunt-wg shares flows among them by weight; this file can't,\n"
		"# and gives all that is relayed to %s.\n",
		r->inv->nodes[hubs[0]].name);
}

static void add_note_on_engines(const struct mesh_node *node, struct buf *out)
{
	if (mesh_has_engine(node))
		buf_printf(out,
			"# It runs %s: networks of other nodes with a routing engine aren't here, "
			"since these say\n# where they are; shuntd takes them from the kernel's "
			"routes.\n",
			node->routing.engine == MESH_ENGINE_OTHER
				? "a routing engine"
				: mesh_engine_name(node->routing.engine));
}

/* The address with the length of the overlay that it is in. */
static ip_prefix overlay_address(const struct mesh_inventory *inv, const ip_addr *a)
{
	const struct mesh_overlay *overlay = mesh_overlay_of(inv, a);
	ip_prefix p = ip_prefix_host(a);

	if (overlay)
		p.len = overlay->prefix.len;
	return p;
}

static void add_interface(
	const struct mesh_renderer *r, const struct mesh_node *node, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];

	buf_puts(out, "\n[Interface]\n");
	for (size_t i = 0; i < node->n_addresses; i++) {
		ip_prefix p = overlay_address(r->inv, &node->addresses[i].addr);

		buf_puts(out, i ? ", " : "Address = ");
		buf_puts(out, ip_prefix_format(&p, text));
	}
	if (mesh_has_engine(node)) {
		ip_addr a = mesh_link_local(node);
		ip_prefix p = {.family = AF_INET6, .len = 64};

		memcpy(p.bytes, a.bytes, sizeof(p.bytes));
		buf_puts(out, node->n_addresses ? ", " : "Address = ");
		buf_puts(out, ip_prefix_format(&p, text));
	}
	if (node->n_addresses || mesh_has_engine(node))
		buf_putc(out, '\n');
	if (node->listen_port)
		buf_printf(out, "ListenPort = %u\n", node->listen_port);
	if (node->mtu)
		buf_printf(out, "MTU = %u\n", node->mtu);
	buf_puts(out, "PostUp = wg set %i private-key ");
	add_word(out, node->private_key_file);
	buf_putc(out, '\n');
}

/* On a client, `wg set` would add another server, which the file doesn't list. */
static bool is_in_file(
	const struct mesh_renderer *r, const struct mesh_node *node, unsigned peer, int server)
{
	return node->role != MESH_CLIENT || r->inv->nodes[peer].role != MESH_HUB || server < 0 ||
	       server == (int)peer;
}

static void add_preshared_keys(
	const struct mesh_renderer *r, const struct mesh_node *node, int server, struct buf *out)
{
	const struct mesh_explicit *links;
	size_t n = mesh_explicit_of(r->t, node->index, &links);
	char key[WG_KEY_BASE64_LEN];

	for (size_t i = 0; i < n; i++) {
		const char *file = links[i].link->preshared_key_file;

		if (!file || !is_in_file(r, node, links[i].peer, server))
			continue;
		wg_key_to_base64(&r->inv->nodes[links[i].peer].public_key, key);
		buf_printf(out, "PostUp = wg set %%i peer %s preshared-key ", key);
		add_word(out, file);
		buf_putc(out, '\n');
	}
}

static void add_peer_head(
	const struct mesh_node *peer, const struct mesh_endpoint *endpoint, struct buf *out)
{
	char key[WG_KEY_BASE64_LEN];

	buf_printf(out, "\n# %s\n[Peer]\nPublicKey = %s\n", peer->name,
		wg_key_to_base64(&peer->public_key, key));
	if (endpoint->host)
		buf_printf(out,
			strchr(endpoint->host, ':') ? "Endpoint = [%s]:%u\n" : "Endpoint = %s:%u\n",
			endpoint->host, endpoint->port);
}

static const struct peer_text *peer_text(struct mesh_renderer *r, unsigned peer)
{
	struct peer_text *ret = &r->peer_texts[peer];
	struct buf b = {0};

	if (ret->text)
		return ret;
	add_peer_head(&r->inv->nodes[peer], &r->inv->nodes[peer].endpoint, &b);
	ret->len = b.n;
	ret->text = buf_steal(&b);
	return ret;
}

static void add_allowed_ips(struct mesh_renderer *r, unsigned peer, struct buf *out)
{
	struct mesh_allowed_count count;

	buf_reset(&r->scratch);
	count = mesh_allowed_print(r->allowed, peer, &r->scratch);
	if (count.entries < count.prefixes)
		buf_printf(out,
			"# %zu prefixes in %zu entries: where two halves of a prefix both lead "
			"here, it stands for them.\n",
			count.prefixes, count.entries);
	if (!count.entries)
		return;
	buf_add(out, "AllowedIPs = ", 13);
	buf_add(out, r->scratch.data, r->scratch.n);
	buf_add(out, "\n", 1);
}

static void add_peer(
	struct mesh_renderer *r, const struct mesh_node *node, unsigned peer, struct buf *out)
{
	const struct mesh_endpoint *endpoint = mesh_endpoint_of(r->t, node->index, peer);
	const struct mesh_node *other = &r->inv->nodes[peer];
	int keepalive = mesh_keepalive(r->t, node->index, peer);

	if (endpoint == &other->endpoint)
		buf_add(out, peer_text(r, peer)->text, peer_text(r, peer)->len);
	else
		add_peer_head(other, endpoint, out);
	if (other->role == MESH_CLIENT && !mesh_lists(r->t, peer, node->index))
		buf_printf(out, "# Its addresses are reached through %s.\n",
			r->inv->nodes[mesh_client_hub(r->t, peer)].name);
	add_allowed_ips(r, peer, out);
	if (keepalive)
		buf_printf(out, "PersistentKeepalive = %d\n", keepalive);
}

void mesh_render_node(struct mesh_renderer *r, unsigned node, struct buf *out)
{
	mesh_render_by(r, node, mesh_client_hub(r->t, node), out);
}

void mesh_render_by(struct mesh_renderer *r, unsigned node, int server, struct buf *out)
{
	const struct mesh_node *self = &r->inv->nodes[node];
	AUTO_FREE unsigned *peers = NULL;
	size_t n = mesh_peers_by(r->t, node, server, &peers);

	add_head(r, self, out);
	add_note_on_sharing(r, self, out);
	add_note_on_engines(self, out);
	add_interface(r, self, out);
	add_preshared_keys(r, self, server, out);
	mesh_allowed_select_by(r->allowed, node, server);
	for (size_t i = 0; i < n; i++)
		add_peer(r, self, peers[i], out);
}
