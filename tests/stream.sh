# SPDX-License-Identifier: MIT
# Read by tests/packages-inside and tests/machines.sh: packets that are under way while something happens. fail is the
# caller's.

STREAM=${TMPDIR:-/tmp}/stream.$$

# stream FROM TO INTERVAL: one packet each INTERVAL seconds, from that namespace, until lossless.
stream() {
	ip netns exec "$1" ping -i "$3" -W 2 "$2" >"$STREAM" 2>&1 &
	stream=$!
	sleep 1
}

# lossless: none was lost between the first and the last one that came, and they came to the end.
lossless() {
	sleep 2
	kill -INT "$stream" 2>/dev/null || fail "the stream was over before: $(tail -n 3 "$STREAM")"
	wait "$stream" || true
	numbers=$(awk '/icmp_seq=.*time=/ {
			sub(/.*icmp_seq=/, "")
			count++
			if ($1 + 0 > last) last = $1 + 0
		}
		/transmitted/ { sent = $1 }
		END { print count + 0, last + 0, sent + 0 }' "$STREAM")
	# shellcheck disable=SC2086
	set -- $numbers
	echo "== $1 packets arrived, $(($2 - $1)) were lost, $(($3 - $2)) were under way at the end"
	if [ "$1" != "$2" ] || [ "$2" -lt 100 ] || [ $(($3 - $2)) -gt 50 ]; then
		grep -v time= "$STREAM" | head -n 20
		fail "packets were lost"
	fi
}
