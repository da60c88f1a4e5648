# SPDX-License-Identifier: MIT
"""shunt-wg against Debian's wireguard-go, with real packets; the topology is drawn in pair.py.

What takes the protocol's own time (a rekey is due after 120 s) runs beside the other tests from the
start, each in a pair of its own; the last tests collect it.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import threading
import time

import pytest

from lab import Lab, run, wait_for
from orders import BOTH_OUTER, BOTH_WAYS, ORDERS
from pair import (BUILD, Capture, End, Flood, INNER, OUTER, OURS, PORT, Pair, RELAY_PORT, Relay,
                  THEIRS, host_port, key_pair, socket_in, tcp_transfer)
from probes import Probes, now

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]

PROBE = str(BUILD / "tests/lab/probe")
INITIATION, RESPONSE, COOKIE, DATA = 1, 2, 3, 4
KEEPALIVE_LEN = 32


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-interop") as lab:
        yield lab


# --- what takes its time --------------------------------------------------------------------------


def rekeys_under_traffic(pair):
    """From before the first rekey until after it; what was lost meanwhile, and how often who shook
    hands."""
    pair.start()
    pair.talk()
    probes = Probes(PROBE)
    probes.add(pair.a.node)
    probes.add(pair.b.node)
    for version in (4, 6):
        probes.both_ways(pair.a.node, INNER["a"][version], pair.b.node, INNER["b"][version], 50)
    probes.start()
    probes.quiet(deadline=30)
    begin = now()

    def handshakes():
        return pair.a.peer(pair.b)["handshake"], pair.b.peer(pair.a)["handshake"]

    first = handshakes()
    wait_for("a new session at both ends",
             lambda: all(n > f for n, f in zip(handshakes(), first)), 150, every=1)
    renewed = now()
    wait_for("some traffic by it", lambda: now() > renewed + 2e9, 5)
    verdicts = probes.judge(begin, now())
    probes.close()
    return [(v.flow.source, v.flow.target, v.lost, v.duplicates) for v in verdicts if v.lost
            or v.duplicates], [n - f for n, f in zip(handshakes(), first)]


def responder_restarts(pair):
    """It knows nobody's endpoint, so the initiator has to notice that nothing is answered."""
    pair.start()
    pair.talk()
    before = pair.a.peer(pair.b)["handshake"]
    pair.b.end(signal.SIGKILL)
    # A killed wireguard-go leaves its socket, which nobody answers.
    pair.b.start()
    pair.b.identify()
    pair.b.set("peer", pair.a.public, "allowed-ips", f"{INNER['a'][4]},{INNER['a'][6]}")
    pair.b.up()
    pair.b.node.address(f"{INNER['b'][4]}/24", "wg0")
    pair.b.node.address(f"{INNER['b'][6]}/64", "wg0")
    pair.wait_ping("traffic after the restart", deadline=60)
    pair.talk()
    return pair.a.peer(pair.b)["handshake"] > before


def passive_keepalive(pair):
    """Who received data and has nothing to say sends one keepalive, 10 s later, and nobody answers
    it; who sent the data is content with that."""
    relay = Relay(pair)
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    pair.ping()
    # The sessions' first packets are to be over, and the timers that they started.
    wait_for("silence", lambda: silent(relay, 12), 60, every=0.5)
    here, there = len(relay.to_b), len(relay.to_a)
    sink = socket_in(pair.b.node, 4, bind=(INNER["b"][4], 7300))
    with socket_in(pair.a.node, 4) as s:
        s.sendto(b"anybody there?", (INNER["b"][4], 7300))
    wait_for("the keepalive", lambda: len(relay.to_a) > there, 20)
    wait_for("silence", lambda: silent(relay, 8), 60, every=0.5)
    sink.close()
    relay.close()
    return ([(d[0], len(d)) for d in relay.to_b[here:]],
            [(d[0], len(d)) for d in relay.to_a[there:]])


def silent(relay, seconds):
    """True if nothing came by for so long."""
    n = len(relay.to_a) + len(relay.to_b)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        if len(relay.to_a) + len(relay.to_b) != n:
            return False
    return True


