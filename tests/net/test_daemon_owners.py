# SPDX-License-Identifier: MIT
"""Devices that hold several owners of a prefix, under shuntd: hubs that die, lines that die alone, shares, restarts.

Two or three hubs and three sites on one switch; each site has a network, and hub-a one of its own.
"""

import contextlib
import json
import os
import shutil
import subprocess

import pytest
from lab import LabError, wait_for
from meshes import PATIENCE, Pings, SmallMesh, dump, hub, inventory, new_lab, outside, set_device, site

SITES = ("site-1", "site-2", "site-3")
ADDRESS = {"site-1": "10.20.1.1", "site-2": "10.20.2.1", "site-3": "10.20.3.1", "hub-a": "10.30.0.1"}
ADDRESS6 = {"site-1": "fd20:1::1", "site-2": "fd20:2::1", "site-3": "fd20:3::1"}
HUBS = {"hub-a": 1, "hub-b": 2, "hub-c": 3}


def mesh_of(lab, hubs=("hub-a", "hub-b"), metrics=None, more=None, **options):
    """metrics: of the hubs, else each its own; more: settings of nodes."""
    nodes = {name: hub(HUBS[name], **({"metric": metrics} if metrics else {})) for name in hubs}
    nodes["hub-a"]["networks"] = ["10.30.0.0/24"]
    for n, name in enumerate(SITES, 1):
        nodes[name] = site(n, f"10.20.{n}.0/24", f"fd20:{n}::/64")
    for name, settings in (more or {}).items():
        nodes[name].update(settings)
    where = {name: f"198.51.100.{HUBS[name]}/24" for name in hubs}
    mesh = SmallMesh(lab, inventory(nodes, **options), {**where, **outside(*SITES)})
    for name, address in ADDRESS.items():
        node = mesh.nodes[name]
        node.ip("link add lan0 type bridge")
        node.ip("link set lan0 up")
        node.address(f"{address}/24", "lan0")
        if name in ADDRESS6:
            node.address(f"{ADDRESS6[name]}/64", "lan0")
    return mesh


@contextlib.contextmanager
def started(**options):
    with new_lab() as lab:
        mesh = mesh_of(lab, **options).start()
        mesh.wait_settled()
        wait_for("all have told each other who they are", lambda: all(
            p["inventory"] == "same" for d in mesh.daemons.values()
            for p in d.ask("status")["peers"]), PATIENCE)
        yield mesh


@pytest.fixture(scope="module", params=[2, 3], ids=["two-hubs", "three-hubs"])
def mesh(request):
    with started(hubs=tuple(HUBS)[:request.param]) as made:
        yield made


@pytest.fixture
def up(mesh):
    """All is up, before and after."""
    mesh.wait_settled()
    yield mesh
    for name in mesh.nodes:
        for other in (None, *mesh.nodes):
            with contextlib.suppress(LabError):
                mesh.mend(name, other)


def ping_from(mesh, source, address):
    """From the site's own network, as its hosts would."""
    own = (ADDRESS6 if ":" in address else ADDRESS)[source]
    done = subprocess.run(mesh.nodes[source].inside(["ping", "-c1", "-W1", "-n", "-I", own, address]),
                          check=False, capture_output=True)
    return done.returncode == 0


def wait_reaches(mesh, source, *addresses):
    for address in addresses:
        wait_for(f"{source} reaches {address}", lambda a=address: ping_from(mesh, source, a), PATIENCE)


def sets_of(mesh, name):
    """{number: (owners, prefixes)} of the device, levels left out."""
    return {n: (tuple(s["owners"]), frozenset(s["allowed"]))
            for n, s in dump(mesh.nodes[name]).sets.items()}


def set_with(mesh, name, prefix):
    """The set that has the prefix on the device: its owners by name, with rank and weight."""
    for shared in dump(mesh.nodes[name]).sets.values():
        if prefix in shared["allowed"]:
            return [(mesh.name_of(key), rank, weight) for key, rank, weight in shared["owners"]]
    return None


def level(mesh, name, peer):
    return dump(mesh.nodes[name]).peers[mesh.keys[peer]].get("level", "up")


def route(mesh, name, prefix):
    (answer,) = mesh.daemons[name].ask("routes", query=prefix)["routes"]
    return answer


# --- who dies -------------------------------------------------------------------------------------


