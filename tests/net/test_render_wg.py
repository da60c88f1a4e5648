# SPDX-License-Identifier: MIT
"""Rendered files and the programs that read them: wg-quick, wg, and a device.

    [hub-a] 198.51.100.1 ---- 198.51.100.11 [site-1]

The second part brings these two up by wg-quick from their files, which lie in /etc/wireguard as the
files themselves say, and reloads them by the command line that stands in their heads.
"""
import os
import pathlib
import re
import subprocess

import pytest

from lab import Lab, run, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHUNT = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "shunt"
EXAMPLES = sorted(p.stem for p in (ROOT / "examples").glob("*.yaml"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(name="lab", scope="module")
def make_lab():
    with Lab("test-render") as lab:
        yield lab


@pytest.fixture(name="device", scope="module")
def make_device(lab):
    """A node with a device wg0, and names for all hosts of the examples."""
    node = lab.namespace("device")
    names = sorted({name for example in EXAMPLES for name in re.findall(
        r"[a-z0-9-]+\.example\.net", (ROOT / "examples" / f"{example}.yaml").read_text())})
    hosts = pathlib.Path(node.path("hosts"))
    hosts.write_text("".join(f"192.0.2.{i + 1} {name}\n" for i, name in enumerate(names)))
    node.binds += [str(hosts), "/etc/hosts"]
    start_device(node)
    return node


def start_device(node, name="wg0"):
    node.spawn(["wireguard-go", "--foreground", name], log="wireguard-go.log")
    wait_for(f"device {name}", lambda: subprocess.run(
        node.inside(["wg", "show", name]), capture_output=True, check=False).returncode == 0, 10)


def sections(text):
    """[(lower-case key, value)...] per [Peer]."""
    peers = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.split("#")[0].partition("="))
        if key == "[Peer]":
            peers.append({})
        elif peers and key:
            peers[-1][key] = value
    return peers


def assert_accepted(node, path):
    """wg-quick strips the file, and the device holds just what it says."""
    text = path.read_text()
    stripped = run(["wg-quick", "strip", str(path)])
    # wg reads keys from /dev/stdin, configuration too.
    node.run(["wg", "setconf", "wg0", "/dev/stdin"], input=stripped)
    # All peers, in any order; a prefix that two peers claimed would stand at the second only.
    want = {p["PublicKey"]: set(filter(None, p.get("AllowedIPs", "").split(", ")))
            for p in sections(text)}
    lines = node.run(["wg", "show", "wg0", "allowed-ips"]).splitlines()
    got = {line.split("\t")[0]: set(line.split("\t")[1].split()) - {"(none)"} for line in lines}
    assert got == want
    keepalive = dict(line.split("\t") for line in
                     node.run(["wg", "show", "wg0", "persistent-keepalive"]).splitlines())
    assert keepalive == {p["PublicKey"]: p.get("PersistentKeepalive", "off") for p in sections(text)}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_file_of_the_examples_is_accepted(device, example, tmp_path):
    run([SHUNT, "render", ROOT / "examples" / f"{example}.yaml", "-o", tmp_path / "out"])
    for path in sorted((tmp_path / "out").glob("*/wg0.conf")):
        assert_accepted(device, path)


def test_merged_lists_are_accepted(device, tmp_path):
    inventory = tmp_path / "large.yaml"
    inventory.write_text(run([ROOT / "bench" / "gen-inventory", "hub-and-spoke", "400"]))
    run([SHUNT, "render", inventory, "-o", tmp_path / "out"])
    text = (tmp_path / "out/site-7/wg0.conf").read_text()
    assert re.search(r"^# \d+ prefixes in \d+ entries", text, re.M)
    for node in ("site-7", "hub-1"):
        assert_accepted(device, tmp_path / "out" / node / "wg0.conf")


# Up and reloaded as the head of the file says.

INVENTORY = """\
mesh: corp
overlay: [10.10.0.0/24]
topology: hub-and-spoke
nodes:
  hub-a:
    role: hub
    public_key: {hub-a}
    address: [10.10.0.1]
    endpoint: 198.51.100.1:51820
    networks: [0.0.0.0/0]
  site-1:
    public_key: {site-1}
    address: [10.10.0.11]
    nat: true
    networks: [10.20.1.0/24]
{more}links:
  - {{between: [hub-a, site-1], preshared_key_file: /etc/wireguard/the psk}}
"""
MORE = """\
  site-2:
    public_key: 7poylWfdcBmLhNaxaeC7KszkbMjMuofMTng+TuVeHjA=
    address: [10.10.0.12]
    networks: [10.20.2.0/24]
"""


class Pair:
    """hub-a and site-1, each with an /etc/wireguard of its own."""

    def __init__(self, lab):
        self.nodes = {name: lab.namespace(name) for name in ("hub-a", "site-1")}
        lab.wire(self.nodes["hub-a"], "eth0", self.nodes["site-1"], "eth0")
        self.nodes["hub-a"].address("198.51.100.1/24", "eth0")
        self.nodes["site-1"].address("198.51.100.11/24", "eth0")
        self.keys = {}
        for name, node in self.nodes.items():
            etc = self.etc(name)
            etc.mkdir()
            node.binds += [str(etc), "/etc/wireguard"]
            self.keys[name] = run([SHUNT, "key", etc / "wg0.key"]).strip()
        run([SHUNT, "key", "--preshared", self.etc("hub-a") / "the psk"])
        (self.etc("site-1") / "the psk").write_text((self.etc("hub-a") / "the psk").read_text())

    def etc(self, name):
        return pathlib.Path(self.nodes[name].path("etc"))

    def render(self, folder, more=""):
        inventory = folder / "mesh.yaml"
        inventory.write_text(INVENTORY.format(more=more, **self.keys))
        run([SHUNT, "render", inventory, "-o", folder / "out"])
        for name in self.nodes:
            path = self.etc(name) / "wg0.conf"
            path.write_text((folder / "out" / name / "wg0.conf").read_text())
            path.chmod(0o600)

    def show(self, name, what):
        return self.nodes[name].run(["wg", "show", "wg0", what])

    def handshake(self, name):
        return max(int(line.split("\t")[1])
                   for line in self.show(name, "latest-handshakes").splitlines())


def assert_profile_pings(pair, folder, environment):
    """A profile for an app, on a stock device in site-1's place: stripped as wg-quick does, it pings the hub."""
    profile = folder / "wg1.conf"
    run([SHUNT, "client", "phone", folder / "mesh.yaml", "-o", profile])
    run([SHUNT, "render", folder / "mesh.yaml", "-o", folder / "out"])
    (pair.etc("hub-a") / "wg0.conf").write_text((folder / "out/hub-a/wg0.conf").read_text())
    pair.nodes["hub-a"].run(["wg-quick", "up", "wg0"], env=environment)
    phone = pair.nodes["site-1"]
    start_device(phone, "wg1")
    phone.run(["wg", "setconf", "wg1", "/dev/stdin"], input=run(["wg-quick", "strip", str(profile)]))
    address, = re.findall(r"^Address = (\S+)$", profile.read_text(), re.M)
    phone.run(["ip", "address", "add", address, "dev", "wg1"])
    phone.run(["ip", "link", "set", "wg1", "mtu", "1420", "up"])
    phone.run(["ip", "route", "add", "10.10.0.0/24", "dev", "wg1"])
    wait_for("the phone's ping", lambda: subprocess.run(
        phone.inside(["ping", "-n", "-c", "1", "-W", "2", "10.10.0.1"]), capture_output=True, check=False).returncode == 0, 15)
    pair.nodes["hub-a"].run(["wg-quick", "down", "wg0"], env=environment)


def test_up_and_reload(lab, tmp_path):
    pair = Pair(lab)
    pair.render(tmp_path)
    environment = dict(os.environ, WG_QUICK_USERSPACE_IMPLEMENTATION="wireguard-go", LC_ALL="C")
    for name, node in pair.nodes.items():
        node.run(["wg-quick", "up", "wg0"], env=environment)
        assert pair.show(name, "public-key").strip() == pair.keys[name]
    # The keepalive of the node behind NAT alone brings the tunnel up, though the key came last.
    wait_for("a handshake", lambda: pair.handshake("site-1") and pair.handshake("hub-a"), 15)
    ping = ["ping", "-n", "-c", "1", "-W", "2", "10.10.0.1"]
    pair.nodes["site-1"].run(ping)
    kept = ("private-key", "preshared-keys", "fwmark", "listen-port", "latest-handshakes", "endpoints")
    before = {name: {what: pair.show(name, what) for what in kept} for name in pair.nodes}
    assert before["site-1"]["fwmark"].strip() == "0xca6c"
    assert "(none)" not in before["site-1"]["preshared-keys"]

    pair.render(tmp_path, MORE)
    for name, node in pair.nodes.items():
        command, = re.findall(r"^#   (wg syncconf .*)$", (pair.etc(name) / "wg0.conf").read_text(),
                              re.M)
        node.run(["bash", "-c", command])
        after = {what: pair.show(name, what) for what in kept}
        for what, value in before[name].items():
            assert set(value.splitlines()) <= set(after[what].splitlines()), (name, what)
    assert "10.20.2.0/24" in pair.show("hub-a", "allowed-ips")
    assert "10.20.2.0/24" in pair.show("site-1", "allowed-ips")
    pair.nodes["site-1"].run(ping)

    # What the head of the file warns of.
    pair.nodes["site-1"].run(["bash", "-c", "wg syncconf wg0 <(wg-quick strip wg0)"])
    assert pair.show("site-1", "private-key").strip() == "(none)"
    for node in pair.nodes.values():
        node.run(["wg-quick", "down", "wg0"], env=environment)
    assert_profile_pings(pair, tmp_path, environment)
