# SPDX-License-Identifier: MIT
"""A reload asks the device for what the difference needs and for nothing else; a bad one is refused."""

import base64
import copy
import json
import os
import signal
import socket
import time

import pytest
from lab import LabError, wait_for
from meshes import (FOUR, PATIENCE, Proxy, SmallMesh, dump, hub, key_pair, new_lab, set_device,
                    two_hubs, write_secret)


@pytest.fixture(scope="module")
def mesh():
    with new_lab() as lab:
        made = SmallMesh(lab, two_hubs(), FOUR).start().wait_settled()
        yield made


@pytest.fixture
def fresh(mesh):
    """The mesh with its first inventory, put back afterwards."""
    before = copy.deepcopy(mesh.inv)
    yield mesh
    mesh.inv = before
    mesh.write()
    for daemon in mesh.daemons.values():
        if daemon.alive():
            daemon.ask("reload")
    mesh.wait_settled()


def hex_key(mesh, name):
    return base64.b64decode(mesh.keys[name]).hex()


def reload_and_record(mesh, name="site-1"):
    with Proxy(mesh.nodes[name]) as proxy:
        changed = mesh.daemons[name].ask("reload")["changed"]
        return changed, proxy.sets()


def test_nothing_changed_nothing_asked(fresh):
    changed, sets = reload_and_record(fresh)
    assert sets == []
    assert set(changed.values()) == {0}


def test_a_new_network_is_one_addition(fresh):
    fresh.inv["nodes"]["site-2"]["networks"].append("10.20.22.0/24")
    fresh.write()
    changed, sets = reload_and_record(fresh)
    number = dump(fresh.nodes["site-1"]).owner_set("10.20.2.0/24")
    assert sets == [["set=1", f"owners={number}", "allowed_ip=10.20.22.0/24"]]
    assert changed == {**dict.fromkeys(changed, 0), "prefixes_added": 1, "routes_added": 1}
    assert fresh.daemons["site-1"].routes("10.20.22.0/24")


def test_a_network_that_goes_is_one_removal(fresh):
    fresh.inv["nodes"]["site-2"]["networks"].append("10.20.23.0/24")
    fresh.write()
    fresh.daemons["site-1"].ask("reload")
    before = dump(fresh.nodes["site-1"]).owners()
    fresh.inv["nodes"]["site-2"]["networks"].pop()
    fresh.write()
    changed, sets = reload_and_record(fresh)
    text = [line for request in sets for line in request]
    assert not any("replace" in line for line in text), sets
    # By the flag, or by way of a peer that nobody can be; never by the peer's removal.
    assert f"public_key={hex_key(fresh, 'hub-b')}" not in text
    assert not any(line == "remove=true" and f"public_key={hex_key(fresh, 'hub-a')}" in request
                   for request in sets for line in request), sets
    assert {line for line in text if line.startswith("allowed_ip=")} <= {
        "allowed_ip=10.20.23.0/24", "allowed_ip=-10.20.23.0/24"}
    after = dump(fresh.nodes["site-1"]).owners()
    assert after == {p: k for p, k in before.items() if p != "10.20.23.0/24"}
    assert changed["prefixes_removed"] == changed["routes_removed"] == 1
    assert not fresh.daemons["site-1"].routes("10.20.23.0/24")


def test_how_prefixes_are_removed_is_learned_once(fresh):
    nets = [f"10.20.{n}.0/24" for n in (31, 32, 33)]
    fresh.inv["nodes"]["site-2"]["networks"] += nets
    fresh.write()
    fresh.daemons["site-1"].ask("reload")
    asked = []
    for net in nets:
        fresh.inv["nodes"]["site-2"]["networks"].remove(net)
        fresh.write()
        _, sets = reload_and_record(fresh)
        asked.append([[line.replace(net, "NET") for line in request] for request in sets])
        assert fresh.daemons["site-1"].device_owner(net) is None
    # Whatever the first took, the others are alike, and one request each.
    assert asked[1] == asked[2] and len(asked[1]) == 1


