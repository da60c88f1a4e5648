# SPDX-License-Identifier: MIT
"""Lines that are neither up nor down: a firewall drops BFD only, a hub loses packets."""

import pytest
from lab import wait_for
from meshes import HELD, PATIENCE, SmallMesh, hub, inventory, new_lab, outside, site

FILTER = """
    table inet host {
        chain in {
            type filter hook input priority 0; policy drop;
            ct state established,related accept
            iif lo accept
            meta l4proto { icmp, ipv6-icmp } accept
            udp dport 51820 accept
        }
    }"""
LOSS = """
    table inet loss {
        chain in {
            type filter hook prerouting priority -400;
            iifname "eth0" numgen random mod 100 < 33 drop
        }
    }"""


def six(node):
    """The same node, known by its IPv6 address first."""
    return {**node, "address": [a for a in node["address"] if ":" in a]}


@pytest.mark.parametrize("family", [4, 6])
def test_a_host_firewall_that_drops_bfd(family):
    nodes = {"hub-a": hub(1), "site-1": site(1)}
    if family == 6:
        nodes = {name: six(node) for name, node in nodes.items()}
    with new_lab() as lab:
        mesh = SmallMesh(lab, inventory(nodes), outside(*nodes))
        mesh.nodes["site-1"].nft(FILTER)
        mesh.start()
        hub_a, site_1 = mesh.daemons["hub-a"], mesh.daemons["site-1"]
        hub_a.wait_peers(site_1="last-resort")
        site_1.wait_peers(hub_a="last-resort")
        for daemon in (hub_a, site_1):
            daemon.wait_problem("the firewall of site-1 seems to drop it on the way in")
            assert "run" not in daemon.problem("3784")["what"]
        if family == 6:
            return
        # The daemons start anew: nothing changes.
        for daemon in (hub_a, site_1):
            daemon.kill()
            daemon.start()
            daemon.wait_answers()
        for daemon, other in ((hub_a, "site_1"), (site_1, "hub_a")):
            daemon.wait_peers(**{other: "last-resort"})
            daemon.wait_problem("the firewall of site-1 seems to drop it on the way in")
        # Lifted, the session comes as ever.
        mesh.nodes["site-1"].run(["nft", "delete", "table", "inet", "host"])
        mesh.wait_settled()
        for daemon in (hub_a, site_1):
            daemon.wait_no_problem("3784")
        # And while all is up.
        mesh.nodes["site-1"].nft(FILTER)
        for daemon in (hub_a, site_1):
            daemon.wait_problem("no BFD (UDP port 3784) of hub-a reaches site-1")
        hub_a.wait_peers(site_1="last-resort")


def test_a_firewall_that_drops_bfd_on_the_way_out():
    nodes = {"hub-a": hub(1), "site-1": site(1)}
    with new_lab() as lab:
        mesh = SmallMesh(lab, inventory(nodes), outside(*nodes))
        mesh.nodes["hub-a"].nft("""
            table inet host {
                chain out {
                    type filter hook output priority 0;
                    udp dport 3784 drop
                }
            }""")
        mesh.start()
        for daemon in mesh.daemons.values():
            daemon.wait_problem("the firewall of hub-a seems to drop it on the way out")
        assert mesh.daemons["hub-a"].problem("no BFD (UDP port 3784) of hub-a reaches site-1")


def test_a_hub_that_loses_packets_holds_itself():
    nodes = {"hub-a": hub(1), "hub-b": hub(2), "site-1": site(1, "10.20.1.0/24"),
             "site-2": site(2, "10.20.2.0/24")}
    with new_lab() as lab:
        mesh = SmallMesh(lab, inventory(nodes), outside(*nodes)).start()
        mesh.wait_settled()
        hub_a = mesh.daemons["hub-a"]
        mesh.nodes["hub-a"].nft(LOSS)
        hub_a.wait_problem("seems to lose packets", 3 * PATIENCE)  # as chance has it
        assert hub_a.ask("status")["holding"]
        assert "holding, since several peers flap" in hub_a.log()
        mesh.nodes["hub-a"].run(["nft", "delete", "table", "inet", "loss"])
        wait_for("hub-a is in service", lambda: not hub_a.ask("status")["holding"], HELD)
        mesh.wait_settled(HELD)
        assert "several peers flap" not in mesh.daemons["hub-b"].log()
        hub_a.wait_no_problem("seems to lose packets")


def peer(daemon, name):
    """What its status says of that one."""
    return next(p for p in daemon.ask("status")["peers"] if p["node"] == name)


@pytest.mark.parametrize("family", [4, 6])
def test_a_poor_line(family):
    """The line of one site loses packets on the way to the hub: both ends take it for last resort,
    other lines have no part in it; and when it is clean for a while all is well."""
    nodes = {"hub-a": hub(1), "site-1": site(1), "site-2": site(2)}
    if family == 6:
        nodes = {name: six(node) for name, node in nodes.items()}
    inv = inventory(nodes)
    inv["defaults"]["liveness"].update(interval="50ms", multiplier=6)
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside(*nodes)).start()
        mesh.wait_settled()
        hub_a, site_1, site_2 = (mesh.daemons[name] for name in nodes)
        mark = len(site_2.log())
        mesh.nodes["hub-a"].nft(LOSS.replace("numgen", "ip saddr 198.51.100.11 numgen"))

        def seen():
            at_hub, at_site = peer(hub_a, "site-1"), peer(site_1, "hub-a")
            return at_hub["cause"] == "poor-line" and at_site["state"] == "last-resort"

        wait_for("both ends take the line for poor", seen, PATIENCE)
        assert peer(hub_a, "site-2")["state"] == "up"
        # A daemon that starts anew finds it again.
        hub_a.kill()
        hub_a.start()
        hub_a.wait_answers()
        wait_for("both ends take the line for poor again", seen, PATIENCE)
        mesh.nodes["hub-a"].run(["nft", "delete", "table", "inet", "loss"])
        mesh.wait_settled(HELD)
        assert "last-resort" not in site_2.log()[mark:]
