/* SPDX-License-Identifier: MIT */
/*
 * A kernel's answers to what is asked of nf_tables: the first byte says what is asked, the rest is
 * what the socket receives (datagrams.h).
 */
#include "datagrams.h"
#include "sys/nft_internal.h"

#include <assert.h>
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct nft_mark m = {51820, 0xca6c};
	struct datagrams in = {.data = data + 1, .left = size - 1};
	struct nft n;

	if (!size)
		return 0;
	n.nl = datagrams_nl(&in);
	if (data[0] % 3 == 0)
		get(&n);
	else if (data[0] % 3 == 1)
		nft_mark_set(&n, TABLE, &m);
	else
		nft_mark_remove(&n, TABLE);
	nl_close(n.nl);
	return 0;
}
