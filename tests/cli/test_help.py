# SPDX-License-Identifier: MIT
"""What is told to the reader in several places is told alike: --help, the manual pages, completion."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve()
MAN = ROOT / "docs" / "man"
VERBS = ["check", "render", "key", "status", "routes", "drain", "undrain", "reload"]
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
        told += "".join(help_of(program, verb) for verb in VERBS)
    page = (MAN / PAGES[program]).read_text(encoding="utf-8")
    assert options(page) == options(told)


def test_the_manual_knows_every_verb():
    page = (MAN / PAGES["shunt"]).read_text(encoding="utf-8")
    assert all(f"*{verb}*" in page for verb in VERBS)


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
    script = (f"source {ROOT}/contrib/completion/shunt.bash; "
              f'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); {function}; printf "%s\\n" "${{COMPREPLY[@]}}"')
    done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True,
                          check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split()


def test_completion_knows_verbs_and_options():
    assert complete("shunt", "") == VERBS + ["--help", "--version"]
    assert complete("shunt", "dr") == ["drain"]
    for verb in VERBS:
        offered = set(complete("shunt", verb, "--"))
        assert offered - {"--help"} == options(help_of("shunt", verb)), verb
    assert set(complete("shuntd", "--", function="_shuntd")) - {"--help", "--version"} == \
        options(help_of("shuntd"))
    assert set(complete("shunt-wg", "--", function="_shunt_wg")) - {"--help", "--version"} == \
        options(help_of("shunt-wg"))


def test_completion_knows_the_inventory_s_nodes():
    inventory = ROOT / "examples" / "two-hubs.yaml"
    assert complete("shuntd", str(inventory), "--node", "hub", function="_shuntd") == \
        ["hub-a", "hub-b"]
    assert "laptop" in complete("shunt", "render", str(inventory), "--node", "")


def test_completion_offers_files(tmp_path):
    (tmp_path / "mesh.yaml").write_text("", encoding="ascii")
    assert complete("shunt", "check", "me", cwd=tmp_path) == ["mesh.yaml"]
