# SPDX-License-Identifier: MIT
"""What is told to the reader in several places is told alike: --help, the manual pages, completion."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from shunt import verbs

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve()
COMPLETION = BUILD / "contrib" / "completion"
MAN = ROOT / "docs" / "man"
PAGES = {"shunt": "shunt.1.scd", "shuntd": "shuntd.8.scd", "shunt-wg": "shunt-wg.8.scd"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def help_of(program, *words):
    done = subprocess.run([BUILD / program, *words, "--help"], capture_output=True, text=True,
                          check=True)
    return done.stdout


def options(text):
    # Every program has these two, whether its --help says so or not.
    return set(OPTION.findall(text)) - {"--help", "--version"}


@pytest.mark.parametrize("program", PAGES)
def test_manual_page_and_help_name_the_same_options(program):
    told = help_of(program)
    if program == "shunt":
        told += "".join(help_of(program, verb) for verb in verbs())
    page = (MAN / PAGES[program]).read_text(encoding="utf-8")
    assert options(page) == options(told)


def synopses():
    """{verb: the lines of the manual that begin with it}"""
    page = (MAN / PAGES["shunt"]).read_text(encoding="utf-8")
    found = {}
    for line in re.search(r"^# SYNOPSIS\n\n(.*?)^#", page, re.M | re.S).group(1).split("++\n"):
        line = " ".join(line.split())
        for verb in re.findall(r"^\*shunt ([a-z|*]+?)[ *]", line)[:1]:
            for one in verb.replace("*", "").split("|"):
                found[one] = found.get(one, "") + line
    return found


def test_the_manual_has_each_verb_with_its_options_and_operands():
    told = synopses()
    assert set(told) == set(verbs())
    page = (MAN / PAGES["shunt"]).read_text(encoding="utf-8")
    for verb, line in told.items():
        assert f"*{verb}*" in page, verb
        usage = help_of("shunt", verb).split("\n\n")[0]
        assert options(line) | {"--output"} == options(usage) | {"--output"}, verb
        for operand in re.findall(r"(?<![-\w\[] )(?<!--)\b[A-Z]{4,}\b", usage.splitlines()[0].split("--")[0]):
            assert f"_{operand}_" in line, (verb, operand)


@pytest.mark.skipif(not shutil.which("scdoc"), reason="scdoc isn't installed")
@pytest.mark.parametrize("page", sorted(p.name for p in MAN.glob("*.scd")))
def test_manual_pages_can_be_made(page):
    made = subprocess.run(["scdoc"], stdin=open(MAN / page, "rb"), capture_output=True, check=False)
    assert made.returncode == 0 and made.stdout, made.stderr


def test_the_inventory_s_manual_names_its_keys():
    page = (MAN / "shunt-inventory.5.scd").read_text(encoding="utf-8")
    keys = re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs" / "inventory.md").read_text("utf-8"), re.M)
    assert keys and [k for k in keys if f"*{k}*" not in page] == []


def complete(*words, function="_shunt", cwd=None):
    script = (f"source {COMPLETION}/shunt; "
              f'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); {function}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                          check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_knows_verbs_and_options():
    assert complete("shunt", "") == verbs() + ["--help", "--version"]
    assert complete("shunt", "dr") == ["drain"]
    for verb in verbs():
        offered = set(complete("shunt", verb, "--"))
        assert offered - {"--help"} == options(help_of("shunt", verb)), verb
    assert set(complete("shuntd", "--", function="_shuntd")) - {"--help", "--version"} == \
        options(help_of("shuntd"))
    assert set(complete("shunt-wg", "--", function="_shunt_wg")) - {"--help", "--version"} == \
        options(help_of("shunt-wg"))


def test_bash_knows_the_inventory_s_nodes():
    inventory = ROOT / "examples" / "two-hubs.yaml"
    assert complete("shuntd", str(inventory), "--node", "hub", function="_shuntd") == \
        ["hub-a", "hub-b"]
    assert "laptop" in complete("shunt", "render", str(inventory), "--node", "")


def test_bash_offers_values(tmp_path):
    (tmp_path / "mesh.yaml").write_text("", encoding="ascii")
    assert complete("shunt", "check", "me", cwd=tmp_path) == ["mesh.yaml"]
    assert complete("shunt", "check", "--json", "me", cwd=tmp_path) == ["mesh.yaml"]
    assert complete("shunt", "render", "x.yaml", "", cwd=tmp_path)[0] == "--output"
    assert complete("shunt", "help", "mtu") == ["mtu-mismatch"]
    assert complete("shuntd", "-d", "u", function="_shuntd") == ["uapi"]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish isn't installed")
def test_fish_knows_verbs_options_and_values():
    lines = ["shunt ", "shunt dr", "shunt drain --", "shunt help mtu", "shuntd -d ", "shunt-wg --",
             f"shunt render {ROOT}/examples/two-hubs.yaml --node hub"]
    script = f"source {COMPLETION}/shunt.fish\n" + "".join(f"complete -C '{line}'; echo .\n" for line in lines)
    done = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    offered = [[line.split("\t")[0] for line in part.splitlines()] for part in done.stdout.split(".\n")]
    assert set(offered[0]) >= set(verbs()) and offered[1] == ["drain"]
    assert set(offered[2]) - {"--help"} == options(help_of("shunt", "drain"))
    assert offered[3] == ["mtu-mismatch"] and set(offered[4]) == {"auto", "kernel", "uapi"}
    assert set(offered[5]) - {"--help", "--version"} == options(help_of("shunt-wg"))
    assert offered[6] == ["hub-a", "hub-b"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh isn't installed")
def test_zsh_knows_verbs_options_and_values():
    """What the functions tell zsh's _arguments, with that in its place."""
    script = f"""
        _arguments() {{ print -rl -- "$@" }}
        _describe() {{ print -rl -- ${{(P)2}} }}
        for service in shuntd shunt-wg; do print "= $service"; source {COMPLETION}/_shunt; done
        service=shunt; state=verb; print "= "; source {COMPLETION}/_shunt
        state=words
        for verb in "$@"; do words=($verb); print "= $verb"; source {COMPLETION}/_shunt; done"""
    # The state is the completion's own.
    text = (COMPLETION / "_shunt").read_text("utf-8")
    assert subprocess.run(["zsh", "-n", COMPLETION / "_shunt"], check=True).returncode == 0
    assert "local context state" in text
    done = subprocess.run(["zsh", "-f", "-c", script.replace(f"source {COMPLETION}/_shunt",
                                                             "eval \"$(sed '/local context state/d' "
                                                             f"{COMPLETION}/_shunt)\""), "zsh", *verbs()],
                          capture_output=True, text=True, check=True)
    assert done.stderr == ""
    told = dict(part.split("\n", 1) for part in done.stdout.split("= ")[1:])
    assert all(re.search(rf"^{verb}:", told[""], re.M) for verb in verbs())
    for verb in verbs():
        assert options(told[verb]) == options(help_of("shunt", verb)), verb
    for program in ("shuntd", "shunt-wg"):
        assert options(told[program]) == options(help_of(program))
    assert "_shunt_topics" in told["help"] and "(auto kernel uapi)" in told["shuntd"]
