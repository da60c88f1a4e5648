/* SPDX-License-Identifier: MIT */
#include "daemon/journal.h"

#include <stdio.h>
#include <string.h>

/* Longer than any line of ours, with its end. */
#define LINE_MAX_LEN 128

void journal_init(struct journal *j)
{
	*j = (struct journal){.peers = map_new(),
		.prefixes = map_new(),
		.within = map_new(),
		.backstops = map_new()};
}

static void forget_all(struct map *m)
{
	size_t cursor = 0;
	const void *key;
	size_t len;
	void *value;

	while (map_next(m, &cursor, &key, &len, &value))
		free(value);
	map_free(m);
}

void journal_done(struct journal *j)
{
	forget_all(j->peers);
	forget_all(j->prefixes);
	forget_all(j->backstops);
	forget_all(j->within);
	vec_done(&j->addresses);
	vec_done(&j->marks);
}

static bool remember(struct map *m, const void *value, size_t len)
{
	void *copy;

	if (map_get(m, value, len))
		return false;
	copy = mem_alloc(len);
	memcpy(copy, value, len);
	map_put(m, copy, len, copy);
	return true;
}

bool journal_add_peer(struct journal *j, const wg_key *key)
{
	return remember(j->peers, key, sizeof(*key));
}

bool journal_add_prefix(struct journal *j, const ip_prefix *p)
{
	return remember(j->prefixes, p, sizeof(*p));
}

bool journal_add_within(struct journal *j, const ip_prefix *p)
{
	return remember(j->within, p, sizeof(*p));
}

bool journal_add_address(struct journal *j, const ip_prefix *a)
{
	if (journal_has_address(j, a))
		return false;
	vec_push(&j->addresses, *a);
	return true;
}

bool journal_add_backstop(struct journal *j, const ip_prefix *p)
{
	return remember(j->backstops, p, sizeof(*p));
}

bool journal_add_mark(struct journal *j, uint32_t mark)
{
	if (journal_has_mark(j, mark))
		return false;
	vec_push(&j->marks, mark);
	return true;
}

bool journal_has_peer(const struct journal *j, const wg_key *key)
{
	return map_get(j->peers, key, sizeof(*key)) != NULL;
}

bool journal_has_prefix(const struct journal *j, const ip_prefix *p)
{
	return map_get(j->prefixes, p, sizeof(*p)) != NULL;
}

bool journal_is_within(const struct journal *j, const ip_prefix *p)
{
	ip_addr a = ip_prefix_addr(p);

	for (unsigned len = 0; len <= p->len && map_count(j->within); len++) {
		ip_prefix outer = ip_prefix_of(&a, len);

		if (map_get(j->within, &outer, sizeof(outer)))
			return true;
	}
	return false;
}

bool journal_has_address(const struct journal *j, const ip_prefix *a)
{
	for (size_t i = 0; i < j->addresses.n; i++)
		if (ip_prefix_eq(&j->addresses.items[i], a))
			return true;
	return false;
}

bool journal_has_backstop(const struct journal *j, const ip_prefix *p)
{
	return map_get(j->backstops, p, sizeof(*p)) != NULL;
}

bool journal_has_mark(const struct journal *j, uint32_t mark)
{
	for (size_t i = 0; i < j->marks.n; i++)
		if (j->marks.items[i] == mark)
			return true;
	return false;
}

bool journal_is(const struct journal *j, const struct journal_content *c)
{
	bool same = map_count(j->peers) == c->n_peers && map_count(j->prefixes) == c->n_prefixes &&
		    map_count(j->within) == c->n_within && j->addresses.n == c->n_addresses &&
		    map_count(j->backstops) == c->n_backstops && j->marks.n == (c->mark != 0);

	for (size_t i = 0; same && i < c->n_peers; i++)
		same = journal_has_peer(j, &c->peers[i]);
	for (size_t i = 0; same && i < c->n_prefixes; i++)
		same = journal_has_prefix(j, &c->prefixes[i]);
	for (size_t i = 0; same && i < c->n_within; i++)
		same = map_get(j->within, &c->within[i], sizeof(c->within[i]));
	for (size_t i = 0; same && i < c->n_addresses; i++)
		same = journal_has_address(j, &c->addresses[i]);
	for (size_t i = 0; same && i < c->n_backstops; i++)
		same = journal_has_backstop(j, &c->backstops[i]);
	return same && (!c->mark || journal_has_mark(j, c->mark));
}

