# SPDX-License-Identifier: MIT
"""Routing engines as programs on the nodes of a lab: BIRD, and FRR's zebra and bgpd.

Each node has a /run/bird and a /run/frr of its own (Node.bind), so that an engine stands where the distribution
would put it and whoever asks it finds it there: shuntd, birdc, vtysh. A configuration is a text: a rendered file or
one that a test wrote. What an engine says goes to the node's file bird.log or frr.log. They die with their
namespace, whatever becomes of us.
"""

import concurrent.futures
import contextlib
import json
import os
import re
import shlex
import shutil
import socket

from lab import LabError, run, wait_for

FRR = "/usr/lib/frr"
START = 20  # seconds that an engine may take until it can be asked
# As the distribution's file of daemons has them, and what a restart without loss wants.
DAEMONS = "zebra_options=\"-A 127.0.0.1 -s 90000000 -K 30\"\nbgpd_options=\"-A 127.0.0.1\"\n"


def has_engine(kind):
    """Whether BIRD or FRR is installed."""
    return bool(shutil.which("bird", path="/usr/sbin:/usr/bin") if kind == "bird"
                else os.path.exists(os.path.join(FRR, "bgpd")))


def rendered(shunt, inventory, name, out):
    """{"bird", "shunt-bird", "frr", "shunt-frr" or "daemons": text} of what `shunt render` writes for the node's engine."""
    run([shunt, "render", inventory, "-o", out, "--node", name])
    files = {}
    for folder, _, names in os.walk(out):
        for file in names:
            found = re.search(r"(?:^|\.)(shunt-bird|shunt-frr|bird|frr|(?:frr-)?daemons)(?:\.conf)?$", file)
            if found and name in (os.path.basename(folder), file[:len(name)]):
                with open(os.path.join(folder, file), encoding="utf-8") as f:
                    files[found.group(1).replace("frr-daemons", "daemons")] = f.read()
    return files


def rendered_engine(kind, node, shunt, inventory, out):
    """The engine of that kind on a node, by rendered files; not started."""
    files = rendered(shunt, inventory, node.name, out)
    if kind not in files:
        raise LabError(f"shunt render wrote no configuration of {kind} for {node.name}")
    return ENGINES[kind](node, files[kind], files.get("daemons"))


