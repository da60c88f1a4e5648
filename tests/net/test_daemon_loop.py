# SPDX-License-Identifier: MIT
"""A dead site and two hubs, each of which takes the other for the detour to it: nothing circles.

                 switch (198.51.100.0/24)
        |                |                |                |
     [hub-a]          [hub-b]          [site-1]         [site-2]
    10.30.0.0/16     0.0.0.0/0       10.20.1.0/24     10.30.5.0/24
    fd30::/64        ::/0            fd20:0:0:1::/64
        |
    [host-a]
    10.30.0.10, fd30::10

Packets from hub-a's own network are what WireGuard's source check alone would let circle, since
hub-b's default route covers that network. How often a packet comes by is counted by nftables.
"""

import contextlib
import json

import pytest
from lab import run, wait_for
from meshes import FOUR, PATIENCE, SmallMesh, hub, inventory, new_lab, site

HOST = {4: "10.30.0.10", 6: "fd30::10"}
OVERLAY = {4: "10.10.0.1", 6: "fd10::1"}  # hub-a's own
# The kernel itself refuses packets from its own addresses, in IPv4 only.
SENDERS = {4: [("host-a", HOST[4])], 6: [("host-a", HOST[6]), ("hub-a", OVERLAY[6])]}
DEAD = {4: "10.20.1.77", 6: "fd20:0:0:1::77"}
RULES = {4: [("10.30.0.0/16", "blackhole"), ("10.30.5.0/24", "goto")],
         6: [("fd10::1", "blackhole"), ("fd30::/64", "blackhole")]}
ECHOES = 5


@pytest.fixture(scope="module")
def mesh():
    inv = inventory({
        "hub-a": hub(1, networks=["10.30.0.0/16", "fd30::/64"]),
        "hub-b": hub(2, networks=["0.0.0.0/0", "::/0"]),
        "site-1": site(1, "10.20.1.0/24", "fd20:0:0:1::/64"), "site-2": site(2, "10.30.5.0/24")})
    with new_lab() as lab:
        made = SmallMesh(lab, inv, FOUR)
        for name, addresses in (("site-2", "10.30.5.1/24"),
                                ("site-1", "10.20.1.77/24 fd20:0:0:1::77/64")):
            made.nodes[name].ip("link add lan0 type bridge")
            made.nodes[name].ip("link set lan0 up")
            for address in addresses.split():
                made.nodes[name].address(address, "lan0")
        hub_a, host = made.nodes["hub-a"], lab.namespace("host-a")
        lab.wire(hub_a, "lan0", host, "eth0")
        for address in ("10.30.0.1/16", "fd30::1/64"):
            hub_a.address(address, "lan0")
        for address, gateway in ((HOST[4] + "/16", "10.30.0.1"), (HOST[6] + "/64", "fd30::1")):
            host.address(address, "eth0")
            host.ip(f"route add default via {gateway}")
        made.senders = {"host-a": host, "hub-a": hub_a}
        for name in ("hub-a", "hub-b"):
            made.nodes[name].nft("""
                table inet count {
                    counter v4 { }
                    counter v6 { }
                    chain in {
                        type filter hook prerouting priority -300;
                        iifname wg0 ip daddr 10.20.1.77 counter name v4
                        iifname wg0 ip6 daddr fd20:0:0:1::77 counter name v6
                    }
                }""")
        yield made.start().wait_settled()


def rules(node, family):
    """Our rules about what comes out of the tunnel: [(source, what happens)], sorted."""
    listed = json.loads(node.ip(f"-{family} -j rule show") or "[]")
    return sorted(
        (r["src"] + (f"/{r['srclen']}" if "srclen" in r else ""),
         "goto" if "goto" in r else r.get("action", "table"))
        for r in listed if r.get("protocol") == "213" and r.get("iif") == "wg0")


def came_by(mesh, name, family):
    """How many packets for the dead site have come out of the tunnel there so far."""
    node = mesh.nodes[name]
    answer = json.loads(run(["ip", "netns", "exec", node.namespace, "nft", "-j", "list", "counter",
                             "inet", "count", f"v{family}"]))
    return next(o["counter"]["packets"] for o in answer["nftables"] if "counter" in o)


def echo(mesh, family, sender, source):
    """Sends the echoes; {hub: how often they came out of the tunnel there}."""
    before = {h: came_by(mesh, h, family) for h in ("hub-a", "hub-b")}
    with contextlib.suppress(Exception):
        mesh.senders[sender].run(["ping", "-n", f"-{family}", "-c", str(ECHOES), "-i", "0.05",
                                 "-W", "1", "-I", source, DEAD[family]])
    return {h: came_by(mesh, h, family) - before[h] for h in before}