def test_a_metric_that_changes_moves_prefixes_by_adding(fresh):
    fresh.inv["nodes"]["hub-a"]["metric"] = 99
    fresh.write()
    before = dump(fresh.nodes["site-1"]).owner_set("10.20.2.0/24")
    changed, sets = reload_and_record(fresh)
    after = dump(fresh.nodes["site-1"]).owner_set("10.20.2.0/24")
    # The owners of the new set first, then its prefixes; the old one goes when it is empty.
    moves, goes = sets
    assert moves[:2] == ["set=1", f"owners={after}"]
    assert [line.split(",")[:2] for line in moves[2:4]] == [
        [f"owner={hex_key(fresh, 'hub-b')}", "0"], [f"owner={hex_key(fresh, 'hub-a')}", "1"]]
    assert set(moves[4:]) == {"allowed_ip=10.20.2.0/24", "allowed_ip=10.10.0.12/32",
                              "allowed_ip=fd10::12/128"}
    assert goes == ["set=1", f"owners={before}", "remove=true"]
    assert changed["prefixes_moved"] == 3
    assert changed["prefixes_added"] == changed["prefixes_removed"] == 0
    assert fresh.daemons["site-1"].owners()["10.20.2.0/24"] == "hub-b"


def test_a_new_peer_and_one_that_leaves(fresh):
    _, public = key_pair()
    fresh.inv["nodes"]["hub-c"] = hub(3, public_key=public)
    fresh.keys["hub-c"] = public
    fresh.write()
    changed, sets = reload_and_record(fresh)
    key = f"public_key={hex_key(fresh, 'hub-c')}"
    assert sets[0][:6] == ["set=1", key, "endpoint=198.51.100.3:51820", "level=down",
                           "allowed_ip=10.10.0.3/32", "allowed_ip=fd10::3/128"]
    # Who is an owner beside the others makes the sets of owners others.
    assert not any(line.startswith("public_key=") for line in sets[0][6:])
    assert changed["peers_added"] == 1 and changed["peers_changed"] == 0
    assert fresh.daemons["site-1"].peers()["hub-c"] == "down"
    del fresh.inv["nodes"]["hub-c"]
    fresh.write()
    changed, sets = reload_and_record(fresh)
    assert sets[-1] == ["set=1", key, "remove=true"]
    assert not any(key in request for request in sets[:-1])
    assert changed["peers_removed"] == 1
    assert "hub-c" not in fresh.daemons["site-1"].peers()


def changes(mesh, name="site-1"):
    mesh.write()
    answer = mesh.daemons[name].ask("reload")
    return answer["changed"], answer["changes"]


def test_what_changed_is_told_in_names(fresh):
    assert changes(fresh)[1] == []
    fresh.inv["nodes"]["site-1"].update(listen_port=51901, endpoint="198.51.100.11:51901")
    counts, names = changes(fresh)
    assert counts == {**dict.fromkeys(counts, 0), "settings_changed": 1}
    assert names == ["listen port: 51820 -> 51901"]
    said = fresh.daemons["site-2"].shunt("reload")
    assert "the device needed no change" in said, "site-1 is no peer of it"
    fresh.inv["nodes"]["hub-b"]["endpoint"] = "198.51.100.2:51999"
    fresh.write()
    said = fresh.daemons["site-1"].shunt("reload")
    assert "1 endpoints set" in said
    assert "  hub-b's endpoint: 198.51.100.2:51820 -> 198.51.100.2:51999\n" in said
    fresh.inv["nodes"]["site-2"]["networks"] += ["10.20.41.0/24", "10.20.42.0/24"]
    assert changes(fresh)[1] == ["10.20.41.0/24 and 1 other: nobody -> hub-a, hub-b"]
    fresh.inv["nodes"]["site-1"]["mtu"] = 1400
    counts, names = changes(fresh)
    assert (counts["settings_changed"], names) == (1, ["MTU: 1420 -> 1400"])
    fresh.inv["nodes"]["hub-a"]["metric"] = 99
    counts, names = changes(fresh)
    assert (counts["prefixes_moved"], counts["prefixes_added"]) == (5, 0)
    assert names == ["10.10.0.12/32 and 4 others: hub-a, hub-b -> hub-b, hub-a"]
    fresh.inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24"]
    fresh.inv["nodes"]["site-1"]["keepalive"] = 21
    names = changes(fresh)[1]
    assert "10.20.41.0/24 and 1 other: hub-b, hub-a -> nobody" in names
    assert {f"keepalive towards hub-{h}: 0 s -> 21 s" for h in "ab"} <= set(names)
    psk = fresh.lab.folder + "/named.psk"
    write_secret(psk, key_pair()[0])
    fresh.inv["links"] = [{"between": ["site-1", "hub-b"], "preshared_key_file": psk}]
    assert changes(fresh)[1] == ["preshared key with hub-b: set"]
    fresh.inv["links"] = []
    fresh.inv["nodes"]["hub-c"] = hub(3, metric=500, public_key=key_pair()[1])
    names = changes(fresh)[1]
    assert set(names) >= {"preshared key with hub-b: none any more", "peer hub-c: added"}
    del fresh.inv["nodes"]["hub-c"]
    assert "peer hub-c: removed" in changes(fresh)[1]


