# SPDX-License-Identifier: MIT
"""Two namespaces, joined by a veth, and the two ends of one implementation in them.

    a: eth0 192.0.2.1 ---- veth ---- b: eth0 192.0.2.2
    a: wg0 10.99.0.1  ---- tunnel -- b: wg0 10.99.0.2

The namespaces stay for the whole run, the tunnels come and go. With the veth "segmented", it takes
no more than one segment at a time (gso_max_segs 1), so that datagrams arrive one by one as from a
real network card: a veth as it is hands superpackets over whole, which flatters whoever uses UDP GSO.
"""
import contextlib
import json
import os
import signal
import subprocess

from lab import NETNS, LabError, process_start, run, wait_for

MTU = 1420
PORT = 51820
OUTER = {"a": "192.0.2.1", "b": "192.0.2.2"}
INNER = {"a": "10.99.0.1", "b": "10.99.0.2"}
SOCKET = "/run/wireguard/wg0.sock"
AS_IS, SEGMENTED = "as is", "gso_max_segs 1"
ENVIRONMENT = {"WG_SUDO": "true"}  # without it boringtun looks for whoever called sudo


class Wire:
    """Both namespaces and what joins them."""

    def __init__(self, lab):
        self.nodes = {name: lab.namespace(name) for name in "ab"}
        lab.wire(self.nodes["a"], "eth0", self.nodes["b"], "eth0")
        for name, node in self.nodes.items():
            node.address(OUTER[name] + "/24", "eth0")
        link = json.loads(self.nodes["a"].ip("-d -j link show eth0"))[0]
        self.segments = {AS_IS: link["gso_max_segs"], SEGMENTED: 1}

    def set(self, kind):
        for node in self.nodes.values():
            node.ip(f"link set dev eth0 gso_max_segs {self.segments[kind]}")


def cpu_seconds(pid):
    """Of a process and all its threads since it began."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise LabError(f"process {pid} has no memory")


KERNEL_THREAD = 0x00200000  # PF_KTHREAD


def strangers_cpu(namespaces):
    """CPU seconds so far of all processes, with the children they reaped, but those in these
    namespaces, ourselves and the kernel's threads: what else the machine is busy with."""
    ours = {os.stat(os.path.join(NETNS, name)).st_ino for name in namespaces}
    ticks = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError, IndexError):
            if os.stat(f"/proc/{entry}/ns/net").st_ino in ours:
                continue
            with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            if not int(fields[6]) & KERNEL_THREAD:
                ticks += sum(int(n) for n in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class End:
    """One process of an implementation, in one namespace, with a key and an address."""

    def __init__(self, implementation, node):
        self.implementation = implementation
        self.node = node
        self.private_key = run(["wg", "genkey"]).strip()
        self.public_key = run(["wg", "pubkey"], input=self.private_key).strip()
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    @property
    def socket_path(self):
        """As this process sees it: the folder behind the node's /run/wireguard."""
        return os.path.join(self.node.folder, "wireguard", "wg0.sock")

    def command(self):
        return [*self.implementation.command, "wg0"]

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket_path)
        self.process = self.node.spawn(self.command(), log="wg0.log",
                                       env={**os.environ, **ENVIRONMENT,
                                            **self.implementation.environment})
        wait_for(f"{self.implementation.name}: its socket", self._is_there, 10, every=0.01)
        self.configure(f"[Interface]\nPrivateKey = {self.private_key}\nListenPort = {PORT}\n")
        self.node.ip(f"link set wg0 mtu {MTU} up")
        if self.node.name in INNER:
            self.node.address(f"{INNER[self.node.name]}/24", "wg0")

    def _is_there(self):
        if self.process.poll() is not None:
            raise LabError(f"{self.implementation.name} ended with {self.process.returncode}: "
                           f"{self.last_words()}")
        return os.path.exists(self.socket_path) and self.node.has_interface("wg0")

    def last_words(self):
        with open(self.node.path("wg0.log"), encoding="utf-8", errors="replace") as log:
            return (log.read().strip().splitlines() or ["no word"])[-1]

    def configure(self, text, verb="setconf"):
        path = self.node.path("wg0.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        self.node.run(["wg", verb, "wg0", path], timeout=60)

    def stop(self):
        """By pid, kindly and then surely; what doesn't come back from its end is reported so."""
        if self.process is None:
            return
        for number, seconds in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(seconds)
        wait_for("the interface's end", lambda: not self.node.has_interface("wg0"), 5)


class Pair:
    """Both ends, shaken hands with; or the bare wire. A context manager."""

    def __init__(self, implementation, wire):
        self.implementation = implementation
        self.nodes = wire.nodes
        self.ends = []
        if implementation.command:
            self.ends = [End(implementation, node) for node in wire.nodes.values()]
        self.address = (INNER if self.ends else OUTER)["b"]

    def __enter__(self):
        try:
            for end in self.ends:
                end.start()
            if self.ends:
                self._introduce(*self.ends)
            self._shake_hands()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for end in self.ends:
            end.stop()

    @staticmethod
    def _introduce(a, b):
        for one, other in ((a, b), (b, a)):
            name = other.node.name
            one.configure(f"[Peer]\nPublicKey = {other.public_key}\nAllowedIPs = {INNER[name]}/32\n"
                          f"Endpoint = {OUTER[name]}:{PORT}\n", verb="addconf")

    def _shake_hands(self):
        ping = self.nodes["a"].inside(["ping", "-q", "-c", "1", "-W", "1", self.address])
        wait_for(f"{self.implementation.name}: a ping through the tunnel",
                 lambda: subprocess.run(ping, stdout=subprocess.DEVNULL, check=False).returncode == 0,
                 15)

    def cpu(self):
        """CPU seconds of both ends so far."""
        return sum(cpu_seconds(end.pid) for end in self.ends)

    def check(self):
        """LabError if an end is gone."""
        for end in self.ends:
            if process_start(end.pid) is None:
                raise LabError(f"{self.implementation.name} ended: {end.last_words()}")
