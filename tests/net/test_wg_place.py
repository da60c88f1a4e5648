# SPDX-License-Identifier: MIT
"""shunt-wg where it is put: its interface in another namespace, by another name and MTU; a port that is
taken; kernels and paths that lack something. The topology is drawn in pair.py.
"""

import ctypes
import errno
import json
import os
import platform
import shutil
import socket
import struct
import subprocess
import time

import pytest

from lab import Lab, run, wait_for
from pair import (BUILD, Capture, host_port, INNER, OURS, OUTER, Pair, PORT, socket_in,
                  tcp_transfer, THEIRS, udp_echoes)
from program import configure, ours, port_is_taken, socket_path, start_other

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-place") as lab:
        yield lab


@pytest.fixture(name="pair")
def pair_fixture(lab):
    """a is ours, b wireguard-go; nothing runs yet."""
    return Pair(lab, OURS, THEIRS)


def link(node, name="wg0"):
    return json.loads(node.ip(f"-j -d link show dev {name}"))[0]


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
    """The sockets stay where they were made; the interface works where it is, and is followed there:
    up, down, MTU, another name, its end."""
    pair.start()
    pair.talk()
    inner = lab.namespace("inner")
    move(pair, pair.a, "a", inner)
    inner.ip("link set wg0 up")
    for version in (4, 6):
        wait_for("traffic from there", lambda v=version: ping_from(inner, INNER["b"][v]), 20)
    # Somebody else's interface of this name in the old place is nothing to us.
    pair.a.node.ip("link add wg0 type bridge")
    inner.ip("link set wg0 down")
    wait_for("the port is free", lambda: not port_is_taken(pair.a.node, PORT), 10)
    inner.ip("link set wg0 name tunnel")
    inner.ip("link set tunnel mtu 1350 up")
    wait_for("the port is taken", lambda: port_is_taken(pair.a.node, PORT), 10)
    inner.ip("route replace default dev tunnel")
    wait_for("traffic again", lambda: ping_from(inner, INNER["b"][4]), 20)
    assert largest_message(pair, inner, 1350) == 1350 + 32
    inner.ip("link del tunnel")
    wait_for("the program ended", lambda: not pair.a.pids(), 10)
    assert not os.path.exists(socket_path(pair.a.node))
    assert pair.a.node.has_interface("wg0")


def largest_message(pair, source, mtu):
    """The length of the data message in which a packet of the interface's full size travels."""
    capture = Capture(pair.b.node)
    with socket_in(source, 4) as s:
        s.sendto(bytes(mtu - 28), (INNER["b"][4], 7500))
    try:
        return wait_for("a large message", lambda: max(
            (len(d) for _, _, _, port, d in capture.packets() if port == PORT and len(d) > mtu),
            default=0), 10)
    finally:
        capture.close()


def test_follows_mtu_and_name(pair):
    pair.start()
    pair.talk()
    for mtu in (1280, 1350, 1411, 1420, 9000):
        pair.a.node.ip(f"link set wg0 mtu {mtu}")
        # Padded to a multiple of 16, but never beyond the MTU.
        wait_for(f"MTU {mtu}", lambda m=mtu: m > 1420 or largest_message(
            pair, pair.a.node, m) == m + 32, 10)
        segments = min((65507 - 40) // (mtu + 32), 64)
        wait_for("superpackets that fit a message", lambda m=mtu, n=segments: (
            link(pair.a.node)["gso_max_size"] == n * (m - 52) + 52), 10)
    pair.a.node.ip("link set wg0 mtu 1420")
    pair.a.node.ip("link set wg0 down")
    wait_for("the port is free", lambda: not port_is_taken(pair.a.node, PORT), 10)
    pair.a.node.ip("link set wg0 name other")
    pair.a.node.ip("link set other up")
    pair.a.node.address(f"{INNER['a'][6]}/64", "other")
    pair.talk()


def test_port_is_taken_when_it_goes_up(pair):
    """The kernel's says so to whoever sets it up; here it is in the log, once, and it goes on by
    itself when the port is free."""
    with socket_in(pair.a.node, 4, bind=("0.0.0.0", PORT)):
        start_other(pair)
        pair.a.start()
        configure(pair)
        words = "the sockets can't be bound: Address already in use"
        wait_for("the line", lambda: words in pair.a.log(), 10)
        # It looks again every second.
        end = time.monotonic() + 2.5
        wait_for("it looked twice more", lambda: time.monotonic() > end, 5)
    pair.talk()
    assert pair.a.log().count(words) == 1


# --- kernels and paths that lack something --------------------------------------------------------


def test_ipv6_is_disabled(pair):
    """By sysctl, as many do."""
    pair.a.node.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
    pair.a.node.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    start_other(pair)
    pair.a.start()
    configure(pair)
    pair.wait_ping("traffic")
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][4], 4, 1 << 20)


SYSCALLS = {"x86_64": {"socket": 41, "setsockopt": 54, "ioctl": 16},
            "aarch64": {"socket": 198, "setsockopt": 208, "ioctl": 29}}


