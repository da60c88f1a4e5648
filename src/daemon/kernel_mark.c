/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_mark.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TABLE_MAX (IFNAMSIZ + 8)

enum mark_step kernel_mark_decide(const struct nft_mark *have, uint16_t port, uint32_t mark)
{
	if (!mark)
		return have->mark || have->port ? MARK_REMOVE : MARK_KEEP;
	if (!port)
		return MARK_KEEP;
	return have->port == port && have->mark == mark ? MARK_KEEP : MARK_SET;
}

static void table_name(const struct fib *f, char out[static TABLE_MAX])
{
	snprintf(out, TABLE_MAX, "shunt-%s", f->gen->self->interface);
}

static int open_once(struct fib *f)
{
	return f->nft ? 0 : nft_open(&f->nft);
}

static void note(struct fib *f, const char *table, const struct nft_mark *m, int err)
{
	char *fix = mem_printf("nft 'table inet %s { chain prerouting { type filter hook "
			       "prerouting priority -350; fib daddr type local udp dport %u meta "
			       "mark set %u; }; }'",
		table, m->port, m->mark);

	fib_problem(f, fix,
		"what comes in for UDP port %u could not be marked in nftables (%s): with a strict "
		"reverse path filter the answers of peers are dropped, since a default route leads "
		"into the tunnel",
		m->port, strerror(-err));
}

void kernel_mark_sync(struct fib *f, uint16_t port)
{
	struct nft_mark want = {port, f->fwmark}, have = {0};
	char table[TABLE_MAX];
	int err = open_once(f);

	table_name(f, table);
	if (!err)
		err = nft_mark_get(f->nft, table, &have);
	if (!err) {
		switch (kernel_mark_decide(&have, port, f->fwmark)) {
		case MARK_SET:
			err = nft_mark_set(f->nft, table, &want);
			break;
		case MARK_REMOVE:
			err = nft_mark_remove(f->nft, table);
			break;
		default:
			break;
		}
	}
	if (err && want.mark && want.port)
		note(f, table, &want, err);
}

void kernel_mark_remove(struct fib *f)
{
	char table[TABLE_MAX];

	if (!f->gen || open_once(f))
		return;
	table_name(f, table);
	nft_mark_remove(f->nft, table);
}
