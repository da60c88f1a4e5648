# SPDX-License-Identifier: MIT
"""Which table a route stands in, what catches packets while the device is gone, and what is left.

    [site-1] --- switch --- [hub-a] --- switch --- [site-2]     the mesh goes by hub-a
        default routes: by eth0, where packets would leave in clear
"""

import json
import signal

import pytest
from lab import wait_for
from meshes import PATIENCE, SmallMesh, dump, hub, inventory, new_lab, outside, site

LAST_METRIC = 0xffffffff
FAMILIES = ("-4", "-6")
# What site-2 carries, and what stands for it: one behind the outermost.
NETWORKS = ("10.20.2.0/24", "10.20.2.128/25", "fd20:0:2::/48", "fd20:0:2:1::/64")
OUTERMOST = {"-4": ["10.20.2.0/24"], "-6": ["fd20:0:2::/48"]}
# An address of each, and of the overlay.
MESH = ("10.20.2.1", "10.20.2.129", "fd20:0:2:1::1", "10.10.0.12", "fd10::12")


@pytest.fixture
def mesh():
    with new_lab() as lab:
        inv = inventory({"hub-a": hub(1), "site-1": site(1),
                         "site-2": site(2, *NETWORKS)})
        made = SmallMesh(lab, inv, {n: f"{a} 2001:db8::{i}/64" for i, (n, a) in enumerate(
            outside("hub-a", "site-1", "site-2").items(), 1)})
        lan = made.nodes["site-2"]
        lan.ip("link add lan0 type bridge")
        lan.ip("link set lan0 up")
        for address in ("10.20.2.1/24", "10.20.2.129/25", "fd20:0:2:1::1/64"):
            lan.address(address, "lan0")
        for name in ("site-1", "site-2"):
            made.nodes[name].ip("route add default dev eth0")
            made.nodes[name].ip("-6 route add default dev eth0")
        # Foreign, alike, and never touched.
        made.nodes["site-1"].ip(f"route add unreachable 10.66.0.0/16 metric {LAST_METRIC} proto 213")
        yield made


def routes(mesh, name, family, table="main"):
    shown = mesh.nodes[name].ip(f"-j {family} route show table all")
    return [r for r in json.loads(shown) if r.get("table", "main") == table]


def backstops(mesh, name, family, table="main"):
    return [r["dst"] for r in routes(mesh, name, family, table)
            if r.get("metric") == LAST_METRIC and r["dst"] != "10.66.0.0/16"]


def overlay_rules(mesh, name, family):
    return [r for r in json.loads(mesh.nodes[name].ip(f"-j {family} rule")) if "dst" in r]


def way(mesh, name, address):
    """The interface that a packet would leave by; None: it is refused."""
    shown = mesh.nodes[name].run(["sh", "-c", f"ip -j route get {address} 2>/dev/null || true"])
    found = json.loads(shown or "[]")
    return found[0].get("dev") if found and found[0].get("type") != "unreachable" else None


def assert_caught(mesh, name="site-1"):
    assert {a: way(mesh, name, a) for a in MESH} == dict.fromkeys(MESH)
    assert way(mesh, name, "203.0.113.9") == "eth0"


def assert_stands(mesh, name="site-1"):
    for family in FAMILIES:
        assert backstops(mesh, name, family) == OUTERMOST[family]
        has, refused = overlay_rules(mesh, name, family)
        assert has["table"] == "main" and refused["protocol"] == "213"
        (one,) = routes(mesh, name, family, refused["table"])
        assert one["type"] == "unreachable" and one["dst"] == \
            {"-4": "10.10.0.0/24", "-6": "fd10::/64"}[family]
        assert not any(r.get("type") == "unreachable" for r in routes(mesh, name, family)
                       if r["dst"] in ("10.10.0.0/24", "fd10::/64")), "never in main"


def assert_nothing_stands(mesh, name="site-1"):
    for family in FAMILIES:
        assert backstops(mesh, name, family) == overlay_rules(mesh, name, family) == []
        assert [r for r in json.loads(mesh.nodes[name].ip(f"-j {family} route show table all"))
                if r.get("protocol") == "213" and r["dst"] != "10.66.0.0/16"] == []


