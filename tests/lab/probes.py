# SPDX-License-Identifier: MIT
"""Probes between the nodes of a lab: build/tests/lab/probe driven, windows judged."""

import itertools
import json
import subprocess
import time
from dataclasses import dataclass

from lab import LabError, wait_for

PORT = 7000
# What was sent in a window may arrive this much later and still isn't lost.
STRAGGLERS_S = 0.5


def now():
    """Nanoseconds of the clock that the probes go by."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


@dataclass
class Flow:
    """Numbered packets one way."""
    id: int
    source: str
    target: str


@dataclass
class Verdict:
    """The fate of a flow in a window."""
    flow: Flow
    sent: int
    lost: int
    duplicates: int
    gap_ms: float
    stall_ms: float  # the sender's own longest pause: what a gap can't be blamed for


class Probe:
    """The process on one node."""

    def __init__(self, program, node):
        self.node = node
        self._process = node.spawn([program, str(PORT)], log="probe.log", stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        line = " ".join(str(w) for w in words)
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except OSError:
            answer = ""
        if not answer:
            raise LabError(f"the probe on {self.node.name} is gone")
        answer = json.loads(answer)
        if not answer["ok"]:
            raise LabError(f"probe on {self.node.name}: {line}: {answer['error']}")
        return answer

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class Probes:
    """All flows of a lab. First everything is set up, receivers first; start() begins to send."""

    def __init__(self, program):
        self._program = program
        self._probes = {}
        self._ids = itertools.count(1)
        self.flows = []
        self._stream = None

    def add(self, node):
        self._probes[node.name] = Probe(self._program, node)

    def both_ways(self, a, a_address, b, b_address, rate):
        """Flows between two nodes that were added."""
        for source, target, address in ((a, b, b_address), (b, a, a_address)):
            flow = Flow(next(self._ids), source.name, target.name)
            self._probes[target.name].ask("in", flow.id)
            self._probes[source.name].ask("out", flow.id, rate, address, PORT)
            self.flows.append(flow)

    def stream(self, source, target, address, bits):
        """The TCP stream, which needs a path at once: it is connected here."""
        number = next(self._ids)
        self._probes[target.name].ask("stream-in", number, PORT)
        def connected():
            try:
                return self._probes[source.name].ask("stream-out", number, bits, address, PORT)
            except LabError:
                return None
        wait_for(f"a TCP connection from {source.name} to {target.name}", connected, 15)
        self._stream = (number, target.name)

    def start(self):
        for probe in self._probes.values():
            probe.ask("start")

    def stop(self):
        for probe in self._probes.values():
            probe.ask("stop")

    def judge(self, begin, end, flows=None):
        """Verdicts on what was sent in [begin, end); waits for stragglers first."""
        left = (end - now()) / 1e9 + STRAGGLERS_S
        if left > 0:
            time.sleep(left)
        flows = self.flows if flows is None else flows
        sent = {}
        for source in {f.source for f in flows}:
            for entry in self._probes[source].ask("sent", begin, end)["flows"]:
                sent[entry["id"]] = entry
        verdicts = []
        for flow in flows:
            s = sent[flow.id]
            got = self._probes[flow.target].ask(
                "received", flow.id, s["first"], s["end"], begin, end)
            verdicts.append(Verdict(flow, s["end"] - s["first"], got["lost"], got["duplicates"],
                                    got["gap_ms"], s["stall_ms"]))
        return verdicts

    def stream_gap(self, begin, end):
        """(bytes, longest silence in ms) of the stream within a window that is over."""
        number, target = self._stream
        got = self._probes[target].ask("stream", number, begin, end)
        return got["received"], got["gap_ms"]

    def quiet(self, flows=None, seconds=1.0, deadline=20):
        """Waits for a stretch of that length in which nothing was lost and something was sent."""
        since = now()
        def calm():
            begin = max(since, now() - int((seconds + STRAGGLERS_S) * 1e9))
            end = begin + int(seconds * 1e9)
            verdicts = self.judge(begin, end, flows)
            return all(v.sent and not v.lost for v in verdicts)
        wait_for(f"{seconds:g} s without loss", calm, deadline)

    def close(self):
        for probe in self._probes.values():
            probe.close()
