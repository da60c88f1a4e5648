/* SPDX-License-Identifier: MIT */
/*
 * The RIB's rules once more, as literally and as slowly as they can be written: arrays, no index,
 * everything from scratch after each step. Candidates are struck off step by step, where the RIB
 * compares pairs; what both find must be the same.
 */
#ifndef SHUNT_TESTS_RIB_ORACLE_H
#define SHUNT_TESTS_RIB_ORACLE_H

#include "route/rib.h"

#define ORACLE_PEERS 14
#define ORACLE_PREFIXES 64
#define ORACLE_CANDIDATES 24

struct oracle_prefix {
	ip_prefix prefix;
	bool exists;
	bool pinned;
	enum rib_on_dead on_dead;
	size_t n;
	/* What each source said last. */
	struct {
		struct rib_candidate candidates[ORACLE_CANDIDATES];
		size_t n;
		bool pinned;
		enum rib_on_dead on_dead;
	} said[RIB_N_SOURCES];
	struct rib_candidate candidates[ORACLE_CANDIDATES]; /* in order, after oracle_decide */
	enum rib_reason reasons[ORACLE_CANDIDATES];
	struct rib_owners owners;
	bool route;
	bool covered; /* a detour around a dead origin that gave way to a living cover */
	/* Before the step. */
	struct rib_owners old_owners;
	bool old_route;
};

struct oracle {
	unsigned max_owners;
	enum rib_state states[ORACLE_PEERS];
	bool known[ORACLE_PEERS];
	enum rib_reach reaches[ORACLE_PEERS][ORACLE_PEERS]; /* next hop, origin */
	bool takes_many[ORACLE_PEERS];
	struct oracle_prefix prefixes[ORACLE_PREFIXES];
	size_t n;
};

/* The record of a prefix, made if new. */
struct oracle_prefix *oracle_prefix(struct oracle *o, const ip_prefix *p);
void oracle_event(struct oracle *o, const struct rib_event *ev);
/* To be called around the events of one step. */
void oracle_begin(struct oracle *o);
void oracle_decide(struct oracle *o);
/* Whether a change must be reported for the prefix, and its reason. */
bool oracle_changed(const struct oracle_prefix *p);
enum rib_reason oracle_why(const struct oracle_prefix *p);
/* Whether any candidate's next hop is up or last resort. */
bool oracle_usable(const struct oracle *o, const struct oracle_prefix *p);
/* The longest prefix with an owner that holds the address; NULL if none. */
const struct oracle_prefix *oracle_lookup(const struct oracle *o, const ip_addr *a);
/* Whether it stands in a set of owners where the device has them. */
bool oracle_is_shared(const struct oracle *o, const struct oracle_prefix *p);
bool oracle_owns(const struct rib_owners *owners, uint32_t peer);

#endif