def test_nothing_leaves_in_clear_while_the_device_is_gone(mesh):
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    assert_stands(mesh)
    assert {a: way(mesh, "site-1", a) for a in MESH} == dict.fromkeys(MESH, "wg0")
    # Stopped, killed, the device down, gone: it stands, as nobody has asked to take it away.
    assert site_1.stop() == 0
    assert_stands(mesh)
    node.ip("link set wg0 down")
    assert_caught(mesh)
    node.ip("link del wg0")
    assert_caught(mesh)
    # A new device takes over, and all is as it was.
    mesh.start("site-1").wait_settled()
    for address in MESH[:3]:
        mesh.wait_pings("site-1", address)
    assert_stands(mesh)
    site_1.kill()
    node.ip("link del wg0")
    assert_caught(mesh)

    # What an inventory drops goes, also where it did so between two lives.
    mesh.inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24"]
    mesh.write()
    mesh.start("site-1").wait_settled()
    assert backstops(mesh, "site-1", "-4") == ["10.20.2.0/24"]
    assert backstops(mesh, "site-1", "-6") == []
    # An outer one comes, and one is enough again; a network that may be released has none.
    for networks, left in ((["10.20.2.0/24", "10.20.0.0/16"], ["10.20.0.0/16"]),
                           ([{"prefix": "10.20.2.0/24", "on_dead": "release"}], [])):
        mesh.inv["nodes"]["site-2"]["networks"] = networks
        mesh.write()
        site_1.ask("reload")
        assert backstops(mesh, "site-1", "-4") == left
    assert "10.66.0.0/16" in node.ip("route show")
    assert site_1.problems() == []


def test_what_is_deleted_by_hand_comes_back_and_goes_with_the_device(mesh):
    mesh.start("hub-a", "site-2")
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    site_1.start("--stop-devices")
    site_1.wait_answers()
    mesh.wait_settled()
    for command in ("route del unreachable 10.20.2.0/24 metric 4294967295",
                    "-6 route del unreachable fd20:0:2::/48 metric 4294967295",
                    "rule del priority 32690", "-6 rule del priority 32691",
                    "rule del priority 32691"):
        node.ip(command)

    def stands():
        try:
            assert_stands(mesh)
        except (AssertionError, ValueError):
            return False
        return True
    wait_for("all stands again", stands, PATIENCE)
    assert site_1.stop(signal.SIGTERM) == 0
    assert not node.has_interface("wg0")
    assert_nothing_stands(mesh)
    assert "10.66.0.0/16" in node.ip("route show")


def move_hub(mesh, old, new):
    """hub-a changes its address, and calls the others from the new one."""
    node = mesh.nodes["hub-a"]
    node.ip(f"address add {new}/128 dev eth0 nodad" if ":" in new else
            f"address add {new}/32 dev eth0")
    node.ip(f"address del {old} dev eth0")
    net = "2001:db8::/64" if ":" in new else "198.51.100.0/24"
    node.ip(f"route replace {net} dev eth0")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_peer_roams_into_a_carried_prefix(mesh, family):
    """Only the device knows of it; the prefix must not take the tunnel's own packets."""
    prefix, outer, home, length, away = {
        "-4": ("203.0.113.0/24", "203.0.0.0/16", "198.51.100.1", 24, "203.0.113.1"),
        "-6": ("2001:db8:9::/48", "2001:db8:8::/45", "2001:db8::1", 64, "2001:db8:9::1"),
    }[family]
    if family == "-6":
        for i, node in enumerate(mesh.inv["nodes"].values(), 1):
            node["endpoint"] = f"[2001:db8::{i}]:51820"
    mesh.inv["nodes"]["site-2"]["networks"] += [prefix, outer]
    mesh.write()
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]

    def rules():
        return node.ip(f"{family} rule")

    def apart():
        return {r["dst"] for r in routes(mesh, "site-1", family, "51820")
                if r.get("dev") == "wg0"} == {prefix, outer}

    def into_device():
        return {r["dst"] for r in routes(mesh, "site-1", family) if r.get("dev") == "wg0"}
    assert {prefix, outer} < into_device() and "51820" not in rules()
    move_hub(mesh, f"{home}/{length}", away)
    wait_for("they stand apart", apart, PATIENCE)
    mesh.wait_settled()
    mesh.wait_pings("site-1", "10.20.2.1")
    assert away in dump(node).peers[mesh.keys["hub-a"]]["endpoint"]
    assert dump(node).device["fwmark"] == "51820"
    assert backstops(mesh, "site-1", family, "51820") == [outer]
    assert not {prefix, outer} & into_device()
    assert not {prefix, outer} & set(backstops(mesh, "site-1", family))
    assert OUTERMOST[family][0] in into_device(), "what holds no endpoint stays"
    assert way(mesh, "site-1", f"{away} mark 51820") == "eth0"
    assert way(mesh, "site-1", away) == "wg0"
    assert f"{outer} holds an endpoint" in site_1.log()
    # Adopted as it is.
    site_1.kill()
    mesh.start("site-1").wait_settled()
    assert apart()
    # What was apart comes home with the next inventory.
    move_hub(mesh, f"{away}/{32 if family == '-4' else 128}", home)
    wait_for("hub-a is back", lambda: away not in dump(node).peers[mesh.keys["hub-a"]]["endpoint"],
             PATIENCE)
    mesh.wait_settled()
    assert apart(), "to and fro moves nothing"
    site_1.ask("reload")
    assert {prefix, outer} < into_device()
    assert routes(mesh, "site-1", family, "51820") == []
    assert "51820" not in rules() and dump(node).device.get("fwmark", "0") == "0"


