/* SPDX-License-Identifier: MIT */
/*
 * Two queues of one TUN: network control (DSCP CS6, RFC 4594 section 3.2: BFD, BGP, OSPF, IKE) has
 * one of its own, so that it neither waits behind the host's bulk nor is dropped with it when that
 * overflows. The kernel chooses the queue of each packet by a program of ours.
 */
#ifndef SHUNT_TUNNEL_TUN_STEERING_H
#define SHUNT_TUNNEL_TUN_STEERING_H

/* Loads the program: the second queue for DSCP CS6 of either family, the first one for all else.
 * Its file descriptor, or negative errno: -EPERM, it takes CAP_BPF or CAP_SYS_ADMIN where the
 * kernel asks for that. */
int tun_steering_load(void);
/* The TUN of that queue goes by it from now on; program may be closed. 0 or negative errno. */
int tun_steering_set(int tun, int program);

#endif
