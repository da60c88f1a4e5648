/* SPDX-License-Identifier: MIT */
/* What a WireGuard device holds, as far as its tests ask: peers, and one owner per prefix. The fake
 * program and the fake kernel stand on it. */
#ifndef SHUNT_TESTS_FAKE_DEVICE_H
#define SHUNT_TESTS_FAKE_DEVICE_H

#include "base/key.h"
#include "base/prefix.h"
#include "base/vec.h"

/* What becomes of the removal of one prefix. */
enum fake_removal {
	FAKE_REMOVES,  /* as newer ones do */
	FAKE_REFUSES,  /* as older ones do */
	FAKE_OVERLOOKS /* adds the prefix: never seen, but nothing rules it out */
};

struct fake_entry {
	ip_prefix prefix;
	wg_key owner;
};

struct fake_device {
	wg_key private_key;
	uint16_t listen_port;
	VEC(wg_key) peers;
	VEC(struct fake_entry) entries;
	enum fake_removal removal;
	/* Counts what must not happen. */
	unsigned holes;	   /* a watched prefix lost its owner */
	ip_prefix watched; /* unset: none */
	unsigned thefts;   /* an overlooked removal took a prefix from another peer */
};

static inline void fake_done(struct fake_device *f)
{
	vec_done(&f->peers);
	vec_done(&f->entries);
}

static inline bool fake_has_peer(const struct fake_device *f, const wg_key *key)
{
	for (size_t i = 0; i < f->peers.n; i++)
		if (wg_key_eq(&f->peers.items[i], key))
			return true;
	return false;
}

static inline void fake_add_peer(struct fake_device *f, const wg_key *key)
{
	if (!fake_has_peer(f, key))
		vec_push(&f->peers, *key);
}

static inline struct fake_entry *fake_entry(const struct fake_device *f, const ip_prefix *p)
{
	for (size_t i = 0; i < f->entries.n; i++)
		if (ip_prefix_eq(&f->entries.items[i].prefix, p))
			return &f->entries.items[i];
	return NULL;
}

static inline bool fake_owns(const struct fake_device *f, const wg_key *key, const ip_prefix *p)
{
	const struct fake_entry *e = fake_entry(f, p);

	return e && wg_key_eq(&e->owner, key);
}

static inline void fake_drop(struct fake_device *f, struct fake_entry *e)
{
	f->holes += ip_prefix_eq(&e->prefix, &f->watched);
	*e = f->entries.items[--f->entries.n];
}

static inline void fake_add_prefix(struct fake_device *f, const wg_key *key, const ip_prefix *p)
{
	struct fake_entry *e = fake_entry(f, p);

	if (e)
		e->owner = *key;
	else
		vec_push(&f->entries, ((struct fake_entry){*p, *key}));
}

/* False if it refuses. */
static inline bool fake_del_prefix(struct fake_device *f, const wg_key *key, const ip_prefix *p)
{
	struct fake_entry *e = fake_entry(f, p);

	if (f->removal == FAKE_REFUSES)
		return false;
	if (f->removal == FAKE_OVERLOOKS) {
		f->thefts += e && !wg_key_eq(&e->owner, key);
		fake_add_prefix(f, key, p);
	} else if (e && wg_key_eq(&e->owner, key)) {
		fake_drop(f, e);
	}
	return true;
}

static inline void fake_del_peer(struct fake_device *f, const wg_key *key)
{
	for (size_t i = f->entries.n; i > 0; i--)
		if (wg_key_eq(&f->entries.items[i - 1].owner, key))
			fake_drop(f, &f->entries.items[i - 1]);
	for (size_t i = f->peers.n; i > 0; i--)
		if (wg_key_eq(&f->peers.items[i - 1], key))
			f->peers.items[i - 1] = f->peers.items[--f->peers.n];
}

#endif
