# SPDX-License-Identifier: MIT
"""The frame of the command line: help, unknown words, exit codes."""
import re

import pytest

from shunt import ROOT, shunt, verbs


def test_help_names_verbs():
    assert {"check", "render", "key"} <= set(verbs())
    assert shunt("--help").stdout == shunt("-h").stdout == shunt("help").stdout


@pytest.mark.parametrize("verb", verbs())
def test_help_of_a_verb(verb):
    for words in [(verb, "--help"), (verb, "-h"), ("help", verb), (verb, "x", "--help")]:
        done = shunt(*words)
        assert done.returncode == 0 and done.stdout.startswith(f"Usage: shunt {verb}"), words
        assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_version():
    assert shunt("--version").stdout.startswith("shunt ")


def test_no_verb_is_a_usage_error():
    done = shunt()
    assert done.returncode == 2 and "Usage:" in done.stderr and not done.stdout


@pytest.mark.parametrize("typed, near", [("chekc", "check"), ("rendr", "render"), ("kez", "key")])
def test_unknown_verb_with_a_suggestion(typed, near):
    done = shunt(typed)
    assert done.returncode == 2 and f'did you mean "{near}"?' in done.stderr


def test_unknown_verb_without_a_suggestion():
    done = shunt("frobnicate")
    assert done.returncode == 2 and "did you mean" not in done.stderr


@pytest.mark.parametrize("words, complaint", [
    (["render"], "one inventory is needed"),
    (["render", "a.yaml"], "-o DIR is needed"),
    (["render", "a.yaml", "b.yaml", "-o", "x"], "one inventory is needed"),
    (["render", "a.yaml", "-o"], "-o needs a value"),
    (["render", "a.yaml", "--nodes", "x", "-o", "x"], "--nodes is unknown"),
    (["key"], "one file is needed"),
    (["key", "a", "b"], "one file is needed"),
    (["key", "-x"], "-x is unknown"),
    (["routes", "10.20.0.0/99"], "10.20.0.0/99 is neither a prefix nor an address"),
    (["routes", "10.0.0.1", "10.0.0.2"], "one prefix or address at a time"),
    (["status", "hub-a"], "it takes no operand"),
    (["key", "a", "-o", "b"], "one file at a time"),
    (["help", "status", "routes"], "one verb or code at a time"),
    (["help", "duplicate-keys"], 'did you mean "duplicate-key"?'),
    (["help", "frobnicate"], "no verb and no code"),
    (["status", "--node", "hub-a", "--run-dir", "/x"], "--node and --run-dir both name a daemon"),
])
def test_usage_errors(words, complaint, tmp_path):
    done = shunt(*words, cwd=tmp_path)
    assert done.returncode == 2 and complaint in done.stderr and not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_full_standard_output_is_noticed():
    with open("/dev/full", "w") as full:
        assert shunt("--help", stdout=full).returncode == 3


def test_help_explains_findings():
    page = (ROOT / "docs" / "findings.md").read_text("utf-8")
    codes = re.findall(r"^### (\S+)$", page, re.M)
    assert len(codes) > 30
    for code in codes:
        text = shunt("help", code).stdout
        assert re.match(rf"(error|warning): {code}\n\n\S", text), text
    text = shunt("help", "cut-set").stdout
    assert text.startswith("warning: cut-set\n") and "    site-2: {device: kernel} " in text
    assert max(map(len, text.splitlines())) <= 80 and "](" not in text and "```" not in text
