/* SPDX-License-Identifier: MIT */
/* Which forward chains surely refuse a new connection, from rules as they are read. */
#include "daemon/forward_policy.h"

#include "base/mem.h"
#include "unit.h"
#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#define RULES_MAX 8

/* "CHAIN [iif NAME] [oif NAME] [!iif NAME] [v4|v6] [special] [if] VERDICT"; verdict: pass, refuse,
 * return, none, unclear, jump:CHAIN, goto:CHAIN. */
static void read_word(struct nft_rule *r, const char *word, const char *next)
{
	bool invert = word[0] == '!';
	struct nft_match *m = !strcmp(word + invert, "iif") ? &r->in : &r->out;
	size_t len;

	if (!strcmp(word + invert, "iif") || !strcmp(word + invert, "oif")) {
		len = strcspn(next, " *");
		*m = (struct nft_match){
			NFT_BY_NAME, invert, "", next[len] == '*' ? len : IFNAMSIZ, 0};
		memcpy(m->name, next, len);
	}
	if (!strcmp(word, "v4") || !strcmp(word, "v6"))
		r->nfproto = word[1] == '4' ? NFPROTO_IPV4 : NFPROTO_IPV6;
	r->is_special |= !strcmp(word, "special");
	r->has_conditions |= !strcmp(word, "if");
	if (!strcmp(word, "pass"))
		r->verdict = NFT_PASS;
	if (!strcmp(word, "refuse"))
		r->verdict = NFT_REFUSE;
	if (!strcmp(word, "return"))
		r->verdict = NFT_RETURNS;
	if (!strcmp(word, "unclear"))
		r->verdict = NFT_UNCLEAR;
	if (!strncmp(word, "jump:", 5) || !strncmp(word, "goto:", 5)) {
		r->verdict = word[0] == 'j' ? NFT_JUMPS : NFT_GOES;
		strcpy(r->target, word + 5);
	}
}

static struct nft_rule read_rule(char *text)
{
	struct nft_rule r = {0};
	char *save = NULL, *word = strtok_r(text, " ", &save);

	strcpy(r.chain, word);
	while ((word = strtok_r(NULL, " ", &save)))
		read_word(&r, word, save ? save : "");
	return r;
}

static size_t read_rules(const char *text, struct nft_rule out[static RULES_MAX])
{
	char *copy = mem_strdup(text), *save = NULL;
	size_t n = 0;

	for (char *line = strtok_r(copy, ";", &save); line; line = strtok_r(NULL, ";", &save)) {
		assert_true(n < RULES_MAX);
		out[n++] = read_rule(line);
	}
	free(copy);
	return n;
}

static void table(void **state)
{
	static const struct {
		const char *rules;
		bool drops, refused;
	} cases[] = {
		{"", false, false},
		{"", true, true},
		/* Docker's: accepts for its own bridge, and what is established. */
		{"f iif docker0 pass;f oif docker0 special pass;f special pass", true, true},
		{"f iif wg0 oif wg0 pass", true, false},
		{"f iif wg0 pass", true, false},
		{"f iif wg* pass", true, false},
		{"f !iif eth0 pass", true, false},
		{"f !iif wg0 pass", true, true},
		{"f oif eth0 pass", true, true},
		/* Conditions may hold: nothing is claimed. */
		{"f iif wg0 if pass", true, false},
		{"f if pass", true, false},
		{"f unclear", true, false},
		{"f if refuse", false, false},
		/* firewalld's: policy accept, and a reject at the end. */
		{"f special pass;f iif lo pass;f jump:zones;f refuse;zones iif eth0 pass", false,
			true},
		{"f jump:zones;f refuse;zones iif wg0 oif wg0 pass", false, false},
		{"f iif wg0 refuse", false, true},
		{"f special refuse", false, false},
		/* ufw's: chains of chains. */
		{"f jump:a;f jump:b;a special pass;b jump:c;c if return", true, true},
		{"f jump:a;f jump:b;a special pass;b jump:c;c iif wg0 pass", true, false},
		{"f jump:a;f pass;a return;a refuse", true, false},
		{"f jump:a;f pass;a if return;a refuse", true, true},
		{"f goto:a;f pass;a none", true, true},
		{"f goto:a;f refuse;a none", false, false},
		/* The other family. */
		{"f v6 pass", true, true},
		{"f v4 pass", true, false},
		/* In a circle, which the kernel doesn't take. */
		{"f jump:f", true, false},
	};
	const struct forward_path path = {AF_INET, "wg0", "wg0", 7, 7};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nft_base_chain c = {NFPROTO_INET, "t", "f", cases[i].drops};
		struct nft_rule rules[RULES_MAX];
		size_t n = read_rules(cases[i].rules, rules);

		if (forward_is_refused(&c, rules, n, &path) != cases[i].refused)
			fail_msg("%s", cases[i].rules);
	}
}

static void families(void **state)
{
	struct nft_base_chain c = {.family = NFPROTO_IPV4};

	assert_true(forward_chain_sees(&c, AF_INET) && !forward_chain_sees(&c, AF_INET6));
	c.family = NFPROTO_IPV6;
	assert_true(!forward_chain_sees(&c, AF_INET) && forward_chain_sees(&c, AF_INET6));
	c.family = NFPROTO_INET;
	assert_true(forward_chain_sees(&c, AF_INET) && forward_chain_sees(&c, AF_INET6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(families)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
