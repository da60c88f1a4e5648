# SPDX-License-Identifier: MIT
"""How a hub judges clients: by echoes, by handshakes, by BFD where a client runs BIRD."""

import shutil
import signal

import pytest
from lab import wait_for
from meshes import PATIENCE, SmallMesh, dump, hub, inventory, new_lab, outside

ECHO = {"probe": "echo", "interval": "300ms", "multiplier": 3, "hold": "1s"}
BFD = {"probe": "bfd", "interval": "300ms", "multiplier": 3, "hold": "1s"}
BIRD = """
router id 10.10.0.103;
log stderr all;
protocol device {}
protocol bfd {
    interface "wg0" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; };
    neighbor 10.10.0.1 dev "wg0" local 10.10.0.103;
}
"""


def client(number, **more):
    return {"role": "client", "address": [f"10.10.0.{number}", f"fd10::{number}"], "nat": True,
            **more}


@pytest.fixture(scope="module")
def mesh():
    inv = inventory({"hub-a": hub(1),
                     "echoes": client(101, liveness=ECHO, networks=["10.40.1.0/24"]),
                     "shakes": client(102, liveness={"probe": "handshake"}),
                     "speaks": client(103, liveness=BFD, networks=["10.40.3.0/24"]),
                     "absent": client(104, liveness={"probe": "handshake"}),
                     "default": client(105)})
    where = {**outside("hub-a"), "echoes": "198.51.100.101/24", "shakes": "198.51.100.102/24",
             "speaks": "198.51.100.103/24"}
    with new_lab() as lab:
        made = SmallMesh(lab, inv, where).start("hub-a")
        for name in ("echoes", "shakes", "speaks"):
            made.stock(name)
        yield made


def peer(mesh, name):
    status = mesh.daemons["hub-a"].ask("status")
    return next(p for p in status["peers"] if p["node"] == name)


def wait_cause(mesh, name, state, cause):
    wait_for(f"{name} is {state} ({cause}); it is {peer(mesh, name)}", lambda: (
        peer(mesh, name)["state"], peer(mesh, name)["cause"]) == (state, cause), PATIENCE)


def test_each_is_probed_as_the_inventory_says(mesh):
    assert {n: peer(mesh, n)["probe"] for n in ("echoes", "shakes", "speaks", "default")} == {
        "echoes": "echo", "shakes": "handshake", "speaks": "bfd", "default": "handshake"}


def test_echoes(mesh):
    hub_a = mesh.daemons["hub-a"]
    wait_cause(mesh, "echoes", "up", "echo")
    mesh.cut("echoes")
    wait_cause(mesh, "echoes", "down", "no-echo")
    assert hub_a.device_owner("10.40.1.0/24") == "echoes", "nobody else could carry it"
    mesh.mend("echoes")
    # It can't say that it holds, so the hub holds it; it goes through last resort.
    wait_cause(mesh, "echoes", "up", "echo")
    assert "echoes is last-resort" in hub_a.log()
    assert peer(mesh, "echoes")["flaps"] == 1


def test_handshakes(mesh):
    wait_cause(mesh, "shakes", "up", "handshake")
    assert isinstance(peer(mesh, "shakes")["handshake_age_s"], int)
    assert peer(mesh, "absent")["state"] == "down"
    assert peer(mesh, "absent")["handshake_age_s"] is None
    # What nobody has been heard of carries its own address all the same.
    assert mesh.daemons["hub-a"].device_owner("10.10.0.104/32") == "absent"


@pytest.mark.skipif(not shutil.which("bird"), reason="needs BIRD")
def test_bfd_with_a_client_that_runs_bird(mesh):
    node, hub_a = mesh.nodes["speaks"], mesh.daemons["hub-a"]
    with open(node.path("bird.conf"), "w", encoding="ascii") as f:
        f.write(BIRD)
    bird = node.spawn(["bird", "-f", "-c", node.path("bird.conf"), "-s", node.path("bird.ctl")],
                      log="bird.log")
    wait_cause(mesh, "speaks", "up", "session-up")
    assert peer(mesh, "speaks")["bfd"]["state"] == "Up"
    # Its BIRD dies, its device answers echoes: it stays where it is.
    bird.send_signal(signal.SIGKILL)
    bird.wait()
    wait_cause(mesh, "speaks", "up", "daemon-silent")
    assert "speaks is down" not in hub_a.log()
    mesh.cut("speaks")
    wait_for("it is down", lambda: peer(mesh, "speaks")["state"] == "down", PATIENCE)
    assert hub_a.device_owner("10.40.3.0/24") == "speaks"
    mesh.mend("speaks")
    assert dump(mesh.nodes["hub-a"]).peers
