# SPDX-License-Identifier: MIT
"""A hundred thousand prefixes: a start, a hub that goes and comes back, a restart that changes nothing."""

import pytest
from lab import wait_for
from meshes import SmallMesh, dump, hub, inventory, new_lab, outside, site

MANY = 100_000
LONG = 60  # seconds; a slow machine is still on its way then


def many():
    """Every second address from 10.128.0.0 on, so that none can be put together with its neighbour."""
    addresses = ((10 << 24 | 1 << 23) + 2 * i for i in range(MANY))
    return [f"{a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255}/32" for a in addresses]


@pytest.fixture(scope="module")
def mesh():
    with new_lab() as lab:
        names = ("hub-a", "hub-b", "site-1")
        yield SmallMesh(lab, inventory({"hub-a": hub(1), "hub-b": hub(2), "site-1": site(1),
                                        "site-2": site(2, *many())}), outside(*names))


def owned(mesh, name):
    """How many of them a hub has on site-1's device."""
    owners = dump(mesh.nodes["site-1"]).owners()
    return sum(key == mesh.keys[name] for prefix, key in owners.items()
               if prefix.startswith("10.") and not prefix.startswith("10.10."))


def wait_for_all(mesh, name):
    """Counting all takes a while, so the last one is looked at first."""
    last = many()[-1]

    def carrier():
        answer = mesh.daemons["site-1"].ask("routes", query=last)
        return answer and answer["routes"][0]["owner"]

    wait_for(f"the last one is with {name}", lambda: carrier() == name, LONG)
    wait_for(f"all are with {name}", lambda: owned(mesh, name) == MANY, LONG, every=0.5)


def test_a_hundred_thousand_prefixes(mesh):
    site_1 = mesh.daemons["site-1"]
    for name in ("hub-a", "hub-b", "site-1"):
        mesh.daemons[name].start()
    for name in ("hub-a", "hub-b", "site-1"):
        mesh.daemons[name].wait_answers(LONG)
    site_1.wait_peers(LONG, hub_a="up", hub_b="up")
    wait_for_all(mesh, "hub-a")
    assert len(site_1.routes("proto 213")) >= MANY
    # A hub goes. It answers meanwhile, and so do its peers: nobody else is lost over so much work.
    mark = len(site_1.log())
    mesh.cut("site-1", "hub-a")
    wait_for_all(mesh, "hub-b")
    assert "hub-b is down" not in site_1.log()[mark:]
    # A restart is no event.
    mark = len(site_1.log())
    site_1.kill()
    site_1.start()
    site_1.wait_answers(LONG)
    site_1.wait_peers(LONG, hub_b="up")
    assert owned(mesh, "hub-b") == MANY, (owned(mesh, "hub-a"), site_1.ask("status")["peers"], site_1.log()[mark:])
    said = site_1.log()[mark:]
    assert "adopted wg0" in said
    assert "moved" not in said and "withdrawn" not in said and "routes" not in said, said
    # And back.
    mesh.mend("site-1", "hub-a")
    wait_for_all(mesh, "hub-a")
    assert site_1.stop() == 0