bool journal_add(struct journal *j, const struct journal_content *c)
{
	bool is_new = false;

	for (size_t i = 0; i < c->n_peers; i++)
		is_new |= journal_add_peer(j, &c->peers[i]);
	for (size_t i = 0; i < c->n_prefixes; i++)
		is_new |= journal_add_prefix(j, &c->prefixes[i]);
	for (size_t i = 0; i < c->n_within; i++)
		is_new |= journal_add_within(j, &c->within[i]);
	for (size_t i = 0; i < c->n_addresses; i++)
		is_new |= journal_add_address(j, &c->addresses[i]);
	for (size_t i = 0; i < c->n_backstops; i++)
		is_new |= journal_add_backstop(j, &c->backstops[i]);
	return (c->mark && journal_add_mark(j, c->mark)) || is_new;
}

/* --- text --- */

/* A number but 0 of 32 bits, written as we do. */
static bool read_mark(const char *text, uint32_t *ret)
{
	char again[16];
	unsigned long n = strtoul(text, NULL, 10);

	snprintf(again, sizeof(again), "%u", (uint32_t)n);
	*ret = (uint32_t)n;
	return n && !strcmp(text, again);
}

static void read_line(struct journal *j, const char *line)
{
	wg_key key;
	ip_prefix prefix;
	uint32_t mark;

	if (!strncmp(line, "peer ", 5) && wg_key_from_base64(&key, line + 5))
		journal_add_peer(j, &key);
	else if (!strncmp(line, "prefix ", 7) && ip_prefix_parse(&prefix, line + 7))
		journal_add_prefix(j, &prefix);
	else if (!strncmp(line, "within ", 7) && ip_prefix_parse(&prefix, line + 7))
		journal_add_within(j, &prefix);
	else if (!strncmp(line, "address ", 8) && ip_prefix_parse(&prefix, line + 8))
		journal_add_address(j, &prefix);
	else if (!strncmp(line, "backstop ", 9) && ip_prefix_parse(&prefix, line + 9))
		journal_add_backstop(j, &prefix);
	else if (!strncmp(line, "mark ", 5) && read_mark(line + 5, &mark))
		journal_add_mark(j, mark);
}

void journal_read(struct journal *j, const char *text, size_t n)
{
	char line[LINE_MAX_LEN];

	while (n) {
		const char *end = memchr(text, '\n', n);
		size_t len = end ? (size_t)(end - text) : n;

		/* What is too long, or has a zero in it, is none of ours. */
		if (len < sizeof(line) && !memchr(text, '\0', len)) {
			memcpy(line, text, len);
			line[len] = '\0';
			read_line(j, line);
		}
		len += end != NULL;
		text += len;
		n -= len;
	}
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void journal_write(const struct journal *j, struct buf *out)
{
	VEC(char *) lines = {0};
	char key_text[WG_KEY_BASE64_LEN], prefix_text[IP_PREFIX_STRLEN];
	size_t cursor = 0, len;
	const void *key;
	void *value;

	while (map_next(j->peers, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("peer %s", wg_key_to_base64(value, key_text)));
	cursor = 0;
	while (map_next(j->prefixes, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("prefix %s", ip_prefix_format(value, prefix_text)));
	cursor = 0;
	while (map_next(j->within, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("within %s", ip_prefix_format(value, prefix_text)));
	for (size_t i = 0; i < j->addresses.n; i++)
		vec_push(&lines, mem_printf("address %s",
					 ip_prefix_format(&j->addresses.items[i], prefix_text)));
	cursor = 0;
	while (map_next(j->backstops, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("backstop %s", ip_prefix_format(value, prefix_text)));
	for (size_t i = 0; i < j->marks.n; i++)
		vec_push(&lines, mem_printf("mark %u", j->marks.items[i]));
	if (lines.n)
		qsort(lines.items, lines.n, sizeof(*lines.items), by_bytes);
	for (size_t i = 0; i < lines.n; i++) {
		buf_puts(out, lines.items[i]);
		buf_putc(out, '\n');
		free(lines.items[i]);
	}
	vec_done(&lines);
}
