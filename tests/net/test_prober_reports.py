# SPDX-License-Identifier: MIT
"""What nodes tell each other beside BFD, on real sockets through a tunnel of shunt-wg: the topology
is that of pair.py, with a prober_tool at each end."""

import os
import socket
import struct

import pytest

from lab import Lab, wait_for
from meshes import PATIENCE
from pair import FAMILY, INNER, OURS, Pair, within
from test_bfd_interop import Prober

PORT = 7484

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def nodes_of(n, time):
    """As prober_tool makes them."""
    return "".join(str((i * 7 + time) % 4 + (4 if (i + time) % 3 == 0 else 0)) for i in range(n))


class Ends:
    """Two probers, called by the names of their ends."""

    def __init__(self, pair, version):
        self.version = version
        self.nodes = {"a": pair.a.node, "b": pair.b.node}
        self.probers = {}
        for name, other in ("ab", "ba"):
            self.probers[name] = Prober(
                self.nodes[name], f"{INNER[name][version]},{INNER[other][version]},100,3,signals,secret=word",
                device="wg0")
        for prober in self.probers.values():
            prober.wait("up", "session-up")

    def tell(self, name, n, time):
        self.probers[name].tell(f"tell {n} {time}")

    def heard(self, name):
        return self.probers[name].ask("report 0")["report"]

    def wait_heard(self, name, n, time):
        want = {"time": time, "max_owners": 16, "nodes": nodes_of(n, time)}
        wait_for(f"{name} hears of {time}", lambda: self.heard(name) == want, PATIENCE)

    def events(self, name):
        return [e["event"] for e in self.probers[name].events]

    def close(self):
        for prober in self.probers.values():
            prober.close()


@pytest.fixture(name="ends", params=[4, 6], ids=["ipv4", "ipv6"])
def make_ends(request):
    with Lab() as lab:
        pair = Pair(lab, OURS, OURS).start()
        pair.talk(PATIENCE)
        ends = Ends(pair, request.param)
        yield ends
        ends.close()


def test_told(ends):
    """Of one part and of many, which the device may merge on the way."""
    for time, n in enumerate((3, 2272, 2273, 20000, 0, 7), 1):
        ends.tell("a", n, time)
        # Of a mesh much larger than its own a node hears but the head.
        ends.tell("b", n, time + 100)
        ends.wait_heard("b", n, time)
        ends.wait_heard("a", n, time + 100)
    for prober in ends.probers.values():
        assert prober.verdicts() == [("up", "session-up")]
        assert prober.ask("error")["error"] == 0


def user_socket(ends, name, port=0):
    """Of a local user without rights, on the node's own address."""
    def make():
        s = socket.socket(FAMILY[ends.version], socket.SOCK_DGRAM)
        s.setsockopt(*((socket.IPPROTO_IP, socket.IP_TTL) if ends.version == 4 else
                       (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)), 255)
        s.bind((INNER[name][ends.version], port))
        return s

    return within(ends.nodes[name], make)


def forged(discriminator, number, max_owners=9):
    """Right in all but the seal."""
    head = struct.pack(">BBHIQBBHIq", 1, 1, 64, discriminator, number, 0, 1, max_owners, 0, 666)
    return head + bytes(16) + bytes(16)


@pytest.mark.parametrize("source", ["a", "b"], ids=["from-its-peer", "from-itself"])
def test_forged(ends, source):
    """A local user of either node who even knows the discriminator: nothing moves."""
    ends.tell("a", 5, 1)
    ends.tell("b", 5, 1)
    ends.wait_heard("b", 5, 1)
    discriminator = ends.probers["b"].info()["local_discriminator"]
    before = ends.events("b")
    with user_socket(ends, source) as s:
        for number in (1, 2, 3, 2**63, 2**64 - 1):
            for _ in range(200):
                s.sendto(forged(discriminator, number), (INNER["b"][ends.version], PORT))
    ends.tell("a", 5, 2)
    ends.wait_heard("b", 5, 2)
    assert ends.events("b") == [*before, "report"]
    assert ends.probers["b"].verdicts() == [("up", "session-up")]


def test_port_held(ends):
    """A local user holds the port on our address, as far as it can: reports go past it."""
    ends.probers["b"].tell("reopen")
    thief = None
    try:
        thief = user_socket(ends, "b", PORT)
    except OSError:
        pass  # we were there first
    ends.tell("a", 5, 1)
    ends.wait_heard("b", 5, 1)
    if thief:
        thief.close()
