# SPDX-License-Identifier: MIT
"""The kernel's routes as a source: `ip route` plays the routing engine on every node.

    [site-1] --- switch --- [hub-a], [hub-b] --- switch --- [site-2]
     10.20.1.0/24                                           10.20.2.0/24
"""

import json
import re
import signal
import subprocess
import time

import pytest
from lab import wait_for
from meshes import PATIENCE, SmallMesh, hub, inventory, new_lab, outside, site

PROTOCOL = 12
NODES = ("hub-a", "hub-b", "site-1", "site-2")
HUB_A, HUB_B = "10.10.0.1", "10.10.0.2"
SITE_1, SITE_2 = "10.10.0.11", "10.10.0.12"
NET_2, NET6_2 = "10.20.2.0/24", "fd20:0:2::/48"


class Writer:
    """One who writes the kernel's table: a netlink port of its own for as long as it lives."""

    def __init__(self, node):
        self.process = node.spawn(["ip", "-force", "-batch", "-"], stdin=subprocess.PIPE, text=True,
                                  log="writer.log")

    def say(self, *lines):
        self.process.stdin.write("".join(f"route {line}\n" for line in lines))
        self.process.stdin.flush()

    def add(self, prefix, *gateways):
        """One next hop, or several equal ones."""
        hops = [f"via {'inet6 ' if ':' in g and ':' not in prefix else ''}{g} dev wg0 onlink" for g in gateways]
        if len(hops) > 1:
            hops = [f"nexthop {h}" for h in hops]
        self.say(f"replace {prefix} proto {PROTOCOL} {' '.join(hops)}")

    def delete(self, *prefixes):
        self.say(*(f"del {p} proto {PROTOCOL}" for p in prefixes))

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)


def new_mesh(lab, **hub_b):
    routing = {"engine": "other", "protocols": [PROTOCOL]}
    inv = inventory({"hub-a": hub(1), "hub-b": hub(2, **hub_b), "site-1": site(1, "10.20.1.0/24"),
                     "site-2": site(2, NET_2, NET6_2, may_announce=["10.64.0.0/10"])})
    inv["defaults"]["routing"] = routing
    return SmallMesh(lab, inv, outside(*NODES))


@pytest.fixture
def lab():
    with new_lab() as made:
        yield made


@pytest.fixture
def mesh(lab):
    return new_mesh(lab).start().wait_settled()


def candidates(daemon, prefix):
    answer = daemon.ask("routes", query=prefix)
    return {c["via"]: c for r in answer["routes"] for c in r["candidates"]}


def wait_gone(daemon, prefix):
    wait_for(f"{daemon.name} knows {prefix} no more", lambda: prefix not in (daemon.owners() or {prefix}), PATIENCE)


def test_a_next_hop_becomes_an_owner(mesh):
    site_1 = mesh.daemons["site-1"]
    writer = Writer(site_1.node)
    assert NET_2 not in site_1.owners(), "the engine alone says where it is"
    writer.add(NET_2, HUB_A)
    writer.add(NET6_2, "fd10::2")
    writer.add("10.64.1.0/24", "fd10::1")  # RFC 8950
    for prefix, owner in ((NET_2, "hub-a"), (NET6_2, "hub-b"), ("10.64.1.0/24", "hub-a")):
        site_1.wait_owner(prefix, owner)
        wait_for(f"the device has {prefix} by {owner}", lambda p=prefix, o=owner: site_1.device_owner(p) == o, PATIENCE)
        (c,) = candidates(site_1, prefix).values()
        assert (c["source"], c["distance"], c["origin"]) == ("kernel", 5, "site-2")
    assert "kernel" in site_1.shunt("routes", NET_2)
    writer.add(NET_2, HUB_B)
    site_1.wait_owner(NET_2, "hub-b")
    # The engine's routes are its own, and nothing to be named.
    assert not [p for p in site_1.problems() if "isn't ours" in p["what"] or "engine" in p["what"]]
    assert any(NET_2 in r and f"via {HUB_B}" in r for r in site_1.routes(f"proto {PROTOCOL}") or site_1.routes())


def test_shunt_chooses_within_the_set(mesh):
    site_1 = mesh.daemons["site-1"]
    writer = Writer(site_1.node)
    writer.add(NET_2, HUB_B, HUB_A)
    site_1.wait_owner(NET_2, "hub-a")  # its metric is better
    assert set(candidates(site_1, NET_2)) == {"hub-a", "hub-b"}
    mesh.daemons["hub-a"].ask("drain")
    site_1.wait_owner(NET_2, "hub-b")
    mesh.daemons["hub-a"].ask("undrain")
    site_1.wait_owner(NET_2, "hub-a")
    mesh.cut("hub-a")
    site_1.wait_owner(NET_2, "hub-b")


