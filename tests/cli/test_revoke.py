# SPDX-License-Identifier: MIT
"""shunt revoke takes a node out in place and its key for good; shunt hosts tells names."""
import json
import os

import pytest
from shunt import INVENTORY, shunt

LAPTOP_KEY = "dW5KeYDtT+6TZNjnKQj+J43q0Cj3MPaQ83u7YzL9YhE="
LAPTOP = f"""\

  # people
  laptop:                    # Anna's
    role: client
    public_key: {LAPTOP_KEY}
    address: [10.10.0.50]
    # never at home

  phone: {{role: client, public_key: TGjRpto7oneA+C2/5krRJKRswzuKwSrrwde+bietvlM=, address: 10.10.0.51}}
"""
LINKS = """\
links:
  - [laptop, hub-a]          # near
  - [site-1, hub-b]
  - [laptop, phone]
"""


@pytest.fixture(name="mesh")
def fixture_mesh(tmp_path):
    path = tmp_path / "mesh.yaml"
    path.write_text("# of corp\n" + INVENTORY + LAPTOP + LINKS, encoding="utf-8")
    path.chmod(0o640)
    return path


def test_a_lost_laptop(mesh):
    lines = mesh.read_text(encoding="utf-8").splitlines(keepends=True)
    done = shunt("revoke", "laptop", "mesh.yaml", cwd=mesh.parent)
    assert done.returncode == 0 and not done.stderr, done.stderr
    said = done.stdout.split()
    assert "hub-a" in said and "hub-b" in said and "phone" in said and "site-1" not in said
    after = mesh.read_text(encoding="utf-8").splitlines(keepends=True)
    gone = lines.index("  laptop:                    # Anna's\n")
    want = lines[:gone] + lines[gone + 5:]
    want = [line for line in want if "- [laptop" not in line]
    want.remove("\n") if want.count("\n") > after.count("\n") else None  # pylint: disable=expression-not-assigned
    assert after == want + ["revoked:\n", f"  - {LAPTOP_KEY}  # laptop\n"]
    assert mesh.stat().st_mode & 0o777 == 0o640 and os.listdir(mesh.parent) == ["mesh.yaml"]
    assert shunt("check", "mesh.yaml", cwd=mesh.parent).returncode == 0


def test_the_key_is_refused_if_it_comes_back(mesh):
    assert shunt("revoke", "laptop", "mesh.yaml", cwd=mesh.parent).returncode == 0
    text = mesh.read_text(encoding="utf-8")
    mesh.write_text(text.replace("links:", f"  again: {{public_key: {LAPTOP_KEY}, address: 10.10.0.60}}\nlinks:"))
    done = shunt("check", "--json", "mesh.yaml", cwd=mesh.parent)
    assert done.returncode == 1 and "revoked-key" in [f["code"] for f in json.loads(done.stdout)["findings"]]
    # Another key for another laptop is none of that.
    mesh.write_text(text)
    assert shunt("client", "laptop", "mesh.yaml", "-o", "p", cwd=mesh.parent).returncode == 0


def test_several_are_revoked_one_after_the_other(mesh):
    for node in ["laptop", "phone", "site-2", "site-1"]:
        assert shunt("revoke", node, "mesh.yaml", cwd=mesh.parent).returncode == 0, node
    text = mesh.read_text(encoding="utf-8")
    assert "links" not in text and text.count("  - ") == 4 and text.endswith("  # site-1\n")
    assert shunt("check", "mesh.yaml", cwd=mesh.parent).returncode == 0


def test_json_and_dry_run(mesh):
    before = mesh.read_bytes()
    done = shunt("revoke", "laptop", "mesh.yaml", "--dry-run", cwd=mesh.parent)
    assert done.returncode == 0 and "- " + "    role: client\n" in done.stdout and "+ revoked:\n" in done.stdout
    assert mesh.read_bytes() == before
    done = shunt("revoke", "laptop", "mesh.yaml", "--json", cwd=mesh.parent)
    assert json.loads(done.stdout) == {"node": "laptop", "public_key": LAPTOP_KEY, "links": 2, "lists": 0,
                                       "reload": ["hub-a", "hub-b"], "clients": ["phone"]}


def test_what_is_refused_changes_nothing(mesh):
    before = mesh.read_bytes()
    done = shunt("revoke", "lapto", "mesh.yaml", cwd=mesh.parent)
    assert done.returncode == 2 and "laptop" in done.stderr
    # Without its last hub the mesh would be none.
    assert shunt("revoke", "laptop", "nothing.yaml", cwd=mesh.parent).returncode == 2
    assert mesh.read_bytes() == before


def broken(mesh, *, nodes):
    """Errors of these nodes, which have nothing to do with the laptop: one network twice."""
    text = mesh.read_text(encoding="utf-8")
    text = text.replace("links:", "".join(
        f"  {node}: {{public_key: {key}, address: 10.10.0.{host}, networks: [10.77.0.0/24]}}\n"
        for node, key, host in nodes) + "links:")
    mesh.write_text(text, encoding="utf-8")
    done = shunt("check", "--json", mesh.name, cwd=mesh.parent)
    return [f["code"] for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]


