/* SPDX-License-Identifier: MIT */
/*
 * shunt key: makes keys. The secret half goes to a file that nobody else may read and is never
 * printed; an existing file is never harmed, since a lost private key means a visit to every peer.
 */
#include "base/key.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/secret_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Writes the key's line to a new file of mode 0600 that has its name only once it is whole. */
static int write_secret(const char *path, const wg_key *key, bool replace)
{
	char line[WG_KEY_BASE64_LEN + 1];
	struct secret_file file;

	wg_key_to_base64(key, line);
	line[WG_KEY_BASE64_LEN - 1] = '\n';
	int err = secret_file_write(&file, path, line, WG_KEY_BASE64_LEN);

	explicit_bzero(line, sizeof(line));
	if (!err)
		err = secret_file_name(&file, replace);
	secret_file_done(&file);
	return err;
}

static int report_unwritten(const char *path, int err)
{
	if (err == -EEXIST) {
		cli_error("%s is there already and stays as it is; --force replaces it", path);
		return CLI_REFUSED;
	}
	cli_error("%s: %s", path, strerror(-err));
	return CLI_FAILED;
}

static void print_public(const wg_key *private_key)
{
	char text[WG_KEY_BASE64_LEN];
	wg_key public_key = wg_key_public(private_key);
	puts(wg_key_to_base64(&public_key, text));
}

static int make_pair(const char *path, bool replace)
{
	wg_key key;
	wg_key_generate(&key);
	int err = write_secret(path, &key, replace);
	if (!err)
		print_public(&key);
	wg_key_wipe(&key);
	return err ? report_unwritten(path, err) : CLI_OK;
}

static int make_preshared(const char *path, bool replace)
{
	wg_key key;
	/* 32 bytes of the generator, of which five bits are fixed as in a private key: 251 remain.
	 */
	wg_key_generate(&key);
	int err = write_secret(path, &key, replace);
	wg_key_wipe(&key);
	return err ? report_unwritten(path, err) : CLI_OK;
}

static int show_public(const char *path)
{
	wg_key key;
	struct stat st;
	int err = wg_key_read_file(&key, path);
	if (err == -EINVAL) {
		cli_error(
			"%s holds no private key: one line of 44 characters of base64 was expected",
			path);
		return CLI_USAGE;
	}
	if (err) {
		cli_error("%s: %s", path, strerror(-err));
		return CLI_USAGE;
	}
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 077))
		cli_error("%s can be read by others: chmod 600 mends it", path);
	print_public(&key);
	wg_key_wipe(&key);
	return CLI_OK;
}

int verb_key(const struct command_line *line)
{
	const char *public = command_value(line, "public");
	const char *preshared = command_value(line, "preshared");
	const char *files[] = {line->operands[0], command_value(line, "output"), public, preshared};
	const char *path = NULL;
	bool force = command_has(line, "force");

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (path && files[i])
			return cli_usage_error(line->verb, "one file at a time");
		path = files[i] ? files[i] : path;
	}
	if (!path || !*path)
		return cli_usage_error(line->verb, "one file is needed");
	if (public)
		return show_public(path);
	return preshared ? make_preshared(path, force) : make_pair(path, force);
}
