# SPDX-License-Identifier: MIT
"""Prefixes between one owner and several, by shuntd on shunt-wg: nothing is lost on the way.

    site-1 ---- hub-a, hub-b ---- site-2
"""

import base64

import pytest
from lab import wait_for
from meshes import PATIENCE, Pings, SmallMesh, Watch, dump, hub, inventory, new_lab, outside, set_device, site

NET, NET6 = "10.20.2.0/24", "fd20:2::/48"


@pytest.fixture(scope="module")
def mesh():
    inv = inventory({"hub-a": hub(1), "hub-b": hub(2), "site-1": site(1, "10.20.1.0/24"),
                     "site-2": site(2, NET, NET6)})
    with new_lab() as lab:
        made = SmallMesh(lab, inv, outside("hub-a", "hub-b", "site-1", "site-2")).start().wait_settled()
        for name, address in (("site-1", "10.20.1.1/24"), ("site-2", "10.20.2.1/24")):
            made.nodes[name].ip("link add lan0 type bridge")
            made.nodes[name].ip("link set lan0 up")
            made.nodes[name].address(address, "lan0")
        made.wait_pings("site-1", "10.20.2.1")
        yield made


def of(mesh, name="site-1"):
    return dump(mesh.nodes[name])


def reload_with(mesh, on_dead):
    mesh.inv["nodes"]["site-2"]["networks"] = [{"prefix": p, "on_dead": on_dead} for p in (NET, NET6)]
    mesh.write()
    for daemon in mesh.daemons.values():
        daemon.ask("reload")


def test_to_one_owner_and_back(mesh):
    owners = of(mesh).owners()
    with Pings(mesh, "site-1", "10.20.2.1") as pings, Watch(lambda: of(mesh).owners()) as watch:
        for _ in range(3):
            reload_with(mesh, "hold")
            assert of(mesh).owner_set(NET) is None and of(mesh).owner_set(NET6) is None
            assert of(mesh).owners() == owners
            reload_with(mesh, "fall-back")
            assert of(mesh).owner_set(NET) == of(mesh).owner_set(NET6) is not None
    assert pings.lost == 0
    assert watch.seen == [owners]


def test_what_was_one_owner_s_is_taken_into_sets(mesh):
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    before = of(mesh)
    daemon.kill()
    alone = [line for key, peer in before.peers.items()
             for line in (f"public_key={key}", *(f"allowed_ip={p}" for p in sorted(peer["allowed"])))]
    with Pings(mesh, "site-1", "10.20.2.1") as pings:
        set_device(node, *alone, *(line for n in before.sets for line in (f"owners={n}", "remove=true")))
        assert not of(mesh).sets and of(mesh).owners() == before.owners()
        daemon.start()
        daemon.wait_answers()
        wait_for("prefixes stand in sets", lambda: of(mesh).sets == before.sets, PATIENCE)
        daemon.wait_peers(hub_a="up", hub_b="up")
    assert pings.lost == 0
    assert of(mesh).owners() == before.owners()


def test_levels_and_owners_set_by_hand_are_mended(mesh):
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    before, number = of(mesh), of(mesh).owner_set(NET)
    set_device(node, f"public_key={mesh.keys['hub-a']}", "level=last-resort",
               f"public_key={mesh.keys['hub-b']}", "level=down", f"owners={number}",
               f"owner={base64.b64decode(mesh.keys['hub-b']).hex()},3,9")
    assert of(mesh).owner(NET) is None
    daemon.ask("reload")
    assert of(mesh).sets == before.sets and of(mesh).owners() == before.owners()


def test_a_foreign_set_keeps_what_it_has(mesh):
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    before = of(mesh)
    set_device(node, "owners=7", f"owner={base64.b64decode(mesh.keys['hub-b']).hex()},0,1",
               f"allowed_ip={NET}")
    daemon.ask("reload")
    problem = daemon.wait_problem(NET)
    assert "owner set 7" in problem["what"] and "didn't make" in problem["what"]
    assert of(mesh).owner_set(NET) == "7"
    # Nor does an event take it.
    mesh.cut("hub-a")
    daemon.wait_peers(hub_a="down")
    assert of(mesh).owner_set(NET) == "7"
    mesh.mend("hub-a")
    mesh.wait_settled()
    set_device(node, "owners=7", "remove=true")
    daemon.ask("reload")
    daemon.wait_no_problem(NET)
    assert of(mesh).sets == before.sets
