#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Completion for a shell of what describe.c tells: generate.py bash|zsh|fish DESCRIBE HELPERS FINDINGS, where
HELPERS is what the shell's file begins with, and FINDINGS the page whose headings are codes."""

import re
import subprocess
import sys


def read(describe):
    """{program: [verb]}; a verb is a dictionary with name, summary, operands and options."""
    programs = {}
    for line in subprocess.run([describe], check=True, capture_output=True, text=True).stdout.splitlines():
        what, *fields = line.split("\t")
        if what == "program":
            verbs = programs[fields[0]] = []
        elif what == "verb":
            verbs.append({"name": fields[0], "summary": fields[1], "operands": [], "options": []})
        elif what == "operand":
            verbs[-1]["operands"].append(dict(zip(("name", "kind"), fields)))
        else:
            verbs[-1]["options"].append(dict(zip(("name", "letter", "value", "kind", "words", "help"), fields)))
    return programs


def has_verbs(verbs):
    return verbs[0]["name"] != ""


def identifier(program):
    return "_" + program.replace("-", "_")


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


# --- bash ----------------------------------------------------------------------------------------------


def bash_option(o):
    names = (f"-{o['letter']}|" if o["letter"] else "") + f"--{o['name']}"
    value = "one-of=" + o["words"].replace(" ", ",") if o["words"] else o["kind"]
    return names + (f":{value}" if o["value"] else "")


def bash_line(first, verb):
    kinds = " ".join(o["kind"] for o in verb["operands"])
    options = [quoted(bash_option(o)) for o in verb["options"] if o["name"] != "help"]
    return " ".join([f"_shunt_line {first}", quoted(kinds), *options])


def bash(programs):
    for program, verbs in programs.items():
        yield f"{identifier(program)}() {{\n\tCOMPREPLY=()"
        if has_verbs(verbs):
            names = " ".join(v["name"] for v in verbs)
            yield f'\tif [ "$COMP_CWORD" = 1 ]; then\n\t\t_shunt_words "{names} --help --version"\n\t\treturn\n\tfi'
            yield '\tcase ${COMP_WORDS[1]-} in'
            for v in verbs:
                yield f"\t{v['name']}) {bash_line(2, v)} ;;"
            yield "\tesac"
        else:
            yield f"\t{bash_line(1, verbs[0])}"
        yield "}\n"
    for program in programs:
        yield f"complete -F {identifier(program)} {program}"


# --- zsh -----------------------------------------------------------------------------------------------

ZSH_ACTIONS = {"text": " ", "file": "_files", "folder": "_files -/", "node": "_shunt_nodes", "daemon": "_shunt_daemons",
               "interface": "_shunt_interfaces", "topic": "_shunt_topics"}


def zsh_text(text):
    return re.sub(r"([][:\\])", r"\\\1", text)


def zsh_option(o):
    action = f"({o['words']})" if o["words"] else ZSH_ACTIONS[o["kind"]]
    behind = f"[{zsh_text(o['help'])}]" + (f":{zsh_text(o['value'])}:{action}" if o["value"] else "")
    name = f"--{o['name']}" + ("=" if o["value"] else "")
    if not o["letter"]:
        return quoted(name + behind)
    letter = f"-{o['letter']}" + ("+" if o["value"] else "")
    return f"'(-{o['letter']} --{o['name']})'" + "{" + f"{letter},{name}" + "}" + quoted(behind)


def zsh_line(verb):
    words = [zsh_option(o) for o in verb["options"] if o["name"] != "help"]
    words.append("'(-)'{-h,--help}'[this text]'")
    words += [quoted(f":{zsh_text(o['name'])}:{ZSH_ACTIONS[o['kind']]}") for o in verb["operands"]]
    return "_arguments -s " + " \\\n\t\t".join(words)


def zsh(programs):
    for program, verbs in programs.items():
        yield f"{identifier(program)}_words() {{"
        if not has_verbs(verbs):
            yield f"\t{zsh_line(verbs[0])}\n}}\n"
            continue
        yield "\tlocal context state state_descr line\n\ttypeset -A opt_args"
        yield "\t_arguments -C '(-)'{-h,--help}'[this text]' '(-)--version[the version]' ':verb:->verb' '*::word:->words'"
        yield "\tcase $state in\n\tverb)\n\t\tlocal -a verbs=("
        yield from (f"\t\t\t{quoted(v['name'] + ':' + zsh_text(v['summary']))}" for v in verbs)
        yield "\t\t)\n\t\t_describe verb verbs ;;\n\twords)\n\t\tcase $words[1] in"
        for v in verbs:
            yield f"\t\t{v['name']}) {zsh_line(v)} ;;"
        yield "\t\tesac ;;\n\tesac\n}\n"
    yield "case $service in"
    for program in programs:
        yield f"{program}) {identifier(program)}_words \"$@\" ;;"
    yield "esac"


# --- fish ----------------------------------------------------------------------------------------------

FISH_VALUES = {"text": "-x", "file": "-rF", "folder": "-xa '(__fish_complete_directories)'", "node": "-xa '(__shunt_nodes)'",
               "daemon": "-xa '(__shunt_daemons)'", "interface": "-xa '(__shunt_interfaces)'", "topic": "-xa '(__shunt_topics)'"}


def fish_text(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish_verb(program, verb, condition):
    for o in verb["options"]:
        words = [f"complete -c {program}{condition} -l {o['name']}"]
        if o["letter"]:
            words.append(f"-s {o['letter']}")
        if o["value"]:
            words.append(f"-xa {fish_text(o['words'])}" if o["words"] else FISH_VALUES[o["kind"]])
        yield " ".join([*words, "-d", fish_text(o["help"])])
    for o in verb["operands"]:
        if o["kind"] == "file":
            yield f"complete -c {program}{condition} -F"
        elif o["kind"] != "text":
            yield f"complete -c {program}{condition} {FISH_VALUES[o['kind']].replace('-xa', '-a')}"


def fish(programs):
    for program, verbs in programs.items():
        yield f"complete -c {program} -f"
        if not has_verbs(verbs):
            yield from fish_verb(program, verbs[0], "")
            continue
        yield f"complete -c {program} -s h -l help -d 'this text'"
        yield f"complete -c {program} -n __fish_use_subcommand -l version -d 'the version'"
        for v in verbs:
            yield f"complete -c {program} -n __fish_use_subcommand -a {v['name']} -d {fish_text(v['summary'])}"
        for v in verbs:
            yield from fish_verb(program, v, f" -n '__fish_seen_subcommand_from {v['name']}'")


def main():
    shell, describe, helpers, findings = sys.argv[1:]
    programs = read(describe)
    with open(findings, encoding="utf-8") as page:
        codes = re.findall(r"^### ([a-z0-9-]+)$", page.read(), re.M)
    topics = " ".join([*(v["name"] for v in programs["shunt"]), *codes])
    with open(helpers, encoding="utf-8") as text:
        print(text.read().replace("@TOPICS@", topics))
    print("\n".join({"bash": bash, "zsh": zsh, "fish": fish}[shell](programs)))


main()
