# SPDX-License-Identifier: MIT
"""Meshes of two hubs and four sites (routed.py) whose nodes run BIRD and FRR, by rendered files: they decide by BGP, and
the devices follow. The tests of a mesh go on where the one before left it. At the end of each nothing of the mesh has left
in clear, though every node has routes for it by its uplink.
"""

import json
import os

import pytest

from engines import has_engine, wait_established
from lab import wait_for
from mesh import kernel_has_wireguard
from meshes import HELD, PATIENCE, Pings, new_lab
from routed import RoutedMesh, lan_addresses, more_networks, networks, two_hubs_four_sites

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not (has_engine("bird") and has_engine("frr")), reason="BIRD or FRR isn't installed")]

# Engines of hub-a, hub-b, site-1, ..., and the device.
MIXED = ("bird", "frr", "bird", "frr", "bird")
MESHES = {"mixed": (MIXED, "shunt-wg"), "bird-one-owner": (("bird",), "wireguard-go"),
          "frr-one-owner": (("frr",), "wireguard-go")}
if kernel_has_wireguard():
    MESHES["kernel"] = (("bird", "frr", "bird"), "kernel")
# An address in what site-3 may announce besides its networks.
NEW = [n.replace(".0/", ".1/").replace("::/", "::1/") for n in more_networks("site-3")]
NEW_ADDRESS = [a.partition("/")[0] for a in NEW]


@pytest.fixture(scope="module", params=MESHES)
def mesh(request):
    engines, device = MESHES[request.param]
    with new_lab() as lab:
        made = RoutedMesh(lab, two_hubs_four_sites(*engines), device)
        made.clear.proves_itself(made.nodes["site-1"])
        yield made.start_all()


@pytest.fixture(autouse=True)
def nothing_in_clear(mesh):
    yield
    assert mesh.clear.seen() == []


def by_line(a, p):
    """Ways while hub-a and site-3 have lost each other: what is from or for site-3 goes by hub-b."""
    return "hub-b" if a == "site-3" or p in networks("site-3") else "hub-a"


def known(mesh, name, prefix):
    """The candidates of a prefix, (source, peer) of each, in order."""
    answer = mesh.daemons[name].ask("routes", query=prefix)
    return [(c["source"], c["via"]) for r in answer["routes"] for c in r["candidates"]]


def pings_to(mesh, site):
    """From site-1's network to the other's, 100 a second."""
    return Pings(mesh, "site-1", lan_addresses(site)[0], lan_addresses("site-1")[0])


def carried(mesh, name, prefix):
    """What the node's kernel and device have of a prefix: (routes of the engine, owner)."""
    family = "-6" if ":" in prefix else "-4"
    shown = json.loads(mesh.nodes[name].ip(f"-j {family} route show exact {prefix}"))
    return ([r for r in shown if r.get("protocol") in ("bird", "bgp")], mesh.daemons[name].device_owner(prefix))


def test_it_converges(mesh):
    mesh.wait_sessions()
    mesh.wait_all_reached()
    wait_for("all sites know both ways", lambda: all(
        known(mesh, a, p) == [("kernel", "hub-a"), ("kernel", "hub-b")]
        for a in mesh.sites() for b in mesh.sites() if a != b for p in networks(b)), PATIENCE)
    assert not [p for d in mesh.daemons.values() for p in d.problems()], mesh.why()


def test_a_line_that_is_cut(mesh):
    mesh.cut("hub-a", "site-3")
    try:
        mesh.wait_ways("what is from or for site-3 goes by hub-b", by_line)
        mesh.wait_all_reached()
    finally:
        mesh.mend("hub-a", "site-3")
    mesh.wait_all_by("hub-a", HELD)
    mesh.wait_all_reached()


def test_drain_and_undrain(mesh):
    with pings_to(mesh, "site-4") as pings:
        mesh.daemons["hub-a"].shunt("drain", "hub-a")
        mesh.wait_all_by("hub-b")
        mesh.daemons["hub-a"].shunt("undrain", "hub-a")
        mesh.wait_all_by("hub-a", HELD)
    # Where a prefix has one owner, both ends of a flow must move in one instant, or what is under way is lost.
    assert pings.lost == 0 or mesh.device != "shunt-wg"
    mesh.wait_all_reached()