def test_all_hubs_own_what_stands_behind_them(up):
    owners = set_with(up, "site-1", "10.20.2.0/24")
    hubs = [name for name in up.nodes if name.startswith("hub")]
    assert [name for name, _, _ in owners] == hubs
    assert [rank for _, rank, _ in owners] == list(range(len(hubs)))
    status = up.daemons["site-1"].ask("status")
    assert status["device"]["max_owners"] == 16
    assert {p["max_owners"] for p in status["peers"]} == {16}
    # The overlay address of a peer is his alone.
    assert "10.10.0.1/32" in dump(up.nodes["site-1"]).peers[up.keys["hub-a"]]["allowed"]
    assert set_with(up, "site-1", "10.10.0.1/32") is None


def test_a_hub_dies_and_returns(up):
    before = sets_of(up, "site-1")
    up.cut("hub-a")
    up.daemons["site-1"].wait_peers(hub_a="down")
    wait_for("the level says it", lambda: level(up, "site-1", "hub-a") == "down", PATIENCE)
    wait_reaches(up, "site-1", ADDRESS["site-2"], ADDRESS6["site-3"])
    up.mend("hub-a")
    up.wait_settled()
    up.daemons["site-1"].wait_owner("10.20.2.0/24", "hub-a")
    wait_for("the sets are as they were", lambda: sets_of(up, "site-1") == before, PATIENCE)
    wait_reaches(up, "site-1", ADDRESS["site-2"], ADDRESS6["site-3"], ADDRESS["hub-a"])


# --- a line dies alone ----------------------------------------------------------------------------


def lines_down(daemon):
    return [(p["a"], p["b"]) for p in daemon.ask("status")["cut_pairs"]]


def expect_line_down(up, hub_name, site_name):
    for daemon in up.daemons.values():
        wait_for(f"{daemon.name} names the line", lambda d=daemon: lines_down(d) == [
            (hub_name, site_name)], PATIENCE)
        daemon.wait_problem(f"line between {hub_name} and {site_name} is down, though both live")


def test_a_line_between_a_hub_and_a_site_dies(up):
    up.cut("hub-a", "site-1")
    up.daemons["hub-a"].wait_peers(site_1="down")
    up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-b")
    wait_reaches(up, "site-2", ADDRESS["site-1"], ADDRESS6["site-1"])
    wait_reaches(up, "site-1", ADDRESS["site-2"], ADDRESS6["site-3"])
    wait_reaches(up, "site-1", ADDRESS["hub-a"])  # hub-a too, by another hub
    wait_reaches(up, "hub-a", ADDRESS["site-1"])
    expect_line_down(up, "hub-a", "site-1")
    assert "by way of hub-b" in up.daemons["site-2"].problem("line between")["what"]
    assert up.daemons["site-3"].ask("status")["peers"][0]["lost"] == ["site-1"]
    (candidate,) = (c for c in route(up, "site-2", "10.20.1.0/24")["candidates"] if c["via"] == "hub-a")
    assert candidate["reason"] == "origin-down"
    assert candidate["why"] == "hub-a says that its line to site-1 is down"
    up.mend("hub-a", "site-1")
    up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-a")
    for daemon in up.daemons.values():
        wait_for(f"{daemon.name} names it no more", lambda d=daemon: not lines_down(d), PATIENCE)


def test_a_line_that_is_dead_outlives_restarts(up):
    up.cut("hub-a", "site-1")
    up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-b")
    up.daemons["hub-a"].wait_owner("10.20.1.0/24", "hub-b")
    wait_reaches(up, "site-2", ADDRESS["site-1"])
    before = {name: sets_of(up, name) for name in ("site-2", "hub-a")}
    with pings(up, "site-2", ADDRESS["site-1"]) as sent:
        for name in ("site-2", "hub-a"):
            up.daemons[name].kill()
            up.daemons[name].start()
            up.daemons[name].wait_answers()
            up.daemons[name].wait_peers(hub_b="up")
            wait_for(f"{name} is done", lambda n=name: sets_of(up, n) == before[n], PATIENCE)
    assert sent.lost == 0
    up.mend("hub-a", "site-1")
    up.wait_settled()


class pings(Pings):
    """From the network of a site, not from its overlay address."""

    def __init__(self, mesh, source, address):
        super().__init__(mesh, source, address)
        self.argv[-1:] = ["-I", ADDRESS[source], address]


