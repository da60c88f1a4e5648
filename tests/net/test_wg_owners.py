# SPDX-License-Identifier: MIT
"""Prefixes with several owners, on interfaces: a site whose hubs all have the same service (star.py), and a set of the
three. What a hub gets is numbered, so that order and place of each flow can be told.
"""

import collections
import contextlib
import itertools
import os
import select
import signal
import socket
import struct
import threading

import pytest

from lab import Lab, wait_for
from pair import PATIENCE, key_pair, socket_in, tcp_transfer, within
from star import SERVICE, Star, hex_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

FLOWS = 24
PER_FLOW = 40
SERVICE_PORT = 7300
UDP_SEGMENT, SO_RCVBUFFORCE = 103, 33
BOTH = pytest.mark.parametrize("version", [4, 6])


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


# --- shares ---------------------------------------------------------------------------------------


@BOTH
def test_shares_and_only_the_flows_of_the_lost_move(star, version):
    star.talk()
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


class Sending:
    """A datagram a millisecond, flow after flow, until it ends."""

    def __init__(self, star, version):
        self.sent = 0
        self._sockets = [socket_in(star.site.node, version) for _ in range(FLOWS)]
        for flow, s in enumerate(self._sockets):
            s.bind(("10.9.0.1" if version == 4 else "fd09::1", 21000 + flow))
            s.connect((SERVICE[version], SERVICE_PORT))
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.wait(0.001):
            flow = self.sent % FLOWS
            self._sockets[flow].send(struct.pack("!II", flow, self.sent))
            self.sent += 1

    def end(self):
        self._ending.set()
        self._thread.join()
        for s in self._sockets:
            s.close()


@BOTH
def test_changes_lose_nothing(star, version):
    """Owners are said anew, a prefix goes to a peer alone and back, and to another set, while packets go there."""
    star.talk()
    star.share(1, 1, 1)
    prefix = f"allowed_ip={SERVICE[version]}/{32 if version == 4 else 128}"
    a, b, c = (hex_of(h) for h in star.hubs)
    changes = [
        ["owners=1", f"owner={a},0,1"],
        ["owners=1", f"owner={b},0,1", f"owner={c},0,3"],
        [f"public_key={c}", prefix],
        ["owners=2", f"owner={a},5,1", f"owner={b},5,2", prefix],
        [f"public_key={a}", "level=down", f"public_key={b}", "level=last-resort"],
        ["owners=1", prefix],
        ["owners=2", "remove=true"],
        [f"public_key={a}", "level=up", f"public_key={b}", "level=up"],
    ]
    service, sending = Service(star, version), Sending(star, version)
    try:
        rounds = itertools.count(1)

        def change_all():
            for change in changes:
                star.ask(star.site, "set=1", *change)
            star.ask(star.site, "get=1")
            return next(rounds) >= 40 and sending.sent > 200 and all(service.got)

        wait_for("packets to each hub beside it", change_all, PATIENCE, every=0)
        sending.end()
        wait_for("all of them", lambda: sum(len(n) for got in service.got for n in list(got.values())) >=
                 sending.sent, PATIENCE)
    finally:
        sending.end()
        service.close()


@BOTH
def test_streams_arrive_whole(star, version):
    """Of each connection all packets, and all answers, by whoever has it."""
    star.talk()
    star.share(1, 1, 1)
    for n, hub in enumerate(star.hubs):
        others = [h for h in star.hubs if h is not hub]
        for other in others:
            star.level(other, "last-resort")
        assert tcp_transfer(star.site.node, hub.node, SERVICE[version], version, 4 << 20, port=7100 + n)
        for other in others:
            star.level(other, "up")


# --- many flows -----------------------------------------------------------------------------------

MANY = 100000
ANYWHERE = {4: "203.0.113.0/24", 6: "2001:db8:7::/64"}


