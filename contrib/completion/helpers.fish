# SPDX-License-Identifier: MIT
# Completion of shunt, shuntd and shunt-wg for fish.

# The names of an inventory's nodes, of the first YAML or JSON file on the line: keys below `nodes:`, one step in.
function __shunt_nodes
	set -l file (commandline -opc | string match -r '.*\.(?:yaml|yml|json)$')[1]
	test -r "$file"; or return
	awk '
		/^[^[:space:]#]/ { in_nodes = /^nodes[[:space:]]*:/; step = 0; next }
		in_nodes && match($0, /^[[:space:]]+/) {
			if (!step) step = RLENGTH
			if (RLENGTH == step && match($0, /^[[:space:]]+["\47]?[A-Za-z0-9_=+.-]+["\47]?[[:space:]]*:/)) {
				name = $1
				sub(/:.*/, "", name)
				gsub(/["\47]/, "", name)
				print name
			}
		}' $file
end

# The daemons that run on this machine.
function __shunt_daemons
	for socket in /run/shunt/*/control.sock
		string replace -r '.*/([^/]+)/control\.sock$' '$1' $socket
	end
end

function __shunt_interfaces
	for socket in /var/run/wireguard/*.sock
		string replace -r '.*/([^/]+)\.sock$' '$1' $socket
	end
end

function __shunt_topics
	string split ' ' '@TOPICS@'
end

