# SPDX-License-Identifier: MIT
"""shunt client: a profile that the apps take, its QR code, and the public key in the inventory, in place."""
import base64
import ipaddress
import os
import re
import shutil
import stat
import subprocess
import sys

import pytest
from shunt import INVENTORY, ROOT, shunt

sys.path.insert(0, str(ROOT / "tests"))
from qr import png_of_blocks  # noqa: E402

KEY = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw480]=")
PHONE = """\
  phone:                     # Anna's
    role: client
    public_key: TGjRpto7oneA+C2/5krRJKRswzuKwSrrwde+bietvlM=  # of March
    address: [10.10.0.50]
    dns: [10.10.0.1, corp.example]
    mtu: 1380
"""


def is_key(value):
    return KEY.fullmatch(value)


def is_network(value):
    return all(ipaddress.ip_network(v, strict=False) for v in value.split(", "))


def is_dns(value):
    return all(re.fullmatch(r"[0-9a-fA-F:.]+|[A-Za-z0-9_.-]+", v) for v in value.split(", "))


def is_number(least, most):
    return lambda value: value.isdigit() and least <= int(value) <= most


def is_endpoint(value):
    return re.fullmatch(r"([A-Za-z0-9_.-]+|\[[0-9a-f:]+(%\w+)?\]):[0-9]{1,5}", value)


# What the apps of Android, iOS, macOS and Windows have in common: anything else is "unknown key".
GRAMMAR = {
    "Interface": {"PrivateKey": is_key, "Address": is_network, "DNS": is_dns, "MTU": is_number(576, 65535),
                  "ListenPort": is_number(0, 65535)},
    "Peer": {"PublicKey": is_key, "PresharedKey": is_key, "AllowedIPs": is_network, "Endpoint": is_endpoint,
             "PersistentKeepalive": is_number(0, 65535)},
}
NEEDED = {"Interface": {"PrivateKey", "Address"}, "Peer": {"PublicKey", "AllowedIPs", "Endpoint"}}


def read_profile(text):
    """The sections, judged by the apps' grammar."""
    sections = []
    for line in text.splitlines():
        if not line.strip():
            continue
        head = re.fullmatch(r"\[(\w+)\]", line)
        if head:
            sections.append((head.group(1), {}))
            continue
        key, value = line.split(" = ", 1)
        name, found = sections[-1]
        assert key not in found and GRAMMAR[name][key](value), line
        found[key] = value
    assert [name for name, _ in sections].count("Interface") == 1
    for name, found in sections:
        assert NEEDED[name] <= set(found)
    return sections


def public_of(private):
    return subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True).stdout.strip()


def scan(path):
    done = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", path], capture_output=True,
                          text=True, check=True)
    return done.stdout.rstrip("\n") + "\n"


needs_zbar = pytest.mark.skipif(not shutil.which("zbarimg"), reason="zbar-tools isn't installed")


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    path = tmp_path / "mesh.yaml"
    path.write_text("# of corp\n" + INVENTORY + PHONE + "# the end\n", encoding="utf-8")
    path.chmod(0o640)
    return path


def test_the_profile_and_the_inventory(mesh):
    before = mesh.read_text(encoding="utf-8")
    done = shunt("client", "phone", "mesh.yaml", "-o", "p.conf", cwd=mesh.parent)
    assert done.returncode == 0 and done.stdout == ""
    path = mesh.parent / "p.conf"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (_, own), (_, hub) = read_profile(path.read_text(encoding="ascii"))
    assert own["Address"] == "10.10.0.50/32" and own["DNS"] == "10.10.0.1, corp.example" and own["MTU"] == "1380"
    assert "ListenPort" not in own
    assert hub["Endpoint"] == "192.0.2.2:51820" and hub["PersistentKeepalive"] == "25"
    assert {"10.20.1.0/24", "10.20.2.0/24", "10.10.0.2/32"} <= set(hub["AllowedIPs"].split(", "))
    # One value of the inventory is another, and nothing else.
    key = public_of(own["PrivateKey"])
    assert mesh.read_text(encoding="utf-8") == before.replace("TGjRpto7oneA+C2/5krRJKRswzuKwSrrwde+bietvlM=", key)
    assert stat.S_IMODE(mesh.stat().st_mode) == 0o640
    # The private key is nowhere else.
    assert sorted(os.listdir(mesh.parent)) == ["mesh.yaml", "p.conf"]
    assert own["PrivateKey"] not in done.stderr + mesh.read_text(encoding="utf-8") and key in done.stderr