def test_every_reload_is_logged_for_what_it_was(fresh):
    site_1 = fresh.daemons["site-1"]
    mark = len(site_1.log())
    fresh.write({**fresh.inv, "topologie": "x"})
    with pytest.raises(LabError, match="topologie"):
        site_1.ask("reload")
    site_1.wait_log("the new inventory is refused, the old one stays", after=mark)
    # In force, although the device takes nothing.
    mark = len(site_1.log())
    fresh.inv["nodes"]["site-2"]["networks"].append("10.20.43.0/24")
    fresh.write()
    with Proxy(fresh.nodes["site-1"]) as proxy:
        proxy.spoil = lambda request: b"errno=5\n\n" if request.startswith("set=") else None
        site_1.process.send_signal(signal.SIGHUP)
        site_1.wait_log("the new inventory is in force, but the device refused a part", after=mark)
    assert "is refused" not in site_1.log()[mark:]
    site_1.wait_owner("10.20.43.0/24", "hub-a")


def test_what_was_heard_of_the_old_inventory_counts_no_more(fresh):
    """A peer goes down while the reload that makes it none is under way: the way around it stays."""
    site_1 = fresh.daemons["site-1"]
    fresh.inv["links"] = [["site-1", "site-2"]]
    anycast = "10.20.53.0/24"
    fresh.inv["nodes"]["site-2"]["networks"].append({"prefix": anycast, "metric": 10})
    fresh.inv["nodes"]["hub-b"]["networks"] = [{"prefix": anycast, "metric": 50}]
    fresh.write()
    for name in ("site-1", "site-2"):
        fresh.daemons[name].ask("reload")
    site_1.wait_peers(site_2="up")
    site_1.wait_owner(anycast, "site-2")
    fresh.inv["links"] = []
    fresh.write()
    try:
        with Proxy(fresh.nodes["site-1"]) as proxy:
            def spoil(request):
                if request.startswith("set=") and not proxy.cut:
                    proxy.cut = True
                    fresh.cut("site-1", "site-2")
                    time.sleep(2)  # long enough for the verdict to come and wait
            proxy.cut = False
            proxy.spoil = spoil
            site_1.ask("reload")
            assert proxy.cut
        # Through hub-a to site-2, not to the second-best origin: nobody has said that site-2 is down.
        site_1.wait_owner(anycast, "hub-a")
        (route,) = site_1.ask("routes", query=anycast)["routes"]
        assert "origin-down" not in {c["reason"] for c in route["candidates"]}, route
    finally:
        fresh.mend("site-1", "site-2")


