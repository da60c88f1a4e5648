# SPDX-License-Identifier: MIT
"""What a local user of a node, or a member gone mad, can do to BFD between nodes with shuntd: nothing
to the others, and a local user nothing at all.

    [hub-a] [site-1] [site-2] on one switch; the attackers are nobody (uid 65534), on site-1 or hub-a

bench/attacks has the figures; here it is verdicts, sessions and logs.
"""

import json
import subprocess

import pytest
from lab import wait_for
from meshes import BUILD, LIVENESS, PATIENCE, SmallMesh, new_lab

ATTACK = str(BUILD / "tests" / "lab" / "attack")
SECONDS = 2
NUMBERS = {"hub-a": 1, "site-1": 11, "site-2": 12}


def inside(family, name):
    return f"10.10.0.{NUMBERS[name]}" if family == 4 else f"fd10::{NUMBERS[name]}"


@pytest.fixture(scope="module", params=[4, 6], ids=["ipv4", "ipv6"])
def mesh(request):
    family = request.param
    nodes = {name: {"address": [inside(family, name)], "endpoint": f"198.51.100.{n}:51820"}
             for name, n in NUMBERS.items()}
    nodes["hub-a"].update(role="hub", metric=10)
    inv = {"mesh": "attacked", "overlay": ["10.10.0.0/24" if family == 4 else "fd10::/64"],
           "defaults": {"liveness": dict(LIVENESS)}, "nodes": nodes}
    with new_lab() as lab:
        made = SmallMesh(lab, inv, {name: f"198.51.100.{n}/24" for name, n in NUMBERS.items()})
        made.family = family
        yield made.start()


@pytest.fixture(autouse=True)
def settled(mesh):
    mesh.wait_settled()
    mesh.marks = {name: len(d.log()) for name, d in mesh.daemons.items()}


def attack(mesh, node, *words):
    return mesh.nodes[node].spawn([ATTACK, *[str(w) for w in words]], log="attack.log",
                                  stdout=subprocess.PIPE)


def end(process):
    """How many packets it was."""
    text, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    return json.loads(text)["sent"]


def session(mesh, node, peer):
    status = mesh.daemons[node].ask("status")
    return next(p for p in status["peers"] if p["node"] == peer)["bfd"]


def forge(mesh, source, target, diag=1, poll=0, rate=100):
    return attack(mesh, source, "bfd", inside(mesh.family, source), inside(mesh.family, target), diag,
                  poll, rate, SECONDS)


def said(mesh, node):
    """What its log says since the test began."""
    return mesh.daemons[node].log()[mesh.marks[node]:]


def assert_quiet(mesh, *nodes):
    for node in nodes or NUMBERS:
        assert " is down" not in said(mesh, node) and "last-resort" not in said(mesh, node)
    assert mesh.settled()


@pytest.mark.parametrize("diag,poll,rate", [(1, 0, 33), (0, 0, 33), (0, 1, 5000)])
def test_forged(mesh, diag, poll, rate):
    before = session(mesh, "hub-a", "site-1")
    assert end(forge(mesh, "site-1", "hub-a", diag, poll, rate)) > 20
    after = session(mesh, "hub-a", "site-1")
    assert after["refused"] > before["refused"] + 20
    assert after["authenticated"] and after["state"] == "Up"
    assert_quiet(mesh)


def test_forged_in_other_names(mesh):
    """A user of the hub, from the hub's address: to the hub itself, and to a site."""
    processes = [forge(mesh, "hub-a", "hub-a"), forge(mesh, "hub-a", "site-2")]
    assert all(end(p) > 20 for p in processes)
    assert_quiet(mesh)


def test_stolen(mesh):
    """The thief gets what it gets; the daemon gets its copy."""
    for victim in ("site-1", "hub-a"):
        thief = attack(mesh, victim, "steal", inside(mesh.family, victim), "wg0", SECONDS)
        peer = "site-2" if victim == "hub-a" else "hub-a"
        before = session(mesh, victim, peer)["received"]
        end(thief)
        assert session(mesh, victim, peer)["received"] > before + 2
    assert_quiet(mesh)


def test_restart_while_forged(mesh):
    """A daemon that starts anew is believed at once, beside a forger and a thief."""
    forger = forge(mesh, "site-1", "hub-a", rate=1000)
    thief = attack(mesh, "hub-a", "steal", inside(mesh.family, "hub-a"), "wg0", SECONDS)
    site = mesh.daemons["site-1"]
    site.kill()
    site.start()
    site.wait_answers()
    wait_for("the session is up again", lambda: session(mesh, "hub-a", "site-1")["state"] == "Up" and
             session(mesh, "site-1", "hub-a")["state"] == "Up", PATIENCE)
    end(forger)
    end(thief)
    assert_quiet(mesh, "hub-a", "site-2")


def test_member_floods(mesh):
    """Who has the keys may say what it likes of itself, but takes the hub from nobody."""
    member = attack(mesh, "site-1", "member", inside(mesh.family, "site-1"),
                    inside(mesh.family, "hub-a"), mesh.nodes["site-1"].path("private.key"),
                    mesh.keys["hub-a"], 50000, SECONDS)
    assert end(member) > 1000
    assert " site-2 is " not in said(mesh, "hub-a")
    assert " hub-a is " not in said(mesh, "site-2")
    mesh.daemons["hub-a"].wait_log("site-1 is down", after=mesh.marks["hub-a"])
    mesh.wait_settled()