def test_a_default_route_and_its_device_vanish_between_two_lives(mesh):
    """The rule that is left must not cut the machine off, nor stay where nobody needs it."""
    mesh.inv["nodes"]["site-2"]["networks"] += ["0.0.0.0/0", "::/0"]
    mesh.write()
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    for family in FAMILIES:
        assert len(routes(mesh, "site-1", family, "51820")) == 2
    site_1.stop()
    node.ip("link del wg0")
    # (Nothing leaves now, as nothing is to leave but by the mesh.)
    assert way(mesh, "site-1", "203.0.113.9") is None
    mesh.start("site-1").wait_settled()
    assert dump(node).device["fwmark"] == "51820", "the same table"
    site_1.stop()
    node.ip("link del wg0")
    mesh.inv["nodes"]["site-2"]["networks"] = list(NETWORKS)
    mesh.write()
    mesh.start("site-1").wait_settled()
    for family in FAMILIES:
        assert routes(mesh, "site-1", family, "51820") == []
        assert "51820" not in json.dumps(json.loads(node.ip(f"-j {family} rule")))
    assert way(mesh, "site-1", "203.0.113.9") == "eth0"
    assert_stands(mesh)


def test_routes_of_others_that_take_packets_are_named(mesh):
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    node.ip("link add docker0 type bridge")
    node.ip("link set docker0 up")
    assert site_1.problems() == []
    for family, route, ours in (
            ("", "10.20.2.0/28 dev docker0", "10.20.2.0/24"),
            ("", "blackhole 10.20.2.64/26", "10.20.2.0/24"),
            ("-6", "fd20:0:2:1:8000::/65 dev docker0 metric 1024", "fd20:0:2:1::/64"),
            ("-6", "fd20:0:2::/48 dev docker0 metric 7", "fd20:0:2::/48"),
            ("", "10.10.0.128/25 dev docker0", "10.10.0.0/24")):
        node.ip(f"{family} route add {route}")
        problem = site_1.wait_problem(f"packets for {ours}")
        shown = route.replace(" metric 1024", "")
        assert shown in problem["what"]
        assert problem["fix"] == f"ip {family}{' ' if family else ''}route del {shown}"
        node.ip(problem["fix"].removeprefix("ip "))
        site_1.wait_no_problem("packets for")
    # Rules with a table of their own, or without one.
    node.ip("route add 10.20.0.0/16 dev docker0 table 52")
    node.ip("rule add priority 5270 lookup 52")
    problem = site_1.wait_problem("10.20.0.0/16 dev docker0 table 52")
    assert not mesh.pings("site-1", "10.20.2.1")
    node.ip("rule del priority 5270")
    site_1.wait_no_problem("packets for")
    node.ip("rule add priority 99 to 10.20.2.0/24 prohibit")
    problem = site_1.wait_problem("the policy rule of priority 99")
    node.ip(problem["fix"].removeprefix("ip "))
    site_1.wait_no_problem("packets for")
    # Shorter ones don't, nor those for some packets only.
    node.ip("route add 10.0.0.0/8 dev docker0")
    node.ip("rule add priority 5270 from 192.0.2.0/24 lookup 52")
    site_1.ask("reload")
    mesh.wait_pings("site-1", "10.20.2.1")
    assert site_1.problems() == []


def test_a_hub_sends_no_redirects(mesh):
    hub_a = mesh.nodes["hub-a"]
    names = ["net.ipv4.conf.all.send_redirects", "net.ipv4.conf.wg0.send_redirects"]
    hub_a.run(["sysctl", "-qw", f"{names[0]}=1"])
    mesh.start().wait_settled()
    assert [hub_a.run(["sysctl", "-n", n]).strip() for n in names] == ["0", "0"]
    # Nor on a device that was made anew.
    hub_a.ip("link del wg0")
    mesh.daemons["hub-a"].wait_log("made anew")
    wait_for("no redirects", lambda: [hub_a.run(["sh", "-c", f"sysctl -n {n} || true"]).strip()
                                      for n in names] == ["0", "0"], PATIENCE)