# --- restarts -------------------------------------------------------------------------------------


def test_a_restart_loses_nothing_and_keeps_the_sets(up):
    names = list(up.daemons)
    before = {name: sets_of(up, name) for name in names}
    with pings(up, "site-1", ADDRESS["site-2"]) as sent:
        for name in names:
            mark = len(up.daemons[name].log())
            up.daemons[name].kill()
            up.daemons[name].start()
            up.daemons[name].wait_answers()
            wait_for(f"{name} sees all", lambda n=name: all(
                s == "up" for s in up.daemons[n].peers().values()), PATIENCE)
            assert sets_of(up, name) == before[name]
            assert " -> " not in up.daemons[name].log()[mark:]
    assert sent.lost == 0


# --- what was there before ------------------------------------------------------------------------


def make_strict(mesh, name):
    """What a shuntd that knows one owner a prefix would have left: each with the first of its set."""
    was = dump(mesh.nodes[name])
    lines = []
    for shared in was.sets.values():
        lines += [f"public_key={shared['owners'][0][0]}"]
        lines += [f"allowed_ip={prefix}" for prefix in sorted(shared["allowed"])]
    set_device(mesh.nodes[name], *lines)
    set_device(mesh.nodes[name], *(line for n in was.sets for line in (f"owners={n}", "remove=true")))
    assert not dump(mesh.nodes[name]).sets


def test_a_table_with_one_owner_a_prefix_is_adopted(up):
    before = {name: sets_of(up, name) for name in ("site-1", "hub-a")}
    with pings(up, "site-1", ADDRESS["site-2"]) as sent:
        for name, sets in before.items():
            up.daemons[name].kill()
            make_strict(up, name)
            up.daemons[name].start()
            up.daemons[name].wait_answers()
            wait_for(f"{name} has its sets", lambda n=name, s=sets: sets_of(up, n) == s, PATIENCE)
            wait_for(f"{name} sees all", lambda n=name: all(
                s == "up" for s in up.daemons[n].peers().values()), PATIENCE)
    assert sent.lost == 0


# --- devices of one owner, and both kinds ---------------------------------------------------------


@pytest.mark.skipif(not shutil.which("wireguard-go"), reason="no wireguard-go")
@pytest.mark.parametrize("single", [("hub-a", "hub-b", *SITES), ("hub-b", "site-1")], ids=["all", "some"])
def test_a_line_dies_beside_devices_of_one_owner(single):
    with new_lab() as lab:
        made = mesh_of(lab)
        for name in ("hub-a", "hub-b", *SITES):
            made.start(name, userspace="wireguard-go" if name in single else None)
        made.wait_settled()
        made.cut("hub-a", "site-1")
        made.daemons["hub-a"].wait_peers(site_1="down")
        made.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-b")
        wait_reaches(made, "site-2", ADDRESS["site-1"], ADDRESS6["site-1"])
        wait_reaches(made, "site-1", ADDRESS["site-2"], ADDRESS["hub-a"])
        expect_line_down(made, "hub-a", "site-1")
        made.mend("hub-a", "site-1")
        made.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-a")
        wait_reaches(made, "site-1", ADDRESS["site-2"], ADDRESS6["site-3"])


# --- shares, and a node with an inventory of before -----------------------------------------------


COUNT = """
    table ip count {
        counter flows { }
        chain relayed {
            type filter hook forward priority 0;
            udp dport 9000 counter name "flows"
        }
    }"""
SEND = """
import socket, sys
for port in range(int(sys.argv[3])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((sys.argv[1], 20000 + port))
        s.sendto(b"x", (sys.argv[2], 9000))
"""
FLOWS = 200


def flows_by_hub(mesh, source, address):
    """How many of FLOWS flows each hub relays."""
    def count(name):
        listed = json.loads(mesh.nodes[name].run(["nft", "-j", "list", "counters", "table", "ip", "count"]))
        return next(c["counter"]["packets"] for c in listed["nftables"] if "counter" in c)

    hubs = [name for name in HUBS if name in mesh.nodes]
    before = {name: count(name) for name in hubs}
    mesh.nodes[source].run(["python3", "-c", SEND, ADDRESS[source], address, str(FLOWS)])
    got = {}

    def all_came():
        got.update({name: count(name) - before[name] for name in hubs})
        return sum(got.values()) >= FLOWS
    wait_for(f"all flows are relayed: {got}", all_came, PATIENCE)
    return got


