# SPDX-License-Identifier: MIT
"""shunt-wg against the kernel's WireGuard, in a virtual machine (vm.py): the checks of inside_wg.py.

Another boot than test_kernel.py's, since emulated processors are soon too busy for both.
"""

import json
import re

import pytest

import inside_wg
from vm import VM

# What waits for the protocol's own times runs beside the rest.
COMMAND = """
/usr/bin/python3 tests/vm/inside_wg.py --slow >/tmp/slow &
for i in $(seq 200); do ls /run/shunt-lab/vmslow-*/owner >/dev/null 2>&1 && break; sleep 0.1; done
/usr/bin/python3 tests/vm/inside_wg.py
wait
cat /tmp/slow
"""


@pytest.fixture(scope="module")
def results():
    _, text = VM().run(COMMAND, 300)
    print(text)
    found = [json.loads(line) for line in re.findall(r"^@@result (.*?)\r?$", text, re.M)]
    return {r["name"]: r for r in found}


@pytest.mark.parametrize("name", [c.__name__ for c in (*inside_wg.CHECKS, *inside_wg.SLOW)])
def test_inside(results, name):
    assert name in results, "it did not run"
    assert results[name]["ok"], results[name]["detail"]
