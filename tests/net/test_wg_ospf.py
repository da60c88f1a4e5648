# SPDX-License-Identifier: MIT
"""OSPF over one interface with three peers (star.py): neighbours are found by multicast, where the device hands that on to
each of them. With WireGuard's own table no packet to a group has an owner, and nobody is found.

The configurations, and what turns multicast on, are those of examples/ospf.
"""

import os
import pathlib
import re
import shutil

import pytest

from lab import Lab, LabError, wait_for
from pair import PATIENCE
from star import Star

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

FRR = "/usr/lib/frr"
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "ospf"


def example(name, number, **more):
    """The text of a site's configuration, made the one of another node."""
    text = (EXAMPLE / name).read_text("ascii")
    for old, new in {"10.10.0.11": f"10.9.0.{number}", **more}.items():
        assert old in text
        text = text.replace(old, new)
    return text


def have_multicast(end):
    end.node.run([str(EXAMPLE / "multicast"), "wg0"])


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
        with open(configuration, "w", encoding="ascii") as f:
            f.write(example("bird.conf", number, **{"priority 0": f"priority {int(is_site)}"}))
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
        text = example("frr.conf", number)
        zebra, ospfd = text[:text.index("interface")], text[text.index("interface"):]
        self._write("vtysh.conf", "")
        self._write("zebra.conf", zebra)
        self._write("ospfd.conf", ospfd)
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
    for hub in star.hubs:
        have_multicast(hub)
    engines = [engine(end, i + 1, end is star.site) for i, end in enumerate([star.site, *hubs])]
    sent = star.site.stats()["drop_no_peer"]
    wait_for("hellos that nobody gets", lambda: star.site.stats()["drop_no_peer"] >= sent + 3, PATIENCE)
    assert not any(engines[0].neighbours(p) for p in protocols)
    have_multicast(star.site)
    for p in protocols:
        wait_for(f"all neighbours by {p}", lambda p=p: engines[0].neighbours(p) ==
                 [f"10.9.0.{i + 2}" for i in range(len(hubs))], PATIENCE)


@pytest.mark.skipif(not shutil.which("bird"), reason="BIRD isn't installed")
def test_bird_finds_its_neighbours(star):
    found(star, Bird, ["mesh4", "mesh6"], star.hubs)


@pytest.mark.skipif(not os.path.exists(f"{FRR}/ospfd"), reason="FRR isn't installed")
def test_frr_finds_its_neighbours(star):
    found(star, Frr, ["ospf"], star.hubs[:2])
