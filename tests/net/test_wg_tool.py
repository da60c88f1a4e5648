# SPDX-License-Identifier: MIT
"""What shunt-wg tells those who ask it and those who send: `wg`, whoever speaks the configuration's
language himself, and senders of packets that have nowhere to go. The topology is drawn in pair.py.
"""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import socket

import pytest

from lab import Lab, wait_for
from pair import INNER, key_pair, OURS, Pair, socket_in, THEIRS
from program import execute, setpriv, socket_path

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-tool") as lab:
        yield lab


@pytest.fixture(name="pair")
def pair_fixture(lab):
    """a is ours, b wireguard-go; nothing runs yet."""
    return Pair(lab, OURS, THEIRS)


# --- `wg` -----------------------------------------------------------------------------------------


def test_wg_reads_what_it_wrote(pair):
    """setconf, addconf, syncconf, showconf, dump; and the same by wireguard-go."""
    pair.a.start()
    pair.b.start()
    keys = [key_pair()[1] for _ in range(4)]
    psk = key_pair()[0]

    def section(i, *lines):
        return "\n".join(["[Peer]", f"PublicKey = {keys[i]}", *lines]) + "\n"

    device = f"[Interface]\nPrivateKey = {pair.a.private}\nListenPort = 4242\nFwMark = 0xca6c\n"
    first = section(0, f"PresharedKey = {psk}", "AllowedIPs = 10.1.0.0/16, fd01::/64",
                    "Endpoint = 192.0.2.1:51820", "PersistentKeepalive = 25")
    second = section(1, "AllowedIPs = 0.0.0.0/0, ::/0", "Endpoint = [2001:db8::9]:7")
    steps = (("setconf", device + first + second),
             ("addconf", section(2, "AllowedIPs = 10.1.2.0/24")),
             # Taken from the first peer by name of the third.
             ("addconf", section(2, "AllowedIPs = 10.1.0.0/16")),
             ("syncconf", device + first + section(3, "AllowedIPs = 10.3.0.1/32")),
             ("setconf", device.replace("4242", "4243").replace("0xca6c", "off") + second))
    for verb, text in steps:
        dumps = []
        for end in (pair.a, pair.b):
            path = pathlib.Path(end.node.path("conf"))
            path.write_text(text, encoding="ascii")
            end.node.run(["wg", verb, "wg0", str(path)])
            dump = end.node.run(["wg", "show", "all", "dump"]).splitlines()
            conf = end.node.run(["wg", "showconf", "wg0"])
            peers = [line.split("\t") for line in dump[1:]]
            dumps.append((dump[0],
                          sorted([*p[:4], sorted(p[4].split(",")), p[-1]] for p in peers),
                          sorted(re.findall(r"(?:= |, )([^,\n]+)", conf))))
        assert dumps[0] == dumps[1], verb
        # What showconf says can be set again, and changes nothing.
        path.write_text(pair.a.node.run(["wg", "showconf", "wg0"]), encoding="ascii")
        before = pair.a.node.run(["wg", "show", "wg0", "dump"])
        pair.a.node.run(["wg", "setconf", "wg0", str(path)])
        pair.a.node.run(["wg", "syncconf", "wg0", str(path)])
        assert pair.a.node.run(["wg", "show", "wg0", "dump"]) == before


def test_errors_are_worded_as_elsewhere(pair):
    """The same words of `wg` for both implementations, for what `wg` itself lets pass."""
    with socket_in(pair.a.node, 4, bind=("0.0.0.0", 999)), \
            socket_in(pair.b.node, 4, bind=("0.0.0.0", 999)):
        pair.start()
        key = key_pair()[1]
        for words in (["set", "wg0", "listen-port", "999"],
                      ["set", "wg0", "listen-port", "70000"],
                      ["set", "wg0", "fwmark", "x"],
                      ["set", "wg0", "peer", "AAAA"],
                      ["set", "wg0", "peer", key, "allowed-ips", "10.0.0.0/33"],
                      ["set", "wg0", "peer", key, "persistent-keepalive", "65536"],
                      ["set", "nothing", "listen-port", "1"],
                      ["show", "nothing"],
                      ["setconf", "wg0", "/dev/null"],
                      ["show", "wg0", "nonsense"],
                      ["show", "wg0", "by nobody"]):
            argv = [*setpriv(""), "wg", "show", "wg0"] if "by nobody" in words else ["wg", *words]
            said = [execute(end.node, argv) for end in (pair.a, pair.b)]
            assert said[0] == said[1], words
        status, _, err = execute(pair.a.node, ["wg", "set", "wg0", "listen-port", "999"])
        assert (status, err) == (1, "Unable to modify interface: Address already in use\n")