@needs_zbar
@pytest.mark.parametrize("words", [["--qr"], []], ids=["qr", "nothing"])
def test_the_code_on_the_terminal(words, mesh):
    done = shunt("client", "phone", "mesh.yaml", *words, cwd=mesh.parent)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    (mesh.parent / "seen.png").write_bytes(png_of_blocks(done.stdout))
    (_, own), _ = read_profile(scan(mesh.parent / "seen.png"))
    assert public_of(own["PrivateKey"]) in mesh.read_text(encoding="utf-8")
    assert sorted(os.listdir(mesh.parent)) == ["mesh.yaml", "seen.png"]


@needs_zbar
def test_the_code_as_a_picture(mesh):
    assert shunt("client", "phone", "mesh.yaml", "-o", "p.png", cwd=mesh.parent).returncode == 0
    assert stat.S_IMODE((mesh.parent / "p.png").stat().st_mode) == 0o600
    (_, own), _ = read_profile(scan(mesh.parent / "p.png"))
    assert public_of(own["PrivateKey"]) in mesh.read_text(encoding="utf-8")


def test_a_client_that_is_new(mesh):
    done = shunt("client", "tablet", "mesh.yaml", "-o", "t.conf", cwd=mesh.parent)
    assert done.returncode == 0 and "10.10.0.3" in done.stderr
    text = mesh.read_text(encoding="utf-8")
    assert re.search(r"    mtu: 1380\n  tablet:\n    role: client\n    public_key: \S+\n    address: 10.10.0.3\n# the end\n$",
                     text)
    (_, own), _ = read_profile((mesh.parent / "t.conf").read_text())
    assert own["Address"] == "10.10.0.3/32" and public_of(own["PrivateKey"]) in text
    done = shunt("client", "watch", "mesh.yaml", "--address", "10.10.0.99", "-o", "w.conf", cwd=mesh.parent)
    assert done.returncode == 0 and "address: 10.10.0.99\n" in mesh.read_text(encoding="utf-8")


def refused(mesh, *words, code=1):
    before, there = mesh.read_bytes(), sorted(os.listdir(mesh.parent))
    done = shunt("client", *words, cwd=mesh.parent)
    assert done.returncode == code and done.stdout == "", done.stderr
    assert mesh.read_bytes() == before and sorted(os.listdir(mesh.parent)) == there
    return done.stderr


def test_what_is_refused_changes_nothing(mesh):
    assert "shunt key" in refused(mesh, "hub-a", "mesh.yaml", "-o", "p.conf")
    assert "duplicate-address" in refused(mesh, "x", "mesh.yaml", "--address", "10.10.0.1", "-o", "p.conf")
    refused(mesh, "a/b", "mesh.yaml", "-o", "p.conf")
    refused(mesh, "phone", "mesh.yaml", "-o", "nowhere/p.conf", code=3)
    refused(mesh, "phone", "mesh.yaml", "--address", "10.10.0.60", "-o", "p.conf")
    (mesh.parent / "p.conf").write_text("mine")
    assert "--force" in refused(mesh, "phone", "mesh.yaml", "-o", "p.conf")
    assert (mesh.parent / "p.conf").read_text() == "mine"
    assert shunt("client", "phone", "mesh.yaml", "-o", "p.conf", "--force", cwd=mesh.parent).returncode == 0
    refused(mesh, "phone", "nothing.yaml", code=2)
    refused(mesh, "phone", code=2)


def test_a_dry_run_shows_and_changes_nothing(mesh):
    before = mesh.read_bytes()
    done = shunt("client", "phone", "mesh.yaml", "--dry-run", "-o", "p.conf", cwd=mesh.parent)
    assert done.returncode == 0 and [line[0] for line in done.stdout.splitlines()] == ["-", "+"]
    assert mesh.read_bytes() == before and os.listdir(mesh.parent) == ["mesh.yaml"]


