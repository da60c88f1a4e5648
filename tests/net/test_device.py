# SPDX-License-Identifier: MIT
"""device.h, by device_tool, against Debian's wireguard-go, and `wg` as the second witness.

Under traffic:

    [one] 10.77.0.1 ---- underlay ---- [left]  10.98.0.1, 10.99.0.1
                            |
                            +--------- [right] 10.99.0.1

one sends to 10.99.0.1, which both others have: whoever owns the prefix on one's device gets the
packets, and each must arrive at exactly one of them while the prefix goes to and fro. 10.98.0.1 is
the bystander that must not lose anything, whatever is done beside it.
"""

import base64
import json
import os
import pathlib
import random
import re
import shutil
import socket

import pytest

from lab import Lab, processes_in, run, wait_for
from probes import Probe, STRAGGLERS_S, now

BUILD = pathlib.Path(
    os.environ.get("SHUNT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
RATE = 500  # packets a second of each of the two flows
SHUNT_WG = str(BUILD / "shunt-wg")
TOOL = str(BUILD / "tests/lab/device_tool")
PROBE = str(BUILD / "tests/lab/probe")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]


class Refused(Exception):
    """device_tool said no: (errno's name, why)."""


def tool(node, *words, kind="uapi", userspace="wireguard-go", name="wg0"):
    done = node.run(["sh", "-c", '"$@" || true', "sh", TOOL, "--kind", kind,
                     "--userspace", userspace, name, *words])
    answer = json.loads(done)
    if "error" in answer:
        raise Refused(answer["error"], answer["why"])
    return answer


def change(node, **what):
    return tool(node, "set", json.dumps(what))


def state(node):
    """What our device_get says: {key: peer}."""
    return {p["key"]: p for p in tool(node, "get")["peers"]}


def witness(node):
    """What `wg` says: {key: (psk, endpoint, allowed IPs, keepalive)}."""
    peers = {}
    for line in node.run(["wg", "show", "wg0", "dump"]).splitlines()[1:]:
        key, psk, endpoint, allowed, _, _, _, keepalive = line.split("\t")
        peers[key] = (psk, endpoint, sorted(set(allowed.split(",")) - {"(none)"}), keepalive)
    return peers


def key_pair():
    private = run(["wg", "genkey"]).strip()
    return private, run(["wg", "pubkey"], input=private).strip()


def some_key():
    return key_pair()[1]


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-device") as lab:
        yield lab


@pytest.fixture(name="node")
def node_fixture(lab):
    return lab.namespace("one")


def test_creates_adopts_and_destroys(node):
    assert tool(node, "open") == {"created": True, "kind": "uapi", "name": "wireguard-go"}
    assert node.has_interface("wg0")
    assert tool(node, "open") == {"created": False, "kind": "uapi", "name": "wireguard-go"}
    # AUTO takes what is there.
    assert tool(node, "open", kind="auto")["created"] is False
    tool(node, "destroy")
    wait_for("the interface gone", lambda: not node.has_interface("wg0"), 10)
    wait_for("the program ended", lambda: not processes_in([node.namespace]), 10)
    assert tool(node, "open")["created"] is True


def test_says_what_wg_says(node):
    tool(node, "open")
    private, public = key_pair()
    keys = [some_key() for _ in range(3)]
    change(node, private_key=private, listen_port=51820, fwmark=7, peers=[
        {"key": keys[0], "endpoint": "192.0.2.1:51820", "keepalive": 25,
         "add": ["10.1.0.0/16", "fd00:1::/32"]},
        {"key": keys[1], "endpoint": "[2001:db8::1]:7", "psk": private, "add": ["0.0.0.0/0", "::/0"]},
        {"key": keys[2]},
        {"key": some_key(), "update_only": True, "add": ["10.9.0.0/16"]},
    ])
    got = tool(node, "get")
    assert (got["public_key"], got["listen_port"], got["fwmark"]) == (public, 51820, 7)
    ours = {k: ("(none)" if not p["has_psk"] else private, p["endpoint"] or "(none)",
                sorted(p["allowed"]), str(p["keepalive"] or "off"))
            for k, p in state(node).items()}
    assert ours == witness(node)
    assert set(ours) == set(keys)
    # A preshared key of zeros is none; a change names only what it changes.
    zeros = base64.b64encode(bytes(32)).decode()
    change(node, peers=[{"key": keys[1], "psk": zeros}])
    assert witness(node)[keys[1]] == ("(none)", "[2001:db8::1]:7", ["0.0.0.0/0", "::/0"], "off")


def test_foreign_peers_stay(node):
    tool(node, "open")
    change(node, private_key=key_pair()[0])
    mine, foreign, psk = some_key(), some_key(), node.path("psk")
    pathlib.Path(psk).write_text(key_pair()[0] + "\n", encoding="ascii")
    node.run(["wg", "set", "wg0", "peer", foreign, "preshared-key", psk, "endpoint", "192.0.2.9:9",
              "persistent-keepalive", "9", "allowed-ips", "10.66.0.0/16,fd66::/16"])
    before = witness(node)[foreign]
    change(node, peers=[{"key": mine, "add": ["10.1.0.0/16", "10.2.0.0/16"]}])
    change(node, peers=[{"key": mine, "del": ["10.1.0.0/16", "10.66.0.0/16"]}])
    assert witness(node) == {mine: ("(none)", "(none)", ["10.2.0.0/16"], "off"), foreign: before}
    change(node, peers=[{"key": mine, "remove": True}])
    assert witness(node) == {foreign: before}


def owner(key, rank=0, weight=1, relay=False):
    return {"key": key, "rank": rank, "weight": weight, "relay": relay}


def test_sets_of_owners(node):
    """Of a device that has them: what is told is what was set, and `wg` sees each prefix once."""
    def ask(*words):
        return tool(node, *words, userspace=SHUNT_WG)

    def change_it(**what):
        return ask("set", json.dumps(what))

    def shown():
        return {k: p[2] for k, p in witness(node).items()}

    ask("open")
    assert ask("get")["max_owners"] == 16
    a, b, c = sorted((some_key() for _ in range(3)), key=base64.b64decode)
    many = [f"10.{i >> 8}.{i & 255}.0/24" for i in range(2000)]
    change_it(peers=[{"key": a, "add": ["10.99.0.1/32", *many]}, {"key": b, "level": "last-resort"}, {"key": c}])
    # The prefixes move from a peer to a set; what else is his stays.
    change_it(sets=[{"number": 7, "owners": [owner(b, 1), owner(a, 0, 100, True), owner(c, 0, 0)], "add": many},
                    {"number": 0, "owners": [owner(c)], "add": ["fd01::/32"]}])
    got = ask("get")
    assert [s["number"] for s in got["sets"]] == [0, 7]
    assert got["sets"][1]["owners"] == [owner(a, 0, 100, True), owner(b, 1), owner(c, 0, 0)]
    assert len(got["sets"][1]["allowed"]) == len(many) and got["sets"][0]["allowed"] == ["fd01::/32"]
    assert [(p["key"], p["level"], p["allowed"]) for p in got["peers"]] == [
        (a, "up", ["10.99.0.1/32"]), (b, "last-resort", []), (c, "up", [])]
    assert shown() == {a: sorted(["10.99.0.1/32", *many]), b: [], c: ["fd01::/32"]}
    # Other owners, prefixes gone and a set gone, a peer too, all in one change; the rest moves by it.
    change_it(peers=[{"key": a, "remove": True}, {"key": b, "level": "up", "add": ["fd01::/32"]}],
              sets=[{"number": 7, "owners": [owner(b)], "del": many[1:]}, {"number": 0, "remove": True},
                    {"number": 9, "del": many}])
    assert shown() == {b: sorted([many[0], "fd01::/32"]), c: []}
    assert ask("get")["sets"] == [{"number": 7, "owners": [owner(b)], "allowed": many[:1]}]
    with pytest.raises(Refused, match="ENOENT"):
        change_it(sets=[{"number": 7, "owners": [owner(c), owner(a)]}])
    with pytest.raises(Refused, match="EINVAL"):
        change_it(peers=[{"key": a}], sets=[{"number": 7, "owners": [owner(some_key()) for _ in range(17)]}])
    assert shown() == {b: sorted([many[0], "fd01::/32"]), c: []}


def test_no_sets_where_a_prefix_has_one_owner(node):
    tool(node, "open")
    assert tool(node, "get")["max_owners"] == 1
    with pytest.raises(Refused, match="EOPNOTSUPP"):
        change(node, peers=[{"key": some_key()}], sets=[{"number": 7, "remove": True}])
    assert witness(node) == {}


def test_removes_single_prefixes(node):
    tool(node, "open")
    change(node, private_key=key_pair()[0])
    a, b = some_key(), some_key()
    change(node, peers=[{"key": a, "add": ["10.1.0.0/16", "10.2.0.0/16", "fd00:1::/32"]},
                        {"key": b, "add": ["10.3.0.0/16"]}])
    for prefix in ("10.1.0.0/16", "fd00:1::/32"):
        # Debian's wireguard-go is of 2022 and knows no incremental removal.
        assert tool(node, "remove-prefix", a, prefix) == {
            "way": "parking peer", "was_there": True, "gone": True}
    # Another's prefix isn't touched by a removal.
    assert tool(node, "remove-prefix", a, "10.3.0.0/16")["was_there"] is False
    assert {k: p[2] for k, p in witness(node).items()} == {a: ["10.2.0.0/16"], b: ["10.3.0.0/16"]}
    assert tool(node, "parking-key")["key"] not in witness(node)


def test_many_peers(node):
    tool(node, "open")
    change(node, private_key=key_pair()[0])
    chance = random.Random(1)
    keys = [base64.b64encode(chance.randbytes(31) + b"\0").decode() for _ in range(3000)]
    peers = [{"key": k, "keepalive": 0, "add": [f"10.{i >> 8}.{i & 255}.0/24", f"fd00:{i + 1:x}::/32"]}
             for i, k in enumerate(keys)]
    node.run([TOOL, "wg0", "set", "-"], input=json.dumps({"peers": peers}))
    got = state(node)
    assert {k: sorted(p["allowed"]) for k, p in got.items()} == {
        p["key"]: sorted(p["add"]) for p in peers}


# --- what is there already, or won't start --------------------------------------------------------


def refusal(node, *words, **options):
    with pytest.raises(Refused) as caught:
        tool(node, *words, **options)
    return caught.value.args


def test_other_interfaces_are_refused(node):
    node.ip("link add wg0 type veth peer name other")
    assert refusal(node, "open") == ("EEXIST", "wg0 is a veth interface, not WireGuard")
    assert refusal(node, "open", kind="auto")[0] == "EEXIST"
    assert refusal(node, "open", name="lo") == ("EEXIST", "lo is a plain interface, not WireGuard")
    assert node.has_interface("wg0")
    node.ip("tuntap add dev tun0 mode tun")
    assert refusal(node, "open", name="tun0") == (
        "EEXIST", "tun0 is a tun interface, but no WireGuard program serves "
        "/var/run/wireguard/tun0.sock")


def test_a_socket_of_another_namespace_is_refused(lab, node):
    other = lab.namespace("two")
    other.binds = node.binds  # the folder is shared, as it is by default
    tool(node, "open")
    error, why = refusal(other, "open")
    assert error == "EEXIST" and "another network namespace" in why


def test_a_stale_socket_is_nobody(node):
    path = os.path.join(node.binds[node.binds.index("/run/wireguard") - 1], "wg0.sock")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
    assert tool(node, "open")["created"] is True


def test_programs_that_fail(node):
    def script(name, text):
        path = pathlib.Path(node.path(name))
        path.write_text("#!/bin/sh\n" + text, encoding="ascii")
        path.chmod(0o755)
        return str(path)

    assert refusal(node, "open", userspace="no-such-program") == (
        "ENOENT", "wg0: the program no-such-program isn't installed")
    dies = script("dies", "echo first >&2; echo 'no luck today' >&2; exit 3\n")
    assert refusal(node, "open", userspace=dies) == (
        "EIO", f"wg0: {dies} ended with status 3: no luck today")
    hangs = script("hangs", "echo waiting; exec sleep 1000\n")
    error, why = refusal(node, "open", userspace=hangs)
    assert error == "ETIMEDOUT" and why.endswith("isn't there after 5 s: waiting")
    # It isn't left behind.
    wait_for("nothing running", lambda: not processes_in([node.namespace]), 10)


def test_a_program_in_the_foreground_lives_on(node):
    path = pathlib.Path(node.path("foreground"))
    path.write_text('#!/bin/sh\nexec wireguard-go -f "$1"\n', encoding="ascii")
    path.chmod(0o755)
    assert tool(node, "open", userspace=str(path))["created"] is True
    # Nothing of the one who started it is left, neither the keeper nor a descriptor.
    [pid] = processes_in([node.namespace])
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        assert stat.read().rpartition(")")[2].split()[1] == "1"
    fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in ("0", "1", "2")]
    assert fds[0] == "/dev/null" and all("memfd" in f for f in fds[1:])
    change(node, private_key=key_pair()[0], listen_port=51820)
    assert tool(node, "get")["listen_port"] == 51820


