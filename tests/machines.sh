# SPDX-License-Identifier: MIT
# Read by tests/newcomer and tests/migrating, after tests/root.sh: machines that run systemd in roots of their own, on one
# network, and what pages tell their readers to do there. $folder has the roots; each lies in the folder of its machine's
# name.

# shellcheck source=tests/stream.sh
. "$ROOT/tests/stream.sh"

# apart COMMAND...: in namespaces that end with it, and all that it started too: networks, mounts, processes.
apart() {
	unshare -m -n -p -f --kill-child --mount-proc "$@"
}

# What follows is for those who are apart.

step() {
	echo "== $*"
}

fail() {
	{
		tell_all
		echo "FAILED: $*"
	} >&2
	exit 1
}

tell_all() {
	for name in $(machines); do
		echo "-- $name"
		on "$name" 'systemctl --no-pager --failed; journalctl --no-pager -n 40; shunt status --wide' || true
	done
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	while ! "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$until" ] || fail "waited in vain: $*"
		sleep 0.2
	done
}

# --- networks

underlay() {
	trap stop_machines EXIT
	# Names of namespaces and sockets of devices are its own.
	mkdir -p /run/netns /run/wireguard
	mount -t tmpfs netns /run/netns
	mount -t tmpfs wireguard /run/wireguard
	ip link set lo up
	ip link add underlay type bridge
	ip link set underlay up
}

network() {
	ip netns add "$1"
	ip -n "$1" link set lo up
}

# plug NETWORK ADDRESS: its eth0, on the underlay.
plug() {
	ip link add "u-$1" master underlay type veth peer name eth0 netns "$1"
	ip link set "u-$1" up
	address "$1" eth0 "$2"
}

# cable NETWORK INTERFACE ADDRESS NETWORK ADDRESS: from one to the other's eth0.
cable() {
	ip -n "$1" link add "$2" type veth peer name eth0 netns "$4"
	address "$1" "$2" "$3"
	address "$4" eth0 "$5"
}

address() {
	ip -n "$1" addr add "$3" dev "$2"
	ip -n "$1" link set "$2" up
}

# host NETWORK ADDRESS MACHINE INTERFACE ADDRESS: behind a machine, which is its default gateway.
host() {
	network "$1"
	cable "$3" "$4" "$5" "$1" "$2"
	ip -n "$1" route add default via "${5%/*}"
}

pings() {
	ip netns exec "$1" ping -q -c 1 -W 1 "$2"
}

# --- machines

machines() {
	for group in "$folder"/*.group; do
		[ ! -e "$group" ] || basename "$group" .group
	done
}

# start NAME: systemd is up.
start() {
	ln -sf /dev/null "$folder/$1/etc/systemd/system/systemd-sysctl.service"
	echo "$1" >"$folder/$1/etc/hostname"
	rm -f "$folder/$1.group"
	boot "$folder/$1" 900 "$1" >"$folder/$1.console" 2>&1 </dev/null &
	wait_for 30 on "$1" 'case $(systemctl is-system-running) in running | degraded) ;; *) false ;; esac'
}

first_process() {
	head -n 1 "$(cat "$folder/$1.group")/init.scope/cgroup.procs"
}

# on NAME COMMANDS: as root at its prompt.
on() {
	nsenter -t "$(first_process "$1")" -m -u -i -n -p env -i HOME=/root TERM=dumb LC_ALL=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		bash -euo pipefail -c "cd; $2"
}

# does NAME COMMANDS: the same, and it has to succeed.
does() {
	echo "$1# $2"
	on "$1" "$2" || fail "on $1: $2"
}

stop_machines() {
	for name in $(machines); do
		kill -KILL "$(first_process "$name")" 2>/dev/null || true
	done
	wait
}

# --- pages

# block PAGE HEADING LANGUAGE [NUMBER]: the first, or NUMBERth, block of that language below the heading.
block() {
	awk -v heading="$2" -v fence="\`\`\`$3" -v number="${4:-1}" '
		/^```/ && inside { if (taken) exit; inside = 0; next }
		/^```/ { inside = 1; taken = here && $0 == fence && ++count == number; found = found || taken; next }
		inside && taken { print }
		!inside && /^#+ / { title = $0; sub(/^#+ /, "", title); here = title == heading }
		END { exit !found }' "$ROOT/$1" || fail "$1 has no block $3 ${4:-1} below \"$2\""
}
