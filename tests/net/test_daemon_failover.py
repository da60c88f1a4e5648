# SPDX-License-Identifier: MIT
"""Who carries a prefix when nodes die, return and drain: on the device, in the kernel, on the wire."""

import pytest
from followed import Followed
from lab import LabError, wait_for
from meshes import PATIENCE, Pings, SmallMesh, Watch, dump, hub, inventory, new_lab, outside, site

ANYCAST = "192.0.2.53/32"
LAPTOP_NET = "10.40.0.0/24"


@pytest.fixture(scope="module")
def mesh():
    """Two hubs; site-3 carries the cover of what the others carry; two sites have one address."""
    laptop = {"role": "client", "address": ["10.10.0.101", "fd10::101"], "nat": True,
              "networks": [LAPTOP_NET],
              "liveness": {"probe": "echo", "interval": "300ms", "multiplier": 3}}
    inv = inventory({
        "hub-a": hub(1), "hub-b": hub(2),
        "site-1": site(1, "10.20.1.0/24", {"prefix": ANYCAST, "metric": 10}),
        "site-2": site(2, "10.20.2.0/24", {"prefix": ANYCAST, "metric": 20}),
        "site-3": site(3, "10.20.0.0/16"),
        "laptop": laptop})
    where = outside("hub-a", "hub-b", "site-1", "site-2", "site-3")
    with new_lab() as lab:
        made = SmallMesh(lab, inv, {**where, "laptop": "198.51.100.101/24"})
        for name, addresses in (("site-1", "10.20.1.1/24 192.0.2.53/32"),
                                ("site-2", "10.20.2.1/24 192.0.2.53/32"),
                                ("site-3", "10.20.3.1/16 10.20.2.77/32"),
                                ("laptop", "10.40.0.1/24")):
            made.nodes[name].ip("link add lan0 type bridge")
            made.nodes[name].ip("link set lan0 up")
            for address in addresses.split():
                made.nodes[name].address(address, "lan0")
        made.start()
        made.stock("laptop")
        yield made


@pytest.fixture
def up(mesh):
    """The mesh with everything up and as it was at first, before and after."""
    mesh.wait_settled()
    mesh.daemons["site-1"].wait_owner("10.20.0.0/16", "hub-a")
    yield mesh
    for name in mesh.nodes:
        for other in (None, *mesh.nodes):
            try:
                mesh.mend(name, other)
            except Exception:
                pass


def owners(mesh, name):
    """{prefix: node} on the device itself."""
    return {p: mesh.name_of(k) for p, k in dump(mesh.nodes[name]).owners().items()}


def wait_device(mesh, name, prefix, owner):
    wait_for(f"{name}'s device has {prefix} with {owner}",
             lambda: owners(mesh, name).get(prefix) == owner, PATIENCE)


def test_every_prefix_where_the_rules_want_it(up):
    at_site = owners(up, "site-1")
    assert at_site["10.20.2.0/24"] == at_site["10.20.0.0/16"] == at_site[LAPTOP_NET] == "hub-a"
    assert at_site["10.10.0.1/32"] == "hub-a" and at_site["10.10.0.2/32"] == "hub-b"
    assert ANYCAST not in at_site, "its own address always wins"
    at_hub = owners(up, "hub-a")
    assert at_hub["10.20.2.0/24"] == "site-2" and at_hub[ANYCAST] == "site-1"
    assert at_hub[LAPTOP_NET] == "laptop"
    # Another hub hands the client's packets to its hub.
    assert owners(up, "hub-b")[LAPTOP_NET] == "hub-a"
    for source, address in (("site-1", "10.20.2.1"), ("site-2", "10.20.3.1"),
                            ("site-3", "192.0.2.53"), ("site-1", "10.40.0.1"),
                            ("laptop", "10.20.1.1"), ("site-2", "10.10.0.101")):
        up.wait_pings(source, address)


