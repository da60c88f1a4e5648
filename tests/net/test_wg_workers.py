# SPDX-License-Identifier: MIT
"""shunt-wg with workers that always help: the same packets, in the same order, in every company."""

import concurrent.futures
import os
import shutil
import time

import pytest

from lab import Lab, wait_for
from pair import INNER, OURS, PORT, PROGRAMS, Pair, THEIRS, key_pair, tcp_transfer, udp_echoes

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

SIZE = 40_000_000
COMPANY = {"both": (OURS, OURS), "to wireguard-go": (OURS, THEIRS), "from wireguard-go": (THEIRS, OURS)}


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-workers") as lab:
        yield lab


def transfers(pair, size=SIZE):
    """Both ways and by both families at once; what failed."""
    flows = [(pair.a, pair.b, "b", 4), (pair.b, pair.a, "a", 4), (pair.a, pair.b, "b", 6),
             (pair.b, pair.a, "a", 6)]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        done = [pool.submit(tcp_transfer, source.node, target.node, INNER[to][version], version,
                            size, 7100 + n) for n, (source, target, to, version) in enumerate(flows)]
        return [n for n, d in enumerate(done) if not d.result()]


@pytest.mark.parametrize("a, b", COMPANY.values(), ids=COMPANY)
def test_transfers(lab, a, b):
    if THEIRS in (a, b) and not shutil.which(THEIRS):
        pytest.skip("wireguard-go isn't installed")
    pair = Pair(lab, a, b).start(SHUNT_WG_WORKERS="2")
    pair.talk()
    assert transfers(pair) == []
    for version in (4, 6):
        assert udp_echoes(pair.a.node, pair.b.node, INNER["b"][version], version,
                          list(range(1, 1400, 13))) == []
    for end in (e for _, e in pair.ends() if e.program == OURS):
        stats = end.stats()
        assert stats["tx_by_workers"] + stats["rx_by_workers"] > 1000
        # In order, each once, and whole.
        assert [k for k in ("drop_replay", "drop_bad_tag", "drop_malformed") if stats[k]] == []


def test_sessions_and_peers_change_meanwhile(lab):
    """New sessions and peers that come and go, while superpackets are with the workers."""
    pair = Pair(lab, OURS, OURS).start(SHUNT_WG_WORKERS="1")
    pair.talk()
    first = pair.a.peer(pair.b)["handshake"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        going = pool.submit(transfers, pair, SIZE)
        turn = 0
        while not going.done():
            for end, other in ((pair.a, pair.b), (pair.b, pair.a)):
                stranger = key_pair()[1]
                end.set("peer", stranger, "allowed-ips", "10.77.0.0/16,fd77::/16")
                end.set("peer", stranger, "remove")
                end.set("peer", other.public, "preshared-key", "/dev/null")
            # b hears of the new port from a's next packet: a stream towards a may have none.
            if turn % 10 == 0:
                pair.a.identify((51821, PORT)[turn // 10 % 2])
                pair.ping(seconds=1)
            turn += 1
            time.sleep(0.02)
        assert going.result() == []
    assert turn
    pair.a.set("peer", pair.b.public, "remove")
    pair.meet()
    wait_for("a session of the new peer", lambda: pair.ping() and
             pair.a.peer(pair.b)["handshake"] >= first, 20)
    assert transfers(pair, 1_000_000) == []


@pytest.mark.parametrize("value, fine", [("auto", True), ("", True), ("0", True), ("6", True), ("7", False),
                                         ("-1", False), ("two", False), ("1 ", False)])
def test_how_many(lab, value, fine):
    pair = Pair(lab, OURS, OURS)
    done = pair.a.node.spawn([PROGRAMS[OURS], "wg0"], log="wg0.log",
                             env={**os.environ, "SHUNT_WG_WORKERS": value})
    assert (done.wait(timeout=20) == 0) == fine
    if fine:
        pair.a.end()
    else:
        assert pair.a.log() == \
            "shunt-wg: (wg0) SHUNT_WG_WORKERS is neither auto nor a number from 0 to 6\n"
