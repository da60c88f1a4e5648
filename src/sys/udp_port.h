/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_SYS_UDP_PORT_H
#define SHUNT_SYS_UDP_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* Some program (or the kernel's WireGuard) holds the port for any address, of either family. */
bool udp_port_is_taken(uint16_t port);

#endif
