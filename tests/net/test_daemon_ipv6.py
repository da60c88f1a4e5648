# SPDX-License-Identifier: MIT
"""A mesh without any IPv4: overlay, networks and underlay."""

import os

from meshes import LIVENESS, SmallMesh, dump, key_pair, new_lab, write_secret


def node(number, *networks, **more):
    return {"address": [f"fd10::{number}"], "endpoint": f"[2001:db8::{number}]:51820",
            **({"networks": list(networks)} if networks else {}), **more}


def test_ipv6_only_with_preshared_keys():
    inv = {"mesh": "six", "overlay": ["fd10::/64"], "defaults": {"liveness": dict(LIVENESS)},
           "nodes": {"hub-a": node(1, role="hub", metric=10),
                     "hub-b": node(2, role="hub", metric=20),
                     "site-1": node(11, "fd20:0:0:1::/64"),
                     "site-2": node(12, "fd20:0:0:2::/64")}}
    where = {name: f"2001:db8::{n}/64" for name, n in
             (("hub-a", 1), ("hub-b", 2), ("site-1", 11), ("site-2", 12))}
    with new_lab() as lab:
        psk = os.path.join(lab.folder, "site-1-hub-a.psk")
        write_secret(psk, key_pair()[0])
        inv["links"] = [{"between": ["site-1", "hub-a"], "preshared_key_file": psk}]
        mesh = SmallMesh(lab, inv, where)
        for name in ("site-1", "site-2"):
            mesh.nodes[name].ip("link add lan0 type bridge")
            mesh.nodes[name].ip("link set lan0 up")
            mesh.nodes[name].address(f"fd20:0:0:{name[-1]}::1/64", "lan0")
        mesh.start().wait_settled()
        site_1 = mesh.daemons["site-1"]
        peers = dump(mesh.nodes["site-1"]).peers
        assert peers[mesh.keys["hub-a"]]["endpoint"] == "[2001:db8::1]:51820"
        assert peers[mesh.keys["hub-a"]]["preshared_key"] != "0" * 64
        assert peers[mesh.keys["hub-b"]].get("preshared_key", "0" * 64) == "0" * 64
        assert any(r.startswith("fd20:0:0:2::/64") for r in site_1.routes("-6"))
        assert site_1.problems() == []
        mesh.wait_pings("site-1", "fd20:0:0:2::1")
        mesh.cut("hub-a")
        site_1.wait_owner("fd20:0:0:2::/64", "hub-b")
        mesh.daemons["site-2"].wait_owner("fd20:0:0:1::/64", "hub-b")
        mesh.wait_pings("site-1", "fd20:0:0:2::1")
        mesh.mend("hub-a")
        site_1.wait_owner("fd20:0:0:2::/64", "hub-a")
