# SPDX-License-Identifier: MIT
"""What shunt-wg carries to and from Debian's wireguard-go: transfers, datagrams of all sizes and MTUs,
congestion marks. The topology is drawn in pair.py.
"""

import contextlib
import os
import shutil
import signal
import socket

import pytest

from lab import Lab, wait_for
from orders import BOTH_OUTER, BOTH_WAYS
from pair import Capture, INNER, OURS, PORT, Pair, THEIRS, socket_in, tcp_transfer, udp_echoes

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]

INITIATION = 1
RESPONSE = 2
DATA = 4
KEEPALIVE_LEN = 32


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-carries") as lab:
        yield lab


# --- what is carried ------------------------------------------------------------------------------


@BOTH_WAYS
@BOTH_OUTER
def test_large_transfers(lab, a, b, version):
    pair = Pair(lab, a, b)
    pair.start(version)
    pair.talk()
    nodes = {"a": pair.a.node, "b": pair.b.node}
    for inner in (4, 6):
        for source, target in (("a", "b"), ("b", "a")):
            assert tcp_transfer(nodes[source], nodes[target], INNER[target][inner], inner, 8 << 20)


@BOTH_WAYS
@pytest.mark.parametrize("inner", [4, 6])
def test_datagrams_of_all_sizes(lab, a, b, inner):
    """Up to what fits one packet, and larger ones, which the hosts fragment."""
    pair = Pair(lab, a, b)
    pair.start()
    pair.talk()
    most = 1420 - {4: 28, 6: 48}[inner]
    sizes = [*range(0, most + 1), most + 1, 2000, 2800, 2801, 9000, 30000, 65507 - 20]
    assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][inner], inner, sizes)
    assert not udp_echoes(pair.b.node, pair.a.node, INNER["a"][inner], inner, sizes)


@BOTH_WAYS
def test_mtus_differ(lab, a, b):
    """TCP finds out what fits (by its MSS), datagrams up to the sender's MTU arrive."""
    pair = Pair(lab, a, b)
    pair.start()
    pair.talk()
    for mtu_a, mtu_b in ((1280, 1420), (1420, 1280), (1333, 1419)):
        pair.a.node.ip(f"link set wg0 mtu {mtu_a}")
        pair.b.node.ip(f"link set wg0 mtu {mtu_b}")
        assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][4], 4, 1 << 20)
        assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][6], 6, 1 << 20)
        assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][4], 4,
                              range(mtu_a - 60, mtu_a - 27))
        assert not udp_echoes(pair.b.node, pair.a.node, INNER["a"][6], 6,
                              range(mtu_b - 80, mtu_b - 47))


def traffic_class(inner):
    """(level, option to send with, option to ask for it, what it comes as) of a family."""
    if inner == 4:
        return socket.IPPROTO_IP, socket.IP_TOS, 13  # IP_RECVTOS
    return socket.IPPROTO_IPV6, socket.IPV6_TCLASS, socket.IPV6_RECVTCLASS


@contextlib.contextmanager
def marked_flow(source, target, address, inner):
    """A call send(tos) that tells which tos arrived."""
    level, sends, asks = traffic_class(inner)
    there = socket_in(target, inner, bind=(address, 7400))
    there.setsockopt(level, asks, 1)
    with there, socket_in(source, inner) as here:
        def send(tos):
            here.setsockopt(level, sends, tos)
            here.sendto(b"%d" % tos, (address, 7400))
            _, control, _, _ = there.recvmsg(64, 64)
            [(_, _, value)] = control
            return value[0]
        yield send


@BOTH_OUTER
@pytest.mark.parametrize("inner", [4, 6], ids=["inner4", "inner6"])
def test_ecn_is_carried(lab, version, inner):
    """Outside: no DSCP, the inner ECN, but congestion starts anew; 0x88 on handshakes. Inside: what
    was sent, and congestion that was experienced outside."""
    pair = Pair(lab, THEIRS, OURS)
    capture = Capture(pair.a.node)
    pair.start(version)
    pair.talk()

    def outer(kind):
        return {tos for v, tos, source, _, data in capture.packets()
                if v == version and source == PORT and data and data[0] == kind}

    assert outer(RESPONSE) == {0x88}
    with marked_flow(pair.b.node, pair.a.node, INNER["a"][inner], inner) as send:
        for ecn, outside in ((0, 0), (1, 1), (2, 2), (3, 2)):
            before = len(capture.packets())
            assert send(0xB8 | ecn) == 0xB8 | ecn
            wait_for("the packet outside", lambda n=before, o=outside: any(
                tos == o and data[0] == DATA and len(data) > KEEPALIVE_LEN
                for _, tos, _, _, data in capture.packets()[n:]), 5)
    assert outer(DATA) <= {0, 1, 2}
    capture.close()
    # Every packet from a meets congestion on its way.
    family = {4: "ip", 6: "ip6"}[version]
    pair.b.node.nft(f"""
        table netdev congested {{
            chain in {{
                type filter hook ingress device eth0 priority 0;
                udp dport {PORT} {family} ecn set ce
            }}
        }}""")
    with marked_flow(pair.a.node, pair.b.node, INNER["b"][inner], inner) as send:
        assert [send(0xB8 | ecn) for ecn in range(4)] == [0xB8, 0xBB, 0xBB, 0xBB]
    # It does no harm, to checksums either.
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 1 << 20)


def test_initiations_are_marked(lab):
    pair = Pair(lab, OURS, THEIRS)
    capture = Capture(pair.b.node)
    pair.start()
    pair.talk()
    assert {tos for _, tos, _, target, data in capture.packets()
            if target == PORT and data[0] == INITIATION} == {0x88}
    capture.close()


# --- network control ------------------------------------------------------------------------------

CS6 = 0xc0


def marked(node, version, target):
    """A socket whose packets are network control."""
    s = socket_in(node, version)
    if version == 4:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, CS6)
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, CS6)
    s.connect(target)
    return s


def states(pid):
    """Of its threads, as /proc has them."""
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as f:
            yield f.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("inner", [4, 6])
def test_network_control_passes_the_bulk(lab, inner):
    """The host sends more than the interface's queue holds, then words of network control: of the
    bulk something is lost, of them nothing, and they arrive before what had waited."""
    pair = Pair(lab, OURS, THEIRS)
    pair.start()
    pair.talk()
    a, b = pair.a.node, pair.b.node
    target = (INNER["b"][inner], 7300)
    sink = socket_in(b, inner, bind=target)
    bulk, control = socket_in(a, inner), marked(a, inner, target)
    bulk.connect(target)
    assert " qdisc noqueue " in a.ip("link show dev wg0")  # one for each queue there might be costs much
    (pid,) = pair.a.pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for("all threads stand still", lambda: set(states(pid)) == {"T"}, 10)
        for _ in range(1500):
            bulk.send(b"bulk" * 50)
        for i in range(5):
            control.send(b"control %d" % i)
    finally:
        os.kill(pid, signal.SIGCONT)
    got = [sink.recv(2048) for _ in range(5 + 100)]
    first = [i for i, data in enumerate(got) if data.startswith(b"control")]
    assert [got[i] for i in first] == [b"control %d" % i for i in range(5)]
    assert first[-1] < 100
    assert pair.a.stats()["drop_tun_queue"] > 0
    for s in (sink, bulk, control):
        s.close()
