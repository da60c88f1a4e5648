# SPDX-License-Identifier: MIT
"""shunt-wg against the kernel's WireGuard, within the virtual machine; the topology is drawn in pair.py.

The kernel's device is the oracle: the same requests, bad ones too, are put to both, and what `wg` says, and
what a sender hears by ICMP, has to be the same. --slow runs the checks that mostly wait, beside the others:
each in a pair of its own; --long those that take too long for every day.
"""

import concurrent.futures
import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import pathlib
import shlex
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab"))

from inside import conduct  # noqa: E402
from lab import Lab, run, wait_for  # noqa: E402
from pair import (End, INNER, KERNEL, OUTER, OURS, PORT, Pair, host_port, key_pair,  # noqa: E402
                  socket_in, tcp_transfer)

BULK = 1 << 20
ORDERS = {"initiator": (OURS, KERNEL), "responder": (KERNEL, OURS)}  # what shunt-wg is


def address(end, name):
    end.node.address(f"{INNER[name][4]}/24", "wg0")
    end.node.address(f"{INNER[name][6]}/64", "wg0")


def transfers(pair, versions=(4, 6)):
    nodes = {"a": pair.a.node, "b": pair.b.node}
    for inner in versions:
        for source, target in (("a", "b"), ("b", "a")):
            assert tcp_transfer(nodes[source], nodes[target], INNER[target][inner], inner, BULK), (
                source, inner)


def of_both(function):
    """A check a role of shunt-wg."""
    checks = []
    for role, order in ORDERS.items():
        check = functools.partial(function, order=order)
        check.__name__ = f"{function.__name__}_as_{role}"
        checks.append(check)
    return checks


# --- sessions -------------------------------------------------------------------------------------


def session(lab, order, version, psk, tag):
    pair = Pair(lab, *order, tag=tag)
    pair.start(version, psk=psk)
    pair.talk()
    assert pair.a.peer(pair.b)["endpoint"] == host_port(OUTER["b"][version])
    assert pair.b.peer(pair.a)["endpoint"] == host_port(OUTER["a"][version])
    assert pair.a.peer(pair.b)["psk"] == (psk or "(none)")
    transfers(pair)
    wait_for("nothing on its way", lambda: (
        pair.a.peer(pair.b)["tx"] == pair.b.peer(pair.a)["rx"] and
        pair.b.peer(pair.a)["tx"] == pair.a.peer(pair.b)["rx"]), 5)
    return pair


def roam(pair, version):
    """a gets another address, then another port; b follows."""
    another = {4: "198.51.100.3", 6: "2001:db8::3"}[version]
    length = {4: 24, 6: 64}[version]
    pair.a.node.ip(f"address del {OUTER['a'][version]}/{length} dev eth0")
    pair.a.node.address(f"{another}/{length}", "eth0")
    pair.wait_ping("traffic from the new address")
    assert pair.b.peer(pair.a)["endpoint"] == host_port(another)
    pair.a.set("listen-port", 4321)
    pair.wait_ping("traffic from the new port")
    assert pair.b.peer(pair.a)["endpoint"] == host_port(another, 4321)
    pair.wait_ping("the other way", source="b")


def restart(pair, name, version=4):
    """The end is gone, with its sessions, and comes back."""
    end, other = (pair.a, pair.b) if name == "a" else (pair.b, pair.a)
    far = "b" if name == "a" else "a"
    end.end()
    end.start()
    end.identify()
    words = ["endpoint", host_port(OUTER["b"][version])] if name == "a" else []
    end.set("peer", other.public, *words, "allowed-ips", f"{INNER[far][4]},{INNER[far][6]}")
    end.up()
    address(end, name)


def initiates_by_ipv4(lab):
    pair = session(lab, ORDERS["initiator"], 4, None, "-t4")
    restart(pair, "a")
    pair.talk()
    roam(pair, 4)


def responds_by_ipv6_with_psk(lab):
    pair = session(lab, ORDERS["responder"], 6, run(["wg", "genpsk"]).strip(), "-t6")
    roam(pair, 6)


# --- what waits -----------------------------------------------------------------------------------


def responder_restarts(lab, order):
    pair = Pair(lab, *order, tag=f"-rr{order[0] == OURS:d}")
    pair.start()
    pair.talk()
    restart(pair, "b")
    pair.wait_ping("traffic after the restart", deadline=60)
    pair.talk()


def persistent_keepalive(lab, order):
    """It goes on without any traffic, and each is received as such."""
    pair = Pair(lab, *order, tag=f"-pk{order[0] == OURS:d}")
    pair.start()
    pair.talk()
    for _, end in pair.ends():
        end.node.sysctl("net/ipv6/conf/wg0/disable_ipv6", 1)  # no router solicitations
    before = pair.b.peer(pair.a)["rx"]
    pair.a.set("peer", pair.b.public, "persistent-keepalive", 1)
    wait_for("keepalives", lambda: pair.b.peer(pair.a)["rx"] >= before + 4 * 32, 20)


