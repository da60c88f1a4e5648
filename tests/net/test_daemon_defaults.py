# SPDX-License-Identifier: MIT
"""0.0.0.0/0 and ::/0 as networks: mark, table and rules, and nothing of them left afterwards."""

import json
import signal

import pytest
from lab import wait_for
from meshes import PATIENCE, SmallMesh, dump, hub, inventory, new_lab, outside, set_device, site

OUTSIDE4, OUTSIDE6 = "203.0.113.9", "2001:db8:9::9"


def exits():
    return inventory({"hub-a": hub(1), "site-1": site(1, "10.20.1.0/24"),
                      "site-2": site(2, "10.20.2.0/24", "0.0.0.0/0", "::/0")})


@pytest.fixture
def mesh():
    """All of site-1's traffic goes by site-2, which has an address of the world outside."""
    with new_lab() as lab:
        made = SmallMesh(lab, exits(), outside("hub-a", "site-1", "site-2"))
        made.nodes["site-2"].ip("link add world type bridge")
        made.nodes["site-2"].ip("link set world up")
        made.nodes["site-2"].address(f"{OUTSIDE4}/24", "world")
        made.nodes["site-2"].address(f"{OUTSIDE6}/64", "world")
        # Where it would go without the mesh: nobody is there.
        made.nodes["site-1"].ip("route add default via 198.51.100.250")
        yield made


def rules(mesh, name, family):
    return [r for r in json.loads(mesh.nodes[name].ip(f"-j {family} rule"))
            if "dst" not in r and (  # those of the overlay: test_daemon_routes.py
                r.get("protocol") == "213" or r.get("table") not in ("local", "main", "default")
                or r.get("suppress_prefixlen") is not None)]


def lookups(mesh, name, family):
    """Without those that refuse own sources, which test_daemon_loop.py is about."""
    return [r for r in rules(mesh, name, family) if "iif" not in r]


def table(mesh, name, family, number="51820"):
    routes = json.loads(mesh.nodes[name].ip(f"-j {family} route show table all"))
    return [r for r in routes if r.get("table") == number]


def mark(mesh, name):
    return int(dump(mesh.nodes[name]).device.get("fwmark", "0"))


def assert_as_wg_quick(mesh, name, number=51820, backstop=True):
    """backstop: with a route that refuses, for the time in which the device is gone."""
    assert mark(mesh, name) == number
    for family in ("-4", "-6"):
        specific, marked = lookups(mesh, name, family)
        assert specific["table"] == "main" and specific["suppress_prefixlen"] == 0
        assert marked["table"] == str(number) and int(marked["fwmark"], 16) == number
        assert "not" in marked
        route, *behind = sorted(table(mesh, name, family, str(number)),
                                key=lambda r: r.get("metric", 0))
        for one in (route, *behind):
            assert one["dst"] == "default" and one["protocol"] == "213"
        assert route["dev"] == "wg0" and "type" not in route
        assert [(r["type"], r["metric"]) for r in behind] == [("unreachable", 0xffffffff)] * backstop


def assert_nothing_left(mesh, name):
    assert mark(mesh, name) == 0
    for family in ("-4", "-6"):
        assert rules(mesh, name, family) == table(mesh, name, family) == []


def main_default(mesh):
    return mesh.nodes["site-1"].ip("route show default").strip()


