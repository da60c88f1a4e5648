# SPDX-License-Identifier: MIT
"""What a node notices about the network around it, names in its status and says in its log."""

import pytest
from lab import wait_for
from meshes import FOUR, PATIENCE, SmallMesh, new_lab, two_hubs


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
