# SPDX-License-Identifier: MIT
"""shunt-wg against Debian's wireguard-go, with real packets; the topology is drawn in pair.py.

What takes the protocol's own time (a rekey is due after 120 s) runs beside the other tests from the
start; the last tests collect it.
"""

import os
import shutil

import pytest

from lab import Lab, run, wait_for
from pair import OUTER, OURS, Pair, THEIRS, host_port

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]

BOTH_WAYS = pytest.mark.parametrize("a, b", [(OURS, THEIRS), (THEIRS, OURS)],
                                    ids=["initiator", "responder"])


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-interop") as lab:
        yield lab


@BOTH_WAYS
@pytest.mark.parametrize("version", [4, 6], ids=["outer4", "outer6"])
@pytest.mark.parametrize("with_psk", [False, True], ids=["no psk", "psk"])
def test_talks(lab, a, b, version, with_psk):
    pair = Pair(lab, a, b)
    pair.start(version, psk=run(["wg", "genpsk"]).strip() if with_psk else None)
    pair.talk()
    assert pair.a.peer(pair.b)["endpoint"] == host_port(OUTER["b"][version])
    assert pair.b.peer(pair.a)["endpoint"] == host_port(OUTER["a"][version])
    for end, other in ((pair.a, pair.b), (pair.b, pair.a)):
        assert end.peer(other)["handshake"] > 0
    # Both count what is on the wire, headers of WireGuard included.
    wait_for("nothing on its way", lambda: (
        pair.a.peer(pair.b)["tx"] == pair.b.peer(pair.a)["rx"] and
        pair.b.peer(pair.a)["tx"] == pair.a.peer(pair.b)["rx"]), 5)