def initiation_is_repeated(pair):
    """The first initiation is lost; another comes after REKEY_TIMEOUT."""
    relay = Relay(pair)
    relay.change = lambda data, to_b: None if to_b and len(relay.to_b) == 1 else data
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    pair.wait_ping("traffic")
    relay.close()
    return len(relay.seen(INITIATION)), len(relay.seen(RESPONSE, to_b=False))


def wrong_psk(pair):
    """Nothing passes while one end has another psk; with the right one it does by itself."""
    pair.start(psk=run(["wg", "genpsk"]).strip())
    good = pathlib.Path(pair.a.node.path("psk"))
    other = pair.a.node.path("other-psk")
    pathlib.Path(other).write_text(key_pair()[0] + "\n", encoding="ascii")
    pair.b.set("peer", pair.a.public, "preshared-key", other)
    passed = pair.ping(seconds=1)
    if pair.a.program == OURS:
        # It saw an answer that it couldn't open.
        wait_for("a response refused", lambda: pair.a.stats()["drop_handshake"], 10)
    handshakes = pair.a.peer(pair.b)["handshake"], pair.b.peer(pair.a)["handshake"]
    pair.b.set("peer", pair.a.public, "preshared-key", str(good))
    pair.wait_ping("traffic with the right psk")
    return passed, handshakes


SLOW = (rekeys_under_traffic, responder_restarts, passive_keepalive, initiation_is_repeated,
        wrong_psk)


@pytest.fixture(name="slow", scope="module", autouse=True)
def slow_fixture(request):
    """{(function, order): future} of those in SLOW whose tests were asked for."""
    asked_for = {item.originalname for item in request.session.items}
    with Lab.signals(), Lab("shunt-slow") as lab, concurrent.futures.ThreadPoolExecutor(
            len(SLOW) * len(ORDERS)) as pool:
        jobs = {}
        for function in (f for f in SLOW if f"test_{f.__name__}" in asked_for):
            for order, (a, b) in ORDERS.items():
                pair = Pair(lab, a, b, tag=f"-{function.__name__}-{order}")
                jobs[function, order] = pool.submit(function, pair)
        yield jobs


# --- sessions -------------------------------------------------------------------------------------


@BOTH_WAYS
@BOTH_OUTER
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


@BOTH_WAYS
def test_initiator_restarts(lab, a, b):
    pair = Pair(lab, a, b)
    pair.start()
    pair.talk()
    before = pair.b.peer(pair.a)["rx"]
    pair.a.end(signal.SIGKILL)
    pair.a.start()
    pair.a.identify()
    pair.a.set("peer", pair.b.public, "endpoint", host_port(OUTER["b"][4]), "allowed-ips",
               f"{INNER['b'][4]},{INNER['b'][6]}")
    pair.a.up()
    pair.a.node.address(f"{INNER['a'][4]}/24", "wg0")
    pair.a.node.address(f"{INNER['a'][6]}/64", "wg0")
    pair.talk()
    assert pair.b.peer(pair.a)["rx"] > before


@BOTH_WAYS
def test_persistent_keepalive(lab, a, b):
    """It opens a session by itself and goes on without any traffic."""
    pair = Pair(lab, a, b)
    relay = Relay(pair)
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    for other, end in ((pair.b, pair.a), (pair.a, pair.b)):
        end.node.sysctl("net/ipv6/conf/wg0/disable_ipv6", 1)  # no router solicitations
        assert end.peer(other)["keepalive"] == "off"
    pair.a.set("peer", pair.b.public, "persistent-keepalive", 1)
    wait_for("three keepalives", lambda: [
        len(d) for d in relay.seen(DATA)].count(KEEPALIVE_LEN) >= 3, 20)
    assert pair.b.peer(pair.a)["handshake"]
    relay.close()


# --- endpoints ------------------------------------------------------------------------------------