def test_who_withdraws_tells_what_it_means(mesh):
    site_1 = mesh.daemons["site-1"]
    writer, other = Writer(site_1.node), Writer(site_1.node)
    writer.add(NET_2, HUB_A)
    writer.add(NET6_2, "fd10::1")
    writer.add("10.64.1.0/24", HUB_A)
    for prefix in (NET_2, NET6_2, "10.64.1.0/24"):
        site_1.wait_owner(prefix, "hub-a")
    writer.delete(NET_2)
    wait_gone(site_1, NET_2)
    # An engine that starts sweeps what another one left.
    other.delete(NET6_2, "10.64.1.0/24")
    site_1.wait_problem("2 routes went without a word")
    assert site_1.owners()[NET6_2] == "hub-a" and site_1.device_owner("10.64.1.0/24") == "hub-a"
    other.add(NET6_2, "fd10::1")
    site_1.wait_problem("1 routes went without a word")
    mesh.cut("hub-a")
    wait_gone(site_1, "10.64.1.0/24")
    assert NET6_2 in site_1.owners(), "its route is there"


def test_unreachable_is_no_owner_yet(mesh):
    site_1 = mesh.daemons["site-1"]
    writer = Writer(site_1.node)
    writer.add(NET_2, HUB_A)
    site_1.wait_owner(NET_2, "hub-a")
    writer.say(f"replace unreachable {NET_2} proto {PROTOCOL}")
    writer.add("10.64.9.0/24", HUB_A)  # by when that one is known, the other is
    site_1.wait_owner("10.64.9.0/24", "hub-a")
    wait_gone(site_1, NET_2)
    assert not [p for p in site_1.problems() if "unreachable" in p["what"]]
    writer.add(NET_2, HUB_B)
    site_1.wait_owner(NET_2, "hub-b")


REFUSED = (
    ("10.64.2.0/24 dev wg0", "has no gateway in its route to 10.64.2.0/24"),
    ("10.64.3.0/24 via 10.10.0.99 dev wg0 onlink", "which is the overlay address of no peer"),
    ("10.64.4.0/24 via 10.10.0.12 dev wg0 onlink", "which is the overlay address of no peer"),
    ("10.10.0.11/32 via 10.10.0.1 dev wg0 onlink", "overlay addresses of this node and of its peers stay"),
    ("198.51.100.2/32 via 10.10.0.1 dev wg0 onlink", "a tunnel's own packets go there"),
    ("default via 10.10.0.1 dev wg0 onlink", "no node may announce one"),
    ("10.20.2.128/25 via 10.10.0.3 dev wg0 onlink", "site-3 announces 10.20.2.128/25"),
)


def test_what_is_refused_is_named(lab):
    mesh = new_mesh(lab)
    mesh.inv["nodes"]["site-3"] = {"address": ["10.10.0.3", "fd10::3"], "networks": ["10.20.3.0/24"]}
    mesh.inv["links"] = [["site-1", "site-3"]]
    mesh._give_key("site-3", mesh.inv["nodes"]["site-3"])  # pylint: disable=protected-access
    mesh.write()
    mesh.start("site-1")
    site_1 = mesh.daemons["site-1"]
    writer = Writer(site_1.node)
    writer.say(*(f"add {route} proto {PROTOCOL}" for route, _ in REFUSED))
    for _, words in REFUSED:
        assert site_1.wait_problem(words)["fix"]
    kernel = [c for r in site_1.ask("routes")["routes"] for c in r["candidates"] if c["source"] == "kernel"]
    assert not kernel
    writer.say(*(f"del {route} proto {PROTOCOL}" for route, _ in REFUSED))
    for _, words in REFUSED:
        site_1.wait_no_problem(words)
    # The kernel goes by it, whoever follows.
    writer.add("198.51.100.2/31", HUB_A)
    assert "ip route add 198.51.100.2 via GATEWAY" in site_1.wait_problem(
        "the route to 198.51.100.2/31 holds 198.51.100.2, the endpoint of hub-b")["fix"]
    writer.delete("198.51.100.2/31")
    site_1.wait_no_problem("the endpoint of hub-b")


def give_lan(mesh, name, *addresses):
    node = mesh.nodes[name]
    node.ip("link add lan0 type bridge")
    node.ip("link set lan0 up")
    for address in addresses:
        node.address(address, "lan0")


