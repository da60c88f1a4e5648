# SPDX-License-Identifier: MIT
"""Endpoints by name: resolved when they are needed, never against a peer that works.

`ip netns exec` shows a namespace its own /etc/netns/NAMESPACE/hosts and resolv.conf, so every test has
the names that it wants.
"""

import copy
import os
import pathlib
import shutil

import pytest
from lab import wait_for
from meshes import FOUR, PATIENCE, Proxy, SmallMesh, dump, new_lab, two_hubs

# Longer than any test waits: whoever waited for an answer would fail.
DEAD_RESOLVER = "nameserver 198.51.100.77\noptions timeout:30 attempts:5\n"


class Names:
    """The names as one node has them."""

    def __init__(self, node):
        self.folder = pathlib.Path("/etc/netns", node.namespace)
        self.folder.mkdir(parents=True)
        self.write("hosts", "")
        self.write("resolv.conf", "nameserver 127.0.0.1\n")  # nobody: refused at once

    def write(self, file, text):
        (self.folder / file).write_text(text, "ascii")

    def hosts(self, **addresses):
        self.write("hosts", "".join(f"{a} {n.replace('_', '-')}.test\n"
                                    for n, several in addresses.items() for a in several.split()))


@pytest.fixture
def mesh():
    """Two hubs with names; the sites have no endpoint, so it is they who call."""
    inv = two_hubs()
    for name in ("hub-a", "hub-b"):
        inv["nodes"][name]["endpoint"] = f"{name}.test:51820"
    for name in ("site-1", "site-2"):
        inv["nodes"][name]["nat"] = True
        del inv["nodes"][name]["endpoint"]
    with new_lab() as lab:
        made = SmallMesh(lab, inv, FOUR)
        made.names = {n: Names(node) for n, node in made.nodes.items()}
        for names in made.names.values():
            names.hosts(hub_a="198.51.100.1", hub_b="198.51.100.2")
        try:
            yield made
        finally:
            for names in made.names.values():
                shutil.rmtree(names.folder)


def endpoint(mesh, name, peer):
    return dump(mesh.nodes[name]).peers[mesh.keys[peer]].get("endpoint")


def test_a_name_is_asked_again_when_nobody_answers_there(mesh):
    mesh.start().wait_settled()
    site_1 = mesh.daemons["site-1"]
    assert endpoint(mesh, "site-1", "hub-a") == "198.51.100.1:51820"
    # The hub moves to another address, and nobody hears of it but by its name.
    mesh.cut("hub-a")
    mesh.nodes["hub-a"].ip("address del 198.51.100.1/24 dev eth0")
    mesh.nodes["hub-a"].address("198.51.100.201/24", "eth0")
    for names in mesh.names.values():
        names.hosts(hub_a="198.51.100.201", hub_b="198.51.100.2")
    site_1.wait_log("hub-a is looked for at 198.51.100.201:51820")
    assert endpoint(mesh, "site-1", "hub-a") == "198.51.100.201:51820"
    assert "hub-a is down" in site_1.log()
    mesh.mend("hub-a")
    site_1.wait_peers(hub_a="up")
    assert endpoint(mesh, "site-1", "hub-b") == "198.51.100.2:51820"


def test_of_several_addresses_the_next_is_tried(mesh):
    mesh.names["site-1"].hosts(hub_a="198.51.100.99 198.51.100.1", hub_b="198.51.100.2")
    mesh.start()
    mesh.daemons["site-1"].wait_peers(hub_a="up", hub_b="up", seconds=60)
    assert endpoint(mesh, "site-1", "hub-a") == "198.51.100.1:51820"


def test_a_roamed_endpoint_stays_while_it_works(mesh):
    mesh.start().wait_settled()
    site_1 = mesh.daemons["site-1"]
    # The hub changes its port, and the inventory of the others doesn't say so; they learn of it
    # from the hub's own packets.
    old = copy.deepcopy(mesh.inv)
    mesh.inv["nodes"]["hub-b"].update(listen_port=51821, endpoint="hub-b.test:51821")
    mesh.write()
    mesh.daemons["hub-b"].ask("reload")
    mesh.write(old)
    wait_for("it has roamed",
             lambda: endpoint(mesh, "site-1", "hub-b") == "198.51.100.2:51821", PATIENCE)
    mesh.wait_settled()
    with Proxy(mesh.nodes["site-1"]) as proxy:
        for _ in range(3):
            site_1.ask("reload")
        assert proxy.sets() == []
    assert site_1.peers()["hub-b"] == "up"
    site_1.kill()
    mark = len(site_1.log())
    mesh.start("site-1").wait_settled()
    assert "looked for" not in site_1.log()[mark:]
    assert endpoint(mesh, "site-1", "hub-b") == "198.51.100.2:51821"
    # Once nobody answers there, the name counts again.
    mesh.cut("hub-b")
    site_1.wait_peers(hub_b="down")
    wait_for("the inventory's endpoint is back",
             lambda: endpoint(mesh, "site-1", "hub-b") == "198.51.100.2:51820", PATIENCE)
    mesh.daemons["hub-b"].ask("reload")
    mesh.mend("hub-b")
    site_1.wait_peers(hub_b="up")


def test_a_name_that_means_nothing_is_a_problem_and_holds_up_nothing(mesh):
    mesh.names["site-1"].hosts(hub_a="198.51.100.1")
    mesh.start()
    site_1 = mesh.daemons["site-1"]
    site_1.wait_peers(hub_a="up")
    problem = site_1.wait_problem("hub-b.test")
    assert "hub-b can't be called" in problem["what"] and "getent" in problem["fix"]
    assert "hub-b.test can't be resolved" in site_1.log()
    mesh.names["site-1"].hosts(hub_a="198.51.100.1", hub_b="198.51.100.2")
    site_1.wait_peers(hub_b="up", seconds=60)
    site_1.wait_no_problem("hub-b.test")


def test_a_resolver_that_never_answers_holds_up_nobody(mesh):
    names = mesh.names["site-1"]
    names.hosts(hub_a="198.51.100.1")
    names.write("resolv.conf", DEAD_RESOLVER)
    mesh.start()
    site_1 = mesh.daemons["site-1"]
    site_1.wait_peers(hub_a="up")
    site_1.wait_owner("10.20.2.0/24", "hub-a")
    assert set(site_1.ask("reload")["changed"].values()) == {0}
    # It ends at once, although a thread of it still waits.
    assert site_1.stop() == 0
    assert os.path.exists(os.path.join(mesh.nodes["site-1"].folder, "wireguard", "wg0.sock"))
    assert not os.path.exists(os.path.join(site_1.run_dir, "control.sock"))
    site_1.start()
    site_1.wait_answers()
