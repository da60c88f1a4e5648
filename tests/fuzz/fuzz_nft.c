/* SPDX-License-Identifier: MIT */
/*
 * A kernel's answers to what is asked of nf_tables: the first byte says what is asked, the rest is
 * what the socket receives (datagrams.h).
 */
#include "datagrams.h"
#include "sys/nft_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLE "shunt-wg0"

/* What could not be read is not told. */
static void get(struct nft *n)
{
	struct nft_mark none = {0xaaaa, 0xaaaaaaaa}, m = none;

	if (nft_mark_get(n, TABLE, &m))
		assert(m.port == none.port && m.mark == none.mark);
}

/* Names end within their room, and interfaces within theirs. */
static void read_others(struct nft *n, bool chains)
{
	struct nft_base_chain *c = NULL;
	struct nft_rule *r = NULL;
	size_t n_found = 0;

	if (chains && !nft_forward_chains(n, &c, &n_found))
		for (size_t i = 0; i < n_found; i++)
			assert(strlen(c[i].name) + strlen(c[i].table) < 2 * NFT_NAME_MAX);
	if (!chains && !nft_rules(n, 1, "filter", &r, &n_found))
		for (size_t i = 0; i < n_found; i++)
			assert(strlen(r[i].chain) + strlen(r[i].target) < 2 * NFT_NAME_MAX &&
				r[i].in.len <= IFNAMSIZ && r[i].out.len <= IFNAMSIZ);
	free(c);
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nft_mark m = {51820, 0xca6c};
	struct datagrams in = {.data = data + 1, .left = size - 1};
	struct nft n;

	if (!size)
		return 0;
	n.nl = datagrams_nl(&in);
	if (data[0] % 5 == 0)
		get(&n);
	else if (data[0] % 5 == 1)
		nft_mark_set(&n, TABLE, &m);
	else if (data[0] % 5 == 2)
		nft_mark_remove(&n, TABLE);
	else
		read_others(&n, data[0] % 5 == 3);
	nl_close(n.nl);
	return 0;
}
