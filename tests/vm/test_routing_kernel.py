# SPDX-License-Identifier: MIT
"""A mesh of routing engines over the kernel's WireGuard, in a virtual machine (vm.py): the tests of
tests/net/test_routing_mesh.py that take a kernel which has it, those that don't wait long.
"""

from vm import ENGINES, VM


# Two processors that are emulated, and twelve daemons on them: an interval of seconds between probes, so that nobody is held
# for dead who only waits for his turn.
COMMAND = """
export SHUNT_PATIENCE=10
/usr/bin/python3 -m pytest -q -p no:cacheprovider -x -rA tests/net/test_routing_mesh.py -k 'kernel and (converges or line or drain or comes)'
"""


def test_a_mesh_on_the_kernels_device():
    status, text = VM(ENGINES).run(COMMAND, 1800)
    print(text)
    assert status == 0 and " passed" in text
