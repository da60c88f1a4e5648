# SPDX-License-Identifier: MIT
"""bench/tunnel's record: what it tells of failures, of peers left out and of rounds, and its plan."""
import argparse
import importlib.machinery
import importlib.util
import json
import pathlib
import subprocess
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


@pytest.fixture(name="tunnel", scope="module")
def load_tunnel():
    loader = importlib.machinery.SourceFileLoader("tunnel", str(ROOT / "bench" / "tunnel"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tunnel", loader))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "bench"))
        loader.exec_module(module)
    return module


def entry(number, name, act, veth="as is", **what):
    return {"round": number, "implementation": name, "veth": veth, "act": act, **what}


def stream(number, name, gbit_s):
    return entry(number, name, "tcp1", figures={"gbit_s": gbit_s, "cpu_s_per_gbit": 1 / gbit_s,
                                                "machine_cpu_s_per_gbit": 2 / gbit_s})


@pytest.fixture(name="record")
def make_record():
    return {
        "machine": {"cpu": "a <fast> one", "cores": 2, "vector": ["avx2"], "kernel": "6.18",
                    "iperf3": "iperf 3.12", "wg": "wireguard-tools", "go": "go1.26"},
        "options": {"rounds": 3, "peers": 10_000},
        "implementations": [
            {"name": "shunt-wg", "version": "0.1.0", "role": "ours", "note": ""},
            {"name": "tailscale", "version": "v0", "role": "peer", "note": "the fork"},
            {"name": "boringtun", "version": "0.7.1", "role": "peer", "note": ""},
            {"name": "shunt-wg-copy", "version": "0.1.0", "role": "yardstick", "note": ""},
            {"name": "bare", "version": "", "role": "yardstick", "note": ""}],
        "left_out": {"wireguard-go": "go isn't installed"},
        "pieces": [{"at": "2026-01-01T00:00:00+00:00", "load": [0.25, 0.5, 0.75]}],
        "missing": 0,
        "results": [
            stream(1, "shunt-wg", 4), stream(2, "shunt-wg", 9), stream(3, "shunt-wg", 5),
            stream(1, "tailscale", 2), stream(2, "tailscale", 2.5),
            entry(3, "tailscale", "tcp1", failed="LabError: no answer"),
            *(entry(n, "boringtun", "tcp1", failed="LabError: it ended") for n in (1, 2)),
            stream(3, "boringtun", 100), stream(1, "shunt-wg-copy", 10), stream(1, "bare", 20)],
    }


def row(record, tunnel, start):
    return next(r for _, _, rows in tunnel.report.tables(record) for r in rows
                if r[0].startswith(start))


def test_medians_and_failures_in_the_table(record, tunnel):
    assert row(record, tunnel, "one TCP stream") == [
        "one TCP stream, Gbit/s", "5.00", "2.25 (1 of 3 failed)", "failed", "10.00", "20.00",
        "2.22 of tailscale", "0.50"]


def test_less_is_better_where_it_is(record, tunnel):
    assert row(record, tunnel, "CPU of both ends, one")[-2] == "0.44 of tailscale"


def test_text_names_the_machine_what_is_left_out_and_every_failure(record, tunnel):
    text = tunnel.report.as_text(record)
    assert "a <fast> one (avx2), 2 cores, Linux 6.18" in text
    assert "wireguard-go: left out: go isn't installed" in text
    assert text.count("failed: round ") == 3
    assert "load at start: 0.25" in text


def test_text_says_what_is_missing(record, tunnel):
    record["missing"] = 4
    assert "not finished: 4 acts are missing" in tunnel.report.as_text(record)


def test_text_says_what_was_disturbed(record, tunnel):
    assert "disturbed" not in tunnel.report.as_text(record)
    record["results"][0]["strangers"] = 0.04
    record["results"][1]["strangers"] = 0.5
    assert "disturbed: 1 of 11 acts" in tunnel.report.as_text(record)


def test_the_picture_is_the_same_for_the_same_record(record, tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    first, second = (subprocess.run([ROOT / "bench" / "tunnel", "--picture", path], check=True,
                                    capture_output=True, text=True).stdout for _ in range(2))
    assert first == second
    words = [e.text for e in xml.etree.ElementTree.fromstring(first).iter() if e.text]
    assert {"5.00", "2.25", "failed", "tailscale"} <= set(words)
    assert any("a <fast> one" in w for w in words)


def test_every_round_begins_with_another(tunnel):
    options = argparse.Namespace(rounds=3, veth="both", acts=["tcp1", "memory"])
    items = tunnel.plan(options, ["shunt-wg", "tailscale", "bare"])
    assert [name for number, name, veth, _ in items if veth == "as is"] == [
        "shunt-wg", "tailscale", "bare", "tailscale", "bare", "shunt-wg", "bare", "shunt-wg",
        "tailscale"]
    assert [i for i in items if i[2] is None and i[0] == 2] == [
        (2, "tailscale", None, ["memory"]), (2, "shunt-wg", None, ["memory"])]


def test_wrong_words_are_refused():
    for words in (["--acts", "tcp9"], ["--only", "openvpn"], ["--minutes", "3"], ["--again"]):
        done = subprocess.run([ROOT / "bench" / "tunnel", *words], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 2 and "usage: tunnel" in done.stderr
