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

# The value of an option, or an operand: what it is, as generate.py says it.
_shunt_value() {
	case $1 in
	file) _shunt_files ;;
	folder)
		mapfile -t COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]}")
		compopt -o filenames 2>/dev/null ;;
	node) _shunt_words "$(_shunt_nodes "$(_shunt_file_on_line)")" ;;
	daemon) _shunt_words "$(_shunt_daemons)" ;;
	interface) _shunt_interfaces ;;
	topic) _shunt_words "$_shunt_topics" ;;
	one-of=*) _shunt_words "$(tr , ' ' <<<"${1#one-of=}")" ;;
	esac
}

# _shunt_option WORD OPTION...: what stands behind the word, if the word is an option that takes a value. An
# option is its names with | between, and behind : what its value is.
_shunt_option() {
	local word=$1 option
	shift
	for option; do
		case $option in
		*:*) case "|${option%%:*}|" in *"|$word|"*) echo "${option#*:}"; return ;; esac ;;
		esac
	done
	return 1
}

# _shunt_line FIRST OPERANDS OPTION...: completes the word at hand; operands, what they are, with blanks between,
# begin at the word FIRST.
_shunt_line() {
	local first=$1 operands word=${COMP_WORDS[COMP_CWORD]} value i n=0
	read -ra operands <<<"$2"
	shift 2
	if value=$(_shunt_option "${COMP_WORDS[COMP_CWORD-1]}" "$@"); then
		_shunt_value "$value"
		return
	fi
	for ((i = first; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) _shunt_option "${COMP_WORDS[i]}" "$@" >/dev/null && ((i++)) ;;
		*) ((n++)) ;;
		esac
	done
	case $word:${operands[n]-text} in
	-*: | -*:* | *:text) _shunt_words "$(printf '%s\n' "$@" | sed 's/:.*//; s/.*|//') --help" ;;
	*) _shunt_value "${operands[n]}" ;;
	esac
}

_shunt_topics="@TOPICS@"

