# SPDX-License-Identifier: MIT
"""What an inventory says and how a daemon takes it: nested overlays, endpoints of a link, and faults
that others can live with."""

import json
import os
import pathlib
import re
import subprocess

import pytest
from lab import run, wait_for
from meshes import PATIENCE, SHUNT, SHUNTD, SmallMesh, dump, hub, inventory, new_lab, outside, site


def lengths(node):
    """The addresses of the node's wg0, as ADDRESS/LENGTH."""
    (link,) = json.loads(node.ip("-j address show dev wg0"))
    return {f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] != "link"}


def rendered(mesh, name):
    out = os.path.join(mesh.lab.folder, "rendered")
    run([SHUNT, "render", mesh.inventory, "-o", out, "--node", name])
    return pathlib.Path(out, name, "wg0.conf").read_text("utf-8")


NESTED = ["10.10.0.0/24", "10.10.0.0/16", "fd10::/48", "fd10::/64"]


@pytest.mark.parametrize("overlay", [NESTED, NESTED[::-1]], ids=["", "reversed"])
def test_of_nested_overlays_the_longest_gives_the_length(overlay):
    inv = inventory({"hub-a": hub(1), "site-1": site(1), "site-2": site(2)}, overlay=overlay)
    inv["nodes"]["site-2"]["address"] = ["10.10.7.12", "fd10:0:0:7::12"]
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside("hub-a", "site-1", "site-2")).start().wait_settled()
        assert lengths(mesh.nodes["site-1"]) == {"10.10.0.11/24", "fd10::11/64"}
        assert lengths(mesh.nodes["site-2"]) == {"10.10.7.12/16", "fd10:0:0:7::12/48"}
        assert "\nAddress = 10.10.0.11/24, fd10::11/64\n" in rendered(mesh, "site-1")
        assert "\nAddress = 10.10.7.12/16, fd10:0:0:7::12/48\n" in rendered(mesh, "site-2")
        # Each reaches what its own prefix doesn't hold.
        for source, target in (("site-1", "10.10.7.12"), ("site-1", "fd10:0:0:7::12"),
                               ("site-2", "10.10.0.11"), ("site-2", "fd10::11")):
            mesh.wait_pings(source, target)


def endpoint(mesh, name, peer):
    return dump(mesh.nodes[name]).peers[mesh.keys[peer]].get("endpoint")


@pytest.mark.parametrize("first, second", [("192.168.7.5", "192.168.7.6"),
                                           ("[fe80::5%lan0]", "[fe80::6%lan0]")])
def test_two_nodes_meet_inside_a_network_of_one(first, second):
    """The public endpoints of the two sites lead nowhere; they share a LAN, which site-1 carries."""
    inv = inventory({"hub-a": hub(1), "site-1": site(1, "192.168.7.0/24"), "site-2": site(2)})
    for number in (1, 2):
        inv["nodes"][f"site-{number}"]["endpoint"] = f"203.0.113.{number}:51820"
    inv["links"] = [{"between": ["site-2", "site-1"],
                     "endpoints": {"site-1": f"{first}:51820", "site-2": f"{second}:51820"}}]
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside("hub-a", "site-1", "site-2"))
        lab.wire(mesh.nodes["site-1"], "lan0", mesh.nodes["site-2"], "lan0")
        for name, last in (("site-1", 5), ("site-2", 6)):
            mesh.nodes[name].address(f"192.168.7.{last}/24", "lan0")
            mesh.nodes[name].address(f"fe80::{last}/64", "lan0")
        mesh.start()
        site_1, site_2 = mesh.daemons["site-1"], mesh.daemons["site-2"]
        site_1.wait_peers(site_2="up", hub_a="up")
        site_2.wait_peers(site_1="up", hub_a="up")
        assert endpoint(mesh, "site-1", "site-2") == f"{second}:51820"
        assert endpoint(mesh, "site-2", "site-1") == f"{first}:51820"
        assert f"\nEndpoint = {first}:51820\n" in rendered(mesh, "site-2")
        assert "\nEndpoint = 203.0.113.1:51820\n" in rendered(mesh, "hub-a")
        mesh.wait_pings("site-2", "10.10.0.11")
        # A reload takes another word about the pair, and the node's own where the pair has none.
        mesh.cut("site-1")
        mesh.nodes["site-1"].ip("link set lan0 down")
        site_2.wait_peers(site_1="down")
        mesh.inv["links"] = [["site-1", "site-2"]]
        mesh.write()
        site_2.shunt("reload")
        wait_for("site-2 calls site-1 at its own endpoint",
                 lambda: endpoint(mesh, "site-2", "site-1") == "203.0.113.1:51820", PATIENCE)


