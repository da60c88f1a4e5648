#compdef shunt shuntd shunt-wg
# SPDX-License-Identifier: MIT
# Completion of shunt, shuntd and shunt-wg for zsh.

# The names of an inventory's nodes, of the first YAML or JSON file on the line: keys below `nodes:`, one step in.
_shunt_nodes() {
	local file=${${(M)words:#*.(yaml|yml|json)}[1]}
	[[ -r $file ]] || return 1
	local -a names=(${(f)"$(awk '
		/^[^[:space:]#]/ { in_nodes = /^nodes[[:space:]]*:/; step = 0; next }
		in_nodes && match($0, /^[[:space:]]+/) {
			if (!step) step = RLENGTH
			if (RLENGTH == step && match($0, /^[[:space:]]+["\47]?[A-Za-z0-9_=+.-]+["\47]?[[:space:]]*:/)) {
				name = $1
				sub(/:.*/, "", name)
				gsub(/["\47]/, "", name)
				print name
			}
		}' $file)"})
	compadd -a names
}

# The daemons that run on this machine.
_shunt_daemons() {
	local -a names=(/run/shunt/*/control.sock(N=:h:t))
	compadd -a names
}

_shunt_interfaces() {
	local -a names=(/var/run/wireguard/*.sock(N=:t:r))
	compadd -a names
}

_shunt_topics() {
	compadd @TOPICS@
}

