# SPDX-License-Identifier: MIT
"""Three hubs with routing engines; sites without one beside those with one; a site that announces what isn't its own."""

import os
import re

import pytest

from engines import Bird, has_engine, wait_established
from lab import wait_for
from meshes import HELD, PATIENCE, new_lab
from routed import RoutedMesh, lan_addresses, mesh_inventory, networks

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not (has_engine("bird") and has_engine("frr")), reason="BIRD or FRR isn't installed")]


def test_three_hubs():
    """One after the other is lost, and all come back; site-3 has no engine."""
    with new_lab() as lab:
        mesh = RoutedMesh(lab, mesh_inventory({"hub-a": "bird", "hub-b": "frr", "hub-c": "bird", "site-1": "frr",
                                               "site-2": "bird", "site-3": "none"})).start_all()
        mesh.wait_all_reached()
        for lost, taken in (("hub-a", "hub-b"), ("hub-b", "hub-c")):
            mesh.cut(lost)
            mesh.wait_all_by(taken)
            mesh.wait_all_reached()
        mesh.mend("hub-a")
        mesh.mend("hub-b")
        mesh.wait_all_by("hub-a", 2 * HELD)
        mesh.wait_all_reached()
        assert mesh.clear.seen() == []


# What site-2 announces as if it were its own: a part of site-1's, all of site-1's, and in the other family.
ANOTHERS = ["10.20.1.128/25", "10.20.1.0/24"]


def numbers(text):
    """(AS number, table of signals) of a rendered bird.conf."""
    return (re.search(r"local (?:[\d.]+ )?as (\d+)", text).group(1),
            re.search(r"kernel table (\d+)", text).group(1))


def rogue(text, hub_as):
    """A BIRD that announces what it likes, by the numbers of a rendered file."""
    routes = " ".join(f"route {p} blackhole;" for p in [networks("site-2")[0], *ANOTHERS])
    return f"""
        router id 10.10.0.12;
        protocol device {{ }}
        protocol static {{ ipv4; {routes} }}
        protocol bgp hub_a {{ local 10.10.0.12 as {numbers(text)[0]}; neighbor 10.10.0.1 as {hub_as}; multihop 1;
            connect delay time 1; connect retry time 1; error wait time 1, 2;
            ipv4 {{ import none; export all; next hop self; }}; }}"""


def permissive(text):
    """A hub's BIRD that believes everybody, as an operator might write it."""
    own, table = numbers(text)
    return f"""
        router id 10.10.0.1;
        protocol device {{ }}
        protocol kernel {{ merge paths on; scan time 10; ipv4 {{ export where source = RTS_BGP; }}; }}
        ipv4 table peers4;
        protocol kernel kpeers {{ kernel table {table}; learn; scan time 10;
            ipv4 {{ table peers4; import where krt_source = 213; export none; }}; }}
        protocol bgp sites {{ local 10.10.0.1 as {own}; neighbor range 10.10.0.0/24 external; multihop 1;
            dynamic name "d"; ipv4 {{ igp table peers4; import all; export all; next hop self; }}; }}"""


def kernel_has(mesh, name, prefix):
    return any(f"proto {p}" in line for line in mesh.nodes[name].ip(f"route show exact {prefix}").splitlines()
               for p in ("bird", "bgp"))


@pytest.mark.parametrize("engine", ["bird", "frr"])
def test_what_is_anothers_is_refused(engine):
    """By the filter of the hub's engine; and by shuntd, should the engine have none."""
    with new_lab() as lab:
        mesh = RoutedMesh(lab, mesh_inventory({"hub-a": engine, "site-1": "bird", "site-2": "bird"}))
        mesh.make_engines()
        text = mesh.rendered("site-2")["bird"]
        hub_as = re.search(r"neighbor 10\.10\.0\.1 (?:port \d+ )?as (\d+)", text).group(1)
        mesh.engines["site-2"] = Bird(mesh.nodes["site-2"], rogue(text, hub_as))
        mesh.start()
        mesh.start_engines()
        mesh.wait_settled()
        own, hub = networks("site-2")[0], mesh.daemons["hub-a"]
        wait_established(mesh.engines["site-2"], PATIENCE)
        hub.wait_owner(own, "site-2")
        hub.wait_owner(networks("site-1")[0], "site-1")
        assert not any(hub.device_owner(p) == "site-2" or p != networks("site-1")[0] and kernel_has(mesh, "hub-a", p)
                       for p in ANOTHERS)
        assert mesh.clear.seen() == []
        if engine == "frr":
            return
        mesh.engines["hub-a"].reconfigure(permissive(mesh.rendered("hub-a")["bird"]))
        wait_for("the hub's kernel has them", lambda: all(kernel_has(mesh, "hub-a", p) for p in ANOTHERS), PATIENCE)
        hub.wait_problem("site-2 announces 10.20.1.0/24 and 1 more")
        assert hub.device_owner(ANOTHERS[0]) is None
        hub.wait_owner(own, "site-2")
        # What is refused has gone by another way than the rogue's, if it has one: site-1 lives.
        wait_for("site-1 is reached from the hub", lambda: mesh.pings_from(
            "hub-a", "10.10.0.1", lan_addresses("site-1")[0]), PATIENCE)
        assert mesh.clear.seen() == []