@BOTH_WAYS
@BOTH_OUTER
def test_roams(lab, a, b, version):
    """a gets another address, then another port, and b follows, since what comes is a's."""
    pair = Pair(lab, a, b)
    pair.start(version)
    pair.talk()
    another = {4: "198.51.100.3", 6: "2001:db8::3"}[version]
    length = {4: 24, 6: 64}[version]
    pair.a.node.ip(f"address del {OUTER['a'][version]}/{length} dev eth0")
    pair.a.node.address(f"{another}/{length}", "eth0")
    if a == OURS or version == 6:
        # wireguard-go insists on the old source until its next handshake.
        pair.wait_ping("traffic from the new address", deadline=5)
        assert pair.b.peer(pair.a)["endpoint"] == host_port(another)
    pair.a.set("listen-port", 4321)
    pair.wait_ping("traffic from the new port")
    assert pair.b.peer(pair.a)["endpoint"] == host_port(another, 4321)
    pair.wait_ping("the other way", source="b")


@BOTH_WAYS
def test_only_the_peer_moves_its_endpoint(lab, a, b):
    """Copies, damaged ones and inventions, sent from another address, change nothing but counters."""
    pair = Pair(lab, a, b)
    relay = Relay(pair)
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    pair.talk()
    us, them = (pair.a, pair.b) if a == OURS else (pair.b, pair.a)
    to_us = relay.to_a if a == OURS else relay.to_b
    endpoint = us.peer(them)["endpoint"]
    pair.a.node.address("198.51.100.66/24", "eth0")
    pair.b.node.address("198.51.100.67/24", "eth0")
    attacker = socket_in(them.node, 4, bind=(
        "198.51.100.66" if them is pair.a else "198.51.100.67", 6666))
    target = (OUTER["a" if us is pair.a else "b"][4], PORT)
    message = [d for d in to_us if d[0] == DATA][-1]
    damaged = message[:8] + struct.pack("<Q", 10**6) + message[16:]

    def counted(name, *messages):
        before = us.stats()[name]
        for data in messages:
            attacker.sendto(data, target)
        wait_for(f"{name} by {len(messages)}",
                 lambda: us.stats()[name] - before == len(messages), 5)

    counted("drop_replay", message, message, message)
    counted("drop_bad_tag", damaged, damaged, message[:-1] + bytes([message[-1] ^ 1]))
    counted("drop_unknown_index", message[:4] + bytes(4) + message[8:])
    counted("drop_malformed", b"", b"x", message[:31], b"\4\0\0\1" + message[4:],
            b"\5\0\0\0" + message[4:], b"\1\0\0\0" + bytes(143), b"\2\0\0\0" + bytes(200))
    counted("drop_handshake", b"\1\0\0\0" + bytes(144))
    assert us.peer(them)["endpoint"] == endpoint
    pair.talk()
    attacker.close()
    relay.close()


@BOTH_OUTER
def test_answers_from_where_it_was_called(lab, version):
    """A host of two addresses: its peer would follow it to the other, so it must not send from there.
    When the address vanishes, the other will do."""
    pair = Pair(lab, THEIRS, OURS)
    second = {4: "198.51.100.22", 6: "2001:db8::22"}[version]
    length = {4: 24, 6: 64}[version]
    pair.b.node.address(f"{second}/{length}", "eth0")
    capture = Capture(pair.a.node)
    pair.start(version, endpoint=host_port(second))
    pair.talk()
    assert pair.a.peer(pair.b)["endpoint"] == host_port(second)
    assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][4], 4, 2 << 20)
    assert pair.a.peer(pair.b)["endpoint"] == host_port(second)
    pair.b.node.ip(f"address del {second}/{length} dev eth0")
    pair.wait_ping("traffic from the other address", source="b")
    assert pair.a.peer(pair.b)["endpoint"] == host_port(OUTER["b"][version])
    pair.talk()
    capture.close()


# --- under load -----------------------------------------------------------------------------------


@BOTH_WAYS
def test_gets_through_a_forged_flood(lab, a, b):
    """From many addresses: who answers the cookie is served."""
    pair = Pair(lab, a, b)
    relay = Relay(pair)
    flood = Flood(pair, sources=64)
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    if b == OURS:
        wait_for("cookies", lambda: pair.b.stats()["cookies_sent"], 20)
    pair.wait_ping("traffic during the flood", deadline=60)
    flood.close()
    assert relay.seen(COOKIE, to_b=False)
    # The one that was answered had the cookie's mac.
    assert relay.seen(INITIATION)[-1][132:] != bytes(16)
    relay.close()


