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


# --- which version of a peer ---


@pytest.fixture(name="found")
def load_implementations(tunnel, monkeypatch, tmp_path):
    module = tunnel.implementations
    monkeypatch.setattr(module, "CACHE", tmp_path)
    monkeypatch.setattr(module, "need", lambda program: None)
    return module


class Toolchain:
    """go and cargo as the bench calls them: of a user's versions and what each requires, and of what
    can't be built."""

    def __init__(self, module, folder, users, unbuildable):
        self.module, self.folder, self.users, self.unbuildable = module, folder, users, unbuildable
        self.installed = []

    def __call__(self, argv, **_):
        words = [str(w) for w in argv]
        if words[:2] == ["go", "install"]:
            name, version = words[2].split("@")
            if version in self.unbuildable:
                raise self.module.Missing("go install: requires go >= 9", "")
            self.installed.append(version)
            for peer in ("wireguard-go", "tailscale"):
                if (self.folder / peer).is_dir():
                    (self.folder / peer / name.rsplit("/", 1)[-1]).touch()
            return ""
        if words[:2] == ["go", "version"]:
            return f"x\n\tmod\tm\t{self.installed[-1]}\th1:\n"
        if words[:2] == ["cargo", "install"]:
            return self.cargo(words[words.index("--version") + 1])
        if words[-1] == "--version":
            return f"boringtun {self.installed[-1]}"
        user, version = words[-1].split("@")
        versions = list(self.users[user])
        chosen = versions[-1] if version == "latest" else version
        file = self.folder / f"{chosen}.mod"
        file.write_text(f"module u\n\nrequire (\n\t{self.users[user][chosen]} // indirect\n)\n")
        return json.dumps({"Version": chosen, "Versions": versions, "GoMod": str(file)})

    def cargo(self, wanted):
        below = wanted.partition("<")[2]
        known = [v for v in ("0.6.0", "0.7.0", "0.7.1", "0.8.0") if v >= "0.7" and (not below or v < below)]
        if not known:
            raise self.module.Missing("cargo install: no such version", "error: no such version")
        if known[-1] in self.unbuildable:
            raise self.module.Missing("cargo install: needs rustc 9",
                                      f"  Installing boringtun-cli v{known[-1]}\nneeds rustc 9")
        self.installed.append(known[-1])
        (self.folder / "boringtun" / "bin").mkdir(parents=True, exist_ok=True)
        (self.folder / "boringtun" / "bin" / "boringtun-cli").touch()
        return ""


USERS = {
    "tailscale.com": {"v1.1.0": "github.com/tailscale/wireguard-go v0.1", "v1.2.0": "other/module v3",
                      "v1.3.0": "github.com/tailscale/wireguard-go v0.2",
                      "v1.3.1": "github.com/tailscale/wireguard-go v0.3",
                      "v1.4.0": "github.com/tailscale/wireguard-go v0.3"},
    "golang.zx2c4.com/wireguard/windows": {"v0.4.0": "golang.zx2c4.com/wireguard v0.0.7",
                                           "v0.5.0": "golang.zx2c4.com/wireguard v0.0.8"},
}


@pytest.mark.parametrize("peer, unbuildable, version, words", [
    ("tailscale", [], "v0.3", "requires"), ("tailscale", ["v0.3"], "v0.2", "v0.3 can't be had: go install"),
    ("tailscale", ["v0.3", "v0.2"], "v0.1", "v0.3 can't be had"),
    ("wireguard-go", [], "latest", ""), ("wireguard-go", ["latest"], "v0.0.8", "latest can't be had"),
    ("boringtun", [], "0.8.0", ""), ("boringtun", ["0.8.0", "0.7.1"], "0.7.0", "0.8.0 can't be had")])
def test_the_newest_that_can_be_had(found, tmp_path, monkeypatch, peer, unbuildable, version, words):
    monkeypatch.setattr(found, "command", Toolchain(found, tmp_path, USERS, unbuildable))
    options = argparse.Namespace(update=False)
    made = found.ALL[peer](options)
    assert made.version == version and words in made.note
    assert ("can't be had" in made.note) == bool(unbuildable)
    # What is there is taken, and why it isn't newer is still known.
    assert found.ALL[peer](options) == made and found.command.installed == [version]


@pytest.mark.parametrize("peer, unbuildable", [
    ("tailscale", ["v0.1", "v0.2", "v0.3"]), ("wireguard-go", ["latest", "v0.0.7", "v0.0.8"]),
    ("boringtun", ["0.7.0", "0.7.1", "0.8.0"])])
def test_none_that_can_be_had(found, tmp_path, monkeypatch, peer, unbuildable):
    monkeypatch.setattr(found, "command", Toolchain(found, tmp_path, USERS, unbuildable))
    with pytest.raises(found.Missing, match="can't be had: (go|cargo) install: (requires|needs)"):
        found.ALL[peer](argparse.Namespace(update=False))