def test_everything_goes_through_the_tunnel_but_the_tunnel(mesh):
    mesh.start().wait_settled()
    site_1, before = mesh.daemons["site-1"], main_default(mesh)
    assert "via 198.51.100.250" in before
    assert_as_wg_quick(mesh, "site-1")
    assert mesh.nodes["site-1"].run(["cat", "/proc/sys/net/ipv4/conf/all/src_valid_mark"]) == "1\n"
    # The site whose network it is has its own ways.
    assert_nothing_left(mesh, "site-2")
    for address in (OUTSIDE4, OUTSIDE6):
        mesh.wait_pings("site-1", address)
    # What is more specific in the main table stays there.
    assert "dev eth0" in mesh.nodes["site-1"].ip("route get 198.51.100.12")
    assert "dev wg0" in mesh.nodes["site-1"].ip("route get 192.0.2.1")

    site_1.kill()
    mesh.start("site-1").wait_settled()
    assert_as_wg_quick(mesh, "site-1")

    # Without them in the inventory all is as it was; with them again, too.
    nets = mesh.inv["nodes"]["site-2"]["networks"]
    mesh.inv["nodes"]["site-2"]["networks"] = nets[:2]
    mesh.write()
    site_1.ask("reload")
    assert rules(mesh, "site-1", "-6") == table(mesh, "site-1", "-6") == []
    assert len(lookups(mesh, "site-1", "-4")) == 2
    mesh.inv["nodes"]["site-2"]["networks"] = nets[:1]
    mesh.write()
    site_1.ask("reload")
    assert_nothing_left(mesh, "site-1")
    assert main_default(mesh) == before
    mesh.inv["nodes"]["site-2"]["networks"] = nets
    mesh.write()
    site_1.ask("reload")
    assert_as_wg_quick(mesh, "site-1")
    # Also where the daemon learns of it by a restart only.
    mesh.inv["nodes"]["site-2"]["networks"] = nets[:1]
    mesh.write()
    site_1.kill()
    mesh.start("site-1")
    assert_nothing_left(mesh, "site-1")
    assert main_default(mesh) == before


def test_what_is_deleted_by_hand_comes_back(mesh):
    mesh.start().wait_settled()
    node = mesh.nodes["site-1"]
    node.ip("rule del priority 32701")
    node.ip("route del default table 51820")
    wait_for("route and rule are back", lambda: table(mesh, "site-1", "-4") and
             len(lookups(mesh, "site-1", "-4")) == 2, PATIENCE)
    assert_as_wg_quick(mesh, "site-1")
    set_device(node, "fwmark=0")
    wait_for("the mark is back", lambda: mark(mesh, "site-1") == 51820, PATIENCE)


def test_a_default_that_is_released_comes_back_to_its_table(mesh):
    for i, prefix in ((1, "0.0.0.0/0"), (2, "::/0")):
        mesh.inv["nodes"]["site-2"]["networks"][i] = {"prefix": prefix, "on_dead": "release"}
    mesh.write()
    mesh.start().wait_settled()
    site_1, before = mesh.daemons["site-1"], main_default(mesh)
    assert_as_wg_quick(mesh, "site-1", backstop=False)
    mesh.cut("hub-a")
    site_1.wait_owner("0.0.0.0/0", None)
    wait_for("released", lambda: not table(mesh, "site-1", "-4"), PATIENCE)
    # Something happens meanwhile, so that the device is read and brought into line.
    assert set(site_1.ask("reload")["changed"].values()) == {0}
    mesh.mend("hub-a")
    site_1.wait_owner("0.0.0.0/0", "hub-a")
    wait_for("back", lambda: table(mesh, "site-1", "-6"), PATIENCE)
    assert_as_wg_quick(mesh, "site-1", backstop=False)
    assert main_default(mesh) == before, "never in the main table"
    mesh.wait_pings("site-1", OUTSIDE4)


def test_a_table_and_a_mark_of_others_are_left_alone(mesh):
    node = mesh.nodes["site-1"]
    node.ip("route add default via 198.51.100.251 table 51820")
    mesh.start().wait_settled()
    assert_as_wg_quick(mesh, "site-1", 51821)
    (theirs,) = table(mesh, "site-1", "-4")
    assert theirs["gateway"] == "198.51.100.251"
    mesh.inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24"]
    mesh.write()
    site_1 = mesh.daemons["site-1"]
    site_1.ask("reload")
    assert mark(mesh, "site-1") == 0
    assert table(mesh, "site-1", "-4") == [theirs]
    # A mark that an operator has set, where nothing of ours needs one.
    set_device(node, "fwmark=7")
    site_1.ask("reload")
    assert mark(mesh, "site-1") == 7


def test_stop_devices_takes_the_rules_away(mesh):
    mesh.start("hub-a", "site-2")
    site_1 = mesh.daemons["site-1"]
    site_1.start("--stop-devices")
    site_1.wait_answers()
    mesh.wait_settled()
    before = main_default(mesh)
    assert len(lookups(mesh, "site-1", "-4")) == 2
    assert site_1.stop(signal.SIGTERM) == 0
    for family in ("-4", "-6"):
        assert rules(mesh, "site-1", family) == table(mesh, "site-1", family) == []
    assert main_default(mesh) == before
