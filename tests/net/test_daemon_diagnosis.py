# SPDX-License-Identifier: MIT
"""What a node notices about the network around it, names in its status and says in its log."""

import pytest
from meshes import (FOUR, PATIENCE, SmallMesh, hub, inventory, new_lab, outside, site,
                    two_hubs)


@pytest.fixture
def mesh():
    with new_lab() as lab:
        yield SmallMesh(lab, two_hubs(), FOUR)


def test_forwarding_that_is_off_is_said_once_and_so_is_its_end(mesh):
    node, hub_a = mesh.nodes["hub-a"], mesh.daemons["hub-a"]
    node.sysctl("net/ipv4/ip_forward", 0)
    mesh.start("hub-a")
    hub_a.wait_log("problem: IPv4 forwarding is off")
    assert "mend it by: sysctl -w net/ipv4/ip_forward=1" in hub_a.log()
    node.sysctl("net/ipv6/conf/all/forwarding", 0)
    hub_a.wait_log("problem: IPv6 forwarding is off")
    node.sysctl("net/ipv4/ip_forward", 1)
    hub_a.wait_log("problem is over: IPv4 forwarding is off")
    assert hub_a.log().count("problem: IPv4") == hub_a.log().count("problem: IPv6") == 1


def test_one_key_on_two_machines_is_named_with_both_endpoints():
    with new_lab() as lab:
        nodes = {"hub-a": hub(1), "site-1": site(1, "10.20.1.0/24", nat=True)}
        del nodes["site-1"]["endpoint"]
        mesh = SmallMesh(lab, inventory(nodes),
                         {**outside("hub-a", "site-1"), "twin": "198.51.100.77/24"})
        hub_a = mesh.daemons["hub-a"]
        mesh.start("hub-a", "site-1").wait_settled()
        # A clone of the machine: the same node, key and inventory.
        twin = mesh.daemons["twin"]
        twin.name, twin.run_dir = "site-1", twin.run_dir.replace("twin", "site-1")
        twin.start()
        hub_a.wait_log("problem: two machines seem to use the key of site-1", 2 * PATIENCE)
        what = hub_a.wait_problem("key of site-1")["what"]
        assert "198.51.100.11:51820" in what and "198.51.100.77:51820" in what