def test_errors_of_before_keep_nobody_in(mesh):
    same = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg="
    errors = broken(mesh, nodes=[("site-8", same, 80), ("site-9", same, 81)])
    assert errors
    done = shunt("revoke", "laptop", "mesh.yaml", cwd=mesh.parent)
    assert done.returncode == 0 and "laptop:" not in mesh.read_text(encoding="utf-8"), done.stderr
    for code in {"duplicate-key", "duplicate-prefix"} & set(errors):
        assert code in done.stderr
    assert "no-endpoint" not in done.stderr  # the laptop's, and gone with it
    assert "had " in done.stderr and "still" in done.stderr
    # With the key of one goes the other's, which may not have it any more: that is new.
    assert shunt("revoke", "site-8", "mesh.yaml", cwd=mesh.parent).returncode == 1
    text = mesh.read_text(encoding="utf-8")
    assert "site-8" in text and "site-9" in text


def test_what_a_revocation_itself_would_break_is_refused(tmp_path):
    path = tmp_path / "mesh.yaml"
    path.write_text("mesh: m\noverlay: 10.10.0.0/24\nnodes:\n"
                    "  hub-a: {role: hub, public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, address: 10.10.0.1, "
                    "endpoint: '192.0.2.1:51820'}\n"
                    f"  site-1: {{public_key: {LAPTOP_KEY}, address: 10.10.0.2, networks: [10.20.1.0/24]}}\n"
                    "  site-2: {public_key: TGjRpto7oneA+C2/5krRJKRswzuKwSrrwde+bietvlM=, address: 10.10.0.3}\n")
    before = path.read_bytes()
    done = shunt("revoke", "hub-a", "mesh.yaml", cwd=tmp_path)
    assert done.returncode == 1 and "unreachable" in done.stderr and path.read_bytes() == before
    # Nor is an error hidden behind one of its code that was there already.
    path.write_bytes(before.replace(b"10.10.0.3}", b"10.10.0.2}"))
    assert shunt("revoke", "site-2", "mesh.yaml", cwd=tmp_path).returncode == 0
    path.write_bytes(before.replace(b"10.10.0.3}", b"10.10.0.2}"))
    assert shunt("revoke", "hub-a", "mesh.yaml", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("words, want", [
    ([], ["10.10.0.1\thub-a", "fd10::1\thub-a", "10.10.0.2\tsite.one"]),
    (["--domain", "corp"], ["10.10.0.1\thub-a.corp hub-a", "fd10::1\thub-a.corp hub-a", "10.10.0.2\tsite.one.corp site.one"]),
    (["--format", "dnsmasq", "--domain", "corp"],
     ["host-record=hub-a.corp,hub-a,10.10.0.1", "host-record=hub-a.corp,hub-a,fd10::1",
      "host-record=site.one.corp,site.one,10.10.0.2"]),
    (["--format", "unbound"],
     ["server:", '\tlocal-data: "hub-a. IN A 10.10.0.1"', '\tlocal-data-ptr: "10.10.0.1 hub-a"',
      '\tlocal-data: "hub-a. IN AAAA fd10::1"', '\tlocal-data-ptr: "fd10::1 hub-a"',
      '\tlocal-data: "site.one. IN A 10.10.0.2"', '\tlocal-data-ptr: "10.10.0.2 site.one"']),
])
def test_hosts(words, want, tmp_path):
    (tmp_path / "m.yaml").write_text("mesh: m\noverlay: [10.10.0.0/24, 'fd10::/64']\nnodes:\n"
                                     "  hub-a: {public_key: x, address: [10.10.0.1, 'fd10::1']}\n"
                                     "  site.one: {public_key: x, address: 10.10.0.2}\n"
                                     "  a=b: {public_key: x, address: 10.10.0.3}\n")
    done = shunt("hosts", "m.yaml", *words, cwd=tmp_path)
    assert done.returncode == 0 and "a=b" in done.stderr
    assert done.stdout.splitlines()[1:] == want
    assert shunt("hosts", "m.yaml", "--format", "x", cwd=tmp_path).returncode == 2


def test_clients_whose_files_are_stale(mesh):
    def lines():
        return shunt("render", "mesh.yaml", "-o", "out", cwd=mesh.parent).stdout.splitlines()[1:]

    text = mesh.read_text(encoding="utf-8").replace("  - [laptop, phone]\n", "")
    mesh.write_text(text, encoding="utf-8")
    assert not lines() and not lines()
    mesh.write_text(text.replace("192.0.2.2:51820", "192.0.2.3:51820").replace("[10.20.2.0/24]", "[10.20.9.0/24]"))
    assert lines() == ["laptop's file is stale: AllowedIPs of hub-a",
                       "phone's file is stale: Endpoint of hub-b, AllowedIPs of hub-b"]
    mesh.write_text(text.replace("  - [laptop, hub-a]          # near\n", ""))
    told = json.loads(shunt("render", "mesh.yaml", "-o", "out", "--json", cwd=mesh.parent).stdout)["stale"]
    assert told[0] == "laptop's file is stale: hub-b, who is new, hub-a, who is gone" and len(told) == 2
