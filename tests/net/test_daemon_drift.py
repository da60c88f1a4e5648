# SPDX-License-Identifier: MIT
"""What others change on the machine is mended; a device that vanishes is made anew."""

import os
import signal
import subprocess

import pytest
from lab import processes_in, wait_for
from meshes import FOUR, PATIENCE, SmallMesh, dump, new_lab, set_device, two_hubs


@pytest.fixture(scope="module")
def mesh():
    with new_lab() as lab:
        made = SmallMesh(lab, two_hubs(), FOUR)
        for name in ("site-1", "site-2"):
            made.nodes[name].ip("link add lan0 type bridge")
            made.nodes[name].ip("link set lan0 up")
            made.nodes[name].address(f"10.20.{name[-1]}.1/24", "lan0")
        made.start().wait_settled()
        yield made


@pytest.fixture
def settled(mesh):
    mesh.wait_settled()
    mesh.daemons["site-1"].wait_owner("10.20.2.0/24", "hub-a")
    return mesh


def kernel_side(mesh, name):
    """Addresses, routes and the link as they should be; the order doesn't matter."""
    node = mesh.nodes[name]
    return {"link": node.ip("-o link show wg0").split("mtu")[1].split()[0],
            "up": ",UP" in node.ip("-o link show wg0"),
            "addresses": sorted(w for w in node.ip("-o address show wg0").split()
                                if w.startswith(("10.", "fd10"))),
            "routes": sorted(mesh.daemons[name].routes()),
            "routes6": sorted(r for r in mesh.daemons[name].routes("-6")
                              if not r.startswith("fe80"))}


def program_of(mesh, name):
    """The pid of the device's program."""
    for pid in processes_in([mesh.nodes[name].namespace]):
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            if f.read().strip() == "shunt-wg":
                return pid
    return None


def test_drift_on_the_device_is_mended(settled):
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    before = dump(node).owners()
    mark = len(site_1.log())
    # Moved to another peer of ours, one more withdrawn, a peer deleted with all that it had.
    set_device(node, f"public_key={settled.keys['hub-b']}", "update_only=true",
               "allowed_ip=10.20.2.0/24")
    set_device(node, f"public_key={settled.keys['hub-a']}", "remove=true")
    assert dump(node).owners() != before
    wait_for("all has its owner again", lambda: dump(node).owners() == before, PATIENCE)
    assert "drift mended: 1 peers added" in site_1.log()[mark:]
    assert dump(node).peers[settled.keys["hub-a"]]["endpoint"] == "198.51.100.1:51820"
    settled.wait_settled()
    settled.wait_pings("site-1", "10.20.2.1")


def test_drift_in_the_kernel_is_mended(settled):
    node, before = settled.nodes["site-1"], kernel_side(settled, "site-1")
    assert before["routes"] and len(before["addresses"]) == 2 and before["up"]

    def mended():
        return kernel_side(settled, "site-1") == before
    for change in ("route del 10.20.2.0/24", "address del 10.10.0.11/24 dev wg0",
                   "link set wg0 mtu 1280", "address flush dev wg0", "link set wg0 down"):
        node.ip(change)
        wait_for(f"`ip {change}` is mended", mended, PATIENCE)
    # All at once.
    for change in ("address flush dev wg0", "link set wg0 down mtu 1300"):
        node.ip(change)
    wait_for("all is mended", mended, PATIENCE)
    settled.wait_settled()
    settled.wait_pings("site-1", "10.20.2.1")


def test_a_foreign_route_in_the_way_is_named_and_stays(settled):
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    node.ip("route replace 10.20.2.0/24 dev eth0")
    problem = site_1.wait_problem("10.20.2.0/24")
    assert "isn't ours is in the way" in problem["what"]
    assert problem["fix"] == "ip route del 10.20.2.0/24"
    assert "dev eth0" in node.ip("route show 10.20.2.0/24")
    node.ip(problem["fix"].removeprefix("ip "))
    site_1.wait_no_problem("10.20.2.0/24")
    assert site_1.routes("10.20.2.0/24")


