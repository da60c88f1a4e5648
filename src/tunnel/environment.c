/* SPDX-License-Identifier: MIT */
#include "tunnel/environment.h"

#include "tunnel/duty.h"
#include "tunnel/workers.h"

#include <stdlib.h>
#include <string.h>

int environment_fd(const char *variable)
{
	const char *text = getenv(variable);
	char *rest;
	long fd;

	if (!text)
		return -1;
	fd = strtol(text, &rest, 10);
	return *text && !*rest && fd >= 0 && fd < 1 << 20 ? (int)fd : -2;
}

bool environment_workers(int *ret)
{
	const char *text = getenv("SHUNT_WG_WORKERS");

	*ret = DUTY_AUTO;
	if (!text || !*text || !strcmp(text, "auto"))
		return true;
	*ret = text[0] - '0';
	return *ret >= 0 && *ret <= WORKERS_MAX && !text[1];
}

enum log_level environment_log_level(void)
{
	const char *text = getenv("LOG_LEVEL");

	if (text && (!strcmp(text, "verbose") || !strcmp(text, "debug")))
		return LOG_VERBOSE;
	return text && !strcmp(text, "silent") ? LOG_SILENT : LOG_ERROR;
}

bool environment_wants_foreground(void)
{
	const char *text = getenv("WG_PROCESS_FOREGROUND");

	return text && !strcmp(text, "1");
}