def test_a_hub_dies_and_returns(up):
    site_1, site_2, hub_a = (up.daemons[n] for n in ("site-1", "site-2", "hub-a"))
    up.cut("hub-a")
    for daemon, prefix in ((site_1, "10.20.2.0/24"), (site_2, "10.20.1.0/24")):
        daemon.wait_owner(prefix, "hub-b")
        wait_device(up, daemon.name, prefix, "hub-b")
    up.wait_pings("site-1", "10.20.2.1")
    at_site = owners(up, "site-1")
    assert at_site["10.10.0.1/32"] == at_site["fd10::1/128"] == "hub-a", "never moves"
    assert LAPTOP_NET not in at_site, "the client has no other hub, and this one is dead"
    assert any(r.startswith(LAPTOP_NET) for r in site_1.routes())
    hub_a.wait_peers(hub_b="down", site_1="down", site_2="down", site_3="down")
    # It comes back as a last resort, says when it is ready, and both ends move then.
    mark = len(hub_a.log())
    with Pings(up, "site-1", "10.20.2.1") as pings:
        up.mend("hub-a")
        hub_a.wait_log("signals to peers: in service", after=mark)
        site_1.wait_owner("10.20.2.0/24", "hub-a")
        site_2.wait_owner("10.20.1.0/24", "hub-a")
    assert "signals to peers: holding" in hub_a.log()[mark:]
    print(f"lost while moving: {pings.lost}")  # measured by the demo, not judged here


def users(daemon):
    """{(node, prefix, who carries it)} of those that still send through it."""
    return {(u["node"], u["prefix"], u["to"]) for u in daemon.ask("status")["users"] or ()}


def test_drain_and_undrain_move_sites_and_leave_clients_alone(up):
    site_1, hub_a = up.daemons["site-1"], up.daemons["hub-a"]
    up.wait_pings("site-1", "10.40.0.1")

    def look():
        return owners(up, "site-1").get(LAPTOP_NET), owners(up, "hub-a").get(LAPTOP_NET)
    with Pings(up, "site-1", "10.20.2.1") as pings, Pings(up, "site-1", "10.40.0.1") as client, \
            Pings(up, "site-1", "fd10::101"), Watch(look) as watch:
        hub_a.shunt("drain", "hub-a")
        site_1.wait_owner("10.20.2.0/24", "hub-b")
        up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-b")
        # The client has no other hub, and is the only one that is left.
        left = {("site-1", LAPTOP_NET, "laptop"), ("laptop", "10.10.0.11/32", "site-1"),
                ("site-1", "fd10::101/128", "laptop"), ("laptop", "fd10::11/128", "site-1")}
        wait_for("who still uses hub-a", lambda: users(hub_a) == left, PATIENCE)
        with pytest.raises(LabError, match="hub-a is still used after 1s: .*laptop"):
            hub_a.shunt("drain", "hub-a", "--wait", "1s")
        assert "still used: " in hub_a.shunt("status")
        hub_a.shunt("undrain", "hub-a")
        site_1.wait_owner("10.20.2.0/24", "hub-a")
        up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-a")
    assert watch.seen == [("hub-a", "laptop")]
    assert client.lost == 0
    assert hub_a.ask("status")["users"] is None, "who looks no more says nothing"
    assert "nobody sends through it any more" in hub_a.shunt("drain", "hub-a", "--wait", f"{int(10 * PATIENCE)}s")
    hub_a.shunt("undrain", "hub-a")
    print(f"lost while moving twice: {pings.lost}")  # measured by the demo, not judged here