# --- under traffic --------------------------------------------------------------------------------


class World:
    def __init__(self, lab):
        self.underlay = lab.underlay()
        self.one, self.left, self.right = (lab.namespace(n) for n in ("one", "left", "right"))
        private = {}
        self.key = {}
        for i, node in enumerate((self.one, self.left, self.right), 1):
            lab.plug(self.underlay, node, f"198.51.100.{i}/24")
            private[node.name], self.key[node.name] = key_pair()
            tool(node, "open")
            change(node, private_key=private[node.name], listen_port=51820)
        change(self.one, peers=[
            {"key": self.key["left"], "endpoint": "198.51.100.2:51820", "keepalive": 1,
             "add": ["10.98.0.1/32", "10.99.0.1/32"]},
            {"key": self.key["right"], "endpoint": "198.51.100.3:51820", "keepalive": 1}])
        for node in (self.left, self.right):
            change(node, peers=[{"key": self.key["one"], "add": ["10.77.0.1/32"]}])
        self.one.address("10.77.0.1/32", "wg0")
        self.left.address("10.98.0.1/32", "wg0")
        for node in (self.one, self.left, self.right):
            node.ip("link set wg0 up")
        for node in (self.left, self.right):
            node.address("10.99.0.1/32", "wg0")
            node.ip("route add 10.77.0.1/32 dev wg0")
        for address in ("10.98.0.1", "10.99.0.1"):
            self.one.ip(f"route add {address}/32 dev wg0 src 10.77.0.1")
        wait_for("both sessions", lambda: all(
            state(self.one)[self.key[n]]["last_handshake"] for n in ("left", "right")), 30)

    def move(self, to):
        change(self.one, peers=[{"key": self.key[to], "add": ["10.99.0.1/32"]}])

    def overflows(self):
        """Packets that queues were too short for: what a busy machine loses, and says so. A packet
        that found no owner is in none of these."""
        dropped = 0
        for node in (self.one, self.left, self.right):
            for link in json.loads(node.ip("-j -s link show")):
                dropped += link["stats64"]["rx"]["dropped"] + link["stats64"]["tx"]["dropped"]
            snmp = node.run(["cat", "/proc/net/snmp", "/proc/net/snmp6"])
            names, values = [line.split()[1:] for line in snmp.splitlines()
                             if line.startswith("Udp: ")]
            dropped += int(dict(zip(names, values))["RcvbufErrors"])
            dropped += int(re.search(r"Udp6RcvbufErrors\s+(\d+)", snmp).group(1))
        return dropped