def test_a_device_deleted_is_made_anew(settled):
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    before, kernel = dump(node).owners(), kernel_side(settled, "site-1")
    node.ip("link del wg0")
    site_1.wait_log("wg0 was gone and has been made anew")
    settled.wait_settled()
    wait_for("all is as it was", lambda: dump(node).owners() == before and
             kernel_side(settled, "site-1") == kernel, PATIENCE)
    settled.wait_pings("site-1", "10.20.2.1")
    assert site_1.problems() == []


def test_a_program_killed_is_started_again(settled):
    node, site_1 = settled.nodes["hub-a"], settled.daemons["site-1"]
    before, kernel = dump(node).owners(), kernel_side(settled, "hub-a")
    mark = len(settled.daemons["hub-a"].log())
    pid = program_of(settled, "hub-a")
    os.kill(pid, signal.SIGKILL)
    settled.daemons["hub-a"].wait_log("wg0 was gone and has been made anew", after=mark)
    settled.wait_settled()
    site_1.wait_owner("10.20.2.0/24", "hub-a")
    wait_for("all is as it was", lambda: dump(node).owners() == before and
             kernel_side(settled, "hub-a") == kernel, PATIENCE)
    settled.wait_pings("site-1", "10.20.2.1")


def test_a_socket_taken_away(settled):
    """Some programs end by it; whatever they do, the device is back in the end."""
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    before = dump(node).owners()
    mark = len(site_1.log())
    os.unlink(os.path.join(node.folder, "wireguard", "wg0.sock"))
    site_1.wait_log("made anew", after=mark)
    settled.wait_settled()
    wait_for("all is as it was", lambda: dump(node).owners() == before, PATIENCE)
    settled.wait_pings("site-1", "10.20.2.1")


def test_a_program_that_can_t_be_started_is_tried_until_it_can(settled, tmp_path):
    """The device vanishes, and for a while there is nothing to make it with."""
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    program = tmp_path / "wireguard-there-or-not"
    program.symlink_to(settled.userspace)
    site_1.stop()
    site_1.start(userspace=str(program))
    site_1.wait_answers()
    program.unlink()
    mark = len(site_1.log())
    node.ip("link del wg0")
    site_1.wait_log("wg0 can't be made again", after=mark)
    assert "isn't installed" in site_1.log()[mark:]
    problem = site_1.wait_problem("can't be brought into line")
    assert "isn't installed" in problem["what"]
    assert site_1.ask("routes")["routes"], "it answers meanwhile"
    program.symlink_to(settled.userspace)
    site_1.wait_log("made anew", after=mark)
    settled.wait_settled()
    site_1.wait_no_problem("can't be brought into line")
    site_1.stop()
    site_1.start()
    site_1.wait_answers()


def test_a_flood_of_news_deafens_nobody(settled, tmp_path):
    """The daemon sleeps while the kernel tells more than its socket holds."""
    node, site_1 = settled.nodes["site-1"], settled.daemons["site-1"]
    site_1.stop()
    site_1.start("-v")
    site_1.wait_answers()
    mark = len(site_1.log())
    batch = tmp_path / "flood"
    routes = [f"10.{64 + i // 250}.{i % 250}.0/24" for i in range(12000)]
    batch.write_text("".join(f"route {verb} {r} dev eth0\n" for verb in ("add", "del")
                             for r in routes))
    site_1.process.send_signal(signal.SIGSTOP)
    try:
        subprocess.run(["ip", "-n", node.namespace, "-batch", str(batch)], check=True)
    finally:
        site_1.process.send_signal(signal.SIGCONT)
    site_1.wait_log("news came too fast", after=mark)
    # It still hears: each of these alone would wait for the next look at everything otherwise.
    for _ in range(6):
        node.ip("route del 10.20.2.0/24")
        wait_for("the route is back", lambda: site_1.routes("10.20.2.0/24"), 8, every=0.02)
    settled.wait_settled()
