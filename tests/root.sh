# SPDX-License-Identifier: MIT
# Read by tests/fresh, tests/arm64, tests/packages and those that it runs: bare roots of Debian 12, and what is run in
# them. PROGRAM is the caller's name, ROOT the repository's folder.

say() {
	echo "$PROGRAM: $*" >&2
}

die() {
	say "$*"
	exit 2
}

# prepare: who is called looks whether it can work, and settles where: $mirror is the machine's own unless it is set,
# $folder one of mktemp's, which is removed at the end unless $keep is set.
prepare() {
	[ "$(id -u)" = 0 ] || die "needs root"
	[ -n "$mirror" ] || mirror=$(own_mirror)
	[ -n "$folder" ] || folder=$(mktemp -d -t "shunt-$PROGRAM-XXXXXX")
	mkdir -p "$folder"
	# Tests also run as others than root, who must get in.
	chmod 755 "$folder"
	# What was mounted went with its mount namespace.
	trap '[ -n "$keep" ] || rm -rf --one-file-system "$folder"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
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
		say "making a bare Debian 12 in $1"
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

# clone_into ROOT: what is committed here, as /shunt.
clone_into() {
	rm -rf "$1/shunt"
	git -c safe.directory='*' clone -q "$ROOT" "$1/shunt"
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

# boot ROOT SECONDS [NETWORK]: systemd is its first process, until it ends or the time is over. Its network is the
# namespace of that name, or one of its own. All of its processes are in a cgroup of its own, $1.group names it.
boot() (
	unified=$(findmnt -n -f -t cgroup2 -o TARGET) || true
	[ -n "$unified" ] || die "needs cgroups of version 2 to boot systemd in $1"
	group=$(mktemp -d "$unified/shunt-XXXXXX")
	echo "$group" >"$1.group"
	trap 'rm -f "$1.group"; find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	if [ -n "${3-}" ]; then
		network="nsenter --net=/run/netns/$3"
	else
		network="unshare -n"
	fi
	BOOT=$group timeout -s KILL "$2" $network unshare -m -p -u -i -f --kill-child "$ROOT/tests/root-enter" "$1"
)
