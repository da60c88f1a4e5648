# SPDX-License-Identifier: MIT
"""The benches of several owners measure what they say, whatever the figures are."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from pair import BUILD

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def report_of(name, *words):
    done = subprocess.run([ROOT / "bench" / name, "--json", "--build", BUILD, *words], capture_output=True, text=True,
                          check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_move():
    devices = report_of("move", "--prefixes", "3", "--moves", "2")["devices"]
    assert set(devices["shunt-wg"]["3"]) == {"quiet", "set", "get"}
    assert devices["wireguard-go"]["3"]["quiet"]["moves"] == 2


def test_forward():
    sizes = report_of("forward", "--prefixes", "1,6", "--rounds", "1", "--processes", "1", "--seconds", "0.1", "--before",
                      BUILD)["prefixes"]
    assert set(sizes["1"]) == {"one owner", "three ranks", "one owner, before"}
    assert set(sizes["6"]) == {"one owner", "three ranks", "three equals", "one owner, before"}
    assert all(r["ns"] > 0 for owning in sizes.values() for r in owning.values())


@pytest.mark.skipif(not shutil.which("iperf3"), reason="no iperf3")
def test_ecmp():
    streams = report_of("ecmp", "--streams", "2", "--seconds", "1", "--rounds", "1")["streams"]
    assert streams["2"]["one hub"] > 0 and streams["2"]["two hubs"] > 0


def test_lookups():
    report = report_of("lookups", "--prefixes", "200", "--rounds", "1")
    assert [t["family"] for t in report["owners"]] == ["IPv4", "IPv6"]
    assert all(k["far_ns"] > 0 for t in report["owners"] for k in t["lookups"])