def test_one_source_puts_nobody_else_into_cookie_mode(lab):
    pair = Pair(lab, THEIRS, OURS)
    relay = Relay(pair)
    flood = Flood(pair, sources=1)
    pair.start(endpoint=host_port(OUTER["b"][4], RELAY_PORT))
    wait_for("its share is full", lambda: pair.b.stats()["drop_handshake"] > 1000, 20)
    pair.wait_ping("traffic during the flood", deadline=60)
    # The flood's own address is asked for its cookie, nobody else.
    assert pair.b.stats()["cookies_sent"] > 0
    assert not relay.seen(COOKIE, to_b=False)
    bursts = flood.bursts
    wait_for("the flood goes on", lambda: flood.bursts > bursts, 5)
    flood.close()
    relay.close()


# --- changes under traffic ------------------------------------------------------------------------


@contextlib.contextmanager
def flows(pair, rate=200):
    """Probes of both ways that run."""
    probes = Probes(PROBE)
    probes.add(pair.a.node)
    probes.add(pair.b.node)
    probes.both_ways(pair.a.node, INNER["a"][4], pair.b.node, INNER["b"][4], rate)
    probes.start()
    try:
        probes.quiet(deadline=30)
        yield probes
    finally:
        probes.close()


def test_port_and_mark_change_under_traffic(lab):
    pair = Pair(lab, THEIRS, OURS)
    pair.start()
    pair.talk()
    pair.b.node.nft("""
        table inet marks {
            chain out {
                type filter hook output priority 0;
                udp sport 51820 meta mark 0x77 counter
                udp sport 51821 meta mark 0x77 counter
                udp sport 51821 meta mark 0 counter
            }
        }""")

    def marked():
        text = pair.b.node.run(["nft", "list", "chain", "inet", "marks", "out"])
        return [int(line.split("packets ")[1].split()[0]) for line in text.splitlines()
                if "packets " in line]

    with flows(pair) as probes:
        outgoing = [f for f in probes.flows if f.source == pair.b.node.name]
        begin = now()
        pair.b.set("fwmark", "0x77")
        wait_for("packets with the mark", lambda: marked()[0] > 20, 10)
        assert not any(v.lost or v.duplicates for v in probes.judge(begin, now()))
        begin = now()
        pair.b.set("listen-port", PORT + 1)
        wait_for("packets from the new port, marked", lambda: marked()[1] > 20, 10)
        # What a sent to the old port until it heard from the new one is gone; nothing else is.
        assert not any(v.lost for v in probes.judge(begin, now(), outgoing))
        probes.quiet()
        assert pair.a.peer(pair.b)["endpoint"] == host_port(OUTER["b"][4], PORT + 1)
        pair.b.set("fwmark", "0")
        wait_for("packets without a mark", lambda: marked()[2] > 20, 10)


def test_allowed_ips_move_under_traffic(lab):
    """Prefixes around the ones in use come and go at another peer: no packet minds. The one in use,
    taken away, stops its packets at once."""
    pair = Pair(lab, OURS, THEIRS)
    pair.start()
    pair.talk()
    keeper = key_pair()[1]
    with flows(pair) as probes:
        begin = now()
        for _ in range(20):
            # Prefixes inside and around the one in use come and go at another peer.
            pair.a.set("peer", keeper, "allowed-ips", "10.9.0.0/24,10.9.0.0/30,10.9.0.3/32,::/0")
            pair.a.set("peer", keeper, "allowed-ips", "10.9.0.0/16", "peer", pair.b.public,
                       "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]},10.9.0.0/24")
            pair.a.set("peer", keeper, "remove")
        assert not any(v.lost or v.duplicates for v in probes.judge(begin, now()))
        # Taken away, it is gone at once; given back, it is back.
        pair.a.set("peer", keeper, "allowed-ips", INNER["b"][4])
        assert INNER["b"][4] + "/32" not in pair.a.peer(pair.b)["allowed"]
        begin = now()
        wait_for("some time", lambda: now() > begin + 5e8, 5)
        assert all(v.sent and v.lost == v.sent for v in probes.judge(begin, now()))
        stats = pair.a.stats()
        assert stats["drop_source_not_allowed"] and stats["drop_no_endpoint"]
        pair.a.set("peer", pair.b.public, "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]}")
        probes.quiet()