def test_a_preshared_key_is_in_the_profile(mesh):
    psk = mesh.parent / "psk"
    mesh.write_text(mesh.read_text(encoding="utf-8") +
                    f"links:\n  - {{between: [phone, hub-a], preshared_key_file: {psk}}}\n", encoding="utf-8")
    assert "preshared" in refused(mesh, "phone", "mesh.yaml", "-o", "p.conf")
    psk.write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    assert shunt("client", "phone", "mesh.yaml", "-o", "p.conf", cwd=mesh.parent).returncode == 0
    _, (_, hub) = read_profile((mesh.parent / "p.conf").read_text())
    assert hub["PresharedKey"] == base64.b64encode(bytes(range(32))).decode() and "192.0.2.1" in hub["Endpoint"]


def test_a_profile_for_each_server(mesh):
    mesh.write_text(mesh.read_text(encoding="utf-8") + "links:\n  - [phone, hub-a]\n  - [hub-b, phone]\n", encoding="utf-8")
    done = shunt("client", "phone", "mesh.yaml", "-o", "p.conf", "--qr", cwd=mesh.parent)
    assert done.returncode == 0 and sorted(os.listdir(mesh.parent)) == ["mesh.yaml", "p-hub-a.conf", "p-hub-b.conf"]
    assert done.stdout.index("phone by hub-b:") < done.stdout.index("phone by hub-a:")  # as their metrics say
    profiles = {hub: read_profile((mesh.parent / f"p-{hub}.conf").read_text()) for hub in ("hub-a", "hub-b")}
    for number, ((_, own), (_, peer)) in enumerate(profiles.values(), 1):
        assert peer["Endpoint"] == f"192.0.2.{number}:51820"
        assert {"10.20.1.0/24", "10.20.2.0/24", "10.10.0.1/32", "10.10.0.2/32"} <= set(peer["AllowedIPs"].split(", "))
        assert own == profiles["hub-a"][0][1]
    assert "single-point" not in shunt("check", "mesh.yaml", cwd=mesh.parent).stdout
    # Without the one that is gone there is one profile, and it has no name in its own.
    mesh.write_text(mesh.read_text(encoding="utf-8").replace("  - [hub-b, phone]\n", ""), encoding="utf-8")
    assert shunt("client", "phone", "mesh.yaml", "-o", "q.conf", cwd=mesh.parent).returncode == 0
    assert (mesh.parent / "q.conf").exists()


def test_a_large_mesh_has_a_code_that_can_be_read(mesh):
    keys = (base64.b64encode(bytes([i, 7] * 16)).decode() for i in range(40))
    sites = "".join(f"  s{i}: {{public_key: {k}, address: 10.10.0.{100 + i}, networks: 10.30.{i}.0/24}}\n"
                    for i, k in enumerate(keys))
    mesh.write_text(mesh.read_text(encoding="utf-8") + sites, encoding="utf-8")
    done = shunt("client", "phone", "mesh.yaml", "--qr", "-o", "p.conf", cwd=mesh.parent)
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80, done.stderr
    _, (_, hub) = read_profile((mesh.parent / "p.conf").read_text())
    allowed = [ipaddress.ip_network(a) for a in hub["AllowedIPs"].split(", ")]
    assert ipaddress.ip_network("10.10.0.0/24") in allowed
    for i in range(40):
        assert sum(ipaddress.ip_network(f"10.30.{i}.0/24").subnet_of(a) for a in allowed) == 1
    assert not any(ipaddress.ip_network("10.30.40.0/24").overlaps(a) for a in allowed)


def test_json_stays_json(mesh):
    mesh.write_text('{"mesh": "m", "overlay": "10.0.0.0/24", "nodes": {"h": {"role": "hub", "public_key": '
                    '"s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk=", "address": "10.0.0.1", "endpoint": '
                    '"192.0.2.1:1"}}}\n', encoding="ascii")
    assert shunt("client", "c", "mesh.yaml", "-o", "c.conf", cwd=mesh.parent).returncode == 0
    import json  # pylint: disable=import-outside-toplevel
    assert json.loads(mesh.read_text())["nodes"]["c"]["address"] == "10.0.0.2"
