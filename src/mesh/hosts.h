/* SPDX-License-Identifier: MIT */
/* The names of the nodes and their overlay addresses, for what resolves names. */
#ifndef SHUNT_MESH_HOSTS_H
#define SHUNT_MESH_HOSTS_H

#include "base/buf.h"
#include "mesh/inventory.h"

enum mesh_hosts_format { MESH_HOSTS_FILE, MESH_HOSTS_DNSMASQ, MESH_HOSTS_UNBOUND };
/* "hosts", "dnsmasq", "unbound" */
extern const char *const mesh_hosts_words[3];

/* True if the name can be a host's; a node's name may have characters that none has. */
bool mesh_hosts_has_name(const char *name);

/* Appends the whole file: hosts(5), or a part of dnsmasq.conf(5) or unbound.conf(5). domain, if
 * there is one, follows each name. A node without a host's name is left out. */
void mesh_hosts_render(const struct mesh_inventory *inv, enum mesh_hosts_format format,
	const char *domain, struct buf *out);

#endif
