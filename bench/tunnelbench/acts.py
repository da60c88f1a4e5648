# SPDX-License-Identifier: MIT
"""What is measured. An act takes a pair (or one end) and returns its figures as a dictionary.

PAIR_ACTS run over a tunnel between both namespaces, each with the veth as it is and segmented;
END_ACTS are about one process alone. An act that can't be done raises; the caller writes that down.
"""
import contextlib
import json
import math
import os
import signal
import statistics
import subprocess
import time

from lab import LabError, run, wait_for

from . import pair as pairs

IPERF_PORT = 5201
UDP_PORT = 7777
TCP_LISTEN = "0A"  # in /proc/net/tcp6
HANDSHAKE_WINDOW = 64
SETTLE_S = 1.0


def machine_cpu():
    """Seconds that all cores were busy since boot."""
    with open("/proc/stat", encoding="ascii") as stat:
        ticks = [int(n) for n in stat.readline().split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq = ticks[:7]
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def finish(process, seconds):
    """The output of a process that should end by itself within that time."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as e:
        process.kill()
        process.wait()
        raise LabError(f"{process.args[-1]}: not done within {seconds:g} s") from e
    return process.returncode, out, err


# --- TCP -------------------------------------------------------------------------------------------


def listens(pid, port):
    with open(f"/proc/{pid}/net/tcp6", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return any(row[1].endswith(f":{port:04X}") and row[3] == TCP_LISTEN for row in rows)


class Streams:
    """TCP streams from a to b, each of an iperf3 process of its own (iperf3 has one thread)."""

    def __init__(self, pair, count, seconds, omit):
        self.pair = pair
        self.limit = seconds + omit + 15
        self.servers, self.clients = [], []
        ports = range(IPERF_PORT, IPERF_PORT + count)
        self.clients_argv = [["iperf3", "-c", pair.address, "-p", str(p), "-t", str(seconds),
                              "-O", str(omit), "-J", "--connect-timeout", "3000"] for p in ports]
        self.servers_argv = [["iperf3", "-s", "-1", "-p", str(p)] for p in ports]

    def __enter__(self):
        a, b = self.pair.nodes["a"], self.pair.nodes["b"]
        try:
            self.servers = [b.spawn(argv, stdout=subprocess.DEVNULL) for argv in self.servers_argv]
            wait_for("iperf3's servers", self._all_listen, 5, every=0.01)
            self.clients = [a.spawn(argv, stdout=subprocess.PIPE, text=True)
                            for argv in self.clients_argv]
        except BaseException:
            self.__exit__()
            raise
        return self

    def _all_listen(self):
        return all(listens(s.pid, IPERF_PORT + i) for i, s in enumerate(self.servers))

    def __exit__(self, *_):
        for process in [*self.clients, *self.servers]:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()

    def results(self):
        """(Gbit/s received, Gbit sent in all, omitted time included, segments sent again)"""
        rate = sent = again = 0
        for client in self.clients:
            _, out, _ = finish(client, self.limit)
            said = json.loads(out or "{}")
            if "error" in said or "end" not in said:
                raise LabError(f"iperf3: {said.get('error', 'no result')}")
            rate += said["end"]["sum_received"]["bits_per_second"] / 1e9
            sent += sum(i["sum"]["bytes"] for i in said["intervals"]) * 8 / 1e9
            again += said["end"]["sum_sent"].get("retransmits", 0)
        return rate, sent, again


def tcp(pair, count, options):
    own, whole = pair.cpu(), machine_cpu()
    with Streams(pair, count, options.tcp_seconds, 1) as streams:
        rate, sent, again = streams.results()
    own, whole = pair.cpu() - own, machine_cpu() - whole
    figures = {"gbit_s": rate, "machine_cpu_s_per_gbit": whole / sent, "retransmits": again}
    if pair.ends:
        figures["cpu_s_per_gbit"] = own / sent
        figures["resident_bytes"] = max(pairs.resident_bytes(end.pid) for end in pair.ends)
    return figures


def tcp_one(pair, options):
    return tcp(pair, 1, options)


def tcp_eight(pair, options):
    return tcp(pair, 8, options)


# --- UDP -------------------------------------------------------------------------------------------


def offer(pair, tool, size, rate, seconds):
    """One step: what was sent and received, in packets per second, within the sender's time."""
    receiver = pair.nodes["b"].spawn([tool, "receive", str(UDP_PORT)], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, text=True)
    try:
        if receiver.stdout.readline() != "ready\n":
            raise LabError("the UDP receiver didn't start")
        sender = pair.nodes["a"].spawn(
            [tool, "send", pair.address, str(UDP_PORT), str(size), str(rate), str(seconds)],
            stdout=subprocess.PIPE, text=True)
        _, out, _ = finish(sender, seconds + 10)
        time.sleep(0.3)  # what is still in queues is counted, but not as rate
        _, told, _ = finish(receiver, 10)
    finally:
        if receiver.poll() is None:
            receiver.kill()
        receiver.wait()
    sent, got = json.loads(out), json.loads(told)
    lead = seconds * 0.2
    first = round((sent["start_ns"] + lead * 1e9 - got["base_ns"]) / got["bin_ns"])
    last = round((sent["end_ns"] - got["base_ns"]) / got["bin_ns"])
    window = (last - first) * got["bin_ns"] / 1e9
    whole = (sent["end_ns"] - sent["start_ns"]) / 1e9
    return {"offered": rate, "sent": sent["sent"] / whole,
            "received": sum(got["bins"][first:last]) / window,
            "lost": 1 - got["received"] / sent["sent"], "copies": got["copies"],
            "late": got["late"]}


def udp(pair, size, options):
    """Rates in steps; beyond two steps without a new best only less comes."""
    steps, best, worse = [], 0, 0
    for rate in options.udp_rates:
        step = offer(pair, str(options.tools / "bench" / "bench_udp"), size, rate,
                     options.udp_seconds)
        steps.append(step)
        pair.check()
        worse = 0 if step["received"] > best else worse + 1
        best = max(best, step["received"])
        if worse == 2:
            break
    return {"packets_s": best, "steps": steps}


def udp_small(pair, options):
    return udp(pair, 64, options)


def udp_large(pair, options):
    # Packets of 1,400 bytes; a payload of as many would be sent in fragments.
    return udp(pair, 1400 - 28, options)


# --- one direction's sealing alone -----------------------------------------------------------------

SEALED_SIZE, SEALED_SEGMENTS = 1372, 44  # of UDP in packets of 1,400 bytes, 60 KB at once
DROPPED = """
    table netdev bench {
        chain in { type filter hook ingress device eth0 priority 0; udp length > 600 drop; }
    }"""


def sealed_bytes(end):
    return sum(int(line.split()[2]) for line in
               end.node.run(["wg", "show", "wg0", "transfer"]).splitlines())


def seal_at(pair, tool, rate, seconds):
    """One step: Gbit/s that a's end puts on the wire, and its CPU, while it is offered rate."""
    end = pair.ends[0]
    messages = rate * 1e9 / 8 / (SEALED_SIZE * SEALED_SEGMENTS)
    sender = pair.nodes["a"].spawn(
        [tool, "send", pair.address, str(UDP_PORT), str(SEALED_SIZE), f"{messages:.1f}",
         str(seconds * 2 + 0.5), str(SEALED_SEGMENTS)], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(seconds)  # whoever adapts to the load has adapted
        cpu, done, began = pairs.cpu_seconds(end.pid), sealed_bytes(end), time.monotonic()
        time.sleep(seconds)
        done, passed = sealed_bytes(end) - done, time.monotonic() - began
        cpu = pairs.cpu_seconds(end.pid) - cpu
        finish(sender, seconds + 10)
    finally:
        if sender.poll() is None:
            sender.kill()
        sender.wait()
    return {"offered": rate, "gbit_s": done * 8e-9 / passed, "cpu_s_per_gbit": cpu / (done * 8e-9)}


def seal(pair, options):
    """Superpackets of UDP into a's end, whose datagrams are dropped where they arrive: one direction
    of one end is busy, and the machine has a core to spare."""
    tool = str(options.tools / "bench" / "bench_udp")
    steps, best, worse = [], {"gbit_s": 0}, 0
    pair.nodes["b"].nft(DROPPED)
    try:
        for rate in options.seal_rates:
            steps.append(seal_at(pair, tool, rate, options.seal_seconds))
            pair.check()
            worse = 0 if steps[-1]["gbit_s"] > best["gbit_s"] else worse + 1
            best = max(best, steps[-1], key=lambda step: step["gbit_s"])
            if worse == 2:
                break
    finally:
        pair.nodes["b"].run(["nft", "delete table netdev bench"])
    return {"gbit_s": best["gbit_s"], "cpu_s_per_gbit": best["cpu_s_per_gbit"], "steps": steps}


# --- ping under load -------------------------------------------------------------------------------


def ping(pair, options):
    seconds = options.pings / 100
    with Streams(pair, 1, math.ceil(seconds) + 2, 1) as streams:
        time.sleep(1.5)
        text = pair.nodes["a"].run(
            ["ping", "-n", "-i", "0.01", "-c", str(options.pings), "-W", "1", pair.address],
            timeout=seconds * 20 + 10)
        rate, _, _ = streams.results()
    times = sorted(float(line.partition(" time=")[2].split()[0])
                   for line in text.splitlines() if " time=" in line)
    if not times:
        raise LabError("no ping was answered under load")
    return {"median_ms": statistics.median(times), "p99_ms": times[math.ceil(0.99 * len(times)) - 1],
            "lost": 1 - len(times) / options.pings, "gbit_s": rate}


# --- one end alone ---------------------------------------------------------------------------------


@contextlib.contextmanager
def one_end(implementation, node):
    end = pairs.End(implementation, node)
    try:
        end.start()
        yield end
    finally:
        end.stop()


def many_peers(options):
    tool = options.tools / "bench" / "bench_handshakes"
    return run([str(tool), "peers", str(options.peers), pairs.OUTER["a"]])


def interface(end):
    return f"[Interface]\nPrivateKey = {end.private_key}\nListenPort = {pairs.PORT}\n"


def expect_peers(end, count):
    """A fast answer that isn't true is worth nothing."""
    there = len(end.node.run(["wg", "show", "wg0", "peers"], timeout=60).splitlines())
    if there != count:
        raise LabError(f"{there} peers are configured, not {count}")


def memory(implementation, nodes, options):
    """Resident with one peer and with many, and how long configuring them takes."""
    peers = many_peers(options)
    first = "[Peer]" + peers.split("[Peer]")[1]
    with one_end(implementation, nodes["b"]) as end:
        end.configure(interface(end) + first)
        time.sleep(SETTLE_S)
        with_one = pairs.resident_bytes(end.pid)
        before, began = pairs.cpu_seconds(end.pid), time.monotonic()
        end.configure(interface(end) + peers)
        seconds = time.monotonic() - began
        time.sleep(SETTLE_S)
        with_many = pairs.resident_bytes(end.pid)
        cpu = pairs.cpu_seconds(end.pid) - before
        expect_peers(end, options.peers)
    return {"one_peer_bytes": with_one, "many_peers_bytes": with_many,
            "bytes_per_peer": (with_many - with_one) / (options.peers - 1),
            "setconf_s": seconds, "setconf_cpu_s": cpu}


def handshakes(implementation, nodes, options):
    tool = str(options.tools / "bench" / "bench_handshakes")
    with one_end(implementation, nodes["b"]) as end:
        end.configure(interface(end) + many_peers(options))
        time.sleep(SETTLE_S)
        before = pairs.cpu_seconds(end.pid)
        told = json.loads(nodes["a"].run(
            [tool, "run", str(options.peers), str(HANDSHAKE_WINDOW), pairs.OUTER["b"],
             str(pairs.PORT), end.public_key], timeout=120))
        cpu = pairs.cpu_seconds(end.pid) - before
        with_sessions = pairs.resident_bytes(end.pid)
    return {"per_second": told["per_second"], "responses": told["responses"], "lost": told["lost"],
            "cookies": told["cookies"], "cpu_ms_each": cpu * 1000 / told["responses"],
            "sessions_bytes": with_sessions}


def start(implementation, nodes, options):
    """From the start of the process to the first connection to its socket; the median of a few."""
    end = pairs.End(implementation, nodes["b"])
    seconds = []
    for _ in range(options.starts):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(end.socket_path)
        text = end.node.run([str(options.tools / "bench" / "bench_accepts"), pairs.SOCKET,
                             *end.command()], env={**os.environ, **pairs.ENVIRONMENT}, timeout=30)
        seconds.append(float(text))
        wait_for("the interface's end", lambda: not end.node.has_interface("wg0"), 5)
    return {"seconds": statistics.median(seconds)}


PAIR_ACTS = {"tcp1": tcp_one, "tcp8": tcp_eight, "udp64": udp_small, "udp1400": udp_large,
             "ping": ping, "seal": seal}
END_ACTS = {"start": start, "memory": memory, "handshakes": handshakes}
