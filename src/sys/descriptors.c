/* SPDX-License-Identifier: MIT */
#include "sys/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/resource.h>

int descriptors_limit(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > INT_MAX)
		return INT_MAX;
	return (int)r.rlim_cur;
}

int descriptors_open(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -1; /* its own */

	if (!d)
		return -errno;
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}
