/* SPDX-License-Identifier: MIT */
/* An address for one more node. */
#ifndef SHUNT_MESH_FREE_ADDRESS_H
#define SHUNT_MESH_FREE_ADDRESS_H

#include "mesh/inventory.h"

/* The lowest host address of the first overlay of the family that is no node's and in no node's
 * networks. False: there is no such overlay, or it is full. */
bool mesh_free_address(const struct mesh_inventory *inv, int family, ip_addr *ret);

#endif
