# SPDX-License-Identifier: MIT
"""OSPF over one interface with three peers (star.py): neighbours are found by multicast, where the device hands that on to
each of them. With WireGuard's own table no packet to a group has an owner, and nobody is found.
"""

import os
import re
import shutil

import pytest

from lab import Lab, LabError, wait_for
from pair import PATIENCE
from star import Star

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

FRR = "/usr/lib/frr"


@pytest.fixture(name="star")
def star_fixture():
    with Lab.signals(), Lab("shunt-ospf") as lab:
        yield Star(lab)


class Bird:
    """With OSPF of both families; the site is the designated router, since hubs don't hear each other."""

    def __init__(self, end, number, is_site):
        self.node = end.node
        self.socket = self.node.path("bird.ctl")
        configuration = self.node.path("bird.conf")
        interface = f'interface "wg0" {{ type broadcast; hello 1; dead 10; wait 2; priority {int(is_site)}; }};'
        with open(configuration, "w", encoding="ascii") as f:
            f.write(f"""
                router id 10.9.0.{number};
                protocol device {{ }}
                protocol ospf v2 four {{ ipv4 {{ export none; }}; area 0 {{ {interface} }}; }}
                protocol ospf v3 six {{ ipv6 {{ export none; }}; area 0 {{ {interface} }}; }}""")
        self.process = self.node.spawn(["bird", "-f", "-c", configuration, "-s", self.socket, "-P", self.node.path("bird.pid")],
                                       log="bird.log")

    def neighbours(self, protocol):
        """Router ids of those with whom all is exchanged."""
        assert self.process.poll() is None, "bird.log says why"
        try:
            text = self.node.run(["birdc", "-s", self.socket, "show", "ospf", "neighbors", protocol])
        except LabError:
            return []
        return sorted(re.findall(r"^(10\.9\.0\.\d+)\s+\d+\s+Full", text, re.M))


class Frr:
    """FRR's ospfd, point-to-multipoint, which finds neighbours by multicast alone."""

    def __init__(self, end, number, _):
        self.node = end.node
        self.folder = self.node.path("frr")
        os.mkdir(self.folder)
        os.chmod(self.node.lab.folder, 0o711)  # it becomes the user frr, who must get through to its folder
        shutil.chown(self.folder, "frr", "frr")
        self._write("zebra.conf", "")
        self._write("vtysh.conf", "")
        self._write("ospfd.conf", f"""
interface wg0
 ip ospf network point-to-multipoint
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 10
router ospf
 ospf router-id 10.9.0.{number}
""")
        self._spawn("zebra")
        wait_for("zebra's socket", lambda: os.path.exists(self._path("zserv")), PATIENCE)
        self.process = self._spawn("ospfd")

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="ascii") as f:
            f.write(text)

    def _spawn(self, name):
        return self.node.spawn([os.path.join(FRR, name), "-f", self._path(f"{name}.conf"), "-i", self._path(f"{name}.pid"),
                                "-z", self._path("zserv"), "--vty_socket", self.folder, "-P", "0"], log="frr.log")

    def neighbours(self, _):
        assert self.process.poll() is None, "frr.log says why"
        try:
            text = self.node.run(["vtysh", "--vty_socket", self.folder, "--config_dir", self.folder, "-d", "ospfd",
                                  "-c", "show ip ospf neighbor"])
        except LabError:
            return []
        return sorted(re.findall(r"^(10\.9\.0\.\d+)\s+\d+\s+Full", text, re.M))


def found(star, engine, protocols, hubs):
    """Nobody is found before the devices hand multicast on; then all are."""
    star.talk()
    star.have_multicast(hubs)
    engines = [engine(end, i + 1, end is star.site) for i, end in enumerate([star.site, *hubs])]
    sent = star.site.stats()["drop_no_peer"]
    wait_for("hellos that nobody gets", lambda: star.site.stats()["drop_no_peer"] >= sent + 3, PATIENCE)
    assert not any(engines[0].neighbours(p) for p in protocols)
    star.multicast(True)
    for p in protocols:
        wait_for(f"all neighbours by {p}", lambda p=p: engines[0].neighbours(p) ==
                 [f"10.9.0.{i + 2}" for i in range(len(hubs))], PATIENCE)


@pytest.mark.skipif(not shutil.which("bird"), reason="BIRD isn't installed")
def test_bird_finds_its_neighbours(star):
    found(star, Bird, ["four", "six"], star.hubs)


@pytest.mark.skipif(not os.path.exists(f"{FRR}/ospfd"), reason="FRR isn't installed")
def test_frr_finds_its_neighbours(star):
    found(star, Frr, ["ospf"], star.hubs[:2])