def test_a_specific_falls_back_to_its_cover_when_its_site_dies(up):
    hub_a = up.daemons["hub-a"]
    up.cut("site-2")
    hub_a.wait_peers(site_2="down")
    hub_a.wait_owner("10.20.2.0/24", None)
    wait_device(up, "hub-a", "10.20.2.0/24", None)
    assert any(r.startswith("10.20.2.0/24") for r in hub_a.routes()), "the route stays"
    # site-3, which carries the cover, has this address of the dead site's network.
    up.wait_pings("site-1", "10.20.2.77")
    assert owners(up, "hub-a")["10.10.0.12/32"] == "site-2"
    up.mend("site-2")
    hub_a.wait_owner("10.20.2.0/24", "site-2")
    up.wait_pings("site-1", "10.20.2.1")
    assert not up.pings("site-1", "10.20.2.77"), "the specific has it again"


def test_an_anycast_address_goes_to_the_next_metric_and_back(up):
    hub_a = up.daemons["hub-a"]
    up.cut("site-1")
    hub_a.wait_owner(ANYCAST, "site-2")
    wait_device(up, "hub-a", ANYCAST, "site-2")
    up.wait_pings("site-3", "192.0.2.53")
    (route,) = hub_a.ask("routes", query=ANYCAST)["routes"]
    reasons = {(c["via"], c["origin"]): c["reason"] for c in route["candidates"]}
    assert reasons["site-2", "site-2"] == "wins" and reasons["site-1", "site-1"] == "peer-down"
    up.mend("site-1")
    hub_a.wait_owner(ANYCAST, "site-1")
    up.wait_pings("site-3", "192.0.2.53")


def test_a_client_that_is_silent_keeps_what_it_has(up):
    hub_a = up.daemons["hub-a"]
    up.cut("laptop")
    hub_a.wait_peers(laptop="down")
    assert hub_a.owners()[LAPTOP_NET] == "laptop"
    assert owners(up, "hub-a")[LAPTOP_NET] == owners(up, "hub-a")["10.10.0.101/32"] == "laptop"
    up.mend("laptop")
    hub_a.wait_peers(laptop="up")
    up.wait_pings("site-1", "10.40.0.1")


def cut_pairs(daemon):
    return [(p["a"], p["b"]) for p in daemon.ask("status")["cut_pairs"]]


def test_a_line_between_a_hub_and_a_site_is_named(up):
    hub_a, site_1 = up.daemons["hub-a"], up.daemons["site-1"]
    with Followed(site_1) as told:
        cut_and_mend_a_line(up, hub_a, site_1)
        told.wait("problem", PATIENCE, "line between hub-a and site-1", state="over")
        told.wait("move", PATIENCE, **{"from": "hub-b", "to": "hub-a"})
    told.check()
    # The verdict, its moves and what they took; the problem; and all of it back again.
    down = told.of("verdict", peer="hub-a", state="down")[0]
    away = told.of("move", because=down["event"])
    assert ("hub-a", "hub-b", "done") in {(m["from"], m["to"], m["state"]) for m in away}
    assert all(m["gap_ms"] >= 0 and m["prefix"] and m["prefixes"] for m in away)
    begins = told.wait("problem", 1, "line between hub-a and site-1", state="begins")
    over = told.wait("problem", 1, "line between hub-a and site-1", state="over")
    returns = next(e for e in told.of("verdict", peer="hub-a")
                   if e["event"] > down["event"] and e["state"] != "down")
    assert down["event"] < begins["event"] < over["event"] and returns["event"] < over["event"]
    back = told.of("move", **{"from": "hub-b", "to": "hub-a"})
    causes = {e["event"]: e for e in told.events}
    assert any(causes.get(m["because"], {}).get("peer") == "hub-a" for m in back)
    last = site_1.shunt("events", "--last", "200", "--peer", "hub-a")
    assert "hub-a is down" in last and "hub-a -> hub-b in " in last
    assert "over: " in site_1.shunt("events", "--kind", "problem")