def test_a_hub_that_is_lost_and_returns(mesh):
    mesh.cut("hub-a")
    try:
        mesh.wait_all_by("hub-b")
        mesh.wait_all_reached()
    finally:
        mesh.mend("hub-a")
    mesh.wait_all_by("hub-a", HELD)
    mesh.wait_all_reached()


def test_a_subnet_comes_and_goes(mesh):
    """Nothing is edited but the address of site-3."""
    others = [n for n in mesh.sites() if n != "site-3"]
    for address in NEW:
        mesh.nodes["site-3"].address(address, "lan")
    for name in others:
        for prefix in more_networks("site-3"):
            mesh.daemons[name].wait_owner(prefix, "hub-a")
        for family in (0, 1):
            wait_for(f"{name} reaches {NEW_ADDRESS[family]}",
                     lambda n=name, f=family: mesh.reaches(n, "site-3", f, NEW_ADDRESS[f]), PATIENCE)
    for address in NEW:
        mesh.nodes["site-3"].ip(f"address del {address} dev lan")
    for name in (*others, "hub-a", "hub-b"):
        for prefix in more_networks("site-3"):
            wait_for(f"{prefix} is gone from {name}", lambda n=name, p=prefix: carried(mesh, n, p) == ([], None),
                     PATIENCE)
    mesh.wait_all_reached()


def test_an_engine_that_is_killed(mesh):
    """Of a hub and of a site; what it wrote stays, and so do the owners."""
    before = {n: mesh.daemons[n].owners() for n in mesh.nodes}
    for name in ("hub-a", "site-3"):
        engine = mesh.engines[name]
        with pings_to(mesh, "site-3") as pings:
            engine.kill()
            engine.start(recover=True)
            wait_established(engine, PATIENCE)
            wait_for("the same owners", lambda: {n: mesh.daemons[n].owners() for n in mesh.nodes} == before, PATIENCE)
            mesh.wait_all_reached()
        assert pings.lost == 0, name


@pytest.mark.parametrize("order", [("engine", "shuntd"), ("shuntd", "engine")], ids=" then ".join)
def test_engine_and_daemon_are_killed(mesh, order):
    """Both, and started in either order; what others have there stays."""
    node, daemon, engine = mesh.nodes["hub-b"], mesh.daemons["hub-b"], mesh.engines["hub-b"]
    before = {n: mesh.daemons[n].owners() for n in mesh.nodes}
    node.ip("route add 192.0.2.0/24 dev wg0 proto 199")
    node.ip("rule add to 192.0.2.0/24 lookup main priority 99")
    engine.kill()
    daemon.kill()
    for what in order:
        if what == "engine":
            engine.start(recover=True)
        else:
            daemon.start()
            daemon.wait_answers()
    wait_for("the same owners", lambda: {n: mesh.daemons[n].owners() for n in mesh.nodes} == before, HELD)
    mesh.wait_all_by("hub-a", HELD)
    mesh.wait_all_reached()
    assert "proto 199" in node.ip("route show 192.0.2.0/24") and "99:" in node.ip("rule show to 192.0.2.0/24")
    node.ip("route del 192.0.2.0/24 dev wg0")
    node.ip("rule del priority 99")


def test_a_daemon_that_is_killed(mesh):
    """Nothing moves, and nothing is lost."""
    before = mesh.daemons["hub-a"].owners()
    with pings_to(mesh, "site-3") as pings:
        mesh.daemons["hub-a"].kill()
        mesh.daemons["hub-a"].start()
        mesh.daemons["hub-a"].wait_answers()
        wait_for("the same owners", lambda: mesh.daemons["hub-a"].owners() == before, HELD)
        mesh.wait_all_by("hub-a", HELD)
    assert pings.lost == 0
