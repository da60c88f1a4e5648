/* SPDX-License-Identifier: MIT */
/* Shared by the files of route_news. */
#ifndef SHUNT_SYS_ROUTE_NEWS_INTERNAL_H
#define SHUNT_SYS_ROUTE_NEWS_INTERNAL_H

#include "sys/nl.h"
#include "sys/route_news.h"

/* route_news_dump over a socket that somebody opened. */
int route_news_dump_over(
	struct nl *nl, const struct route_news_question *q, route_news_fn *fn, void *data);

#endif