def test_what_happens_to_others_during_a_reload_counts(fresh):
    """The hub in use goes down while a reload about something else is under way."""
    site_1 = fresh.daemons["site-1"]
    fresh.inv["nodes"]["site-2"]["networks"].append("10.20.44.0/24")
    fresh.write()
    try:
        with Proxy(fresh.nodes["site-1"]) as proxy:
            def spoil(request):
                if request.startswith("set=") and not proxy.cut:
                    proxy.cut = True
                    fresh.cut("site-1", "hub-a")
                    time.sleep(2)
            proxy.cut = False
            proxy.spoil = spoil
            site_1.ask("reload")
            assert proxy.cut
        site_1.wait_owner("10.20.44.0/24", "hub-b")
        assert site_1.peers()["hub-a"] == "down"
    finally:
        fresh.mend("site-1", "hub-a")


def test_a_keepalive_that_changes_is_set_on_that_peer(fresh):
    fresh.inv["nodes"]["site-1"]["keepalive"] = 20
    fresh.write()
    _, sets = reload_and_record(fresh)
    text = sorted(line for request in sets for line in request if "keepalive" in line)
    assert text == ["persistent_keepalive_interval=20"] * 2
    assert not any("allowed_ip" in line or "endpoint" in line for r in sets for line in r), sets


def test_probing_that_changes_asks_the_device_for_nothing_and_keeps_sessions(fresh):
    site_1 = fresh.daemons["site-1"]
    mark = len(site_1.log())
    for name in ("hub-a", "hub-b"):
        fresh.inv["nodes"][name]["liveness"] = {"interval": "500ms", "multiplier": 4}
    fresh.write()
    changed, sets = reload_and_record(fresh)
    assert sets == [] and set(changed.values()) == {0}

    def negotiated():
        return {p["bfd"]["detection_ms"] for p in site_1.ask("status")["peers"]}
    # Poll Sequences: both ends' say counts, so the slower of the two it is.
    wait_for("new times are agreed upon", lambda: negotiated() != {900.0}, PATIENCE)
    assert set(site_1.peers().values()) == {"up"}
    assert "is down" not in site_1.log()[mark:]


def test_an_endpoint_that_changes_is_set_unless_the_peer_roamed(fresh):
    # hub-b is to be found at a second address now; it answers at the old one, too.
    fresh.nodes["hub-b"].address("198.51.100.202/24", "eth0")
    fresh.inv["nodes"]["hub-b"]["endpoint"] = "198.51.100.202:51820"
    fresh.write()
    _, sets = reload_and_record(fresh)
    assert sets == [["set=1", f"public_key={hex_key(fresh, 'hub-b')}", "update_only=true",
                     "endpoint=198.51.100.202:51820"]]
    # Where the device has learned another address than the inventory's old one, that stays.
    set_device(fresh.nodes["site-1"], f"public_key={fresh.keys['hub-b']}", "update_only=true",
               "endpoint=198.51.100.2:51820")
    fresh.inv["nodes"]["hub-b"]["endpoint"] = "198.51.100.222:51820"
    fresh.write()
    _, sets = reload_and_record(fresh)
    assert sets == []


def test_addresses_mtu_and_port_follow(fresh):
    node, site_1 = fresh.nodes["site-1"], fresh.daemons["site-1"]
    fresh.inv["nodes"]["site-1"]["address"] = ["10.10.0.11", "fd10::11", "10.10.0.61"]
    fresh.inv["nodes"]["site-1"].update(mtu=1300, listen_port=51833,
                                        endpoint="198.51.100.11:51833")
    fresh.write()
    changed, sets = reload_and_record(fresh)
    assert sets == [["set=1", "listen_port=51833"]]
    assert changed["addresses_added"] == 1 and changed["addresses_removed"] == 0
    (link,) = json.loads(node.ip("-j address show dev wg0"))
    assert link["mtu"] == 1300
    assert "10.10.0.61" in {a["local"] for a in link["addr_info"]}
    fresh.inv["nodes"]["site-1"]["address"].pop()
    fresh.write()
    assert site_1.ask("reload")["changed"]["addresses_removed"] == 1
    assert "10.10.0.61" not in node.ip("address show dev wg0")