def test_moves_and_removals_under_traffic(lab):
    world = World(lab)
    source = Probe(PROBE, world.one)
    left, right = Probe(PROBE, world.left), Probe(PROBE, world.right)
    moving, bystander = 1, 2
    for target in (left, right):
        target.ask("in", moving)
    left.ask("in", bystander)
    for flow, address in ((moving, "10.99.0.1"), (bystander, "10.98.0.1")):
        source.ask("out", flow, RATE, address, 7000)
    source.ask("start")

    def lost(begin, end):
        wait_for("stragglers", lambda: now() > end + STRAGGLERS_S * 1e9, 10)
        sent = {f["id"]: f for f in source.ask("sent", begin, end)["flows"]}
        def of(probe, flow):
            return probe.ask("received", flow, sent[flow]["first"], sent[flow]["end"], begin, end)
        n = sent[moving]["end"] - sent[moving]["first"]
        assert n > 0
        # Every packet is lost at exactly one of the two.
        return of(left, moving)["lost"] + of(right, moving)["lost"] - n, of(left, bystander)["lost"]

    def calm():
        begin = now()
        wait_for("half a second", lambda: now() > begin + 5e8, 10)
        return lost(begin, now()) == (0, 0)

    wait_for("a stretch without loss", calm, 60)
    overflows = world.overflows()
    begin = now()
    for i in range(30):
        to = ("right", "left")[i % 2]
        world.move(to)
        # Beside it, prefixes come and go on both peers, by the parking peer.
        nets = [f"10.50.{i}.0/24", f"fd50:{i:x}::/32"]
        change(world.one, peers=[{"key": world.key["left"], "add": nets},
                                 {"key": world.key["right"], "add": nets[:1], "del": nets}])
        change(world.one, peers=[{"key": world.key[n], "del": nets} for n in ("left", "right")])
        owners = {k: p["allowed"] for k, p in state(world.one).items()}
        assert ("10.99.0.1/32" in owners[world.key[to]]) and len(owners) == 2
    assert sum(lost(begin, now())) <= world.overflows() - overflows
    assert witness(world.one)[world.key["left"]][2] == ["10.98.0.1/32", "10.99.0.1/32"]
    assert witness(world.one)[world.key["right"]][2] == []
    for probe in (source, left, right):
        probe.close()
