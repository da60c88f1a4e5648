# SPDX-License-Identifier: MIT
"""A phone with two servers: a profile for each by its QR code, taken by stock WireGuard, and a tap from one to the other.

        switch
     |        |         |          |          |
  [hub-a]  [hub-b]   [site-1]   [site-2]   [phone]
  many     one       many       one        wireguard-go; a profile by hub-a, and one by hub-b
  owners   owner     owners     owner
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
from lab import run, wait_for
from meshes import PATIENCE, SHUNT, SmallMesh, dump, hub, inventory, new_lab, outside, site

PHONE = ("10.10.0.50", "fd10::50")
INSIDE = {"hub-a": ("10.10.0.1", "fd10::1"), "hub-b": ("10.10.0.2", "fd10::2"),
          "site-1": ("10.10.0.11", "fd10::11"), "site-2": ("10.10.0.12", "fd10::12")}
ONE_OWNER = ("hub-b", "site-2")


class Phone:
    """Stock WireGuard with the profile that its owner taps on."""

    def __init__(self, mesh):
        self.node = mesh.nodes["phone"]
        self.program = None
        pictures = [os.path.join(mesh.lab.folder, f"phone-{s}.png") for s in ("hub-a", "hub-b")]
        run([SHUNT, "client", "phone", mesh.inventory, "--qr", "-o", os.path.join(mesh.lab.folder, "phone.png")])
        with open(mesh.inventory, encoding="utf-8") as f:
            mesh.keys["phone"] = json.load(f)["nodes"]["phone"]["public_key"]
        self.profiles = {p.rpartition("phone-")[2][:-4]: self.scan(p) for p in pictures}

    def scan(self, picture):
        """The stripped profile's file, and the words in it that a stripped one lacks."""
        text = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", picture],
                              capture_output=True, text=True, check=True).stdout.rstrip("\n") + "\n"
        folder = pathlib.Path(picture[:-4])
        folder.mkdir()
        (folder / "wg0.conf").write_text(text, encoding="ascii")
        (folder / "wg0.conf").chmod(0o600)
        (folder / "stripped").write_text(run(["wg-quick", "strip", str(folder / "wg0.conf")]), encoding="ascii")
        settings = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
        return str(folder / "stripped"), settings

    def off(self):
        if self.program:
            self.node.ip("link del wg0")
            self.program.wait(timeout=PATIENCE)
        self.program = None

    def tap(self, server):
        self.off()
        file, settings = self.profiles[server]
        self.program = self.node.spawn(["wireguard-go", "-f", "wg0"], log="wireguard-go.log")
        wait_for("the phone's device", lambda: os.path.exists(os.path.join(self.node.folder, "wireguard", "wg0.sock")),
                 PATIENCE, every=0.01)
        self.node.run(["wg", "setconf", "wg0", file])
        for address in settings["Address"].split(", "):
            self.node.address(address, "wg0")
        self.node.ip(f"link set wg0 up mtu {settings['MTU']}")
        for network in settings["AllowedIPs"].split(", "):
            self.node.ip(f"{'-6 ' if ':' in network else ''}route add {network} dev wg0")


def both_ways(mesh):
    """The phone reaches everybody, and everybody the phone."""
    for name, addresses in INSIDE.items():
        for ours, theirs in zip(PHONE, addresses):
            mesh.wait_pings("phone", theirs)
            mesh.wait_pings(name, ours)


def wait_at(mesh, server):
    """All know where the phone is, and so do their devices."""
    for name, daemon in mesh.daemons.items():
        if name == "phone":
            continue
        by = "phone" if name == server else server
        for address in PHONE:
            prefix = f"{address}/{128 if ':' in address else 32}"
            daemon.wait_owner(prefix, by)
            wait_for(f"{name}'s device has {prefix} by {by}", lambda d=daemon, p=prefix, b=by: d.device_owner(p) == b,
                     PATIENCE)


@pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbar-tools isn't installed")
def test_a_tap_from_one_server_to_the_other_and_back():
    nodes = {"hub-a": hub(1), "hub-b": hub(2), "site-1": site(1), "site-2": site(2),
             "phone": {"role": "client", "address": list(PHONE)}}
    inv = inventory(nodes, links=[["phone", "hub-a"], ["phone", "hub-b"]])
    with new_lab() as lab:
        mesh = SmallMesh(lab, inv, {**outside("hub-a", "hub-b", "site-1", "site-2"), "phone": "198.51.100.50/24"})
        phone = Phone(mesh)
        mesh.start("hub-a", "site-1")
        mesh.start(*ONE_OWNER, userspace=shutil.which("wireguard-go"))
        for name in INSIDE:
            mesh.daemons[name].wait_peers(**{n.replace("-", "_"): "up" for n in INSIDE
                                             if n != name and "hub" in n + name})
        phone.tap("hub-a")
        mesh.wait_pings("phone", INSIDE["site-2"][0])
        wait_at(mesh, "hub-a")
        phone.tap("hub-b")
        mesh.wait_pings("phone", INSIDE["site-1"][0])
        wait_at(mesh, "hub-b")
        both_ways(mesh)
        assert dump(mesh.nodes["hub-a"]).owner_set(f"{PHONE[0]}/32")  # which takes it by both
        # A restart is no tap.
        mesh.daemons["hub-a"].kill()
        mesh.daemons["hub-a"].start()
        mesh.daemons["hub-a"].wait_answers()
        assert mesh.daemons["hub-a"].device_owner(f"{PHONE[0]}/32") == "hub-b"
        assert mesh.daemons["site-2"].device_owner(f"{PHONE[1]}/128") == "hub-b"
        phone.tap("hub-a")
        mesh.wait_pings("phone", INSIDE["site-2"][1])
        wait_at(mesh, "hub-a")
        mesh.wait_pings("site-2", PHONE[0])
        phone.off()