@pytest.fixture(scope="module")
def equal():
    """Two hubs of equal metric, hub-b with three times the weight; site-3 runs an inventory of before, which gives
    a network of site-2 to site-3."""
    with new_lab() as lab:
        mesh = mesh_of(lab, metrics=10, more={"hub-b": {"weight": 3}})
        now = mesh.inventory
        before = json.loads(json.dumps(mesh.inv))
        before["nodes"]["site-3"]["networks"].append("10.20.9.0/24")
        mesh.inv["nodes"]["site-2"]["networks"].append("10.20.9.0/24")
        mesh.write()
        mesh.inventory = os.path.join(lab.folder, "before.yaml")
        mesh.write(before)
        os.utime(mesh.inventory, (1_700_000_000, 1_700_000_000))
        mesh.start("site-3")
        mesh.inventory = now
        mesh.start(*(name for name in mesh.nodes if name != "site-3"))
        mesh.wait_settled()
        for name in ("hub-a", "hub-b"):
            mesh.nodes[name].nft(COUNT)
        yield mesh


def test_hubs_of_equal_metric_share_the_flows(equal):
    wait_for("site-1 shares", lambda: set_with(equal, "site-1", "10.20.2.0/24") == [
        ("hub-a", 0, 1), ("hub-b", 0, 3)], PATIENCE)
    shares = {c["via"]: (c["share"], c["weight"], c["rank"], c["reason"])
              for c in route(equal, "site-1", "10.20.2.0/24")["candidates"]}
    assert shares == {"hub-a": (25, 1, 0, "wins"), "hub-b": (75, 3, 0, "wins")}
    assert "75%" in equal.daemons["site-1"].shunt("routes", "10.20.2.0/24")
    wait_reaches(equal, "site-1", ADDRESS["site-2"])
    got = flows_by_hub(equal, "site-1", ADDRESS["site-2"])
    assert FLOWS * 0.13 < got["hub-a"] < FLOWS * 0.4, got


def test_a_drain_moves_all_flows(equal):
    with pings(equal, "site-1", ADDRESS["site-2"]) as sent:
        equal.daemons["hub-b"].shunt("drain", "hub-b")
        for name in ("site-1", "site-2"):
            wait_for(f"{name} knows", lambda n=name: level(equal, n, "hub-b") == "last-resort", PATIENCE)
        assert flows_by_hub(equal, "site-1", ADDRESS["site-2"]) == {"hub-a": FLOWS, "hub-b": 0}
        assert [c["share"] for c in route(equal, "site-1", "10.20.2.0/24")["candidates"]] == [100, 0]
        equal.daemons["hub-b"].shunt("undrain", "hub-b")
        for name in ("site-1", "site-2"):
            wait_for(f"{name} knows", lambda n=name: level(equal, n, "hub-b") == "up", PATIENCE)
        assert flows_by_hub(equal, "site-1", ADDRESS["site-2"])["hub-b"] > 0
    assert sent.lost == 0


def test_an_inventory_of_before_is_named(equal):
    """A minute after the difference began."""
    site_3, hub_a = equal.daemons["site-3"], equal.daemons["hub-a"]
    assert {p["inventory"] for p in site_3.ask("status")["peers"]} == {"other"}
    for name in ("hub-a", "hub-b"):
        found = equal.daemons[name].wait_problem("another inventory", 90)
        assert found["what"].startswith("site-3 runs another inventory than this node, older by ")
        assert "to site-3" in found["fix"]
    found = site_3.wait_problem("another inventory", 90)
    assert found["what"].startswith("hub-a, hub-b run another inventory than this node, newer by ")
    assert not equal.daemons["site-1"].problem("another inventory"), "it is no peer of site-3"
    assert [p["inventory"] for p in hub_a.ask("status")["peers"] if p["node"] == "site-3"] == ["other"]
    equal.write()
    os.replace(os.path.join(equal.lab.folder, "inventory.yaml"), os.path.join(equal.lab.folder, "before.yaml"))
    equal.write()
    site_3.shunt("reload")
    for name in ("hub-a", "hub-b", "site-3"):
        equal.daemons[name].wait_no_problem("another inventory")
