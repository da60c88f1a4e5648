# SPDX-License-Identifier: MIT
"""A default route through the tunnel on a host that checks where packets would go back to.

    [site-1] 198.51.100.11, 2001:db8:a::11 --- [router] --- 203.0.113.1, 2001:db8:b::1 [hub-a] -- the world

site-1 has rp_filter 1 everywhere and, for both families, the rule of nftables that firewalld has for
IPv6. The hub is behind a router, so that nothing more specific than the default route leads to it.
"""

import json
import subprocess

import pytest
from lab import wait_for
from meshes import PATIENCE, SmallMesh, hub, inventory, new_lab, site

WORLD4, WORLD6 = "192.0.2.1", "2001:db8:9::1"
STRICT = """
    table inet strict {
        chain check {
            type filter hook prerouting priority -290;
            fib saddr . mark . iif oif missing drop
        }
    }"""
UNDERLAY = {"hub-a": "203.0.113.1/24 2001:db8:b::1/64",
            "site-1": "198.51.100.11/24 2001:db8:a::11/64",
            "router": "198.51.100.254/24 2001:db8:a::fe/64 203.0.113.254/24 2001:db8:b::fe/64"}


def strict_mesh(lab, endpoint):
    mesh = SmallMesh(lab, inventory({
        "hub-a": hub(1, endpoint=endpoint, networks=["0.0.0.0/0", "::/0"]),
        "site-1": site(1, nat=True)}), UNDERLAY)
    del mesh.inv["nodes"]["site-1"]["endpoint"]
    mesh.write()
    for name, v4, v6 in (("site-1", "198.51.100.254", "2001:db8:a::fe"),
                         ("hub-a", "203.0.113.254", "2001:db8:b::fe")):
        mesh.nodes[name].ip(f"route add default via {v4}")
        mesh.nodes[name].ip(f"-6 route add default via {v6}")
    world = mesh.nodes["hub-a"]
    world.ip("link add world type bridge")
    world.ip("link set world up")
    world.address(f"{WORLD4}/24", "world")
    world.address(f"{WORLD6}/64", "world")
    for name in ("all", "default", "eth0"):
        mesh.nodes["site-1"].run(["sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=1"])
    mesh.nodes["site-1"].nft(STRICT)
    return mesh


@pytest.fixture(params=["203.0.113.1:51820", "[2001:db8:b::1]:51820"])
def mesh(request):
    with new_lab() as lab:
        yield strict_mesh(lab, request.param)


def table(mesh, name="shunt-wg0"):
    """(handle of the table, port, mark), or None."""
    things = json.loads(mesh.nodes["site-1"].run(["nft", "-j", "list", "ruleset"]))["nftables"]
    handles = [t["table"]["handle"] for t in things
               if t.get("table", {}).get("name") == name and t["table"]["family"] == "inet"]
    if not handles:
        return None
    (rule,) = [t["rule"] for t in things if t.get("rule", {}).get("table") == name]
    matches = [e["match"]["right"] for e in rule["expr"] if "match" in e]
    (mark,) = [e["mangle"]["value"] for e in rule["expr"] if "mangle" in e]
    return handles[0], matches[-1], mark


def wait_world(mesh):
    mesh.daemons["site-1"].wait_peers(hub_a="up")
    for address in (WORLD4, WORLD6):
        mesh.wait_pings("site-1", address)


def test_strict_filters_let_the_answers_in(mesh):
    mesh.start("hub-a", "site-1")
    wait_world(mesh)
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    made = table(mesh)
    assert made[1:] == (51820, 51820)

    # A restart finds it and leaves it; somebody's flush is mended.
    site_1.kill()
    mesh.start("site-1")
    wait_world(mesh)
    assert table(mesh) == made
    node.run(["nft", "flush", "ruleset"])
    node.nft(STRICT)
    wait_for("the table is back", lambda: table(mesh), PATIENCE)
    wait_world(mesh)

    # It follows the port, whoever chose it.
    mesh.inv["nodes"]["site-1"]["listen_port"] = 51999
    mesh.write()
    site_1.ask("reload")
    assert table(mesh)[1:] == (51999, 51820)
    wait_world(mesh)

    # Without the networks that need it, it goes; another daemon's table stays.
    node.nft("table inet shunt-wg1 { chain prerouting { type filter hook prerouting priority -350; "
             "udp dport 7 meta mark set 7; }; }")
    mesh.inv["nodes"]["hub-a"]["networks"] = []
    mesh.write()
    site_1.ask("reload")
    assert table(mesh) is None
    assert table(mesh, "shunt-wg1")


def test_it_goes_with_the_device(mesh):
    site_1 = mesh.daemons["site-1"]
    mesh.start("hub-a")
    site_1.start("--stop-devices")
    wait_world(mesh)
    assert table(mesh)
    assert site_1.stop() == 0
    assert table(mesh) is None


def test_where_it_cannot_be_set_the_command_is_named():
    with new_lab() as lab:
        mesh = strict_mesh(lab, "203.0.113.1:51820")
        node, site_1 = mesh.nodes["site-1"], mesh.daemons["site-1"]
        owner = subprocess.Popen(["ip", "netns", "exec", node.namespace, "nft", "-i"],
                                 stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        owner.stdin.write("add table inet shunt-wg0 { flags owner; }\n")
        owner.stdin.flush()
        wait_for("somebody owns the table",
                 lambda: "shunt-wg0" in node.run(["nft", "list", "tables"]), PATIENCE)
        mesh.start("hub-a", "site-1")
        problem = site_1.wait_problem("UDP port 51820 could not be marked in nftables")
        assert problem["fix"].startswith("nft 'table inet shunt-wg0 ")
        owner.stdin.close()
        owner.wait()
        # What is named does it, and the daemon makes it its own.
        node.run(["sh", "-c", problem["fix"]])
        wait_world(mesh)
        site_1.ask("reload")
        assert not site_1.problem("could not be marked")
        assert table(mesh)[1:] == (51820, 51820)
