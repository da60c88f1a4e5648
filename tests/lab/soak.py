# SPDX-License-Identifier: MIT
"""Two shunt-wg under load while everything about them changes, and an account of every packet.

The topology is pair.py's. The wire delivers datagrams one by one (gso_max_segs 1), so that whoever drops
one counts one. For each direction it has to be true that

    messages sealed - messages accepted - keepalives  <=  what the devices, the sockets and the
                                                          interfaces say that they dropped

and of the numbered packets inside, which besides may meet a full queue of an interface, likewise.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from lab import LabError, wait_for, where_it_is
from pair import BUILD, INNER, OUTER, OURS, PORT, PROGRAMS, Pair, host_port, key_pair, run
from probes import Probes, now

STREAM_PORT = 7600
ELSEWHERE = {"a": "198.51.100.11", "b": "198.51.100.12"}
STRANGERS = 20
WORKERS = {"a": "0", "b": "2"}  # both ways
SANITIZER_WORDS = re.compile(r"WARNING: ThreadSanitizer|ERROR: \w+Sanitizer|runtime error:")
# Of the devices: why a message that arrived wasn't accepted, and why a packet wasn't sealed.
REFUSED = ("drop_source_not_allowed", "drop_replay", "drop_bad_tag", "drop_no_session", "drop_malformed",
           "drop_unknown_index", "drop_receive_queue")
UNSENT = ("drop_no_peer", "drop_no_endpoint", "drop_no_session", "drop_queue_full", "drop_malformed")


class Streams:
    """A TCP stream each way, as fast as it goes; processes of their own."""

    def __init__(self, pair):
        me = os.path.abspath(__file__)
        self._all = []
        for name, end in pair.ends():
            self._spawn(end.node, [me, "--drain", INNER[name][4]])
        for (_, end), other in zip(pair.ends(), "ba"):
            self._spawn(end.node, [me, "--pour", INNER[other][4]])

    def _spawn(self, node, words):
        self._all.append(node.spawn(["/usr/bin/python3", *words], log="streams.log"))

    def alive(self):
        return all(p.poll() is None for p in self._all)

    def close(self):
        for process in self._all:
            process.terminate()
            process.wait()


def drain(address):
    import socket  # pylint: disable=import-outside-toplevel
    with socket.create_server((address, STREAM_PORT)) as server:
        connection, _ = server.accept()
        into = bytearray(1 << 20)
        while connection.recv_into(into):
            pass


def pour(address):
    import socket  # pylint: disable=import-outside-toplevel
    piece = os.urandom(1 << 20)
    while True:
        with contextlib.suppress(ConnectionRefusedError), \
                socket.create_connection((address, STREAM_PORT)) as s:
            while True:
                s.sendall(piece)
        time.sleep(0.1)


def numbers(node, path):
    """/proc/net/snmp and its likes of a node: {"Udp": {"InErrors": 0, ...}, ...}."""
    lines = node.run(["cat", path]).splitlines()
    found = {}
    for names, values in zip(lines[::2], lines[1::2]):
        kind, _, names = names.partition(":")
        found[kind] = dict(zip(names.split(), map(int, values.partition(":")[2].split())))
    return found


def device_drops(node, device, way):
    text = node.run(["cat", f"/sys/class/net/{device}/statistics/{way}_dropped"])
    return int(text)


class Side:
    """One end: its process, and what can be read about it."""

    def __init__(self, name, end, other):
        self.name, self.end, self.other, self.node = name, end, other, end.node
        self.process, self.heard = None, ""
        self.port = PORT

    def start(self):
        self.process = self.node.spawn([PROGRAMS[OURS], "-f", "wg0"], log="wg0.log",
                                       env={**os.environ, "LOG_LEVEL": "error",
                                            "SHUNT_WG_WORKERS": WORKERS[self.name]})
        self.heard = ""
        try:
            wait_for("the device", lambda: self._answers() or self.process.poll() is not None, 60)
        except LabError as e:
            raise LabError(f"{e}; it said: {self.end.log()}; wg said: {self.heard}; it is at:\n"
                           f"{where_it_is(self.process.pid)}") from None
        if self.process.poll() is not None:
            raise LabError(f"{PROGRAMS[OURS]}: {self.end.log()}")
        self.end.identify()
        self.node.ip("link set eth0 gso_max_segs 1")
        self.node.sysctl("net/ipv4/conf/eth0/promote_secondaries", 1)
        self.node.nft(f"""
            table netdev soak {{
                counter keepalives {{ }}
                chain in {{
                    type filter hook ingress device eth0 priority 0;
                    udp sport {PORT}-{PORT + 1} udp length 40 counter name keepalives
                }}
            }}""")

    def _answers(self):
        try:
            return self.end.node.run(["wg", "show", "wg0", "fwmark"])
        except LabError as e:
            self.heard = str(e)
        return None

    def counted(self):
        """Everything that is counted anywhere on this side, now."""
        snmp, snmp6 = numbers(self.node, "/proc/net/snmp"), {}
        for line in self.node.run(["cat", "/proc/net/snmp6"]).splitlines():
            key, value = line.split()
            snmp6[key] = int(value)
        text = self.node.run(["nft", "list", "counter", "netdev", "soak", "keepalives"])
        return {
            **self.end.stats(),
            "keepalives": int(re.search(r"packets (\d+)", text).group(1)),
            "socket_errors": snmp["Udp"]["InErrors"] + snmp6["Udp6InErrors"],
            "no_socket": snmp["Udp"]["NoPorts"] + snmp6["Udp6NoPorts"],
            "not_here": snmp["Ip"]["InAddrErrors"],
            "ip_discards": snmp["Ip"]["InDiscards"] + snmp["Ip"]["OutDiscards"] +
            snmp["Ip"]["OutNoRoutes"],
            "tun_full": device_drops(self.node, "wg0", "tx"),
            "tun_refused": device_drops(self.node, "wg0", "rx"),
            "wire_out": device_drops(self.node, "eth0", "tx"),
            "wire_in": device_drops(self.node, "eth0", "rx"),
        }

    def footprint(self):
        """(resident KiB, file descriptors, threads)"""
        proc = pathlib.Path(f"/proc/{self.process.pid}")
        status = (proc / "status").read_text(encoding="ascii")
        return (int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), len(os.listdir(proc / "fd")),
                int(re.search(r"Threads:\s+(\d+)", status).group(1)))


class Soak:
    """Made in a lab, run() once, report() after it; problems() tells what must not be."""

    def __init__(self, lab, rate=500, say=lambda line: None):
        self.pair = Pair(lab, OURS, OURS)
        self.a = Side("a", self.pair.a, self.pair.b)
        self.b = Side("b", self.pair.b, self.pair.a)
        self.sides = (self.a, self.b)
        self.say = say
        self.rate = rate
        self.strangers = [key_pair()[1] for _ in range(STRANGERS)]
        self.psk_file = self.pair.a.node.path("psk")
        self.changes = {}
        self.handshakes = set()
        self.moved_ends = []
        self.footprints, self.before, self.after = {}, {}, {}
        self.verdicts, self.status, self.broken = [], {}, []

    # What changes.

    def roam(self):
        """A side's address goes, another is there."""
        for side in self.sides[self.changes.get("roam", 0) // 2 % 2:][:1]:
            here, there = OUTER[side.name][4], ELSEWHERE[side.name]
            if f"{here}/" not in side.node.ip("-4 address show dev eth0"):
                here, there = there, here
            side.node.address(f"{there}/24", "eth0")
            side.node.ip(f"address del {here}/24 dev eth0")
            wait_for("the other side follows", lambda: side.other.peer(side.end)["endpoint"] ==
                     host_port(there, side.port), 20)

    def port(self):
        for side in self.sides[self.changes.get("port", 0) % 2:][:1]:
            side.port = PORT + 1 if side.port == PORT else PORT
            side.end.set("listen-port", side.port)

    def mark(self):
        for side in self.sides:
            side.end.set("fwmark", self.changes.get("mark", 0) % 3)

    def psk(self):
        pathlib.Path(self.psk_file).write_text(run(["wg", "genpsk"]), encoding="ascii")
        for side in self.sides:
            side.end.set("peer", side.other.public, "preshared-key", self.psk_file)

    def strangers_come_and_go(self):
        for side in self.sides:
            words = []
            for i, key in enumerate(self.strangers):
                words += ["peer", key, "allowed-ips", f"10.9.{i}.0/24,10.9.0.{i + 100}/32,fd09::{i}00/120"]
            side.end.set(*words)
            side.end.set(*(w for key in self.strangers for w in ("peer", key, "remove")))

    def allowed(self):
        """The other's address goes to a stranger, for a moment, and comes back."""
        for side in self.sides:
            mine = "b" if side is self.a else "a"
            side.end.set("peer", self.strangers[0], "allowed-ips", f"{INNER[mine][4]},10.9.0.0/16")
            side.end.set("peer", side.other.public, "allowed-ips", f"{INNER[mine][4]},{INNER[mine][6]}",
                         "peer", self.strangers[0], "remove")

    CHANGES = (roam, strangers_come_and_go, port, allowed, mark, psk)

    # How it goes.

    def _begin(self):
        for side in self.sides:
            side.start()
        self.pair.meet()
        for name, end in self.pair.ends():
            end.up()
            end.node.address(f"{INNER[name][4]}/24", "wg0")
            end.node.address(f"{INNER[name][6]}/64", "wg0")
        self.pair.talk()
        # From now on both know the other's place, so that either may move.
        self.pair.b.set("peer", self.pair.a.public, "endpoint", host_port(OUTER["a"][4]))

    def run(self, seconds, settled_after, pause=0.5):
        """At full load for so long; its footprint is first taken after settled_after seconds."""
        self._begin()
        self.before = {s.name: s.counted() for s in self.sides}
        probes = Probes(str(BUILD / "tests/lab/probe"))
        for side in self.sides:
            probes.add(side.node)
        probes.both_ways(self.a.node, INNER["a"][4], self.b.node, INNER["b"][4], self.rate)
        probes.start()
        begin, streams = now(), Streams(self.pair)
        try:
            self._drive(time.monotonic(), seconds, settled_after, pause)
            if not streams.alive():
                self.broken.append("a TCP stream broke")
        finally:
            streams.close()
        self._end(probes, begin)

    def _drive(self, start, seconds, settled_after, pause):
        turn = 0
        while (passed := time.monotonic() - start) < seconds:
            if not self.footprints and passed >= settled_after:
                self.footprints = {s.name: [s.footprint()] for s in self.sides}
            change = self.CHANGES[turn % len(self.CHANGES)]
            turn += 1
            try:
                change(self)
            except LabError as e:
                self.broken.append(f"{change.__name__}: {e}")
            self.changes[change.__name__] = self.changes.get(change.__name__, 0) + 1
            for side in self.sides:
                self.handshakes.add((side.name, side.end.peer(side.other)["handshake"]))
                if side.process.poll() is not None:
                    raise LabError(f"{side.name} ended: {side.end.log()[-3000:]}")
            time.sleep(pause)
            if turn % 60 == 0:
                self.say(f"{passed:.0f} s, {sum(self.changes.values())} changes")

    def _end(self, probes, begin):
        probes.stop()
        self.verdicts = probes.judge(begin, now())

        def still():
            one = [s.end.stats()["tx_packets"] for s in self.sides]
            time.sleep(0.3)
            return one == [s.end.stats()["tx_packets"] for s in self.sides]

        wait_for("nothing on its way", still, 30)
        self.after = {s.name: s.counted() for s in self.sides}
        for side in self.sides:
            self.footprints.setdefault(side.name, []).append(side.footprint())
        probes.close()
        for side in self.sides:
            side.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.status[side.name] = side.process.wait(timeout=20)

    # What came of it.

    def account(self, source, target):
        """Of one direction: what was lost, and what is known to have been."""
        s = {k: n - self.before[source][k] for k, n in self.after[source].items()}
        t = {k: n - self.before[target][k] for k, n in self.after[target].items()}
        reasons = {k: t[k] for k in REFUSED}
        reasons |= {f"{k} of its host": t[k] for k in (
            "socket_errors", "no_socket", "not_here", "wire_in")}
        reasons |= {"drop_send_error of the source": s["drop_send_error"], "wire_out": s["wire_out"]}
        inner = {f"{k} of the source": s[k] for k in (*UNSENT, "tun_full", "ip_discards")}
        inner |= {k: t[k] for k in ("tun_refused", "drop_tun_write")}
        return {"sent": s["tx_packets"], "received": t["rx_packets"], "keepalives": t["keepalives"],
                "missing": s["tx_packets"] - t["rx_packets"] - t["keepalives"],
                "counted": sum(reasons.values()), "inner_counted": sum(inner.values()),
                "reasons": {k: n for k, n in (reasons | inner).items() if n}}

    def report(self):
        n = len({h for name, h in self.handshakes if name == "a"})
        probes = {v.flow.source.split("-")[-1]: {"sent": v.sent, "lost": v.lost, "duplicates": v.duplicates,
                                  "gap_ms": v.gap_ms} for v in self.verdicts}
        return {"handshakes": n, "changes": self.changes,
                "accounts": {"a to b": self.account("a", "b"), "b to a": self.account("b", "a")},
                "probes": probes, "broken": self.broken, "exit": self.status,
                "rss_kib_fds_threads": self.footprints}

    def problems(self, memory_kib=None):
        """In words. memory_kib: by how much a process may have grown; None: isn't looked at."""
        found = list(self.broken)
        for (source, target), verdict in zip((("a", "b"), ("b", "a")), self.verdicts):
            account = self.account(source, target)
            if account["missing"] > account["counted"]:
                found.append(f"{source} to {target}: {account['missing']} messages are missing, "
                             f"{account['counted']} are accounted for")
            if verdict.lost > account["counted"] + account["inner_counted"]:
                found.append(f"{source} to {target}: {verdict.lost} numbered packets are lost, "
                             f"{account['counted'] + account['inner_counted']} are accounted for")
            if verdict.duplicates or not verdict.sent or verdict.lost == verdict.sent:
                found.append(f"{source} to {target}: {verdict}")
        for side in self.sides:
            first, last = self.footprints[side.name][0], self.footprints[side.name][-1]
            if first[1:] != last[1:]:
                found.append(f"{side.name}: descriptors and threads were {first[1:]}, are {last[1:]}")
            if memory_kib is not None and last[0] > first[0] + memory_kib:
                found.append(f"{side.name}: {first[0]} KiB grew to {last[0]}")
            if self.status.get(side.name) != 0:
                found.append(f"{side.name}: exit status {self.status.get(side.name)}")
            if SANITIZER_WORDS.search(side.end.log()):
                found.append(f"{side.name}: {side.end.log()[-6000:]}")
        return found


if __name__ == "__main__":
    {"--drain": drain, "--pour": pour}[sys.argv[1]](sys.argv[2])
