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
from meshes import FOUR, PATIENCE, SmallMesh, dump, hub, inventory, new_lab, set_device, site

HOST = {4: "10.30.0.10", 6: "fd30::10"}
OVERLAY = {4: "10.10.0.1", 6: "fd10::1"}  # hub-a's own
# The kernel itself refuses packets from its own addresses, in IPv4 only.
SENDERS = {4: [("host-a", HOST[4])], 6: [("host-a", HOST[6]), ("hub-a", OVERLAY[6])]}
DEAD = {4: "10.20.1.77", 6: "fd20:0:0:1::77"}
NOBODY = "shunt/own/networks/nobody/has/this/key00000="
OWN = {4: ["10.30.0.0/16"], 6: ["fd10::1/128", "fd30::/64"]}
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


def refused(node, family):
    """The own networks that belong to nobody on the device, sorted."""
    held = dump(node).peers.get(NOBODY, {"allowed": set()})["allowed"]
    return sorted(p for p in held if (":" in p) == (family == 6))


def source_rules(node):
    """Our rules about what comes out of the tunnel, as earlier versions had them."""
    return [r for family in (4, 6) for r in json.loads(node.ip(f"-{family} -j rule show") or "[]")
            if r.get("protocol") == "213" and r.get("iif") == "wg0"]


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
def test_own_networks_that_others_cover_belong_to_nobody(mesh, family):
    assert refused(mesh.nodes["hub-a"], family) == OWN[family]
    assert NOBODY not in dump(mesh.nodes["hub-b"]).peers, "nothing covers a default route"
    assert not source_rules(mesh.nodes["hub-a"])


def test_what_others_carry_within_an_own_network_is_let_in(mesh):
    mesh.wait_pings("site-2", "10.30.0.1")
    done = mesh.nodes["site-2"].run(["ping", "-n", "-c3", "-W5", "-I", "10.30.5.1", "10.30.0.1"])
    assert "3 received" in done


@pytest.mark.parametrize("family", (4, 6))
def test_nothing_circles(bereft, family):
    for sender in SENDERS[family]:
        seen = echo(bereft, family, *sender)
        assert seen == {"hub-b": ECHOES, "hub-a": 0}, "there and back, where the device drops them"


@pytest.mark.parametrize("family", (4, 6))
def test_without_it_they_would(bereft, family):
    node = bereft.nodes["hub-a"]
    for sender in SENDERS[family]:
        def circles(sender=sender):
            # The daemon puts back what it misses, so this may take a second try.
            set_device(node, f"public_key={NOBODY}", "remove=true")
            return echo(bereft, family, *sender)["hub-b"] > 10 * ECHOES
        wait_for(f"packets of {sender} circle without it", circles, PATIENCE)
    wait_for("the daemon puts it back", lambda: refused(node, family) == OWN[family], PATIENCE)
    for sender in SENDERS[family]:
        assert echo(bereft, family, *sender)["hub-b"] == ECHOES


def test_rules_of_an_earlier_version_go(bereft):
    node = bereft.nodes["hub-a"]
    foreign = "rule add from 10.30.0.0/16 iif wg9 priority 32516 blackhole"
    node.ip(foreign)
    node.ip("rule add priority 32699 nop protocol 213")
    node.ip("rule add from 10.30.5.0/24 iif wg0 priority 32508 goto 32699 protocol 213")
    for family, network in ((4, "10.30.0.0/16"), (6, "fd30::/64")):
        node.ip(f"-{family} rule add from {network} iif wg0 priority 32564 blackhole protocol 213")
    bereft.daemons["hub-a"].ask("reload")  # it may have seen them already
    assert not source_rules(node) and "nop" not in node.ip("rule show")
    assert "from 10.30.0.0/16 iif wg9" in node.ip("rule show"), "not ours"
    node.ip(foreign.replace("add", "del"))


def test_a_reload_brings_and_takes_it(bereft):
    hub_a, node = bereft.daemons["hub-a"], bereft.nodes["hub-a"]
    nets = bereft.inv["nodes"]["hub-b"]["networks"]
    bereft.inv["nodes"]["hub-b"]["networks"] = []
    bereft.write()
    hub_a.ask("reload")
    assert NOBODY not in dump(node).peers
    bereft.inv["nodes"]["hub-b"]["networks"] = ["10.0.0.0/8"]
    bereft.write()
    hub_a.ask("reload")
    assert refused(node, 4) == OWN[4] and refused(node, 6) == []
    bereft.inv["nodes"]["hub-b"]["networks"] = nets
    bereft.write()
    hub_a.ask("reload")
    hub_a.ask("reload")
    assert refused(node, 4) == OWN[4] and refused(node, 6) == OWN[6]


def test_a_network_that_moves_away_moves_off_nobody(bereft):
    """Its new owner gets it by an addition; what is left stays."""
    hub_a, node = bereft.daemons["hub-a"], bereft.nodes["hub-a"]
    before = bereft.inv["nodes"]["hub-a"]["networks"]
    bereft.inv["nodes"]["hub-a"]["networks"] = ["fd30::/64"]
    bereft.inv["nodes"]["site-2"]["networks"] = ["10.30.0.0/16"]
    bereft.write()
    hub_a.ask("reload")
    wait_for("it has its owner", lambda: hub_a.device_owner("10.30.0.0/16") == "site-2", PATIENCE)
    assert refused(node, 4) == [] and refused(node, 6) == OWN[6]
    bereft.inv["nodes"]["hub-a"]["networks"] = before
    bereft.inv["nodes"]["site-2"]["networks"] = ["10.30.5.0/24"]
    bereft.write()
    hub_a.ask("reload")
    assert refused(node, 4) == OWN[4] and refused(node, 6) == OWN[6]


def test_it_outlives_the_daemon_and_is_known_again(bereft):
    hub_a, node = bereft.daemons["hub-a"], bereft.nodes["hub-a"]
    hub_a.kill()
    assert refused(node, 4) == OWN[4]
    hub_a.start("--stop-devices")
    hub_a.wait_answers()
    assert refused(node, 4) == OWN[4] and refused(node, 6) == OWN[6]
    hub_a.stop()