def rekeys_under_traffic(lab, order):
    """Pings from before the first rekey until after it, and all come back."""
    pair = Pair(lab, *order, tag=f"-rk{order[0] == OURS:d}")
    pair.start()
    pair.talk()
    pings = pair.a.node.spawn(["ping", "-n", "-q", "-i", "0.5", "-W", "10", INNER["b"][4]],
                              stdout=subprocess.PIPE)

    def handshakes():
        return pair.a.peer(pair.b)["handshake"], pair.b.peer(pair.a)["handshake"]

    first = handshakes()
    wait_for("a new session at both ends",
             lambda: all(n > f for n, f in zip(handshakes(), first)), 45, every=1)
    rx = pair.b.peer(pair.a)["rx"]
    wait_for("traffic by it", lambda: pair.b.peer(pair.a)["rx"] > rx + 500, 10)
    pings.send_signal(2)
    told = pings.communicate()[0].decode()
    assert " 0% packet loss" in told, told
    return [n - f for n, f in zip(handshakes(), first)]


# --- the same requests ----------------------------------------------------------------------------


def twins(lab, tag):
    """A device of each kind with the same key, alone in its namespace."""
    ends = []
    for kind in (KERNEL, OURS):
        end = End(lab.namespace(f"{tag}-{'k' if kind == KERNEL else 'o'}"), kind)
        if ends:
            end.private, end.public = ends[0].private, ends[0].public
            pathlib.Path(end.key_file).write_text(end.private + "\n", encoding="ascii")
        end.start()
        ends.append(end)
    return ends


def requests(own, busy):
    """What `wg` is asked, and the text of FILE."""
    a, b = "A" * 42 + "E=", "B" * 42 + "E="
    peer = ["set", "wg0", "peer", a]
    return [
        (["set", "wg0", "listen-port", str(busy)], ""),
        (["set", "wg0", "listen-port", "nonsense"], ""),
        (["set", "wg0", "private-key", "/nowhere"], ""),
        (["set", "wg0", "fwmark", "0x100000000"], ""),
        (["set", "wg0", "fwmark", "0xffffffff"], ""),
        (["set", "wg0", "peer", "nonsense"], ""),
        (["set", "wg0", "peer", own, "allowed-ips", "10.1.0.0/16"], ""),
        ([*peer, "remove"], ""),
        ([*peer, "allowed-ips", "10.0.0.0/33"], ""),
        ([*peer, "allowed-ips", "10.1.2.3/16,::/0,fd00:1::1/64,0.0.0.0/0,10.1.2.3"], ""),
        ([*peer, "endpoint", "192.0.2.1"], ""),
        ([*peer, "endpoint", "[fe80::1%lo]:5"], ""),
        ([*peer, "endpoint", "192.0.2.1:0"], ""),
        ([*peer, "endpoint", "[2001:db8::9]:51820"], ""),
        ([*peer, "persistent-keepalive", "65536"], ""),
        ([*peer, "preshared-key", "/nowhere"], ""),
        ([*peer, "preshared-key", "/dev/null"], ""),
        (["set", "wg0", "peer", b, "allowed-ips", "10.1.0.0/16,fd00:2::/64"], ""),
        ([*peer, "allowed-ips", "10.1.0.0/24"], ""),
        # Of a peer without an endpoint, so that nothing is sent, which would be counted.
        (["set", "wg0", "peer", b, "persistent-keepalive", "65535"], ""),
        (["set", "wg0", "peer", b, "persistent-keepalive", "off"], ""),
        (["set", "wg0", "peer", "A" * 43 + "=", "allowed-ips", "10.7.0.0/16"], ""),
        (["set", "wg7", "fwmark", "1"], ""),
        (["show", "wg7"], ""),
        (["setconf", "wg0", "FILE"], "[Interface]\nPort = 1\n"),
        (["addconf", "wg0", "FILE"],
         f"[Peer]\nPublicKey = {b}\nAllowedIPs = 10.8.0.0/16\nEndpoint = 192.0.2.8:8\n"),
        (["syncconf", "wg0", "FILE"],
         f"[Interface]\nListenPort = 7777\nFwMark = 7\n[Peer]\nPublicKey = {b}\nAllowedIPs = 10.9.0.0/16\n"),
        (["setconf", "wg0", "FILE"],
         f"[Interface]\nListenPort = 7778\n[Peer]\nPublicKey = {a}\nPersistentKeepalive = 25\n"),
        (["set", "wg0", "peer", b, "remove", "peer", a, "remove"], ""),
        (["set", "wg0", "private-key", "/dev/null"], ""),
    ]