def send_many(star, version):
    """A datagram in each of MANY flows; how many of them each hub was sent."""
    before = star.site.peers()
    with socket_in(star.site.node, version) as s:
        for flow in range(MANY):
            host = flow % 250 + 1
            s.sendto(b"flow", (f"203.0.113.{host}" if version == 4 else f"2001:db8:7::{host:x}", 10000 + flow // 250))
    size = 64 if version == 4 else 96  # header and tag, and 32 or 52 bytes padded to sixteens

    def sent():
        after = star.site.peers()
        return [round((after[h.public]["tx"] - before[h.public]["tx"]) / size) for h in star.hubs]

    wait_for("all of them are sent", lambda: sum(sent()) >= MANY, PATIENCE)
    assert sum(sent()) < MANY + 100  # keepalives
    return sent()


@BOTH
def test_a_hundred_thousand_flows_by_weight(star, version):
    star.talk()
    star.own([ANYWHERE[version]], *((h, 0, w) for h, w in zip(star.hubs, (1, 2, 5))))
    star.site.node.ip("link set wg0 txqueuelen 200000")
    star.site.node.ip(f"route add {ANYWHERE[version]} dev wg0")
    for hub in star.hubs:
        hub.node.ip(f"route add blackhole {ANYWHERE[version]}")
    assert [round(100 * n / MANY, 1) for n in send_many(star, version)] == pytest.approx([12.5, 25, 62.5], abs=1)
    star.level(star.hubs[2], "down")
    first, second, lost = send_many(star, version)
    assert lost < 100
    assert [100 * first / MANY, 100 * second / MANY] == pytest.approx([100 / 3, 200 / 3], abs=1)


STREAMS, STREAM_BYTES = 12, 1 << 20
SITE = {4: "10.9.0.1", 6: "fd09::1"}
UNDER_WAY = 64 << 10  # of a stream, at most: what all have together no queue on the way is too short for
ETH_P_ALL, TOTAL_RETRANS = 3, 100


class Ear:
    """The headers of what comes to a hub by its tunnel: {port: [(TCP's sequence number, bytes)]}."""

    def __init__(self, hub, version):
        def open_it():
            s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            s.bind(("wg0", ETH_P_ALL))
            return s

        self.socket = within(hub.node, open_it)
        self.version, self.got = version, collections.defaultdict(list)

    def take_all(self):
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, sender = self.socket.recvfrom(128)
                if sender[2] != socket.PACKET_OUTGOING and packet[0] >> 4 == self.version:
                    self._take(packet)
        self.socket.close()

    def _take(self, packet):
        head = 20 if self.version == 4 else 40
        whole = struct.unpack_from("!H", packet, 2)[0] if self.version == 4 else struct.unpack_from("!H", packet, 4)[0] + 40
        if packet[9 if self.version == 4 else 6] != socket.IPPROTO_TCP:
            return
        port, _, seq = struct.unpack_from("!HHI", packet, head)
        n = whole - head - 4 * (packet[head + 12] >> 4)
        if n:
            self.got[port].append((seq, n))


def is_in_order(parts):
    return all((seq + n) % (1 << 32) == following for (seq, n), (following, _) in zip(parts, parts[1:]))


def stream(star, version, results):
    """STREAM_BYTES to the service, and its end; its port, and how often TCP sent something again."""
    with socket_in(star.site.node, version, socket.SOCK_STREAM) as s:
        s.settimeout(PATIENCE)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNDER_WAY)
        s.connect((SERVICE[version], 7100))
        s.sendall(bytes(STREAM_BYTES))
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1) == b""
        info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        results.append((s.getsockname()[1], struct.unpack_from("=I", info, TOTAL_RETRANS)[0]))


def patient(star, version):
    """The site's TCP sends nothing again because an answer is late, as on a busy machine."""
    star.site.node.sysctl("net/ipv4/tcp_early_retrans", 0)
    prefix = f"{SERVICE[version]}/{32 if version == 4 else 128}"
    star.site.node.ip(f"-{version} route replace {prefix} dev wg0 src {SITE[version]} rto_min 5s")


def drain(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=drain_one, args=[connection], daemon=True).start()


