# SPDX-License-Identifier: MIT
"""The kernel's WireGuard, in a virtual machine (vm.py): the checks of inside.py, and the acts of the demo.

The machine is emulated and slow, so the demo sends less and probes less often than natively, and its gaps are printed,
not judged.
"""

import json
import re

import pytest

import inside
from vm import VM

RATE = 50
INTERVAL = "500ms"
ACTS = ("cut", "return", "drain", "undrain", "restart", "link")


@pytest.fixture(scope="module")
def output():
    status, text = VM().run(
        f"/usr/bin/python3 tests/vm/inside.py\n"
        f"cd tests/lab && /usr/bin/python3 demo.py --build /shunt/build --device kernel --rate {RATE} "
        f"--interval {INTERVAL} --json", 540)
    print(text)
    return status, text


@pytest.fixture(scope="module")
def results(output):
    found = [json.loads(line) for line in re.findall(r"^@@result (.*?)\r?$", output[1], re.M)]
    return {r["name"]: r for r in found}


@pytest.mark.parametrize("name", [c.__name__ for c in inside.CHECKS])
def test_inside(results, name):
    assert name in results, "it did not run"
    assert results[name]["ok"], results[name]["detail"]


def test_removal_went_by_the_parking_peer(results):
    assert "park" in str(results["removes_one_prefix"]["detail"])


def test_demo(output):
    status, text = output
    demo = json.loads(re.search(r'^(\{"device".*\})\r?$', text, re.M).group(1))
    print(json.dumps(demo, indent=1))
    assert demo["device"] == "kernel"
    assert [a["name"] for a in demo["acts"]] == list(ACTS)
    assert demo["converged"] and status == 0
