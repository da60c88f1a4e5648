/* SPDX-License-Identifier: MIT */
#include "tunnel/tun_steering.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define QUEUE_OF_BULK 0
#define QUEUE_OF_CONTROL 1
#define DSCP_CS6 0xc0 /* as it stands in the octet, without ECN */
#define DSCP_MASK 0xfc

/* R6 holds the packet for the loads, R0 is what they leave and what the program answers. */
static struct bpf_insn load(uint8_t size, int32_t at)
{
	return (struct bpf_insn){.code = BPF_LD | BPF_ABS | size, .imm = at};
}

static struct bpf_insn calculate(uint8_t operation, int32_t with)
{
	return (struct bpf_insn){
		.code = BPF_ALU | BPF_K | operation, .dst_reg = BPF_REG_0, .imm = with};
}

static struct bpf_insn skip_unless(int32_t is, int16_t n)
{
	return (struct bpf_insn){
		.code = BPF_JMP | BPF_K | BPF_JNE, .dst_reg = BPF_REG_0, .imm = is, .off = n};
}

int tun_steering_load(void)
{
	const struct bpf_insn skip_4 = {.code = BPF_JMP | BPF_JA, .off = 4};
	const struct bpf_insn end = {.code = BPF_JMP | BPF_EXIT};
	/* A load beyond the packet ends it with 0, the first queue. */
	const struct bpf_insn program[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1},
		load(BPF_B, 0),
		calculate(BPF_RSH, 4),
		skip_unless(4, 3), /* IPv4: the second octet */
		load(BPF_B, 1),
		calculate(BPF_AND, DSCP_MASK),
		skip_4,
		skip_unless(6, 6), /* IPv6: between version and flow label */
		load(BPF_H, 0),
		calculate(BPF_RSH, 4),
		calculate(BPF_AND, DSCP_MASK),
		skip_unless(DSCP_CS6, 2),
		calculate(BPF_MOV, QUEUE_OF_CONTROL),
		end,
		calculate(BPF_MOV, QUEUE_OF_BULK),
		end,
	};
	union bpf_attr a = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, /* what TUNSETSTEERINGEBPF takes */
		.insn_cnt = sizeof(program) / sizeof(*program),
		.insns = (uintptr_t)program,
		.license = (uintptr_t) "MIT",
	};
	int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof(a));

	return fd < 0 ? -errno : fd;
}

int tun_steering_set(int tun, int program)
{
	return ioctl(tun, TUNSETSTEERINGEBPF, &program) ? -errno : 0;
}