def _exchange(path, request, is_whole):
    """What comes back over a Unix socket until is_whole(answer); OSError if nothing does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(path)
        s.sendall(request)
        answer = b""
        while not is_whole(answer):
            piece = s.recv(65536)
            if not piece:
                raise OSError(f"{path} hung up after {answer[-200:]!r}")
            answer += piece
    return answer.decode("utf-8", "replace")


class Bird:
    """BIRD on a node."""

    kind = "bird"
    log = "bird.log"

    def __init__(self, node, text, _=None):
        self.node = node
        self.folder = node.bind("/run/bird")
        self.process = None
        self.write(text)

    def write(self, text, _=None):
        with open(os.path.join(self.folder, "bird.conf"), "w", encoding="utf-8") as f:
            f.write(text + "log stderr all;\n")

    def start(self, recover=False):
        """recover: with graceful restart of its own (-R), as after a crash. Returns when it can be asked."""
        self.process = self.node.spawn(
            ["/usr/sbin/bird", "-f", "-c", "/run/bird/bird.conf", "-s", "/run/bird/bird.ctl",
             "-P", "/run/bird/bird.pid", *(["-R"] if recover else [])], log=self.log)
        self.wait_answers()
        return self

    def wait_answers(self):
        def answers():
            if not self.alive():
                raise LabError(f"bird on {self.node.name} ended: {last_words(self)}")
            with contextlib.suppress(OSError):
                return self.ask("show status")
        return wait_for(f"bird on {self.node.name} answers", answers, START)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def ask(self, command):
        """The answer's lines; LabError if it refuses, OSError if it can't be asked."""
        text = _exchange(os.path.join(self.folder, "bird.ctl"), command.encode() + b"\n",
                         lambda a: len(re.findall(rb"^\d{4} ", a, re.M)) >= 2 and a.endswith(b"\n"))
        greeting, *lines = text.splitlines()
        assert greeting.startswith("0001 "), greeting
        if re.match(r"[89]\d{3} ", lines[-1]):
            raise LabError(f"bird on {self.node.name}: {command}: {lines[-1]}")
        return [re.sub(r"^(\d{4}[- ]| )", "", line) for line in lines]

    def reconfigure(self, text):
        self.write(text)
        self.ask("configure")

    def sessions(self):
        """{name: whether it stands} of BGP; what only waits for callers is none."""
        found = {}
        for line in self.ask("show protocols"):
            words = line.split()
            if len(words) > 3 and words[1] == "BGP" and "Passive" not in words[4:]:
                found[words[0]] = words[-1] == "Established"
        return found

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()

    def pids(self):
        return [self.process.pid]


class Frr:
    """zebra and bgpd on a node, configured by vtysh as the distribution's watchfrr does."""

    kind = "frr"
    log = "frr.log"

    def __init__(self, node, text, daemons=None):
        self.node = node
        self.folder = node.bind("/run/frr", "frr")
        self.processes = {}
        self.write(text, daemons)

    def write(self, text, daemons=None):
        self.options = dict(re.findall(r'^(\w+)_options="?\s*([^"\n]*)', daemons or DAEMONS, re.M))
        for name, words in (("frr.conf", text), ("vtysh.conf", "service integrated-vtysh-config\n"), ("empty.conf", "")):
            path = os.path.join(self.folder, name)
            with open(path, "w", encoding="utf-8") as f:
                f.write(words)
            shutil.chown(path, "frr", "frr")

    def start(self, recover=False):
        """Returns when all is configured. recover plays no part: FRR always starts alike."""
        for name in ("zebra", "bgpd"):
            self._spawn(name)
            self._wait_answers(name)
        self._configure()
        return self

    def _spawn(self, name):
        for left in (f"{name}.vty", f"{name}.pid"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.folder, left))
        self.processes[name] = self.node.spawn(
            [os.path.join(FRR, name), "-f", "/run/frr/empty.conf", "--log", "stdout",
             *shlex.split(self.options.get(name, ""))], log=self.log)

    def _wait_answers(self, name):
        def answers():
            if self.processes[name].poll() is not None:
                raise LabError(f"{name} on {self.node.name} ended: {last_words(self)}")
            with contextlib.suppress(OSError):
                return self.ask("show version", name)
        return wait_for(f"{name} on {self.node.name} answers", answers, START)

    def _configure(self):
        said = self.node.run(["vtysh", "--vty_socket", "/run/frr", "--config_dir", "/run/frr", "-b"])
        wrong = [line for line in said.splitlines() if re.search(r"% |rror|nknown", line)]
        if wrong:
            raise LabError(f"vtysh -b on {self.node.name}: {wrong}")

    def alive(self):
        return bool(self.processes) and all(p.poll() is None for p in self.processes.values())

    def ask(self, command, daemon="bgpd"):
        """What the daemon says; OSError if it can't be asked, LabError if it refuses."""
        text = _exchange(os.path.join(self.folder, f"{daemon}.vty"), command.encode() + b"\0",
                         lambda a: len(a) >= 4 and a[-4:-1] == b"\0\0\0")
        if text[-1] not in "\0":
            raise LabError(f"{daemon} on {self.node.name}: {command}: {text[:-4].strip()}")
        return text[:-4]

    def reconfigure(self, text):
        """Adds what the text says; takes nothing away."""
        self.write(text)
        self._configure()

    def sessions(self):
        """{address: whether it stands} of BGP."""
        found = {}
        for family in json.loads(self.ask("show bgp summary json") or "{}").values():
            for name, peer in family.get("peers", {}).items():
                found[name] = found.get(name) or peer.get("state") == "Established"
        return found

    def signal(self, number):
        for process in self.processes.values():
            process.send_signal(number)

    def kill(self):
        """As a crash would, of both."""
        for process in reversed(self.processes.values()):
            process.kill()
        for process in self.processes.values():
            process.wait()

    def pids(self):
        return [p.pid for p in self.processes.values()]


ENGINES = {"bird": Bird, "frr": Frr}


def last_words(engine, lines=10):
    with contextlib.suppress(OSError):
        with open(engine.node.path(engine.log), encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:]).rstrip()
    return ""


def start_engines(engines):
    """All at once: mostly they wait."""
    with concurrent.futures.ThreadPoolExecutor(len(engines) or 1) as pool:
        for started in [pool.submit(e.start) for e in engines]:
            started.result()


def wait_established(engine, seconds, n=None):
    """Until so many sessions of BGP stand, or all that there are, one at least."""
    seen = {}

    def stand():
        with contextlib.suppress(OSError):
            seen.clear()
            seen.update(engine.sessions())
            return sum(seen.values()) >= n if n else seen and all(seen.values())
    try:
        wait_for(f"{n or 'all'} sessions of {engine.kind} on {engine.node.name}", stand, seconds, every=0.1)
    except LabError as e:
        raise LabError(f"{e}: {[s for s, up in seen.items() if not up]} of {len(seen)} don't; {last_words(engine)}") from None