def test_a_fault_of_one_node_keeps_no_other_from_its_work():
    inv = inventory({"hub-a": hub(1), "site-1": site(1), "site-2": site(2)})
    inv["nodes"]["site-2"]["address"] = ["10.10.0.255"]
    words = "address-of-no-host: The address 10.10.0.255 of site-2"
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside("hub-a", "site-1"))
        assert subprocess.run([SHUNT, "check", mesh.inventory], stdout=subprocess.DEVNULL,
                              check=False).returncode == 1
        mesh.start()
        hub_a = mesh.daemons["hub-a"]
        hub_a.wait_peers(site_1="up")
        assert hub_a.wait_problem(words)["fix"] == f"shunt check {mesh.inventory}"
        hub_a.wait_log(words)
        # What isn't one node's matter is refused as ever.
        mesh.inv["nodes"]["site-2"] |= {"address": "10.10.0.12", "networks": "127.0.0.0/8"}
        mesh.write()
        assert subprocess.run(hub_a.node.inside([SHUNT, "reload"]), check=False,
                              capture_output=True).returncode == 1
        assert hub_a.problem(words)
        del mesh.inv["nodes"]["site-2"]["networks"]
        mesh.write()
        hub_a.shunt("reload")
        hub_a.wait_no_problem(words)


def test_slips_in_names_get_the_name():
    inv = inventory({"hub-a": hub(1), "site-1": site(1)})
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside("hub-a")).start()
        for words, status, told in (
                (["status", "--node", "hub-aa"], 3, "Did you mean --node hub-a?"),
                (["routes", "--node", "Hub-a"], 3, "Did you mean --node hub-a?"),
                (["drain", "hbu-a"], 1, "did you mean hub-a?"),
                (["undrain", "site-2"], 1, "did you mean site-1?"),
                (["status", "--node", "elsewhere"], 3, "is it running?\n"),
                (["drain", "elsewhere"], 1, "no peer of this node)\n"),
                (["drain", "site-1"], 1, "on site-1\n")):
            done = subprocess.run(mesh.nodes["hub-a"].inside([SHUNT, *words]), check=False,
                                  capture_output=True, text=True)
            assert done.returncode == status and told in done.stderr, done.stderr


def test_a_slip_in_the_node_s_name_of_a_daemon(tmp_path):
    example = pathlib.Path(__file__).resolve().parents[2] / "examples" / "two-hubs.yaml"
    done = subprocess.run([SHUNTD, "--node", "hub-aa", "--run-dir", tmp_path / "run", "--state-dir",
                           tmp_path / "state", example], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(r"has no node named hub-aa; did you mean hub-a\?", done.stderr)


def test_all_that_stands_in_the_way_is_told(tmp_path):
    """Of the file's errors and of what is the check's matter, of the node's name and of its key."""
    keys = [run(["wg", "pubkey"], input=run(["wg", "genkey"])).strip() for _ in range(2)]
    inv = inventory({"hub-a": hub(1, public_key=keys[0], private_key_file=str(tmp_path / "none")),
                     "site-1": site(1, "10.20.1.0/24", "127.0.0.0/8", public_key=keys[1])})
    file = tmp_path / "mesh.yaml"

    def told(node):
        file.write_text(json.dumps(inv), "utf-8")
        done = subprocess.run([SHUNTD, "--node", node, "--run-dir", tmp_path / "run", "--state-dir",
                               tmp_path / "state", file], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stderr

    assert all(w in told("hub-a") for w in ("impossible-prefix", str(tmp_path / "none")))
    assert all(w in told("hub-c") for w in ("impossible-prefix", "did you mean hub-a?"))
    inv["nodes"]["site-1"] |= {"mtu": "large", "public_key": "short"}
    assert all(w in told("hub-a") for w in ("impossible-prefix", "weak-key", "`mtu`"))