def test_a_node_gets_another_number(fresh):
    """Its overlay address is another one; the peers find each other again, nobody else moves."""
    fresh.inv["nodes"]["site-1"]["address"] = ["10.10.0.77", "fd10::77"]
    fresh.write()
    mark = len(fresh.daemons["site-2"].log())
    for daemon in fresh.daemons.values():
        daemon.ask("reload")
    for name in ("hub-a", "hub-b"):
        fresh.daemons[name].wait_owner("10.10.0.77/32", "site-1")
        assert fresh.daemons[name].device_owner("10.10.0.11/32") is None
        fresh.daemons[name].wait_peers(site_1="up")
    fresh.wait_settled()
    fresh.wait_pings("site-2", "10.10.0.77")
    fresh.wait_pings("site-1", "fd10::1")
    assert " is down" not in fresh.daemons["site-2"].log()[mark:]


@pytest.mark.parametrize("what, text, place", [
    ("no YAML", "mesh: [", "inventory.yaml:"),
    ("an unknown key", None, "topologie"),
    ("cut off", '{"mesh": "test", "overlay": ["10.10.0.0/24"', "inventory.yaml:"),
    ("empty", "", "inventory.yaml"),
    ("binary", "\0\1\2\3" * 64, "inventory.yaml"),
], ids=["no-yaml", "unknown-key", "cut-off", "empty", "binary"])
def test_a_bad_inventory_is_refused_and_the_old_one_stays(fresh, what, text, place):
    site_1 = fresh.daemons["site-1"]
    if text is None:
        text = json.dumps({**fresh.inv, "topologie": "full-mesh"}, indent=1)
    with open(fresh.inventory, "w", encoding="utf-8") as f:
        f.write(text)
    before, owners = dump(fresh.nodes["site-1"]).owners(), site_1.owners()
    with Proxy(fresh.nodes["site-1"]) as proxy:
        with pytest.raises(LabError, match=place):
            site_1.ask("reload")
        assert proxy.sets() == [], what
    assert dump(fresh.nodes["site-1"]).owners() == before
    assert site_1.owners() == owners
    mark = len(site_1.log())
    site_1.process.send_signal(signal.SIGHUP)
    site_1.wait_log("the new inventory is refused, the old one stays", after=mark)
    # A new start with it is refused as well, with the place.
    other = type(site_1)(fresh, fresh.nodes["site-2"])
    other.name = "other"
    mark = len(other.log())
    other.start()
    status, said = other.refused()
    assert status == 1 and place in said[mark:]


def test_what_is_no_file_keeps_nobody_waiting(fresh):
    site_1 = fresh.daemons["site-1"]
    os.unlink(fresh.inventory)
    os.mkfifo(fresh.inventory)
    with pytest.raises(LabError, match="plain file"):
        site_1.ask("reload")
    pipe = fresh.lab.folder + "/psk-pipe"
    os.mkfifo(pipe)
    fresh.inv["links"] = [{"between": ["site-1", "hub-b"], "preshared_key_file": pipe}]
    fresh.write()
    site_1.ask("reload")
    assert pipe in site_1.wait_problem("preshared key")["what"]


def test_findings_refuse_as_well_with_file_and_line(fresh):
    fresh.inv["nodes"]["site-2"]["networks"] = ["10.20.1.0/24"]
    fresh.write()
    with pytest.raises(LabError, match=r"inventory\.yaml:\d+:\d+: duplicate-prefix: .*site-"):
        fresh.daemons["site-1"].ask("reload")


def test_a_node_that_left_the_inventory_and_one_that_became_a_client(fresh):
    gone = {**fresh.inv, "nodes": {n: s for n, s in fresh.inv["nodes"].items() if n != "site-1"}}
    fresh.write(gone)
    with pytest.raises(LabError, match="has no node named site-1"):
        fresh.daemons["site-1"].ask("reload")
    client = json.loads(json.dumps(fresh.inv))
    client["nodes"]["site-1"]["role"] = "client"
    fresh.write(client)
    with pytest.raises(LabError, match="is a client"):
        fresh.daemons["site-1"].ask("reload")


