# SPDX-License-Identifier: MIT
"""bench/tunnel measures, goes on from where it was, and leaves nothing behind."""
import json
import os
import pathlib
import signal
import subprocess

import pytest

from lab import labs, namespaces_of, processes_in, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHUNT_WG = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "shunt-wg"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def bench(*words):
    return [ROOT / "bench" / "tunnel", "--quick", "--shunt-wg", SHUNT_WG, "--only", "shunt-wg", *words]


def run(*words):
    return subprocess.run(bench(*words), capture_output=True, text=True, check=False, timeout=120)


def test_what_it_measures_and_that_it_goes_on(tmp_path):
    record = tmp_path / "record.json"
    words = ["--acts", "tcp1,start,handshakes", "--veth", "segmented", "--json", record]
    done = run(*words)
    assert done.returncode == 0, done.stderr + done.stdout
    kept = json.loads(record.read_text())
    figures = {e["act"]: e["figures"] for e in kept["results"]}
    assert figures["tcp1"]["gbit_s"] > 0 and figures["tcp1"]["cpu_s_per_gbit"] > 0
    assert figures["start"]["seconds"] > 0
    assert figures["handshakes"]["responses"] == kept["options"]["peers"]

    # What is there isn't measured again; what isn't, is.
    kept["results"] = [e for e in kept["results"] if e["act"] != "start"]
    record.write_text(json.dumps(kept))
    done = run(*words)
    assert done.returncode == 0, done.stderr
    again = json.loads(record.read_text())
    assert again["results"][:-1] == kept["results"] and again["results"][-1]["act"] == "start"
    assert len(again["pieces"]) == 2

    done = run("--acts", "start", "--json", record)
    assert done.returncode != 0 and "is of another run" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_when_it_is_interrupted(number):
    process = subprocess.Popen(bench("--acts", "tcp8"), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    name = f"shunt-tunnel-{process.pid}"
    wait_for("both ends and some streams", lambda: len(processes_in(namespaces_of(name))) > 4, 20)
    process.send_signal(number)
    process.wait(30)
    wait_for("everything gone", lambda: not namespaces_of(name) and name not in labs(), 15)