def connect(mesh):
    """Every node's engine knows both networks, by hub-a."""
    give_lan(mesh, "site-1", "10.20.1.1/24")
    give_lan(mesh, "site-2", "10.20.2.1/24", "fd20:0:2::1/48")
    writers = {name: Writer(mesh.nodes[name]) for name in ("hub-a", "site-1", "site-2")}
    writers["hub-a"].add("10.20.1.0/24", SITE_1)
    writers["hub-a"].add(NET_2, SITE_2)
    writers["site-1"].add(NET_2, HUB_A)
    writers["site-2"].add("10.20.1.0/24", HUB_A)
    mesh.daemons["hub-a"].wait_owner("10.20.1.0/24", "site-1")
    mesh.daemons["hub-a"].wait_owner(NET_2, "site-2")
    mesh.daemons["site-1"].wait_owner(NET_2, "hub-a")
    mesh.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-a")
    wait_for("packets pass", lambda: ping(mesh, "-c1", "-W1")[1] == 0, PATIENCE)
    return writers


def ping(mesh, *options):
    """(sent, lost) from network to network."""
    done = subprocess.run(["ip", "netns", "exec", mesh.nodes["site-1"].namespace, "ping", "-n", "-q", "-I", "10.20.1.1",
                           *options, "10.20.2.1"], check=False, capture_output=True, text=True)
    sent, received = re.search(r"(\d+) packets transmitted, (\d+) received", done.stdout).groups()
    return int(sent), int(sent) - int(received)


def test_a_restart_keeps_what_the_routes_want(mesh):
    connect(mesh)
    site_1 = mesh.daemons["site-1"]
    before = {NET_2: site_1.device_owner(NET_2)}
    pings = subprocess.Popen(["ip", "netns", "exec", mesh.nodes["site-1"].namespace, "ping", "-n", "-q", "-I", "10.20.1.1",
                              "-i", "0.02", "-w", "60", "10.20.2.1"], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(2):
            site_1.kill()
            time.sleep(0.2)  # packets go on without it
            site_1.start()
            site_1.wait_answers()
            site_1.wait_peers(hub_a="up", hub_b="up")
            assert site_1.device_owner(NET_2) == before[NET_2]
        after = len(site_1.log())
        site_1.process.send_signal(signal.SIGHUP)
        site_1.wait_log("reload", after=after)
    finally:
        pings.send_signal(signal.SIGINT)
        text = pings.communicate(timeout=PATIENCE)[0]
    sent, received = (int(n) for n in re.search(r"(\d+) packets transmitted, (\d+) received", text).groups())
    assert sent > 20 and received >= sent - 1, text  # the last may be under way


def test_a_reload_gives_and_takes_the_engine(lab):
    mesh = new_mesh(lab)
    with_engine = mesh.inv
    without = json.loads(json.dumps(with_engine))
    del without["defaults"]["routing"]
    del without["nodes"]["site-2"]["may_announce"]
    mesh.write(without)
    mesh.start("hub-a", "hub-b", "site-1")
    site_1 = mesh.daemons["site-1"]
    site_1.wait_peers(hub_a="up", hub_b="up")
    assert candidates(site_1, NET_2)["hub-a"]["source"] == "inventory"
    mesh.write(with_engine)
    site_1.shunt("reload")
    wait_gone(site_1, NET_2)
    writer = Writer(site_1.node)
    writer.add("10.64.1.0/24", HUB_A)
    writer.add(NET_2, HUB_B)
    site_1.wait_owner(NET_2, "hub-b")
    site_1.wait_owner("10.64.1.0/24", "hub-a")
    mesh.write(without)
    site_1.shunt("reload")
    site_1.wait_owner(NET_2, "hub-a")
    wait_gone(site_1, "10.64.1.0/24")
    wait_for("the device has it no more", lambda: site_1.device_owner("10.64.1.0/24") is None, PATIENCE)


def test_many_at_once(mesh):
    site_1 = mesh.daemons["site-1"]
    writer = Writer(site_1.node)
    prefixes = [f"10.{64 + i // 256}.{i % 256}.0/24" for i in range(5000)]
    writer.say(*(f"add {p} proto {PROTOCOL} via {HUB_A} dev wg0 onlink" for p in prefixes))
    for p in (prefixes[-1], prefixes[0]):
        site_1.wait_owner(p, "hub-a")
    writer.delete(*prefixes)
    wait_gone(site_1, prefixes[-1])
    wait_for("all are gone", lambda: not any(p.startswith("10.64.") for p in site_1.owners()), PATIENCE)