def cut_and_mend_a_line(up, hub_a, site_1):
    assert cut_pairs(site_1) == cut_pairs(hub_a) == []
    up.cut("hub-a", "site-1")
    site_1.wait_peers(hub_a="down")
    hub_a.wait_peers(site_1="down")
    for daemon in (hub_a, site_1, up.daemons["site-2"], up.daemons["hub-b"]):
        wait_for(f"{daemon.name} names it", lambda d=daemon: cut_pairs(d) == [
            ("hub-a", "site-1")], PATIENCE)
        daemon.wait_problem("line between hub-a and site-1 is down, though both live")
        assert "line between hub-a and site-1 is down, though both live" in daemon.shunt("status")
    # All go by hub-b to each other, hub-a too: word of it has travelled.
    up.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-b")
    hub_a.wait_owner("10.20.1.0/24", "hub-b")
    wait_device(up, "site-2", "10.20.1.0/24", "hub-b")
    up.wait_pings("site-2", "10.20.1.1")
    up.mend("hub-a", "site-1")
    site_1.wait_peers(hub_a="up")
    hub_a.wait_peers(site_1="up")
    for daemon in (hub_a, site_1, up.daemons["site-2"], up.daemons["hub-b"]):
        wait_for(f"{daemon.name} names it no more", lambda d=daemon: cut_pairs(d) == [], PATIENCE)


def test_a_line_dead_in_one_direction_is_named_by_both(up):
    hub_a, site_1 = up.daemons["hub-a"], up.daemons["site-1"]
    up.nodes["hub-a"].nft("""
        table inet deaf {
            chain in {
                type filter hook prerouting priority -400;
                ip saddr 198.51.100.11 drop
            }
        }""")
    site_1.wait_peers(hub_a="down")
    hub_a.wait_peers(site_1="down")
    wait_for("both name it", lambda: cut_pairs(site_1) == cut_pairs(hub_a) == [
        ("hub-a", "site-1")], PATIENCE)
    up.wait_pings("site-2", "10.20.1.1")
    up.nodes["hub-a"].run(["nft", "delete", "table", "inet", "deaf"])
    site_1.wait_peers(hub_a="up")


def test_a_dead_hub_is_no_line(up):
    site_1, site_2 = up.daemons["site-1"], up.daemons["site-2"]
    up.cut("hub-a")
    for daemon in (site_1, site_2, up.daemons["hub-b"]):
        daemon.wait_peers(hub_a="down")
        assert cut_pairs(daemon) == []
    # Nor does one that is cut off from all blame its lines.
    up.daemons["hub-a"].wait_peers(hub_b="down", site_1="down", site_2="down", site_3="down")
    assert cut_pairs(up.daemons["hub-a"]) == []
    up.mend("hub-a")
    up.wait_settled()


def test_routes_explains_itself(up):
    site_1 = up.daemons["site-1"]
    text = site_1.shunt("routes", "10.20.2.9")
    assert "10.20.2.0/24" in text and "hub-a" in text and "hub-b" in text
    answer = site_1.ask("routes", query="10.20.2.9")
    (route,) = answer["routes"]
    assert [c["reason"] for c in route["candidates"]] == ["wins", "higher-hub-metric"]
    assert site_1.ask("routes", query="10.20.1.9")["own"]
    assert "10.20.0.0/16" in site_1.shunt("routes", "10.20.200.1")


# --- with a single hub there is no other way, so on_dead decides -----------------------------------


@pytest.fixture(scope="module")
def lone():
    nets = {1: {"prefix": "10.20.1.0/24"}, 2: {"prefix": "10.20.2.0/24", "on_dead": "hold"},
            3: {"prefix": "10.20.3.0/24", "on_dead": "release"}}
    inv = inventory({"hub-a": hub(1), **{f"site-{n}": site(n, net) for n, net in nets.items()}})
    with new_lab() as lab:
        made = SmallMesh(lab, inv, outside("hub-a", "site-1", "site-2", "site-3")).start()
        made.wait_settled()
        yield made


def has_route(daemon, prefix):
    return any(r.startswith(prefix) for r in daemon.routes())