def test_another_interface_wants_a_restart(fresh):
    fresh.inv["nodes"]["site-1"]["interface"] = "wg7"
    fresh.write()
    with pytest.raises(LabError, match="interface is wg7 .* restart"):
        fresh.daemons["site-1"].ask("reload")


def test_a_busy_port_is_refused_before_the_device_loses_its_own(fresh):
    site_1 = fresh.daemons["site-1"]
    holder = fresh.nodes["site-1"].spawn(
        ["/usr/bin/python3", "-c", "import socket, time\n"
         "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
         "s.bind(('::', 51844)); print('bound', flush=True); time.sleep(600)"], log="holder.log")
    try:
        wait_for("the port is taken", lambda: os.path.getsize(
            fresh.nodes["site-1"].path("holder.log")), PATIENCE)
        fresh.inv["nodes"]["site-1"].update(listen_port=51844, endpoint="198.51.100.11:51844")
        fresh.inv["nodes"]["site-2"]["networks"].append("10.20.29.0/24")
        fresh.write()
        with pytest.raises(LabError, match="UDP port 51844 .* is taken by another program"):
            site_1.ask("reload")
        assert dump(fresh.nodes["site-1"]).device["listen_port"] == "51820"
        assert "10.20.29.0/24" not in site_1.owners()
    finally:
        holder.kill()
        holder.wait()
    assert site_1.ask("reload")["changed"]["prefixes_added"] == 1
    assert dump(fresh.nodes["site-1"]).device["listen_port"] == "51844"


def test_sighup_reloads_and_the_service_manager_is_told(fresh):
    site_1 = fresh.daemons["site-1"]
    path = fresh.nodes["site-1"].path("notify.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(PATIENCE)
        site_1.stop()
        site_1.start(env={"NOTIFY_SOCKET": path})
        assert manager.recv(4096) == b"READY=1"
        fresh.inv["nodes"]["site-2"]["networks"].append("10.20.28.0/24")
        fresh.write()
        site_1.process.send_signal(signal.SIGHUP)
        reloading = manager.recv(4096)
        assert reloading.startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert manager.recv(4096) == b"READY=1"
        assert site_1.owners()["10.20.28.0/24"] == "hub-a"
        site_1.stop()
        assert manager.recv(4096) == b"STOPPING=1"
    site_1.start()
    site_1.wait_answers()


def test_a_preshared_key_that_isn_t_there_yet(fresh):
    private, _ = key_pair()  # any 32 bytes
    shared = fresh.lab.folder + "/pair.psk"
    fresh.inv["links"] = [{"between": ["site-1", "hub-b"], "preshared_key_file": shared}]
    fresh.write()
    site_1, hub_b = fresh.daemons["site-1"], fresh.daemons["hub-b"]
    for daemon in (site_1, hub_b):
        daemon.ask("reload")
        problem = daemon.wait_problem("preshared key")
        assert shared in problem["what"] and "shunt reload" in problem["fix"]
    assert site_1.peers()["hub-b"] == "up", "without the key all stays as it was"
    write_secret(shared, private)
    for daemon in (site_1, hub_b):
        daemon.ask("reload")
        daemon.wait_no_problem("preshared key")
    for name, peer in (("site-1", "hub-b"), ("hub-b", "site-1")):
        assert dump(fresh.nodes[name]).peers[fresh.keys[peer]]["preshared_key"] == \
            base64.b64decode(private).hex()
    # Gone again from the disk, it stays on the device; gone from the inventory, it goes.
    os.unlink(shared)
    site_1.ask("reload")
    assert dump(fresh.nodes["site-1"]).peers[fresh.keys["hub-b"]]["preshared_key"] != "0" * 64
    del fresh.inv["links"]
    fresh.write()
    for daemon in (site_1, hub_b):
        daemon.ask("reload")
    assert dump(fresh.nodes["site-1"]).peers[fresh.keys["hub-b"]].get(
        "preshared_key", "0" * 64) == "0" * 64
