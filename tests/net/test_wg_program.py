# SPDX-License-Identifier: MIT
"""shunt-wg as a program that stands in for wireguard-go: options and environment, its life, wg-quick,
`wg`, the rights it needs, and what it tells those who run it. The topology is drawn in pair.py.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from lab import Lab, LabError, run, wait_for
from pair import INNER, OUTER, OURS, PORT, PROGRAMS, Pair, THEIRS, host_port, within

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]

NOBODY = "65534"


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-program") as lab:
        yield lab


@pytest.fixture(name="pair")
def pair_fixture(lab):
    """a is ours, b wireguard-go; nothing runs yet."""
    return Pair(lab, OURS, THEIRS)


def link(node, name="wg0"):
    return json.loads(node.ip(f"-j -d link show dev {name}"))[0]


# --- wg-quick -------------------------------------------------------------------------------------


def write_quick(end, other_name, other, extra="", allowed=None):
    mine = "a" if other_name == "b" else "b"
    folder = end.node.path("quick")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = pathlib.Path(folder) / "wg0.conf"
    path.write_text(
        f"[Interface]\nAddress = {INNER[mine][4]}/24, {INNER[mine][6]}/64\n"
        f"PostUp = wg set %i private-key {end.key_file}\nListenPort = {PORT}\n{extra}\n"
        f"[Peer]\nPublicKey = {other.public}\nEndpoint = {host_port(OUTER[other_name][4])}\n"
        f"AllowedIPs = {allowed or ', '.join(f'{a}' for a in INNER[other_name].values())}\n",
        encoding="ascii")
    path.chmod(0o600)
    return str(path)


def quick(end, verb, path, **environment):
    return subprocess.run(
        end.node.inside(["wg-quick", verb, path]), stdin=subprocess.DEVNULL, check=False,
        capture_output=True, text=True, timeout=30,
        env={**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": PROGRAMS[OURS], **environment})


def start_other(pair):
    """wireguard-go on b, waiting for a."""
    pair.b.start()
    pair.b.identify()
    pair.b.set("peer", pair.a.public, "allowed-ips", f"{INNER['a'][4]},{INNER['a'][6]}")
    pair.b.up()
    pair.b.node.address(f"{INNER['b'][4]}/24", "wg0")
    pair.b.node.address(f"{INNER['b'][6]}/64", "wg0")


def test_wg_quick(pair):
    start_other(pair)
    path = write_quick(pair.a, "b", pair.b)
    done = quick(pair.a, "up", path)
    assert done.returncode == 0, done.stderr
    pair.talk()
    assert "wg0" in pair.a.node.run(["wg", "show", "interfaces"]).split()
    done = quick(pair.a, "down", path)
    assert done.returncode == 0, done.stderr
    wait_for("the program ended", lambda: not pair.a.pids(), 10)
    assert not pair.a.node.has_interface("wg0")
    assert not os.path.exists(pair.a.node.path("wireguard/wg0.sock"))


def test_wg_quick_default_route(pair):
    """0.0.0.0/0: the tunnel's own packets are kept out of it by a mark and a table."""
    start_other(pair)
    pair.b.node.ip("address add 203.0.113.7/32 dev lo")
    path = write_quick(pair.a, "b", pair.b, allowed="0.0.0.0/0, ::/0")
    done = quick(pair.a, "up", path)
    assert done.returncode == 0, done.stderr
    mark = pair.a.node.run(["wg", "show", "wg0", "fwmark"]).strip()
    assert int(mark, 16) == PORT
    wait_for("the world, by the tunnel", lambda: subprocess.run(
        pair.a.node.inside(["ping", "-n", "-c1", "-W1", "203.0.113.7"]), check=False,
        capture_output=True).returncode == 0, 20)
    done = quick(pair.a, "down", path)
    assert done.returncode == 0, done.stderr
    assert "fwmark" not in pair.a.node.ip("rule show")


# --- rights ---------------------------------------------------------------------------------------


# Some machines keep the device to root; in the mount namespace of a node it can be as usual.
OPEN_TUN = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
            "chmod 666 /dev/net/tun && ")


def setpriv(caps):
    """The command line that goes on as nobody with these capabilities, such as +net_admin."""
    caps = ",".join(["-all", caps]) if caps else "-all"
    return ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", caps,
            "--ambient-caps", caps, "--bounding-set", caps]


def test_unprivileged_with_one_capability(pair):
    """CAP_NET_ADMIN alone is enough, except for the folder of sockets, which belongs to root."""
    os.chown(pair.a.node.path("wireguard"), int(NOBODY), int(NOBODY))
    pair.a.node.run(["sh", "-c", OPEN_TUN + 'exec "$@"', "sh", *setpriv("+net_admin"),
                     PROGRAMS[OURS], "wg0"])
    [pid] = pair.a.pids()
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert words["Uid"].split() == [NOBODY] * 4
    assert int(words["CapEff"], 16) == 1 << 12
    start_other(pair)
    pair.a.identify()
    pair.a.set("peer", pair.b.public, "endpoint", host_port(OUTER["b"][4]), "allowed-ips",
               f"{INNER['b'][4]},{INNER['b'][6]}", "persistent-keepalive", "25")
    pair.a.set("fwmark", "0x77")
    pair.a.up()
    pair.a.node.address(f"{INNER['a'][4]}/24", "wg0")
    pair.a.node.address(f"{INNER['a'][6]}/64", "wg0")
    pair.talk()


# --- other namespaces -----------------------------------------------------------------------------


def move(pair, end, name, to):
    """The interface of end goes to the namespace to, with its addresses."""
    run(["ip", "-n", end.node.namespace, "link", "set", "wg0", "netns", to.namespace])
    to.address(f"{INNER[name][4]}/24", "wg0")
    to.address(f"{INNER[name][6]}/64", "wg0")


def ping_from(node, address, seconds=1):
    return subprocess.run(["ip", "netns", "exec", node.namespace, "ping", "-n", "-c1",
                           f"-W{seconds}", address], check=False, capture_output=True).returncode == 0


def test_moves_to_another_namespace(lab, pair):
    """The sockets stay where they were made; the interface works where it is."""
    pair.start()
    pair.talk()
    inner = lab.namespace("inner")
    move(pair, pair.a, "a", inner)
    inner.ip("link set wg0 mtu 1400 up")
    for version in (4, 6):
        wait_for("traffic from there", lambda v=version: ping_from(inner, INNER["b"][v]), 20)
    # Nobody is left behind when it goes.
    inner.ip("link set wg0 down")
    inner.ip("link set wg0 up")
    wait_for("traffic again", lambda: ping_from(inner, INNER["b"][4]), 20)
    inner.ip("link del wg0")
    wait_for("the program ended", lambda: not pair.a.pids(), 10)
    assert not os.path.exists(pair.a.node.path("wireguard/wg0.sock"))
