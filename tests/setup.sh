# SPDX-License-Identifier: MIT
# Read by ./demo, ./check and others: packages and builds. Whatever runs here talks on standard error.
# PROGRAM is the caller's name, ROOT the repository's folder.

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config libsodium-dev libfyaml-dev libmnl-dev
	libuv1-dev libjansson-dev libsmartcols-dev libcmocka-dev libb2-dev libmd-dev libqrencode-dev libpng-dev"
NET_PACKAGES="python3 iproute2 nftables wireguard-tools wireguard-go"
# The routing engines that shuntd works with.
ENGINE_PACKAGES="bird2 frr"
# What makes shunt-wg faster where it is there; it runs without.
FAST_PACKAGES="android-libboringssl"

say() {
	echo "$PROGRAM: $*" >&2
}

die() {
	say "$*"
	exit 1
}

# Programs of Debian, whatever else stands in the caller's PATH first (another python3, say).
export PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
export LC_ALL=C.UTF-8
unset PYTHONPATH PYTHONHOME

need_root() {
	[ "$(id -u)" = 0 ] || die "needs root: it installs packages and makes network namespaces"
}

# Services that a package brings are not started: nothing but our own tests shall run them.
without_services() {
	policy=/usr/sbin/policy-rc.d
	if [ -e "$policy" ]; then
		"$@"
		return
	fi
	trap 'rm -f "$policy"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
	status=0
	"$@" || status=$?
	rm -f "$policy"
	trap - EXIT INT TERM HUP
	return $status
}

apt_install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		-o DPkg::Lock::Timeout=120 "$@" >&2
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# And they don't start with the machine either. Only of what was installed now: others' stay as they are.
services_off() {
	for package in "$@"; do
		case $package in
		bird2) update-rc.d bird disable >&2 ;;
		frr) update-rc.d frr disable >&2 ;;
		esac || say "$package starts with this machine; nothing here needs that"
	done
}

install_now() {
	without_services apt_install "$@" && services_off "$@"
}

# install_packages NAME...: from Debian, without what they only recommend (wireguard-tools would
# bring a kernel).
install_packages() {
	missing=
	for package in "$@"; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "not a Debian; install the like of:$missing"
	say "installing$missing"
	# The lists may be absent or of yesterday.
	# shellcheck disable=SC2086
	install_now $missing && return 0
	say "refreshing the package lists"
	DEBIAN_FRONTEND=noninteractive apt-get update -q >&2 || die "apt-get update failed"
	# shellcheck disable=SC2086
	install_now $missing || die "could not install$missing"
}

# configure FOLDER OPTION...: a build folder that can be used, made anew if it can't.
configure() {
	folder=$1
	shift
	if [ -f "$folder/build.ninja" ]; then
		meson configure "$folder" "$@" >/dev/null 2>&1 && return 0
		say "$folder can't be used any more; making it anew"
		rm -rf "$folder"
	fi
	# A folder that an interrupted set-up left.
	[ ! -d "$folder/meson-private" ] || rm -rf "$folder"
	meson setup "$folder" "$ROOT" "$@" >&2
}
