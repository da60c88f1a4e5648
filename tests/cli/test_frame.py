# SPDX-License-Identifier: MIT
"""The frame of the command line: help, unknown words, exit codes."""
import pytest

from shunt import shunt


def verbs():
    lines = shunt("--help").stdout.split("\n\n")[1].splitlines()
    return [line.split()[0] for line in lines]


def test_help_names_verbs():
    assert {"check", "render", "key"} <= set(verbs())
    assert shunt("--help").stdout == shunt("-h").stdout == shunt("help").stdout


@pytest.mark.parametrize("verb", verbs())
def test_help_of_a_verb(verb):
    for words in [(verb, "--help"), (verb, "-h"), ("help", verb), (verb, "x", "--help")]:
        done = shunt(*words)
        assert done.returncode == 0 and done.stdout.startswith(f"Usage: shunt {verb}"), words
        assert max(len(line) for line in done.stdout.splitlines()) <= 100


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
    (["status", "--node", "hub-a", "--run-dir", "/x"], "--node and --run-dir both name a daemon"),
])
def test_usage_errors(words, complaint, tmp_path):
    done = shunt(*words, cwd=tmp_path)
    assert done.returncode == 2 and complaint in done.stderr and not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_full_standard_output_is_noticed():
    with open("/dev/full", "w") as full:
        assert shunt("--help", stdout=full).returncode == 3
