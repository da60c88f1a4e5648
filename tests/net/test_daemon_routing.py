# SPDX-License-Identifier: MIT
"""What stands in the kernel of nodes with a routing engine, and that nothing leaves in clear.

    [site-1] --- switch --- [hub-a], [hub-b] --- switch --- [site-2]

Nobody runs an engine here: what one would be told, and what it would do, is played by `ip route`.
Each site's default route and 10.0.0.0/8 (fd00::/8) lead by eth0, where packets would leave in clear.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest
from lab import LabError, wait_for
from meshes import PATIENCE, Pings, SmallMesh, Watch, hub, inventory, new_lab, outside, site

LAST_METRIC = 0xffffffff
OURS = 0xff000000
FAMILIES = ("-4", "-6")
OVERLAY = {"-4": "10.10.0.0/24", "-6": "fd10::/64"}
HUBS = {"hub-a": {"-4": "10.10.0.1", "-6": "fd10::1"}, "hub-b": {"-4": "10.10.0.2", "-6": "fd10::2"}}
OTHER = {"engine": "other", "protocols": [12]}
NAMES = ("hub-a", "hub-b", "site-1", "site-2")
# Of the overlay, and of what others may announce: none of it is ever to be seen outside.
MESH = ("10.10.0.1", "10.10.0.2", "10.20.2.1", "10.40.7.1", "fd10::1", "fd10::2", "fd20:2::1")


def make(lab, routing):
    inv = inventory({
        "hub-a": hub(1), "hub-b": hub(2), "site-1": site(1, "10.20.1.0/24"),
        "site-2": site(2, "10.20.2.0/24", "fd20:2::/48", may_announce=["10.40.0.0/16"])})
    if not routing:
        del inv["nodes"]["site-2"]["may_announce"]
    else:
        inv["defaults"]["routing"] = routing
    mesh = SmallMesh(lab, inv, {n: f"{a} 2001:db8::{i}/64" for i, (n, a) in enumerate(
        outside(*NAMES).items(), 1)})
    for name in ("site-1", "site-2"):
        node = mesh.nodes[name]
        node.ip("route add default dev eth0")
        node.ip("route add 10.0.0.0/8 dev eth0")
        node.ip("-6 route add default dev eth0")
        node.ip("-6 route add fd00::/8 dev eth0")
        for address in MESH:  # what would leave isn't held back by a question who has it
            node.ip(f"neigh replace {address} lladdr 02:00:00:00:00:99 dev eth0 nud permanent")
    return mesh


@pytest.fixture
def lab():
    with new_lab() as made:
        yield made


def routes(mesh, family, name="site-1"):
    return json.loads(mesh.nodes[name].ip(f"-j {family} route show table all proto 213"))


def rules(mesh, family, name="site-1"):
    return [r for r in json.loads(mesh.nodes[name].ip(f"-j {family} rule")) if "dst" in r]


def signals(mesh, name="site-1"):
    """Whose signals stand in main, by the tables that have them beside it."""
    found = {}
    for family in FAMILIES:
        for r in routes(mesh, family, name):
            if r.get("dev") == "wg0" and "/" not in r["dst"]:
                table = r.get("table", "main")
                found.setdefault(r["dst"], set()).add(
                    "main" if table == "main" else r.get("gateway"))
    return found


def both(*names):
    return {HUBS[n][f] for n in names for f in FAMILIES}


def wait_signals(mesh, expected, name="site-1"):
    try:
        wait_for(f"{name} signals {expected}", lambda: set(signals(mesh, name)) == expected, PATIENCE)
    except LabError as e:
        raise LabError(f"{e}: {signals(mesh, name)}; {mesh.daemons[name].last_words(10)}") from None


def stands(mesh, name="site-1"):
    """The layout, but for signals."""
    for family in FAMILIES:
        shown, (rule,) = routes(mesh, family, name), rules(mesh, family, name)
        table = rule["table"]
        own = [(r.get("type", "unicast"), r["dst"], r.get("metric", 0))
               for r in shown if r.get("table") == table]
        assert rule["priority"] == 32690 and table != "main" and "suppress_prefixlen" not in rule
        assert sorted(own)[-1] == ("unreachable", OVERLAY[family], LAST_METRIC), own
        assert sorted(own)[0][:2] == ("unicast", OVERLAY[family]), own
        main = [r for r in shown if r.get("table", "main") == "main"]
        assert all(r["metric"] >= OURS for r in main
                   if "metric" in r and r["metric"] != 1024), main
        assert OVERLAY[family] in [r["dst"] for r in main if r.get("type") == "unreachable"]
    lengths = {a["local"]: a["prefixlen"] for a in json.loads(mesh.nodes[name].ip(
        "-j address show dev wg0"))[0]["addr_info"]}
    link_local = [a for a in lengths if a.startswith("fe80:")]
    assert len(link_local) == 1 and lengths.pop(link_local[0]) == 64
    assert set(lengths.values()) == {32, 128}


def is_so(check, *args):
    try:
        check(*args)
    except (AssertionError, ValueError, KeyError, IndexError):
        return False
    return True


def wait_stands(mesh, name="site-1"):
    try:
        wait_for("all stands", lambda: is_so(stands, mesh, name), PATIENCE)
    except LabError:
        stands(mesh, name)


@contextlib.contextmanager
def nothing_in_clear(mesh, name="site-1", interface="eth0"):
    """While the block runs packets go from the node to all of the mesh; none of them may be seen on
    its uplink, where only the tunnel's own and the underlay's are."""
    node = mesh.nodes[name]
    file = node.path("clear.pcap")
    nets = " or ".join(f"net {n}" for n in ("10.0.0.0/8", "fd10::/16", "fd20::/16"))
    dump_it = node.spawn(["tcpdump", "-i", interface, "-n", "-U", "-w", file, nets], log="tcpdump.log")
    wait_for("tcpdump listens", lambda: os.path.exists(node.path("tcpdump.log")) and "listening" in
             open(node.path("tcpdump.log"), encoding="utf-8").read(), PATIENCE)
    argv = ["ip", "netns", "exec", node.namespace, "ping", "-n", "-i0.02", "-W1", "-q"]
    pings = [subprocess.Popen([*argv, a], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for a in MESH]
    try:
        yield
    finally:
        for p in pings:
            p.send_signal(signal.SIGINT)
        for p in pings:
            p.wait(timeout=PATIENCE)
        dump_it.send_signal(signal.SIGINT)
        dump_it.wait(timeout=PATIENCE)
    seen = node.run(["tcpdump", "-n", "-r", file])
    assert not seen.strip(), seen[:2000]


def test_the_layout_and_its_signals(lab):
    mesh = make(lab, OTHER)
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    stands(mesh)
    wait_signals(mesh, both("hub-a", "hub-b"))
    guarded = {r["dst"] for f in FAMILIES for r in routes(mesh, f) if r.get("type") == "unreachable"
               and r.get("table", "main") == "main"}
    assert guarded == {"10.10.0.0/24", "10.20.2.0/24", "10.40.0.0/16", "fd10::/64", "fd20:2::/48"}
    for address in ("10.10.0.1", "fd10::2", "10.10.0.12"):
        mesh.wait_pings("site-1", address)
    with nothing_in_clear(mesh):
        # A peer dies, and comes back.
        mesh.cut("hub-a", "site-1")
        wait_signals(mesh, both("hub-b"))
        mesh.mend("hub-a", "site-1")
        wait_signals(mesh, both("hub-a", "hub-b"))
        # Somebody flushes what is ours.
        node.run(["sh", "-c", "for f in -4 -6; do while ip $f rule del protocol 213; do :; done; "
                  "done 2>/dev/null; true"])
        wait_stands(mesh)
    # What refuses is gone with this, until it is back.
    node.ip("route flush table main proto 213")
    node.ip("-6 route flush table main proto 213")
    wait_signals(mesh, both("hub-a", "hub-b"))
    wait_stands(mesh)
    with nothing_in_clear(mesh):
        # The link goes down, and with it all that isn't said to refuse; an address goes.
        node.ip("link set wg0 down")
        wait_signals(mesh, both("hub-a", "hub-b"))
        wait_stands(mesh)
        node.ip("address del 10.10.0.11/32 dev wg0")
        wait_signals(mesh, both("hub-a", "hub-b"))
        wait_stands(mesh)
        # The daemon is killed, and the device is taken from under it.
        site_1.kill()
        stands(mesh)
        node.ip("link del wg0")
    with nothing_in_clear(mesh):
        mesh.start("site-1").wait_settled()
        wait_stands(mesh)
        wait_signals(mesh, both("hub-a", "hub-b"))
    assert [p for p in site_1.problems() if "isn't ours" in p["what"]] == []


@pytest.mark.parametrize("engine,userspace", [("bird", "shunt-wg"), ("frr", "wireguard-go")])
def test_a_restart_and_a_reload_lose_nothing(lab, engine, userspace):
    """shuntd is killed and comes back; the node gets an engine while it runs, and loses it again."""
    mesh = make(lab, None)
    if userspace != "shunt-wg":
        if not shutil.which(userspace):
            pytest.skip(f"no {userspace}")
        mesh.userspace = userspace
    mesh.inv["nodes"]["hub-a"]["networks"] = ["10.50.0.0/24"]
    mesh.write()
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    mesh.wait_pings("site-1", "10.10.0.1")
    with Pings(mesh, "site-1", "10.10.0.1") as v4, Pings(mesh, "site-1", "10.10.0.12") as relayed:
        mesh.inv["nodes"]["site-1"]["routing"] = {"engine": engine}
        mesh.inv["nodes"]["hub-a"]["routing"] = {"engine": engine}
        mesh.write()
        site_1.ask("reload")
        wait_stands(mesh)
        # Of hub-b nobody is told: it has none.
        wait_signals(mesh, both("hub-a"))
        where = signals(mesh)
        assert where["fd10::1"] == ({"main", "fd10::1"} if engine == "bird" else {"main"})
        assert where["10.10.0.1"] == ({"10.10.0.1"} if engine == "bird" else {"main"})
        site_1.kill()
        before = signals(mesh)
        assert set(before) == both("hub-a")
        with Watch(lambda: signals(mesh)) as watch:
            site_1.start()
            site_1.wait_answers()
            mesh.wait_settled()
        assert watch.seen == [before]
        wait_stands(mesh)
    assert (v4.lost, relayed.lost) == (0, 0)
    with Pings(mesh, "site-1", "10.10.0.1") as v4:
        for name in ("site-1", "hub-a"):
            del mesh.inv["nodes"][name]["routing"]
        mesh.write()
        site_1.ask("reload")
        wait_for("no signal stands", lambda: signals(mesh) == {}, PATIENCE)
        assert all(len(rules(mesh, f)) == 2 for f in FAMILIES)
        lengths = {a["prefixlen"] for a in json.loads(node.ip(
            "-j address show dev wg0"))[0]["addr_info"] if a["scope"] == "global"}
        assert lengths == {24, 64}
    assert v4.lost == 0
    assert site_1.stop() == 0


def test_a_default_route_of_an_engine_doesn_t_take_the_tunnel(lab):
    mesh = make(lab, OTHER)
    mesh.inv["nodes"]["hub-a"]["may_announce"] = ["0.0.0.0/0"]
    mesh.write()
    mesh.start().wait_settled()
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]

    def way(words):
        return json.loads(node.ip(f"-j route get {words}"))[0]["dev"]
    node.ip("route add default via 10.10.0.1 dev wg0 onlink proto 12 metric 32")
    wait_for("it has an owner", lambda: site_1.device_owner("0.0.0.0/0") == "hub-a", PATIENCE)
    wait_for("it leads into the tunnel", lambda: way("203.0.113.9") == "wg0", PATIENCE)
    mark = next(r["fwmark"] for r in json.loads(node.ip("-j rule")) if "fwmark" in r)
    assert way(f"198.51.100.1 mark {mark}") == way(f"203.0.113.9 mark {mark}") == "eth0"
    mesh.wait_settled()
    mesh.wait_pings("site-1", "10.10.0.12")


def test_a_node_is_taken_down(lab):
    mesh = make(lab, OTHER)
    mesh.start("hub-a", "hub-b", "site-2")
    site_1 = mesh.daemons["site-1"]
    site_1.start("--stop-devices")
    site_1.wait_answers()
    mesh.wait_settled()
    stands(mesh)
    assert site_1.stop(signal.SIGTERM) == 0
    for family in FAMILIES:
        assert routes(mesh, family) == rules(mesh, family) == []
    assert not mesh.nodes["site-1"].has_interface("wg0")