def drain_one(connection):
    with connection, contextlib.suppress(OSError):
        connection.settimeout(PATIENCE)
        while connection.recv(1 << 20):
            pass


@BOTH
def test_streams_stay_in_order(star, version):
    """Of each of several streams at once all packets come to one hub, one after the other."""
    star.talk()
    star.share(1, 1, 1)
    patient(star, version)
    results = []
    with contextlib.ExitStack() as stack:
        for hub in star.hubs:
            listener = socket_in(hub.node, version, socket.SOCK_STREAM, bind=(SERVICE[version], 7100))
            stack.callback(listener.close)
            listener.listen(STREAMS)
            listener.settimeout(PATIENCE)
            threading.Thread(target=drain, args=[listener], daemon=True).start()
        ears = [Ear(hub, version) for hub in star.hubs]
        threads = [threading.Thread(target=stream, args=(star, version, results)) for _ in range(STREAMS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for ear in ears:
            ear.take_all()
    assert len(results) == STREAMS
    for port, retransmitted in results:
        parts = [ear.got[port] for ear in ears if port in ear.got]
        assert len(parts) == 1
        assert sum(n for _, n in parts[0]) >= STREAM_BYTES
        assert retransmitted or is_in_order(parts[0]), (port, parts[0])
    assert sum(not again for _, again in results) >= STREAMS / 2, results
    assert all(ear.got for ear in ears), "each hub has some"


# --- who is lost ----------------------------------------------------------------------------------


def goes_to(star, service, version, flow=9999):
    """Where what is sent now and then goes, once it arrives."""
    number = star.number = getattr(star, "number", 0) + 1
    with socket_in(star.site.node, version) as s:
        s.sendto(struct.pack("!II", flow, number), (SERVICE[version], SERVICE_PORT))
    with contextlib.suppress(Exception):
        wait_for("it arrives", lambda: service.place(flow, number) is not None, 0.3, every=0.02)
    return service.place(flow, number)


def told_of(star, hub):
    """What a get tells of the hub as an owner, beyond what is so at first."""
    section = star.ask(star.site, "get=1").split(f"public_key={hex_of(hub)}\n")[1].split("public_key=")[0]
    lines = dict(line.split("=", 1) for line in section.split("\n") if "=" in line)
    return {k: lines[k] for k in ("level", "answers") if k in lines}


def test_a_preferred_owner_that_is_killed_and_comes_back(star):
    """Nobody tells the device. Its sessions are of an older key, so that the next packet asks for new ones, and nothing has
    to grow old first."""
    star.talk()
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
        assert told_of(star, preferred) == {"answers": "false"}
        # What is said of it changes nothing of what the device sees, and the other way round.
        star.level(preferred, "down")
        assert told_of(star, preferred) == {"answers": "false", "level": "down"}
        star.level(star.hubs[1], "last-resort")
        wait_for("the third has it, as the better level", lambda: all_go_to(2), PATIENCE)
        star.level(star.hubs[1], "up")
        star.level(preferred, "up")
        assert told_of(star, preferred) == {"answers": "false"}
        wait_for("the second has it, since the first is silent still", lambda: all_go_to(1), PATIENCE)
        star.level(preferred, "last-resort")
        star.begin(preferred)
        preferred.node.address("10.9.0.2/24", "wg0")
        preferred.node.address("fd09::2/64", "wg0")
        wait_for("it answers", lambda: told_of(star, preferred) == {"level": "last-resort"}, PATIENCE)
        wait_for("the second has it, as the better level", lambda: all_go_to(1), PATIENCE)
        star.level(preferred, "up")
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
    star.talk()
    star.have_multicast(star.hubs[:2])
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(listen(h, version, group)) for h in star.hubs]
        s, index = stack.enter_context(socket_in(star.site.node, version, bind=("", 7400))), index_of(star.site)
        if version == 4:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("4s4si", bytes(4), bytes(4), index))
        to = (group, 7400) if version == 4 else (group, 7400, 0, index)
        s.sendto(b"off", to)
        star.talk()  # one after the other: it has gone its way by then
        star.multicast(True)
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
