/* SPDX-License-Identifier: MIT */
#include "mesh/hosts.h"

#include "mesh/parse.h"
#include <string.h>

const char *const mesh_hosts_words[3] = {[MESH_HOSTS_FILE] = "hosts",
	[MESH_HOSTS_DNSMASQ] = "dnsmasq",
	[MESH_HOSTS_UNBOUND] = "unbound"};

struct hosts {
	enum mesh_hosts_format format;
	const char *domain; /* NULL: none */
	struct buf *out;
};

bool mesh_hosts_has_name(const char *name)
{
	return parse_is_host_name(name);
}

static void add_name(const struct hosts *h, const struct mesh_node *node)
{
	buf_puts(h->out, node->name);
	if (h->domain)
		buf_printf(h->out, ".%s", h->domain);
}

static void add_line(const struct hosts *h, const struct mesh_node *node, const ip_addr *a)
{
	char text[IP_ADDR_STRLEN];

	buf_printf(h->out, "%s\t", ip_addr_format(a, text));
	add_name(h, node);
	if (h->domain)
		buf_printf(h->out, " %s", node->name);
	buf_putc(h->out, '\n');
}

static void add_host_record(const struct hosts *h, const struct mesh_node *node, const ip_addr *a)
{
	char text[IP_ADDR_STRLEN];

	buf_puts(h->out, "host-record=");
	add_name(h, node);
	if (h->domain)
		buf_printf(h->out, ",%s", node->name);
	buf_printf(h->out, ",%s\n", ip_addr_format(a, text));
}

static void add_local_data(const struct hosts *h, const struct mesh_node *node, const ip_addr *a)
{
	char text[IP_ADDR_STRLEN];

	buf_puts(h->out, "\tlocal-data: \"");
	add_name(h, node);
	buf_printf(h->out, ". IN %s %s\"\n\tlocal-data-ptr: \"%s ",
		a->family == AF_INET ? "A" : "AAAA", ip_addr_format(a, text), text);
	add_name(h, node);
	buf_puts(h->out, "\"\n");
}

void mesh_hosts_render(const struct mesh_inventory *inv, enum mesh_hosts_format format,
	const char *domain, struct buf *out)
{
	static void (*const add[])(
		const struct hosts *h, const struct mesh_node *node, const ip_addr *a) = {
		[MESH_HOSTS_FILE] = add_line,
		[MESH_HOSTS_DNSMASQ] = add_host_record,
		[MESH_HOSTS_UNBOUND] = add_local_data,
	};
	struct hosts h = {format, domain, out};

	buf_printf(out,
		"# shunt hosts: the nodes of mesh %s. Change the inventory, not this file.\n",
		inv->name);
	if (format == MESH_HOSTS_UNBOUND)
		buf_puts(out, "server:\n");
	for (size_t i = 0; i < inv->n_nodes; i++)
		for (size_t k = 0; k < inv->nodes[i].n_addresses; k++)
			if (mesh_hosts_has_name(inv->nodes[i].name))
				add[format](&h, &inv->nodes[i], &inv->nodes[i].addresses[k].addr);
}