def kernel_without(refusals):
    """A preexec_fn: these system calls, as {name: [((argument, value)..., errno)]}, are refused in the
    new process and its children, as a kernel would that doesn't know them."""
    numbers = SYSCALLS[platform.machine()]
    program = []
    for name, cases in refusals.items():
        for arguments, error in cases:
            body = []
            for index, value in arguments:
                body += [(0x20, 0, 0, 16 + 8 * index), (0x15, 0, None, value)]
            body += [(0x06, 0, 0, 0x00050000 | error)]
            test = [(0x20, 0, 0, 0), (0x15, 0, None, numbers[name]), *body]
            # A comparison that fails goes on behind this case.
            program += [(code, jt, len(test) - at - 1 if jf is None else jf, k)
                        for at, (code, jt, jf, k) in enumerate(test)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    raw = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(raw)
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        assert buffer  # stays while this does
        if libc.prctl(22, 2, fprog, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            raise OSError(ctypes.get_errno(), "seccomp")
    return install


KERNELS = {
    "no IPv6": {"socket": [([(0, socket.AF_INET6)], errno.EAFNOSUPPORT)]},
    "no UDP GSO": {"setsockopt": [([(1, 17), (2, 103)], errno.ENOPROTOOPT),
                                  ([(1, 17), (2, 104)], errno.ENOPROTOOPT)]},
    "no USO": {"ioctl": [([(1, 0x400454D0), (2, 0x6F)], errno.EINVAL)]},
    "no TUN offload": {"ioctl": [([(1, 0x400454D0)], errno.EINVAL)]},
}


@pytest.mark.skipif(platform.machine() not in SYSCALLS, reason="system calls of another machine")
@pytest.mark.parametrize("lacks", KERNELS)
def test_poor_kernels(pair, lacks):
    start_other(pair)
    process = pair.a.node.spawn(ours("wg0"), log="wg0.log",
                                preexec_fn=kernel_without(KERNELS[lacks]))
    assert process.wait(timeout=10) == 0, pair.a.log()
    configure(pair)
    pair.talk()
    for inner in (4, 6):
        assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 2 << 20)
        assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 2 << 20)


@pytest.mark.parametrize("inner", [4, 6])
def test_kernel_that_refuses_merged_packets(pair, inner):
    """It took the offloads when it was asked. Nothing is lost, one line a kind is written, and what is
    sent the other way is still cut from superpackets."""
    start_other(pair)
    pair.a.start(LD_PRELOAD=str(BUILD / "tests/lab/refuse_merged.so"), REFUSE_MERGED="tu")
    configure(pair)
    pair.talk()
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 8 << 20)
    assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 8 << 20)
    assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][inner], inner, [1000] * 64)
    assert pair.a.log().count("refuses merged TCP segments") == 1, pair.a.log()
    assert pair.a.stats()["drop_tun_write"] == 0


@pytest.mark.parametrize("version", [4, 6])
def test_narrow_path(pair, version):
    """The way to the peer takes less than the tunnel's packets: they are fragmented, and sent one by
    one where a batch isn't taken."""
    pair.start(version)
    pair.talk()
    pair.a.node.ip(f"route add {OUTER['b'][version]} dev eth0 mtu 1280")
    for inner in (4, 6):
        assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 2 << 20)
        assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 2 << 20)
    assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][4], 4, range(1180, 1393))


def test_low_port(pair):
    """Root's program may still have one when it has given away other rights."""
    pair.start()
    pair.a.set("listen-port", 443)
    pair.talk()
    assert pair.b.peer(pair.a)["endpoint"] == host_port(OUTER["a"][4], 443)


def test_route_to_the_peer_moves(lab, pair):
    """Two ways between the same two addresses: the tunnel goes the way of the route."""
    lab.wire(pair.a.node, "eth1", pair.b.node, "eth1")
    ways = {"a": "198.51.100.%d", "b": "203.0.113.%d"}
    loopback = {"a": "192.0.2.1", "b": "192.0.2.2"}
    for i, (name, end) in enumerate(pair.ends(), 1):
        end.node.address(f"203.0.113.{i}/24", "eth1")
        end.node.address(f"{loopback[name]}/32", "lo")

    def go_by(network):
        for i, (name, end) in enumerate(pair.ends(), 1):
            other = loopback["b" if name == "a" else "a"]
            end.node.ip(f"route replace {other} via {ways[network] % (3 - i)} src {loopback[name]}")

    go_by("a")
    pair.start(endpoint=host_port(loopback["b"]))
    pair.talk()
    capture = Capture(pair.a.node, "eth1")
    go_by("b")
    pair.wait_ping("traffic by the other way", deadline=5)
    wait_for("packets there", lambda: any(
        source == PORT and data[0] == 4 for _, _, source, _, data in capture.packets()), 5)
    pair.a.node.ip("link set eth0 down")
    pair.wait_ping("traffic with the first way gone", deadline=5)
    capture.close()


def test_no_way_to_the_peer(pair):
    """What can't be sent is counted, and goes on once there is a way."""
    pair.start()
    pair.talk()
    pair.a.node.ip(f"route add unreachable {OUTER['b'][4]}")
    assert not pair.ping(seconds=1)
    assert pair.a.stats()["drop_send_error"] > 0
    pair.a.node.ip(f"route del unreachable {OUTER['b'][4]}")
    pair.talk()