def read_numbers(s, found, ending):
    s.settimeout(0.2)
    while not ending.is_set():
        with contextlib.suppress(TimeoutError):
            found.append(int.from_bytes(s.recv(64), "big"))


def send_numbers(node, address, found, ending):
    """Never more than a few under way: on a machine that is busy with others no queue runs over. Returns how many;
    one that is lost holds up the rest."""
    sent = 0
    with socket_in(node, 4) as s:
        while not ending.wait(0.0005):
            wait_for("what is under way", lambda n=sent: n - sum(map(len, found)) < 32, 20, every=0.001)
            s.sendto(sent.to_bytes(8, "big"), address)
            sent += 1
        wait_for("the last ones", lambda: sum(map(len, found)) == sent, 20)
    return sent


def test_a_prefix_moves_between_live_peers_without_loss(lab):
    """b and c have the same address; each `wg set` moves it from one to the other."""
    pair = Pair(lab, OURS, THEIRS).start()
    pair.talk()
    c = End(lab.namespace("c"), OURS)
    lab.wire(pair.a.node, "eth1", c.node, "eth0")
    pair.a.node.address("203.0.113.1/24", "eth1")
    c.node.address("203.0.113.2/24", "eth0")
    c.start()
    c.identify()
    c.set("peer", pair.a.public, "allowed-ips", INNER["a"][4])
    c.up()
    c.node.address("10.9.0.3/24", "wg0")
    c.node.address(f"{INNER['b'][4]}/32", "wg0")
    pair.a.set("peer", c.public, "endpoint", host_port("203.0.113.2"), "allowed-ips", "10.9.0.3/32")
    wait_for("c", lambda: not subprocess.run(pair.a.node.inside(
        ["ping", "-q", "-c", "1", "-W", "1", "10.9.0.3"]), stdout=subprocess.DEVNULL,
        check=False).returncode, 20)
    there = [socket_in(n, 4, bind=(INNER["b"][4], 7300)) for n in (pair.b.node, c.node)]
    found = [[], []]
    moved, read = threading.Event(), threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        readers = [pool.submit(read_numbers, s, f, read) for s, f in zip(there, found)]
        sender = pool.submit(send_numbers, pair.a.node, (INNER["b"][4], 7300), found, moved)
        try:
            for i in range(60):
                pair.a.set("peer", (c.public, pair.b.public)[i % 2], "allowed-ips",
                           ("10.9.0.3/32," * (1 - i % 2)) + INNER["b"][4])
            moved.set()
            sent = sender.result()
        finally:
            moved.set()
            read.set()
        for reader in readers:
            reader.result()
    for s in there:
        s.close()
    assert all(found)
    assert sorted(found[0] + found[1]) == list(range(sent))


# --- what took its time ---------------------------------------------------------------------------


EACH_ORDER = pytest.mark.parametrize("order", ORDERS)


@EACH_ORDER
def test_initiation_is_repeated(slow, order):
    assert slow[initiation_is_repeated, order].result() == (2, 1)


@EACH_ORDER
def test_wrong_psk(slow, order):
    passed, handshakes = slow[wrong_psk, order].result()
    assert not passed
    assert handshakes == (0, 0)


@EACH_ORDER
def test_responder_restarts(slow, order):
    assert slow[responder_restarts, order].result()


@EACH_ORDER
def test_passive_keepalive(slow, order):
    to_b, to_a = slow[passive_keepalive, order].result()
    assert to_b == [(DATA, 32 + 48)]  # 42 bytes and padding
    assert to_a == [(DATA, KEEPALIVE_LEN)]


@EACH_ORDER
def test_rekeys_under_traffic(slow, order):
    losses, renewals = slow[rekeys_under_traffic, order].result()
    assert losses == []
    assert all(n > 100 for n in renewals)
