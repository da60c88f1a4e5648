# SPDX-License-Identifier: MIT
"""shunt check, by inventories with every fault.

What an inventory here must be found guilty of stands in it, on the line in question, behind "#!";
what exactly is said stands beside it in .txt and .json. After a change that is meant:
SHUNT_GOLDEN=write pytest tests/golden/test_check.py, and read the difference.
"""
import json
import os
import pathlib
import re
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHUNT = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "shunt"
FAULTY = ["faults", "no-hub", "engines"]
CODES = {
    "duplicate-prefix", "duplicate-key", "duplicate-address", "address-outside-overlay",
    "weak-key", "revoked-key", "default-route-cut", "idle-default-route", "no-endpoint", "endpoint-inside-network", "network-in-overlay", "unreachable",
    "nested-prefix", "host-bits", "nat-without-keepalive", "single-point-of-failure",
    "mtu-mismatch", "asymmetric-path", "cut-set", "address-of-no-host", "duplicate-endpoint",
    "impossible-endpoint", "impossible-prefix", "impossible-interface",
    "routing-without-engine", "engine-without-protocols", "reserved-asn", "duplicate-asn", "asn-loop",
    "duplicate-identifier", "impossible-reflector", "no-session", "split-routing",
    "family-not-carried", "announced-overlay", "announced-endpoint", "announces-without-engine",
    "left-to-engines",
}
KEYS = {"code", "severity", "nodes", "prefixes", "file", "line", "column", "effect", "fix"}


def check(*args, **more):
    return subprocess.run([SHUNT, "check", *args], capture_output=True, text=True, check=False,
                          cwd=HERE, **more)


def marks(name):
    """(line, text) of everything behind "#!"."""
    for number, line in enumerate((HERE / f"{name}.yaml").read_text().splitlines(), 1):
        if "#!" in line and not line.startswith("#"):
            for text in line.split("#!")[1].split(";"):
                yield number, text.strip()


def golden(path, text):
    if os.environ.get("SHUNT_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", FAULTY)
def test_findings_point_at_what_is_marked(name):
    found = sorted((f["line"], f"{f['code']}: {' '.join(f['nodes'] + f['prefixes'])}")
                   for f in json.loads(check("--json", f"{name}.yaml").stdout)["findings"])
    assert found == sorted(marks(name))


def test_every_code_occurs():
    assert {text.split(":")[0] for name in FAULTY for _, text in marks(name)} == CODES


def test_every_code_is_documented():
    text = (ROOT / "docs" / "findings.md").read_text()
    assert set(re.findall(r"^### (\S+)$", text, re.M)) == CODES


@pytest.mark.parametrize("name", FAULTY)
def test_text(name):
    done = check(f"{name}.yaml")
    assert (done.returncode, done.stderr) == (1, "")
    golden(HERE / f"{name}.txt", done.stdout)


@pytest.mark.parametrize("name", FAULTY)
def test_json(name):
    done = check(f"{name}.yaml", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    for finding in json.loads(done.stdout)["findings"]:
        assert set(finding) == KEYS
    golden(HERE / f"{name}.json", done.stdout)


def test_warnings_alone_are_allowed():
    done = check("--json", ROOT / "examples" / "two-hubs.yaml")
    findings = json.loads(done.stdout)["findings"]
    assert findings and {f["severity"] for f in findings} == {"warning"}
    assert done.returncode == 0


@pytest.mark.parametrize("example", ["anycast", "bgp", "ospf", "shared-load"])
def test_a_clean_inventory(example):
    done = check("--json", ROOT / "examples" / f"{example}.yaml")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"findings": []})


def test_unreadable_as_text():
    done = check("unreadable.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    for number, words in marks("unreadable"):
        assert any(line.startswith(f"unreadable.yaml:{number}:") and
                   all(word in line for word in words.split()) for line in lines), words
    assert len(lines) == len(list(marks("unreadable")))


def test_unreadable_as_json():
    done = check("unreadable.yaml", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 2
    assert answer["findings"] == []
    assert [e["line"] for e in answer["errors"]] == [n for n, _ in marks("unreadable")]
    for e in answer["errors"]:
        assert set(e) == {"file", "line", "column", "message"}
        assert f"{e['file']}:{e['line']}:{e['column']}: error: {e['message']}" in done.stderr


@pytest.mark.parametrize("args", [["nowhere.yaml"], ["/"], [], ["faults.yaml", "no-hub.yaml"],
                                  ["--colour", "faults.yaml"]])
def test_what_cannot_be_read_or_understood(args):
    done = check(*args)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") >= 1


def test_a_full_disk_is_no_success():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([SHUNT, "check", ROOT / "examples" / "anycast.yaml"], stdout=full,
                              stderr=subprocess.PIPE, check=False)
    assert done.returncode not in (0, 1)


def test_colour_on_a_terminal_only():
    done = subprocess.run(["script", "-qec", f"{SHUNT} check faults.yaml", "/dev/null"],
                          capture_output=True, text=True, check=False, cwd=HERE,
                          env={**os.environ, "TERM": "xterm"})
    assert "\x1b[" in done.stdout
    bare = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).replace("\r\n", "\n")
    assert bare == check("faults.yaml").stdout
    assert "\x1b" not in check("faults.yaml").stdout
