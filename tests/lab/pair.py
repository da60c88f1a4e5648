# SPDX-License-Identifier: MIT
"""Two tunnel ends with a wire between them, each of an implementation of its own.

       [a] eth0 198.51.100.1, 2001:db8::1 ---- 198.51.100.2, 2001:db8::2 eth0 [b]
        wg0 10.9.0.1, fd09::1                              10.9.0.2, fd09::2 wg0

Sockets of a test are made by its own process in the namespace of a node (socket_in), so a test
reads and writes them as it would anywhere. A Relay is a middleman on a port of b: what a sends
there goes on to b's tunnel and back, and can be seen, kept, damaged and sent once more.
"""

import base64
import contextlib
import ctypes
import hashlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import threading

from lab import LabError, NETNS, processes_in, run, wait_for

BUILD = pathlib.Path(
    os.environ.get("SHUNT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
OURS, THEIRS = "shunt-wg", "wireguard-go"
KERNEL = "the kernel"  # where it has WireGuard: an interface without a program
PROGRAMS = {OURS: str(BUILD / "shunt-wg"), THEIRS: shutil.which("wireguard-go") or "wireguard-go"}
PORT, RELAY_PORT = 51820, 51999
OUTER = {"a": {4: "198.51.100.1", 6: "2001:db8::1"}, "b": {4: "198.51.100.2", 6: "2001:db8::2"}}
INNER = {"a": {4: "10.9.0.1", 6: "fd09::1"}, "b": {4: "10.9.0.2", 6: "fd09::2"}}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
CLONE_NEWNET = 0x40000000
PATIENCE = 90  # seconds without any progress, on a machine that is emulated and busy besides

_libc = ctypes.CDLL(None, use_errno=True)


def within(node, call):
    """The answer of call() in the node's network namespace; sockets that it makes stay there."""
    answer = []

    def body():
        fd = os.open(os.path.join(NETNS, node.namespace), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if _libc.setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            answer.append((call(), None))
        except BaseException as e:  # pylint: disable=broad-except
            answer.append((None, e))
        finally:
            os.close(fd)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    value, error = answer[0]
    if error:
        raise error
    return value


def socket_in(node, version, kind=socket.SOCK_DGRAM, bind=None, proto=0):
    """A socket in the node's namespace, bound to (address, port) if asked."""
    s = within(node, lambda: socket.socket(FAMILY[version], kind, proto))
    s.settimeout(10)
    if bind:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(bind)
    return s


def host_port(address, port=PORT):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def key_pair():
    private = run(["wg", "genkey"]).strip()
    return private, run(["wg", "pubkey"], input=private).strip()


class End:
    """A tunnel on a node."""

    def __init__(self, node, program, name="wg0"):
        self.node = node
        self.program = program
        self.name = name
        self.private, self.public = key_pair()
        self.key_file = node.path(f"{name}.key")
        pathlib.Path(self.key_file).write_text(self.private + "\n", encoding="ascii")

    def start(self, **environment):
        """Returns once it can be configured."""
        if self.program == KERNEL:
            self.node.ip(f"link add {self.name} type wireguard")
            return
        done = self.node.spawn([PROGRAMS[self.program], self.name], log=f"{self.name}.log",
                               env={**os.environ, "LOG_LEVEL": "verbose", **environment})
        if done.wait(timeout=20) != 0:
            raise LabError(f"{self.program}: {self.log().strip()}")

    def log(self):
        with open(self.node.path(f"{self.name}.log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def pids(self):
        """Of the program, found by what serves the socket."""
        found = []
        for pid in processes_in([self.node.namespace]):
            with contextlib.suppress(OSError):
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if os.path.basename(words[0].decode()) == self.program and \
                        self.name.encode() in words:
                    found.append(pid)
        return found

    def end(self, number=signal.SIGTERM):
        """The program ends, and its interface with it."""
        if self.program == KERNEL:
            self.node.ip(f"link del {self.name}")
        # Whoever is asked by its name has no name while its files are still being closed; this tells of the very end.
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError), open(os.pidfd_open(pid), "rb") as f:
                signal.pidfd_send_signal(f.fileno(), number)
                wait_for(f"{self.program} ended", lambda f=f: select.select([f], [], [], 0)[0], 10)
        wait_for(f"{self.program} left no interface", lambda: not self.node.has_interface(self.name), 10)

    def set(self, *words):
        self.node.run(["wg", "set", self.name, *(str(w) for w in words)])

    def identify(self, port=PORT):
        self.set("private-key", self.key_file, "listen-port", port)

    def up(self, mtu=1420):
        self.node.ip(f"link set {self.name} mtu {mtu} up")

    def peers(self):
        """What `wg` says: {key: {...}}."""
        peers = {}
        for line in self.node.run(["wg", "show", self.name, "dump"]).splitlines()[1:]:
            key, psk, endpoint, allowed, handshake, rx, tx, keepalive = line.split("\t")
            peers[key] = {
                "psk": psk, "endpoint": endpoint, "allowed": sorted(set(allowed.split(","))),
                "handshake": int(handshake), "rx": int(rx), "tx": int(tx),
                "keepalive": keepalive}
        return peers

    def peer(self, other):
        return self.peers()[other.public]

    def stats(self):
        """The counters of shunt-wg."""
        return json.loads(
            self.node.run([PROGRAMS[OURS], "--stats", self.name, "--json"]))


class Pair:
    """The topology at the head of the file; nothing runs on it yet."""

    def __init__(self, lab, a, b, tag=""):
        self.lab = lab
        nodes = [lab.namespace(f"{n}{tag}") for n in "ab"]
        lab.wire(nodes[0], "eth0", nodes[1], "eth0")
        self.a, self.b = End(nodes[0], a), End(nodes[1], b)
        for name, end in self.ends():
            end.node.address(f"{OUTER[name][4]}/24", "eth0")
            end.node.address(f"{OUTER[name][6]}/64", "eth0")

    def ends(self):
        return [("a", self.a), ("b", self.b)]

    def start(self, version=4, endpoint=None, psk=None, mtu=1420, **environment):
        """Both run; only a knows where the other is, so a has to begin."""
        for _, end in self.ends():
            end.start(**environment)
            end.identify()
        self.meet(version, endpoint, psk)
        for name, end in self.ends():
            end.up(mtu)
            end.node.address(f"{INNER[name][4]}/24", "wg0")
            end.node.address(f"{INNER[name][6]}/64", "wg0")
        return self

    def meet(self, version=4, endpoint=None, psk=None):
        more = []
        if psk:
            file = self.a.node.path("psk")
            pathlib.Path(file).write_text(psk + "\n", encoding="ascii")
            more = ["preshared-key", file]
        self.a.set("peer", self.b.public, "endpoint", endpoint or host_port(OUTER["b"][version]),
                   "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]}", *more)
        self.b.set("peer", self.a.public, "allowed-ips", f"{INNER['a'][4]},{INNER['a'][6]}", *more)

    def ping(self, source="a", version=4, count=1, seconds=5):
        """True if all come back."""
        end = self.a if source == "a" else self.b
        other = "b" if source == "a" else "a"
        try:
            end.node.run(["ping", "-n", "-q", "-i", "0.01", "-c", str(count), "-W", str(seconds),
                          INNER[other][version]])
        except LabError:
            return False
        return True

    def wait_ping(self, what, source="a", version=4, deadline=20):
        wait_for(what, lambda: self.ping(source, version, seconds=1), deadline)

    def talk(self, deadline=20):
        """Both ways, so that both have a session that they may send by."""
        for version in (4, 6):
            for source in "ab":
                self.wait_ping(f"IPv{version} from {source}", source, version, deadline)


class Relay:
    """See the head of the file. Whom it sees first is a."""

    def __init__(self, pair, version=4, port=RELAY_PORT):
        self.target = (OUTER["b"][version], PORT)
        self.front = socket_in(pair.b.node, version, bind=(OUTER["b"][version], port))
        self.back = socket_in(pair.b.node, version)
        self.client = None
        self.to_b, self.to_a = [], []  # what came by, oldest first
        self.change = lambda data, to_b: data  # what to send in its place; None: nothing
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.is_set():
            ready, _, _ = select.select([self.front, self.back], [], [], 0.1)
            for s in ready:
                with contextlib.suppress(OSError):
                    self._pass(s)

    def _pass(self, s):
        data, sender = s.recvfrom(65536)
        to_b = s is self.front
        with self._lock:
            if to_b:
                self.client = sender
            (self.to_b if to_b else self.to_a).append(data)
        data = self.change(data, to_b)
        if data is not None:
            self.send(data, to_b)

    def send(self, data, to_b=True):
        if to_b:
            self.back.sendto(data, self.target)
        elif self.client:
            self.front.sendto(data, self.client)

    def seen(self, kind, to_b=True):
        """The messages of a type that came by."""
        with self._lock:
            return [d for d in (self.to_b if to_b else self.to_a) if d[0] == kind]

    def close(self):
        self._ending.set()
        self._thread.join()
        self.front.close()
        self.back.close()


def tcp_transfer(source, target, address, version, size, port=7100, seed=1):
    """size bytes of noise from a node to another; True if they arrived as they were sent."""
    listener = socket_in(target, version, socket.SOCK_STREAM, bind=(address, port))
    listener.listen(1)
    listener.settimeout(PATIENCE)
    noise = random.Random(seed).randbytes(1 << 20)
    sent = hashlib.sha256()
    failed = []

    def send():
        try:
            with socket_in(source, version, socket.SOCK_STREAM) as s:
                s.settimeout(PATIENCE)
                s.connect((address, port))
                left = size
                while left:
                    piece = noise[:min(left, len(noise))]
                    sent.update(piece)
                    s.sendall(piece)
                    left -= len(piece)
        except OSError as e:
            failed.append(e)

    thread = threading.Thread(target=send)
    thread.start()
    got = hashlib.sha256()
    try:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            while piece := connection.recv(1 << 16):
                got.update(piece)
    finally:
        listener.close()
        thread.join()
    if failed:
        raise failed[0]
    return got.digest() == sent.digest()


def udp_echoes(source, target, address, version, sizes, port=7200):
    """Datagrams of these sizes to there, a few at a time; the sizes that didn't arrive as sent."""
    there = socket_in(target, version, bind=(address, port))
    here = socket_in(source, version)
    chance = random.Random(2)
    wrong = []
    try:
        for i in range(0, len(sizes), 16):
            some = {n: chance.randbytes(n) for n in sizes[i:i + 16]}
            for data in some.values():
                here.sendto(data, (address, port))
            got = {}
            with contextlib.suppress(TimeoutError):
                there.settimeout(5)
                while len(got) < len(some):
                    data = there.recv(65536)
                    got[len(data)] = data
            wrong += [n for n, data in some.items() if got.get(n) != data]
    finally:
        there.close()
        here.close()
    return wrong


class Capture:
    """What passes on an interface of a node: IP packets of UDP, as (version, tos, source port, target
    port, payload)."""

    def __init__(self, node, device="eth0"):
        self._socket = within(node, lambda: socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3)))  # ETH_P_ALL
        within(node, lambda: self._socket.bind((device, 0)))
        self._packets = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        self._socket.settimeout(0.1)
        while not self._ending.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(1 << 16))

    def _take(self, packet):
        version = packet[0] >> 4
        if version == 4 and packet[9] == socket.IPPROTO_UDP:
            tos, udp = packet[1], packet[(packet[0] & 15) * 4:]
        elif version == 6 and packet[6] == socket.IPPROTO_UDP:
            tos, udp = (packet[0] << 4 | packet[1] >> 4) & 255, packet[40:]
        else:
            return
        self._packets.append((version, tos, int.from_bytes(udp[:2], "big"),
                              int.from_bytes(udp[2:4], "big"), udp[8:]))

    def packets(self):
        return list(self._packets)

    def close(self):
        self._ending.set()
        self._thread.join()
        self._socket.close()


def initiation(public):
    """An initiation that costs its reader a Diffie-Hellman: nobody's, but with a valid first mac."""
    label = hashlib.blake2s(b"mac1----" + base64.b64decode(public)).digest()
    head = b"\1\0\0\0" + random.Random(3).randbytes(112)
    return head + hashlib.blake2s(head, key=label, digest_size=16).digest() + bytes(16)


class Flood:
    """Initiations to b's port from addresses of 10.66.0.0/16, which live on a, in bursts."""

    BURST = 40  # of one source in one go

    def __init__(self, pair, sources):
        a, b = pair.a.node, pair.b.node
        a.ip("route replace local 10.66.0.0/16 dev lo")
        b.ip(f"route replace 10.66.0.0/16 via {OUTER['a'][4]}")
        self._sockets = [socket_in(a, 4, bind=(f"10.66.{i >> 8}.{i & 255}", 0))
                         for i in range(1, sources + 1)]
        for s in self._sockets:
            s.setsockopt(socket.SOL_UDP, 103, 148)  # UDP_SEGMENT
        self._blob = initiation(pair.b.public) * self.BURST
        self._target = (OUTER["b"][4], PORT)
        self.bursts = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._ending.wait(0.02):
            for i in range(max(32, len(self._sockets))):
                with contextlib.suppress(OSError):
                    self._sockets[i % len(self._sockets)].sendto(self._blob, self._target)
            self.bursts += 1

    def close(self):
        self._ending.set()
        self._thread.join()
        for s in self._sockets:
            s.close()