def answers(end, asked):
    """Of each request: what `wg` said and its status, then the dump and the configuration. One shell asks
    them all, since processes are dear here."""
    script = ["cd /tmp && mkdir -p asked && cd asked"]
    for words, text in asked:
        script += [f"printf %s {shlex.quote(text)} >FILE", shlex.join(["wg", *words]) + " 2>&1", "echo $?",
                   "wg show wg0 dump", "wg showconf wg0", "echo @"]
    return end.node.run(["sh", "-c", "\n".join(script)]).split("@\n")


def answers_requests_as_the_kernel(lab):
    ends = twins(lab, "ask")
    busy = [socket_in(e.node, 4, bind=("0.0.0.0", 4444)) for e in ends]
    for end in ends:
        end.identify()
        # Or the host asks for routers by the TUN, which counts what it sends for that.
        end.node.ip("link set wg0 addrgenmode none")
        end.up()
    # Up is what a TUN is told a moment later.
    wait_for("both are up", lambda: not outcome(ends[1], "listen-port", 4444)[0] ==
             outcome(ends[1], "listen-port", PORT)[0], 10)
    asked = requests(ends[0].public, 4444)
    told = [answers(e, asked) for e in ends]
    for s in busy:
        s.close()
    assert len(told[0]) == len(asked) + 1
    different = [{"request": words, "kernel": k, "shunt-wg": o}
                 for (words, _), k, o in zip(asked, *told) if k != o]
    assert not different, "\n".join(map(str, different))
    return len(asked)


def outcome(end, *words):
    done = subprocess.run(end.node.inside(["wg", "set", "wg0", *map(str, words)]), check=False,
                          stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode, done.stderr


# --- what a sender hears --------------------------------------------------------------------------


RECVERR = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}


def heard(node, version, target):
    """(errno, origin, type, code) of the ICMP answer to a datagram of ours."""
    level, option = RECVERR[version]
    with socket_in(node, version) as s:
        s.setsockopt(level, option, 1)
        # The kernel's device refuses the packet besides, which no TUN can.
        with contextlib.suppress(OSError):
            s.sendto(b"anybody there?", (target, 9))

        def answer():
            with contextlib.suppress(OSError):
                return s.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            return None

        data, control, _, _ = wait_for(f"an answer about {target}", answer, 10)
        number, origin, kind, code = struct.unpack_from("=IBBB", control[0][2])
        return errno.errorcode[number], origin, kind, code, data


def refuses_packets_as_the_kernel(lab):
    """No peer, and a peer without an endpoint."""
    told = []
    for end in twins(lab, "icmp"):
        end.identify()
        end.set("peer", key_pair()[1], "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]}")
        end.up()
        address(end, "a")
        told.append([heard(end.node, 4, INNER["b"][4]), heard(end.node, 6, INNER["b"][6]),
                     heard(end.node, 4, "10.9.0.77"), heard(end.node, 6, "fd09::77")])
    assert told[0] == told[1], told
    return [t[:4] for t in told[0]]


# --- what older kernels refuse --------------------------------------------------------------------

SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17


def checksum_offload_off(node, device):
    value = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
    with socket_in(node, 4) as s:
        fcntl.ioctl(s, SIOCETHTOOL, struct.pack("16sP16x", device.encode(), ctypes.addressof(value)))


def goes_on_without_segmentation_offload(lab):
    """UDP_SEGMENT through a device without checksum offload is EIO to kernels before 6.11."""
    pair = Pair(lab, OURS, KERNEL, tag="-eio")
    pair.start()
    pair.talk()
    transfers(pair, [4])
    said = "UDP segmentation offload fails on IPv4 (Input/output error); going on without it"
    assert said not in pair.a.log()
    checksum_offload_off(pair.a.node, "eth0")
    transfers(pair)
    transfers(pair)
    assert pair.a.log().count(said) == 1, pair.a.log()
    assert pair.a.stats()["drop_send_error"] == 0


CHECKS = (initiates_by_ipv4, responds_by_ipv6_with_psk, answers_requests_as_the_kernel,
          refuses_packets_as_the_kernel, goes_on_without_segmentation_offload)
SLOW = (*of_both(responder_restarts), *of_both(persistent_keepalive))
LONG = tuple(of_both(rekeys_under_traffic))  # two minutes, so they are run by hand


def main():
    beside = {"--slow": SLOW, "--long": LONG}.get((sys.argv[1:] or [""])[0])
    if beside:
        with Lab.signals(), Lab("vmslow") as lab, concurrent.futures.ThreadPoolExecutor(len(beside)) as pool:
            list(pool.map(lambda check: conduct([check], lab), beside))
    else:
        with Lab.signals(), Lab("vmwg") as lab:
            conduct(CHECKS, lab)


if __name__ == "__main__":
    main()
