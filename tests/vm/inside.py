# SPDX-License-Identifier: MIT
"""What runs within the virtual machine, one check after another, on the kernel's WireGuard. Each prints a line
"@@result {name, ok, detail}"; test_kernel.py reads them.
"""

import json
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

from lab import Lab, run, wait_for  # noqa: E402
from mesh import Mesh  # noqa: E402

BUILD = "/shunt/build"
TOOL = os.path.join(BUILD, "tests/lab/device_tool")


def tool(node, *words):
    return json.loads(node.run(["sh", "-c", '"$@" || true', "sh", TOOL, "--kind", "kernel", "wg0", *words]))


def change(node, **what):
    answer = tool(node, "set", json.dumps(what))
    assert "error" not in answer, answer


def allowed(node, name="wg0"):
    """{key: set of prefixes}, by `wg`."""
    owners = {}
    for line in node.run(["wg", "show", name, "allowed-ips"]).splitlines():
        key, _, prefixes = line.partition("\t")
        owners[key] = set(prefixes.split()) - {"(none)"}
    return owners


def key():
    private = run(["wg", "genkey"]).strip()
    return private, run(["wg", "pubkey"], input=private).strip()


def creates_and_adopts(lab):
    node = lab.namespace("adopt")
    first, second = tool(node, "open"), tool(node, "open")
    assert first["created"] and not second["created"], (first, second)
    assert first["kind"] == "kernel", first


def moves_by_adding(lab):
    node = lab.namespace("move")
    tool(node, "open")
    a, b = key()[1], key()[1]
    change(node, private_key=key()[0], peers=[{"key": a, "add": ["10.1.0.0/16", "10.2.0.0/16"]},
                                              {"key": b, "add": ["10.3.0.0/16"]}])
    change(node, peers=[{"key": b, "add": ["10.1.0.0/16"]}])
    assert allowed(node) == {a: {"10.2.0.0/16"}, b: {"10.1.0.0/16", "10.3.0.0/16"}}, allowed(node)


def removes_one_prefix(lab):
    """Debian 12's kernel has no flag for it: the way is the parking peer, which leaves nothing behind."""
    node = lab.namespace("remove")
    tool(node, "open")
    a = key()[1]
    change(node, private_key=key()[0],
           peers=[{"key": a, "add": ["10.1.0.0/16", "10.2.0.0/16", "fd01::/64"]}])
    answer = tool(node, "remove-prefix", a, "10.1.0.0/16")
    assert answer["gone"], answer
    assert allowed(node) == {a: {"10.2.0.0/16", "fd01::/64"}}, allowed(node)
    return answer["way"]


def reads_many_peers(lab):
    """More than one netlink message holds, and one peer that spreads over several of them."""
    node = lab.namespace("many")
    tool(node, "open")
    keys = [os.urandom(32) for _ in range(3000)]
    import base64
    names = [base64.b64encode(k).decode() for k in keys]
    peers = [{"key": n, "add": [f"10.{i >> 8}.{i & 255}.0/24"]} for i, n in enumerate(names)]
    peers[7]["add"] += [f"172.{16 + (i >> 8)}.{i & 255}.0/24" for i in range(3000)]
    for start in range(0, len(peers), 500):
        change(node, peers=peers[start:start + 500])
    seen = {p["key"]: set(p["allowed"]) for p in tool(node, "get")["peers"]}
    assert seen == {p["key"]: set(p["add"]) for p in peers}
    assert seen == allowed(node)


def leaves_foreign_alone(lab):
    node = lab.namespace("foreign")
    node.run(["ip", "link", "add", "wg0", "type", "wireguard"])
    foreign = key()[1]
    node.run(["wg", "set", "wg0", "peer", foreign, "allowed-ips", "10.9.0.0/16"])
    change(node, private_key=key()[0], peers=[{"key": key()[1], "add": ["10.1.0.0/16"]}])
    assert allowed(node)[foreign] == {"10.9.0.0/16"}


def refuses_other_interfaces(lab):
    node = lab.namespace("other")
    node.run(["ip", "link", "add", "wg0", "type", "bridge"])
    answer = tool(node, "open")
    assert answer.get("error") == "EEXIST" and "wg0" in answer["why"], answer


def busy_port_is_told(lab):
    node = lab.namespace("port")
    node.run(["ip", "link", "add", "wg1", "type", "wireguard"])
    node.run(["wg", "set", "wg1", "listen-port", "51820"])
    node.run(["ip", "link", "set", "wg1", "up"])
    tool(node, "open")
    node.run(["ip", "link", "set", "wg0", "up"])
    answer = tool(node, "set", json.dumps({"listen_port": 51820}))
    assert answer.get("error") == "EADDRINUSE", answer


def daemon_may_be_killed(lab):
    """The device is the same before, during and after; what was rendered runs by wg-quick on the client."""
    mesh = Mesh(lab, BUILD, "kernel")
    mesh.bring_up()
    mesh.wait_settled("hub-a", 120)
    site, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    before = allowed(site)
    daemon.kill()
    assert allowed(site) == before
    daemon.start()
    wait_for("the daemon answers", lambda: daemon.ask("status"), 60)
    assert allowed(site) == before
    assert mesh.kernel_of_client()
    client = mesh.nodes["laptop"]
    client.run(["ping", "-c", "1", "-W", "20", "10.20.1.10"])
    mesh.wait_settled("hub-a", 120)
    assert allowed(site) == before


CHECKS = (creates_and_adopts, moves_by_adding, removes_one_prefix, reads_many_peers, leaves_foreign_alone,
          refuses_other_interfaces, busy_port_is_told, daemon_may_be_killed)


def conduct(checks, lab):
    """Runs them, one after another, and prints what came of each."""
    for check in checks:
        begin = time.monotonic()
        try:
            detail, good = check(lab), True
        except Exception:  # noqa: BLE001: told, with its place
            detail, good = traceback.format_exc(), False
        print("@@result", json.dumps({"name": check.__name__, "ok": good, "detail": detail,
                                      "seconds": round(time.monotonic() - begin, 1)}), flush=True)


def main():
    with Lab.signals(), Lab("vm") as lab:
        conduct(CHECKS, lab)


if __name__ == "__main__":
    main()
