# SPDX-License-Identifier: MIT
"""Prefixes with several owners, on interfaces: a site whose hubs all have the same service.

                                        +-- 198.51.100.2 [hub0] wg0 10.9.0.2, fe80::2
    [site] eth0 198.51.100.1 --(switch)-+-- 198.51.100.3 [hub1] wg0 10.9.0.3, fe80::3
     wg0 10.9.0.1, fd09::1, fe80::1     +-- 198.51.100.4 [hub2] wg0 10.9.0.4, fe80::4

192.0.2.1 and 2001:db8:9::1 are on each hub's lo, and a set of the three at the site. What a hub gets is numbered, so that
order and place of each flow can be told.
"""

import base64
import collections
import contextlib
import os
import select
import signal
import socket
import struct
import threading

import pytest

from lab import Lab, wait_for
from pair import End, OURS, PATIENCE, PORT, host_port, key_pair, socket_in, tcp_transfer

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

HUBS = 3
FLOWS = 24
PER_FLOW = 40
SERVICE = {4: "192.0.2.1", 6: "2001:db8:9::1"}
SERVICE_PORT = 7300
UDP_SEGMENT, SO_RCVBUFFORCE = 103, 33
BOTH = pytest.mark.parametrize("version", [4, 6])


def hex_of(end):
    return base64.b64decode(end.public).hex()


class Star:
    """The topology at the head of the file."""

    def __init__(self, lab):
        underlay = lab.underlay()
        self.site = End(lab.namespace("site"), OURS)
        self.hubs = [End(lab.namespace(f"hub{i}"), OURS) for i in range(HUBS)]
        for i, end in enumerate([self.site, *self.hubs]):
            lab.plug(underlay, end.node, f"198.51.100.{i + 1}/24")
            self.begin(end)
            for address in (f"10.9.0.{i + 1}/24", f"fd09::{i + 1}/64", f"fe80::{i + 1}/64"):
                end.node.address(address, "wg0")
        for i, hub in enumerate(self.hubs):
            self.site.set("peer", hub.public, "endpoint", host_port(f"198.51.100.{i + 2}"),
                          "allowed-ips", f"10.9.0.{i + 2},fd09::{i + 2}")
            hub.node.address(f"{SERVICE[4]}/32", "lo")
            hub.node.address(f"{SERVICE[6]}/128", "lo")
        self.site.node.ip(f"route add {SERVICE[4]}/32 dev wg0 src 10.9.0.1")
        self.site.node.ip(f"route add {SERVICE[6]}/128 dev wg0 src fd09::1")

    def begin(self, end):
        """The program runs and, if it is a hub's, knows the site."""
        end.start()
        end.identify()
        if end is not self.site:
            end.set("peer", self.site.public, "allowed-ips", "10.9.0.1,fd09::1")
        end.up()

    def ask(self, end, *lines):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(os.path.join(end.node.folder, "wireguard", "wg0.sock"))
            s.sendall(("\n".join(lines) + "\n\n").encode())
            answer = b""
            while not answer.endswith(b"\n\n"):
                answer += s.recv(65536)
        assert b"errno=0\n" in answer, answer
        return answer.decode()

    def share(self, *ranks):
        """The service belongs to all hubs, of these ranks."""
        owners = [f"owner={hex_of(h)},{r},1" for h, r in zip(self.hubs, ranks)]
        self.ask(self.site, "set=1", "owners=1", *owners,
                 *(f"allowed_ip={SERVICE[v]}/{32 if v == 4 else 128}" for v in (4, 6)))

    def level(self, hub, level):
        self.ask(self.site, "set=1", f"public_key={hex_of(hub)}", f"level={level}")


class Service:
    """On all hubs: what came of each flow, in order."""

    def __init__(self, star, version):
        self.sockets = [socket_in(h.node, version, bind=(SERVICE[version], SERVICE_PORT)) for h in star.hubs]
        for s in self.sockets:
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.got = [collections.defaultdict(list) for _ in self.sockets]
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.is_set():
            for s in select.select(self.sockets, [], [], 0.05)[0]:
                flow, number = struct.unpack_from("!II", s.recv(65536))
                self.got[self.sockets.index(s)][flow].append(number)

    def close(self):
        self._ending.set()
        self._thread.join()
        for s in self.sockets:
            s.close()

    def place(self, flow, number):
        """The hub that got it; None: nobody yet."""
        for i, got in enumerate(self.got):
            if number in got[flow]:
                return i
        return None


@pytest.fixture(name="star")
def star_fixture():
    with Lab.signals(), Lab("shunt-owners") as lab:
        yield Star(lab)


def send_all(star, version, first):
    """PER_FLOW datagrams in each flow, as superpackets of ten where the kernel can."""
    with contextlib.ExitStack() as stack:
        flows = []
        for flow in range(FLOWS):
            s = stack.enter_context(socket_in(star.site.node, version))
            s.bind((f"{'10.9.0.1' if version == 4 else 'fd09::1'}", 20000 + flow))
            s.connect((SERVICE[version], SERVICE_PORT))
            s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
            flows.append(s)
        for at in range(first, first + PER_FLOW, 10):
            for flow, s in enumerate(flows):
                s.send(b"".join(struct.pack("!II", flow, n) + bytes(492) for n in range(at, at + 10)))


def where_flows_go(star, service, version, first):
    """[hub of each flow], each of which got all of it in order, and nobody else any."""
    for got in service.got:
        got.clear()
    send_all(star, version, first)
    numbers = list(range(first, first + PER_FLOW))
    wait_for("all datagrams", lambda: sum(len(n) for got in service.got for n in got.values()) >=
             FLOWS * PER_FLOW, PATIENCE)
    places = []
    for flow in range(FLOWS):
        parts = [got[flow] for got in service.got]
        assert sorted(parts) == [[], [], numbers], (flow, parts)
        places.append(parts.index(numbers))
    return places