@pytest.fixture(scope="module")
def bereft(mesh):
    """The mesh after the death of site-1, which each hub now seeks behind the other."""
    for family in (4, 6):
        for sender in SENDERS[family]:
            assert echo(mesh, family, *sender)["hub-b"] == 0, "the site itself has them"
    mesh.daemons["site-1"].kill()
    mesh.nodes["site-1"].ip("link set eth0 down")
    for name, other in (("hub-a", "hub-b"), ("hub-b", "hub-a")):
        for prefix in ("10.20.1.0/24", "fd20:0:0:1::/64"):
            mesh.daemons[name].wait_owner(prefix, other)
            wait_for(f"the device of {name} too", lambda p=prefix, n=name, o=other:
                     mesh.daemons[n].device_owner(p) == o, PATIENCE)
    return mesh


@pytest.mark.parametrize("family", (4, 6))
def test_the_rules_are_there(mesh, family):
    assert rules(mesh.nodes["hub-a"], family) == RULES[family]
    assert rules(mesh.nodes["hub-b"], family) == [], "nothing covers a default route"


def test_what_others_carry_within_an_own_network_is_let_in(mesh):
    mesh.wait_pings("site-2", "10.30.0.1")
    done = mesh.nodes["site-2"].run(["ping", "-n", "-c3", "-W5", "-I", "10.30.5.1", "10.30.0.1"])
    assert "3 received" in done
    # To a third party by way of hub-a: the routing decision is the rules'.
    way = mesh.nodes["hub-a"].ip("route get 10.20.1.77 from 10.30.5.1 iif wg0")
    assert "dev wg0" in way


@pytest.mark.parametrize("family", (4, 6))
def test_nothing_circles(bereft, family):
    for sender in SENDERS[family]:
        seen = echo(bereft, family, *sender)
        assert seen == {"hub-b": ECHOES, "hub-a": ECHOES}, "there, back, and dropped"


@pytest.mark.parametrize("family", (4, 6))
def test_without_the_rules_it_would(bereft, family):
    node = bereft.nodes["hub-a"]
    for sender in SENDERS[family]:
        def circles(sender=sender):
            # The daemon puts back what it misses, so this may take a second try.
            for source, what in rules(node, family):
                if what == "blackhole":
                    node.ip(f"-{family} rule del from {source} iif wg0 protocol 213 blackhole")
            return echo(bereft, family, *sender)["hub-b"] > 10 * ECHOES
        wait_for(f"packets of {sender} circle without the rules", circles, PATIENCE)
    wait_for("the daemon puts the rules back",
             lambda: rules(node, family) == RULES[family], PATIENCE)
    for sender in SENDERS[family]:
        assert echo(bereft, family, *sender)["hub-b"] == ECHOES


def test_a_reload_brings_and_takes_them(bereft):
    hub_a, node = bereft.daemons["hub-a"], bereft.nodes["hub-a"]
    foreign = "rule add from 10.30.0.0/16 iif wg9 priority 32516 blackhole"
    node.ip(foreign)
    nets = bereft.inv["nodes"]["hub-b"]["networks"]
    bereft.inv["nodes"]["hub-b"]["networks"] = []
    bereft.write()
    hub_a.ask("reload")
    assert rules(node, 4) == rules(node, 6) == []
    assert "nop" not in node.ip("rule show"), "the place to go to has no more use"
    bereft.inv["nodes"]["hub-b"]["networks"] = ["10.0.0.0/8"]
    bereft.write()
    hub_a.ask("reload")
    assert rules(node, 4) == RULES[4] and rules(node, 6) == []
    del bereft.inv["nodes"]["site-2"]["networks"]
    bereft.write()
    hub_a.ask("reload")
    assert rules(node, 4) == RULES[4][:1]
    assert "nop" not in node.ip("rule show")
    bereft.inv["nodes"]["hub-b"]["networks"] = nets
    bereft.inv["nodes"]["site-2"]["networks"] = ["10.30.5.0/24"]
    bereft.write()
    hub_a.ask("reload")
    hub_a.ask("reload")
    assert rules(node, 4) == RULES[4] and rules(node, 6) == RULES[6]
    assert "from 10.30.0.0/16 iif wg9" in node.ip("rule show"), "not ours"


def test_they_outlive_the_daemon_and_go_with_the_device(bereft):
    hub_a, node = bereft.daemons["hub-a"], bereft.nodes["hub-a"]
    hub_a.kill()
    assert rules(node, 4) == RULES[4]
    hub_a.start("--stop-devices")
    hub_a.wait_answers()
    assert rules(node, 4) == RULES[4] and rules(node, 6) == RULES[6]
    assert node.ip("rule show").count("nop") == 1
    hub_a.stop()
    assert rules(node, 4) == rules(node, 6) == []
    assert "nop" not in node.ip("rule show")
