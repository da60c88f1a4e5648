# SPDX-License-Identifier: MIT
# Completion of shunt, shuntd and shunt-wg for bash.

# The names of an inventory's nodes: keys below `nodes:`, one step in, in block or flow style.
_shunt_nodes() {
	[ -r "$1" ] || return 0
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
		}' "$1"
}

# The daemons that run on this machine.
_shunt_daemons() {
	local socket
	for socket in /run/shunt/*/control.sock; do
		[ -S "$socket" ] || continue
		socket=${socket%/control.sock}
		echo "${socket##*/}"
	done
}

# The inventory on the line: the first word that is a YAML or JSON file.
_shunt_file_on_line() {
	local word
	for word in "${COMP_WORDS[@]:1}"; do
		case $word in
		*.yaml | *.yml | *.json) echo "$word"; return ;;
		esac
	done
}

_shunt_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "${COMP_WORDS[COMP_CWORD]}")
}

_shunt_files() {
	mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
	compopt -o filenames 2>/dev/null
}

_shunt_interfaces() {
	local socket names=
	for socket in /var/run/wireguard/*.sock; do
		[ -S "$socket" ] || continue
		socket=${socket##*/}
		names="$names ${socket%.sock}"
	done
	_shunt_words "$names"
}

_shunt() {
	local verb=${COMP_WORDS[1]-} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		_shunt_words "check render key status routes drain undrain reload --help --version"
		return
	fi
	case $before in
	-n | --node)
		if [ "$verb" = render ]; then
			_shunt_words "$(_shunt_nodes "$(_shunt_file_on_line)")"
		else
			_shunt_words "$(_shunt_daemons)"
		fi
		return ;;
	-o | --output | --run-dir | --preshared | --public) _shunt_files; return ;;
	esac
	case $verb in
	check) case $word in -*) _shunt_words "--json --help" ;; *) _shunt_files ;; esac ;;
	render) case $word in -*) _shunt_words "--output --node --prune --json --help" ;; *) _shunt_files ;; esac ;;
	key) case $word in -*) _shunt_words "--output --preshared --public --force --help" ;; *) _shunt_files ;; esac ;;
	drain | undrain)
		case $word in
		-*) _shunt_words "--node --run-dir --json --help" ;;
		*) _shunt_words "$(_shunt_daemons)" ;;
		esac ;;
	status | routes | reload) _shunt_words "--node --run-dir --json --help" ;;
	esac
}

_shuntd() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	COMPREPLY=()
	case $before in
	-n | --node) _shunt_words "$(_shunt_nodes "$(_shunt_file_on_line)")"; return ;;
	-d | --device) _shunt_words "auto kernel uapi"; return ;;
	-u | --userspace) _shunt_words "shunt-wg wireguard-go"; return ;;
	esac
	case $word in
	-*) _shunt_words "--node --device --userspace --run-dir --state-dir --set-sysctl --stop-devices --verbose --help --version" ;;
	*) _shunt_files ;;
	esac
}

_shunt_wg() {
	COMPREPLY=()
	case ${COMP_WORDS[COMP_CWORD-1]} in
	--stats) _shunt_interfaces; return ;;
	esac
	_shunt_words "--foreground --stats --json --version --help"
}

complete -F _shunt shunt
complete -F _shuntd shuntd
complete -F _shunt_wg shunt-wg