def wait_for_sessions(star):
    for i, hub in enumerate(star.hubs):
        star.site.node.run(["ping", "-n", "-q", "-c", "1", "-W", str(PATIENCE), f"10.9.0.{i + 2}"])
        assert star.site.peer(hub)["handshake"]


# --- shares ---------------------------------------------------------------------------------------


@BOTH
def test_shares_and_only_the_flows_of_the_lost_move(star, version):
    wait_for_sessions(star)
    star.share(1, 1, 1)
    service = Service(star, version)
    try:
        before = where_flows_go(star, service, version, 0)
        assert set(before) == {0, 1, 2}
        assert where_flows_go(star, service, version, 100) == before
        star.level(star.hubs[1], "down")
        after = where_flows_go(star, service, version, 200)
        assert 1 not in after
        assert all(a == b for a, b in zip(after, before) if b != 1)
        star.level(star.hubs[1], "up")
        assert where_flows_go(star, service, version, 300) == before
    finally:
        service.close()


@BOTH
def test_streams_arrive_whole(star, version):
    """Of each connection all packets, and all answers, by whoever has it."""
    wait_for_sessions(star)
    star.share(1, 1, 1)
    for n, hub in enumerate(star.hubs):
        others = [h for h in star.hubs if h is not hub]
        for other in others:
            star.level(other, "last-resort")
        assert tcp_transfer(star.site.node, hub.node, SERVICE[version], version, 4 << 20, port=7100 + n)
        for other in others:
            star.level(other, "up")


# --- who is lost ----------------------------------------------------------------------------------


def goes_to(star, service, version, flow=9999):
    """Where what is sent now and then goes, once it arrives."""
    number = star.number = getattr(star, "number", 0) + 1
    with socket_in(star.site.node, version) as s:
        s.sendto(struct.pack("!II", flow, number), (SERVICE[version], SERVICE_PORT))
    with contextlib.suppress(Exception):
        wait_for("it arrives", lambda: service.place(flow, number) is not None, 0.3, every=0.02)
    return service.place(flow, number)


def test_a_preferred_owner_that_is_killed_and_comes_back(star):
    """Nobody tells the device. Its sessions are of an older key, so that the next packet asks for new ones, and nothing has
    to grow old first."""
    wait_for_sessions(star)
    star.share(1, 2, 3)
    preferred = star.hubs[0]
    with contextlib.ExitStack() as stack:
        services = {v: stack.enter_context(contextlib.closing(Service(star, v))) for v in (4, 6)}

        def all_go_to(hub):
            return all(goes_to(star, services[v], v) == hub for v in (4, 6))

        wait_for("the first has it", lambda: all_go_to(0), PATIENCE)
        preferred.end(signal.SIGKILL)
        other = star.site.node.path("other.key")
        with open(other, "w", encoding="ascii") as f:
            f.write(key_pair()[0])
        star.site.set("private-key", other)
        star.site.set("private-key", star.site.key_file)
        wait_for("the second has it", lambda: all_go_to(1), PATIENCE)
        assert star.site.stats()["peers_lost"] == 1
        star.begin(preferred)
        preferred.node.address("10.9.0.2/24", "wg0")
        preferred.node.address("fd09::2/64", "wg0")
        wait_for("the first has it again", lambda: all_go_to(0), PATIENCE)


# --- groups ---------------------------------------------------------------------------------------


def index_of(end):
    return int(end.node.run(["cat", "/sys/class/net/wg0/ifindex"]))


def listen(end, version, group):
    s = socket_in(end.node, version)
    index = index_of(end)
    s.bind(("", 7400))
    if version == 4:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                     struct.pack("4s4si", socket.inet_aton(group), bytes(4), index))
    else:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                     struct.pack("16si", socket.inet_pton(socket.AF_INET6, group), index))
    s.settimeout(PATIENCE)
    return s


@BOTH
def test_groups_and_link_local(star, version):
    group = {4: "239.1.2.3", 6: "ff02::1:3"}[version]
    wait_for_sessions(star)
    for i, hub in enumerate(star.hubs):
        star.ask(hub, "set=1", "multicast=true", f"public_key={hex_of(star.site)}", "multicast=true", "link_local=fe80::1")
        star.ask(star.site, "set=1", f"public_key={hex_of(hub)}", f"multicast={'true' if i < 2 else 'false'}",
                 f"link_local=fe80::{i + 2}")
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(listen(h, version, group)) for h in star.hubs]
        s, index = stack.enter_context(socket_in(star.site.node, version, bind=("", 7400))), index_of(star.site)
        if version == 4:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
        to = (group, 7400) if version == 4 else (group, 7400, 0, index)
        s.sendto(b"off", to)
        star.ask(star.site, "set=1", "multicast=true")
        s.sendto(b"on", to)
        for ear in ears[:2]:
            assert ear.recv(100) == b"on"
        assert not select.select(ears[2:], [], [], 0.2)[0]
        assert star.site.stats()["group_copies"] >= 2
        if version == 6:  # one peer's own, both ways
            s.sendto(b"one", ("fe80::3", 7400, 0, index))
            assert ears[1].recv(100) == b"one"
            ears[1].sendto(b"back", ("fe80::1", 7400, 0, index_of(star.hubs[1])))
            text, sender = s.recvfrom(100)
            assert text == b"back" and sender[0].startswith("fe80::3")