def test_on_dead_at_the_hub(lone):
    hub_a = lone.daemons["hub-a"]
    for n in (1, 2, 3):
        assert hub_a.device_owner(f"10.20.{n}.0/24") == f"site-{n}"
        assert has_route(hub_a, f"10.20.{n}.0/24")
        lone.cut(f"site-{n}")
    hub_a.wait_peers(site_1="down", site_2="down", site_3="down")
    hub_a.wait_owner("10.20.1.0/24", None)
    hub_a.wait_owner("10.20.3.0/24", None)
    wait_device(lone, "hub-a", "10.20.3.0/24", None)
    assert owners(lone, "hub-a") == {
        **{f"10.10.0.1{n}/32": f"site-{n}" for n in (1, 2, 3)},
        **{f"fd10::1{n}/128": f"site-{n}" for n in (1, 2, 3)}, "10.20.2.0/24": "site-2"}
    assert has_route(hub_a, "10.20.1.0/24"), "fall-back: nothing leaves in clear"
    assert has_route(hub_a, "10.20.2.0/24")
    assert not has_route(hub_a, "10.20.3.0/24"), "release: another line may have it"
    # The same after a restart in the middle of it, over which who follows the events goes on.
    with Followed(hub_a) as told:
        hub_a.kill()
        lone.start("hub-a")
        wait_for("release after a restart", lambda: not has_route(hub_a, "10.20.3.0/24"), PATIENCE)
        assert told.wait("start", PATIENCE)["state"] == "adopted"
        wait_for("it is told", lambda: "it was restarted" in told.errors(), PATIENCE)
    told.check()
    hub_a.wait_owner("10.20.1.0/24", None)
    assert hub_a.device_owner("10.20.2.0/24") == "site-2" and has_route(hub_a, "10.20.1.0/24")
    for n in (1, 2, 3):
        lone.mend(f"site-{n}")
    for n in (1, 2, 3):
        hub_a.wait_owner(f"10.20.{n}.0/24", f"site-{n}")
        wait_device(lone, "hub-a", f"10.20.{n}.0/24", f"site-{n}")
        wait_for("the route is back", lambda p=f"10.20.{n}.0/24": has_route(hub_a, p), PATIENCE)
    lone.wait_settled()


def test_on_dead_at_a_site_whose_hub_is_gone(lone):
    site_1 = lone.daemons["site-1"]
    lone.wait_settled()
    lone.cut("hub-a")
    site_1.wait_peers(hub_a="down")
    # Nothing can be known of the site behind it, and there is no other way.
    site_1.wait_owner("10.20.3.0/24", None)
    wait_device(lone, "site-1", "10.20.3.0/24", None)
    assert site_1.device_owner("10.20.2.0/24") == "hub-a" and has_route(site_1, "10.20.2.0/24")
    assert not has_route(site_1, "10.20.3.0/24")
    lone.mend("hub-a")
    site_1.wait_owner("10.20.3.0/24", "hub-a")
    wait_for("the route is back", lambda: has_route(site_1, "10.20.3.0/24"), PATIENCE)


# --- a direct pair beside the hubs -----------------------------------------------------------------


def test_a_direct_line_is_preferred_and_its_loss_goes_by_the_hub():
    inv = inventory({"hub-a": hub(1), "site-1": site(1, "10.20.1.0/24"),
                     "site-2": site(2, "10.20.2.0/24")}, links=[["site-1", "site-2"]])
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, outside("hub-a", "site-1", "site-2")).start().wait_settled()
        site_1, site_2 = mesh.daemons["site-1"], mesh.daemons["site-2"]
        site_1.wait_owner("10.20.2.0/24", "site-2")
        mesh.cut("site-1", "site-2")
        site_1.wait_owner("10.20.2.0/24", "hub-a")
        site_2.wait_owner("10.20.1.0/24", "hub-a")
        wait_device(mesh, "site-1", "10.20.2.0/24", "hub-a")
        mesh.mend("site-1", "site-2")
        site_1.wait_owner("10.20.2.0/24", "site-2")
        site_2.wait_owner("10.20.1.0/24", "site-1")
