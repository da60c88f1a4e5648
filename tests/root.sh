# SPDX-License-Identifier: MIT
# Read by tests/fresh, tests/arm64 and tests/packages: bare roots of Debian 12, and what is run in them.
# PROGRAM is the caller's name.

say() {
	echo "$PROGRAM: $*" >&2
}

die() {
	say "$*"
	exit 2
}

# The first Debian archive that apt knows of.
own_mirror() {
	local found
	found=$(apt-get indextargets --format '$(SITE) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
		awk '$3 == "bookworm" { print $2; exit }')
	echo "${found:-http://deb.debian.org/debian}"
}

# make_root FOLDER MIRROR: debootstrap's smallest variant, with this machine's apt configuration and certificates, so
# that what it takes to reach the mirror is there. A root that is there is only brought up to this machine's.
make_root() {
	if [ ! -x "$1/usr/bin/apt-get" ]; then
		command -v debootstrap >/dev/null || die "needs debootstrap (apt-get install debootstrap)"
		debootstrap --variant=minbase bookworm "$1" "$2" >&2
	fi
	rm -rf "$1/etc/apt"
	for path in /etc/apt /etc/ssl /usr/share/keyrings /usr/share/ca-certificates /usr/local/share/ca-certificates \
		/etc/resolv.conf /etc/hosts; do
		[ -e "$path" ] || continue
		mkdir -p "$1${path%/*}"
		cp -aL --remove-destination "$path" "$1${path%/*}/" 2>/dev/null || true
	done
	inside "$1" "apt-get update -q >&2"
}

# inside ROOT COMMAND: a root of its own, not a chroot: what /proc tells of paths is then what a machine of its own
# would tell. Everything that is mounted goes with it.
inside() {
	unshare -m "$ROOT/tests/root-enter" "$1" sh -euc "$2"
}

# The same with a network and processes of its own, which end with it.
inside_network() {
	unshare -m -n -p -f --kill-child "$ROOT/tests/root-enter" "$1" sh -euc "$2"
}

# boot ROOT SECONDS: systemd is its first process, until it ends or the time is over.
boot() {
	BOOT=yes timeout "$2" unshare -m -n -p -u -i -C -f --kill-child "$ROOT/tests/root-enter" "$1"
}
