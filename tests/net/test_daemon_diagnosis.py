# SPDX-License-Identifier: MIT
"""What a node notices about the network around it, names in its status and says in its log."""

import time

import pytest
from meshes import (FOUR, PATIENCE, SmallMesh, hub, inventory, new_lab, outside, site,
                    two_hubs)


@pytest.fixture
def mesh():
    with new_lab() as lab:
        yield SmallMesh(lab, two_hubs(), FOUR)


def test_forwarding_that_is_off_is_said_once_and_so_is_its_end(mesh):
    node, hub_a = mesh.nodes["hub-a"], mesh.daemons["hub-a"]
    node.sysctl("net/ipv4/ip_forward", 0)
    mesh.start("hub-a")
    hub_a.wait_log("problem: IPv4 forwarding is off")
    assert "mend it by: sysctl -w net/ipv4/ip_forward=1" in hub_a.log()
    node.sysctl("net/ipv6/conf/all/forwarding", 0)
    hub_a.wait_log("problem: IPv6 forwarding is off")
    node.sysctl("net/ipv4/ip_forward", 1)
    hub_a.wait_log("problem is over: IPv4 forwarding is off")
    assert hub_a.log().count("problem: IPv4") == hub_a.log().count("problem: IPv6") == 1


def test_one_key_on_two_machines_is_named_with_both_endpoints():
    with new_lab() as lab:
        nodes = {"hub-a": hub(1), "site-1": site(1, "10.20.1.0/24", nat=True)}
        del nodes["site-1"]["endpoint"]
        mesh = SmallMesh(lab, inventory(nodes),
                         {**outside("hub-a", "site-1"), "twin": "198.51.100.77/24"})
        hub_a = mesh.daemons["hub-a"]
        mesh.start("hub-a", "site-1").wait_settled()
        # A clone of the machine: the same node, key and inventory.
        twin = mesh.daemons["twin"]
        twin.name, twin.run_dir = "site-1", twin.run_dir.replace("twin", "site-1")
        twin.start()
        hub_a.wait_log("problem: two machines seem to use the key of site-1", 2 * PATIENCE)
        what = hub_a.wait_problem("key of site-1")["what"]
        assert "198.51.100.11:51820" in what and "198.51.100.77:51820" in what


DROPS = {"ip": "10.10.0.12", "ip6": "fd10::12"}


@pytest.mark.parametrize("family", DROPS)
def test_a_hub_whose_forward_policy_drops_is_named_there_and_by_the_sites(mesh, family):
    hub_a, site_1 = mesh.daemons["hub-a"], mesh.daemons["site-1"]
    mesh.start().wait_settled()
    mesh.wait_pings("site-1", DROPS[family])
    # As Docker makes it: its own bridge and what is established may pass.
    mesh.nodes["hub-a"].nft(f"""
        table {family} filter {{
            chain DOCKER {{
                oifname "docker0" accept
            }}
            chain FORWARD {{
                type filter hook forward priority 0; policy drop;
                iifname "docker0" accept
                ct state related,established accept
                meta l4proto icmp accept
                jump DOCKER
            }}
        }}""" if family == "ip" else f"""
        table {family} filter {{
            chain FORWARD {{
                type filter hook forward priority 0; policy drop;
            }}
        }}""")
    version = {"ip": "IPv4", "ip6": "IPv6"}[family]
    problem = hub_a.wait_problem(f"{family} filter FORWARD of nftables lets no new {version}")
    assert not site_1.problem("lets no new")
    if family == "ip":
        mesh.wait_pings("site-1", DROPS[family])  # which is why rules are read
    else:
        site_1.wait_log(f"answers no {version} echo through hub-a", 2 * PATIENCE)
        assert site_1.problem("doesn't relay")["fix"].endswith("on hub-a")
        assert "IPv4 echo" not in site_1.log()
    # What is named mends it.
    mesh.nodes["hub-a"].run(["sh", "-c", problem["fix"]])
    hub_a.wait_no_problem("lets no new")
    site_1.wait_no_problem("doesn't relay")
    mesh.wait_pings("site-1", DROPS[family])


def test_a_forward_policy_before_the_networks_of_a_site(mesh):
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    node.ip("link add lan type bridge")
    node.ip("link set lan up")
    node.address("10.20.1.1/24", "lan")
    mesh.start("site-1")
    # One that refuses in the end, for all but what comes from here.
    node.nft("""
        table inet firewall {
            chain forward {
                type filter hook forward priority 10; policy accept;
                ct state established,related accept
                iifname "lan" accept
                reject with icmpx admin-prohibited
            }
        }""")
    problem = site_1.wait_problem("inet firewall forward of nftables lets no new IPv4")
    assert "from wg0 to lan" in problem["what"]
    node.run(["sh", "-c", problem["fix"]])
    site_1.wait_no_problem("lets no new")


def test_a_site_that_is_down_is_no_fault_of_the_hub():
    with new_lab() as lab:
        names = ("hub-a", "site-1", "site-2", "site-3")
        mesh = SmallMesh(lab, inventory({
            "hub-a": hub(1), **{f"site-{i}": site(i, f"10.20.{i}.0/24") for i in (1, 2, 3)}}),
            outside(*names))
        mesh.start("hub-a", "site-1")
        mesh.daemons["site-1"].wait_peers(hub_a="up")
        # Nobody else is there, and the hub says so.
        time.sleep(20)
        assert not mesh.daemons["site-1"].problem("relay")


# The path is narrow one way only, in the one case there, in the other back.
@pytest.mark.parametrize("overlay,chain", [
    (["10.10.0.0/24"], "ip saddr 198.51.100.1 meta length > 1400 drop"),
    (["fd10::/64"], "ip daddr 198.51.100.1 meta length > 1400 drop")])
def test_a_path_that_drops_large_packets_is_named_with_what_passes(overlay, chain):
    with new_lab() as lab:
        inv = inventory({"hub-a": hub(1), "site-1": site(1)})
        inv["overlay"] = overlay
        for node in inv["nodes"].values():
            node["address"] = [a for a in node["address"] if (":" in a) == (":" in overlay[0])]
        mesh = SmallMesh(lab, inv, outside("hub-a", "site-1"))
        mesh.nodes["hub-a"].nft(f"""
            table inet narrow {{
                chain in {{ type filter hook input priority 0; {chain}; }}
                chain out {{ type filter hook output priority 0; {chain}; }}
            }}""".replace("; }", "\n}").replace("; ", ";\n"))
        mesh.start().wait_settled()
        for daemon in mesh.daemons.values():
            daemon.wait_log("problem: large packets to or from", 2 * PATIENCE)
            # 1400 bytes are IPv4, UDP, WireGuard's 32, and a whole number of 16.
            problem = daemon.wait_problem("1420, and 1328 is the most that passes both ways", 1)
            assert "`mtu: 1328`" in problem["fix"]
        # It is small enough, and the inventory says so.
        for node in mesh.inv["nodes"].values():
            node["mtu"] = 1328
        mesh.write()
        for daemon in mesh.daemons.values():
            daemon.ask("reload")
            daemon.wait_no_problem("large packets")