def request(node, text):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(socket_path(node))
        s.sendall(text.encode())
        answer = b""
        while not answer.endswith(b"\n\n"):
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
        return answer.decode()


def test_errors_of_the_interface(pair):
    """What `wg` never sends: the numbers that it would put in words, each with the sign that it
    expects."""
    pair.a.start()
    hexkey = "ab" * 32
    for text, number in (
            ("private_key=zz\n", errno.EINVAL), ("private_key=" + "a" * 63 + "\n", errno.EINVAL),
            ("listen_port=-1\n", errno.EINVAL), ("listen_port=\n", errno.EINVAL),
            ("fwmark=0x1ffffffff\n", errno.EINVAL), ("replace_peers=yes\n", errno.EINVAL),
            ("no_such_key=1\n", errno.EINVAL), ("listen_port\n", errno.EPROTO),
            ("allowed_ip=10.0.0.0/8\n", errno.EINVAL),
            (f"public_key={hexkey}\nallowed_ip=10.0.0.0/33\n", errno.EINVAL),
            (f"public_key={hexkey}\nendpoint=192.0.2.1\n", errno.EINVAL),
            (f"public_key={hexkey}\nprotocol_version=2\n", errno.EINVAL),
            (f"public_key={hexkey}\nremove=false\n", errno.EINVAL)):
        assert request(pair.a.node, f"set=1\n{text}\n") == f"errno=-{number}\n\n", text
    assert request(pair.a.node, f"set=1\npublic_key={hexkey}\nremove=true\n\n") == "errno=0\n\n"
    assert request(pair.a.node, "get=1\n\n").endswith("errno=0\n\n")
    assert request(pair.a.node, "put=1\n\n") == ""


# --- answers to who can't be served ---------------------------------------------------------------


def icmp_unreachables(node):
    text = node.run(["nstat", "-asz", "IcmpInDestUnreachs", "Icmp6InDestUnreachs"])
    return [int(line.split()[1]) for line in text.splitlines() if "Unreachs" in line]


@pytest.mark.parametrize("version", [4, 6])
def test_unreachable(pair, version):
    """No peer, no endpoint: a local sender is told at once."""
    pair.a.start()
    pair.a.identify()
    pair.a.up()
    pair.a.node.address(f"{INNER['a'][4]}/24", "wg0")
    pair.a.node.address(f"{INNER['a'][6]}/64", "wg0")
    target = (INNER["b"][version], 7600)

    def refused(kind):
        with socket_in(pair.a.node, version, kind) as s:
            # Without it, a host that can't be reached doesn't make a datagram's send fail.
            s.setsockopt(*{4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}[version], 1)
            with pytest.raises(OSError) as caught:
                s.connect(target)
                s.send(b"x")
                s.recv(1)
            return caught.value.errno

    def ping_says():
        return execute(pair.a.node, ["ping", "-n", "-c1", "-W5", INNER["b"][version]])[1]

    words = {4: "Destination Host Unreachable",
             6: "Destination unreachable: Address unreachable"}[version]
    for counter in ("drop_no_peer", "drop_no_endpoint"):
        before = pair.a.stats()[counter]
        assert refused(socket.SOCK_DGRAM) == errno.EHOSTUNREACH
        assert refused(socket.SOCK_STREAM) == errno.EHOSTUNREACH
        assert words in ping_says()
        assert pair.a.stats()[counter] - before >= 3
        pair.a.set("peer", pair.b.public, "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]}")
    # Not about multicast; and not without end.
    before = icmp_unreachables(pair.a.node)
    with socket_in(pair.a.node, version) as s:
        group = {4: ("239.1.2.3", 7600), 6: ("ff0e::1", 7600, 0, 0)}[version]
        pair.a.node.ip({4: "route add 239.1.2.3/32 dev wg0",
                        6: "-6 route add ff0e::1/128 dev wg0 table local"}[version])
        drops = pair.a.stats()["drop_no_peer"]
        for _ in range(10):
            s.sendto(b"x", group)
        wait_for("they were dropped", lambda: pair.a.stats()["drop_no_peer"] - drops >= 10, 5)
        assert icmp_unreachables(pair.a.node) == before
        drops = pair.a.stats()["drop_no_endpoint"]
        for _ in range(20000):
            with contextlib.suppress(OSError):
                s.sendto(b"x", target)
        wait_for("they were dropped", lambda: pair.a.stats()["drop_no_endpoint"] - drops > 1000, 10)
    told = sum(icmp_unreachables(pair.a.node)) - sum(before)
    assert 0 < told < (pair.a.stats()["drop_no_endpoint"] - drops) // 2 + 100
