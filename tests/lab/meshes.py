# SPDX-License-Identifier: MIT
"""Small meshes for tests: an inventory as a Python dictionary, a namespace per node, shuntd in each.

                 switch (198.51.100.0/24 and 2001:db8::/64)
        |              |              |              |
     [hub-a]        [hub-b]       [site-1]       [site-2]      ... as the test's inventory has it

JSON is YAML too, so a dictionary written as JSON is an inventory, and a test changes one by changing
the dictionary. The liveness is slower than the default: the machine is shared, its namespaces are
many, and no test here is about speed.
"""

import base64
import contextlib
import copy
import ctypes
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

from lab import Lab, LabError, run, wait_for
from mesh import Daemon

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve()
SHUNT, SHUNTD = str(BUILD / "shunt"), str(BUILD / "shuntd")

# Of every wait: what should come about does so long before, also on a slow machine.
PATIENCE = 30
HELD = 60 + PATIENCE  # who was down or poor again and again is held for a minute at most

LIVENESS = {"probe": "bfd", "interval": "300ms", "multiplier": 3, "hold": "1s"}


_labs = itertools.count(1)


@contextlib.contextmanager
def new_lab():
    """A lab; several may live at the same time. Daemons that still run must end well."""
    with Lab(f"dtest{next(_labs)}") as made:
        made.daemons = []
        yield made
        running = [d for d in made.daemons if d.alive()]
        for daemon in running:
            daemon.process.send_signal(signal.SIGTERM)
        for daemon in running:
            status = daemon.process.wait(timeout=PATIENCE)
            if status:
                raise LabError(f"{daemon.name} ended with {status}: {daemon.last_words(30)}")
        for daemon in made.daemons:
            found = SANITIZER.search(daemon.log())
            if found:
                raise LabError(f"{daemon.name}: {daemon.log()[found.start():][:4000]}")


# What sanitizers say, in a build that has them.
SANITIZER = re.compile(r"(ERROR|WARNING): \w*Sanitizer|runtime error:")


def key_pair():
    private = run(["wg", "genkey"]).strip()
    return private, run(["wg", "pubkey"], input=private).strip()


def write_secret(path, text):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as f:
        f.write(text + "\n")


# --- the device, asked directly: fast enough to be asked all the time ------------------------------


class UapiError(Exception):
    """The device can't be asked or refuses."""


def uapi(node, request, interface="wg0"):
    """One request to the node's device, past any Proxy; the answer's lines."""
    path = os.path.join(node.folder, "wireguard", f"{interface}.sock")
    if os.path.exists(path + ".real"):
        path += ".real"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        try:
            s.connect(path)
            s.sendall(request.encode())
            answer = b""
            while not answer.endswith(b"\n\n"):
                piece = s.recv(65536)
                if not piece:
                    raise UapiError("the device hung up")
                answer += piece
        except OSError as e:
            raise UapiError(str(e)) from None
    return answer.decode().splitlines()[:-1]


def to_base64(key):
    return base64.b64encode(bytes.fromhex(key)).decode()


LEVELS = ("up", "last-resort", "down")


class Dump:
    """What a device reports: a peer's allowed IPs are those that go by him now, his alone and those of sets of owners
    (self.sets, by number) whom he is sent to in."""

    def __init__(self, lines):
        self.device, self.peers, self.sets = {}, {}, {}
        into = self.device
        for line in lines:
            key, _, value = line.partition("=")
            if key == "public_key":
                into = self.peers[to_base64(value)] = {"allowed": set()}
            elif key == "owners":
                into = self.sets.setdefault(value, {"owners": [], "allowed": set()})
            elif key == "owner":
                owner, rank, weight, *_ = value.split(",")
                into["owners"].append((to_base64(owner), int(rank), int(weight)))
            elif key in ("allowed_ip", "shared_ip"):
                into["allowed"].add(value)
            elif key == "errno":
                break
            else:
                into[key] = value
        for shared in self.sets.values():
            first = self._first(shared["owners"])
            if first:
                self.peers[first]["allowed"] |= shared["allowed"]

    def _first(self, owners):
        """Who of a set is sent to, or one of them; None: nobody is usable."""
        levels = {key: LEVELS.index(self.peers[key].get("level", "up")) for key, _, _ in owners}
        usable = [(levels[key], rank, key) for key, rank, weight in owners
                  if weight and levels[key] < 2 and self.peers[key].get("answers") != "false"]
        return min(usable)[2] if usable else None

    def owner_set(self, prefix):
        """The number of the set of owners that has the prefix, or None."""
        for number, shared in self.sets.items():
            if prefix in shared["allowed"]:
                return number
        return None

    def owner(self, prefix):
        """The public key of the peer that has the prefix, or None."""
        for key, peer in self.peers.items():
            if prefix in peer["allowed"]:
                return key
        return None

    def owners(self):
        return {p: key for key, peer in self.peers.items() for p in peer["allowed"]}


def dump(node, interface="wg0"):
    return Dump(uapi(node, "get=1\n\n", interface))


def sends_to(mesh, name, prefix):
    """The node that the device of name sends the prefix to now, asked of the device itself; None: nobody."""
    if mesh.device == "kernel":
        shown = mesh.nodes[name].run(["wg", "show", "wg0", "allowed-ips"])
        key = next((line.split()[0] for line in shown.splitlines() if prefix in line.split()[1:]), None)
    else:
        key = dump(mesh.nodes[name]).owner(prefix)
    return mesh.name_of(key) if key else None


def set_device(node, *lines, interface="wg0"):
    """A set request; keys of peers are base64."""
    words = ["set=1"]
    for line in lines:
        key, _, value = line.partition("=")
        if key in ("public_key", "preshared_key"):
            value = base64.b64decode(value).hex()
        words.append(f"{key}={value}")
    answer = uapi(node, "\n".join(words) + "\n\n", interface)
    if answer != ["errno=0"]:
        raise UapiError(f"refused: {answer}")


# --- daemons ---------------------------------------------------------------------------------------


class SmallDaemon(Daemon):
    """A Daemon with an environment and a wrapper, if need be; userspace "" leaves the choice to it."""

    def start(self, *extra, device="uapi", userspace=None, wrapper=(), env=None, **options):
        mesh = self.mesh
        if userspace is None:
            userspace = mesh.userspace
        kind = [device]
        if userspace and device != "kernel":
            kind += ["--userspace", userspace]
        self.process = self.node.spawn(
            [*wrapper, SHUNTD, "--node", self.name, mesh.inventory, "--device", *kind,
             "--run-dir", f"/run/shunt/{self.name}", "--state-dir", self.node.path("state"),
             *extra], log="shuntd.log", env={**os.environ, **(env or {})}, **options)
        if self not in mesh.lab.daemons:
            mesh.lab.daemons.append(self)
        return self

    def log(self):
        try:
            return pathlib.Path(self.node.path("shuntd.log")).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def wait_log(self, words, seconds=PATIENCE, after=0):
        """Until the log has the words beyond its first `after` characters."""
        try:
            wait_for(f"{self.name} logs {words!r}", lambda: words in self.log()[after:], seconds)
        except LabError as e:
            raise LabError(f"{e}: {self.last_words(20)}") from None

    def wait_answers(self, seconds=PATIENCE):
        def answers():
            if not self.alive():
                raise LabError(f"shuntd on {self.name} ended: {self.last_words(20)}")
            return self.ask("status")
        return wait_for(f"shuntd on {self.name} answers", answers, seconds)

    def refused(self, seconds=PATIENCE):
        """Waits for its end; (exit status, what it said)."""
        return self.process.wait(timeout=seconds), self.log()

    def problems(self):
        status = self.ask("status")
        return status["problems"] if status else []

    def problem(self, words):
        """The problem whose text holds the words, or None."""
        return next((p for p in self.problems() if words in p["what"]), None)

    def wait_problem(self, words, seconds=PATIENCE):
        try:
            return wait_for(f"{self.name} names a problem with {words!r}",
                            lambda: self.problem(words), seconds)
        except LabError as e:
            raise LabError(f"{e}; it names {self.problems()}") from None

    def wait_no_problem(self, words, seconds=PATIENCE):
        wait_for(f"{self.name} names no problem with {words!r} any more",
                 lambda: self.ask("status") and not self.problem(words), seconds)

    def wait_owner(self, prefix, owner, seconds=PATIENCE):
        try:
            wait_for(f"{self.name} has {prefix} by {owner}",
                     lambda: self.owners().get(prefix, "unknown") == owner, seconds)
        except LabError as e:
            raise LabError(f"{e}: {self.owners()}, {self.peers()}") from None

    def wait_peers(self, seconds=PATIENCE, **states):
        """wait_peers(hub_a="up"): until the peers are in these states."""
        states = {name.replace("_", "-"): s for name, s in states.items()}
        try:
            wait_for(f"{self.name} sees {states}",
                     lambda: all(self.peers().get(n) == s for n, s in states.items()), seconds)
        except LabError as e:
            raise LabError(f"{e}: {self.peers()}; {self.last_words(10)}") from None

    def device_owner(self, prefix):
        """The node that owns the prefix on the device itself, "foreign", or None."""
        return sends_to(self.mesh, self.name, prefix)

    def routes(self, words=""):
        """The kernel's routes on wg0, as text lines; words for `ip route`."""
        family = "-6 " if "-6" in words else ""
        words = words.replace("-6", "")
        return self.node.ip(f"{family}route show dev wg0 {words}").splitlines()


class SmallMesh:
    """inventory: a dictionary; nodes without public_key get a pair of keys of their own.

    underlay: {node: "address/length ..."}; a node of the inventory that doesn't stand there gets no
    namespace. Every one forwards.
    """

    def __init__(self, lab, inventory, underlay):
        self.lab = lab
        self.build = str(BUILD)
        self.device = "shunt-wg"
        self.userspace = str(BUILD / "shunt-wg")
        self.inventory = os.path.join(lab.folder, "inventory.yaml")
        self.inv = copy.deepcopy(inventory)
        self.nodes, self.daemons, self.keys, self.private = {}, {}, {}, {}
        self.switch = lab.underlay()
        for name, addresses in underlay.items():
            node = self.nodes[name] = lab.namespace(name, forward=True)
            lab.plug(self.switch, node, *addresses.split())
            self.daemons[name] = SmallDaemon(self, node)
        for name, settings in self.inv["nodes"].items():
            self._give_key(name, settings)
        self.write()

    def _give_key(self, name, settings):
        private, public = key_pair()
        self.private[name] = private
        if name in self.nodes:
            settings.setdefault("private_key_file", self.nodes[name].path("private.key"))
            write_secret(settings["private_key_file"], private)
        settings.setdefault("public_key", public)
        self.keys[name] = settings["public_key"]

    def write(self, inventory=None):
        """Writes the dictionary where the daemons read it."""
        new = self.inventory + ".new"
        with open(new, "w", encoding="utf-8") as f:
            json.dump(inventory or self.inv, f, indent=1)
        os.replace(new, self.inventory)

    def name_of(self, key):
        return next((n for n, k in self.keys.items() if k == key), "foreign")

    def start(self, *names, **options):
        """Starts the daemons of these nodes, or of all that aren't clients."""
        names = names or [n for n in self.nodes
                          if self.inv["nodes"].get(n, {}).get("role") != "client"]
        # One after the other: handshakes that cross are both lost, and tried again after five seconds.
        for name in names:
            self.daemons[name].start(**options)
            self.daemons[name].wait_answers()
        return self

    def settled(self):
        for daemon in self.daemons.values():
            if not daemon.alive():
                continue
            peers = daemon.peers()
            if not peers or any(s != "up" for s in peers.values()):
                return False
        return True

    def wait_settled(self, seconds=PATIENCE):
        try:
            wait_for("all peers are up", self.settled, seconds, every=0.1)
        except LabError as e:
            raise LabError(f"{e}: " + str({n: d.peers() for n, d in self.daemons.items()
                                           if d.alive()})) from None
        return self

    def cut(self, name, other=None):
        self.lab.cut(self.switch, self.nodes[name], other and self.nodes[other])

    def mend(self, name, other=None):
        self.lab.mend(self.switch, self.nodes[name], other and self.nodes[other])

    def stock(self, name):
        """Runs a node by wg-quick from the file that `shunt render` writes."""
        out = os.path.join(self.lab.folder, "rendered")
        run([SHUNT, "render", self.inventory, "-o", out, "--node", name])
        file = os.path.join(out, name, "wg0.conf")
        self.wg_quick(name, "up", file)
        return file

    def wg_quick(self, name, verb, file):
        node = self.nodes[name]
        process = node.spawn(
            ["wg-quick", verb, file], log="wg-quick.log",
            env={**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": self.userspace})
        if process.wait(timeout=PATIENCE):
            raise LabError(pathlib.Path(node.path("wg-quick.log")).read_text("utf-8"))

    def pings(self, source, address):
        """True if an echo from there is answered."""
        flag = ["-6"] if ":" in address else []
        done = subprocess.run(
            ["ip", "netns", "exec", self.nodes[source].namespace, "ping", *flag, "-c1", "-W1",
             "-n", address], check=False, capture_output=True)
        return done.returncode == 0

    def wait_pings(self, source, address, seconds=PATIENCE):
        wait_for(f"{source} reaches {address}", lambda: self.pings(source, address), seconds)


def hub(number, **more):
    """A hub: 198.51.100.NUMBER outside, 10.10.0.NUMBER and fd10::NUMBER inside."""
    return {"role": "hub", "address": [f"10.10.0.{number}", f"fd10::{number}"],
            "endpoint": f"198.51.100.{number}:51820", "metric": 10 * number, **more}


def site(number, *networks, **more):
    """A site: 198.51.100.1NUMBER outside, 10.10.0.1NUMBER and fd10::1NUMBER inside."""
    number += 10
    return {"address": [f"10.10.0.{number}", f"fd10::{number}"],
            "endpoint": f"198.51.100.{number}:51820",
            **({"networks": list(networks)} if networks else {}), **more}


def inventory(nodes, **more):
    return {"mesh": "test", "overlay": ["10.10.0.0/24", "fd10::/64"],
            "defaults": {"liveness": dict(LIVENESS)}, "nodes": nodes, **more}


def outside(*names):
    """The underlay's addresses of hubs and sites made by hub() and site()."""
    numbers = {"hub-a": 1, "hub-b": 2}
    return {n: f"198.51.100.{numbers.get(n) or 10 + int(n.rpartition('-')[2])}/24" for n in names}


def two_hubs():
    """Two hubs, two sites with a network each."""
    return inventory({"hub-a": hub(1), "hub-b": hub(2),
                      "site-1": site(1, "10.20.1.0/24"),
                      "site-2": site(2, "10.20.2.0/24")})


FOUR = outside("hub-a", "hub-b", "site-1", "site-2")


# --- a device's socket in other hands --------------------------------------------------------------


def exchange(a, b):
    """Two files change places at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_cwd, exchange_flag = -100, 2
    if libc.renameat2(at_cwd, os.fsencode(a), at_cwd, os.fsencode(b), exchange_flag):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), a)


class Proxy:
    """Stands between the daemon and its device: records every set request, and can spoil some.

    The device's program watches its socket and ends when it is deleted or linked, so the two change
    places in one step.
    """

    def __init__(self, node, interface="wg0"):
        self.path = os.path.join(node.folder, "wireguard", f"{interface}.sock")
        self.real = self.path + ".real"
        self.requests = []
        self.spoil = None  # called with a request's text; bytes: the answer instead of asking
        self.ended = False
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.real)
        self.listener.listen(64)
        exchange(self.path, self.real)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        self.ended = True
        exchange(self.path, self.real)
        os.unlink(self.real)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def sets(self):
        """The set requests that change something, each as its lines."""
        return [r for r in self.requests if len(r) > 1]

    def clear(self):
        self.requests.clear()

    def _serve(self):
        while not self.ended:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(10)
                try:
                    self._one(client)
                except OSError:
                    pass

    def _one(self, client):
        request = b""
        while not request.endswith(b"\n\n"):
            piece = client.recv(65536)
            if not piece:
                return
            request += piece
        if request.startswith(b"set="):
            self.requests.append(request.decode().split("\n")[:-2])
        answer = self.spoil(request.decode()) if self.spoil else None
        client.sendall(self.ask(request) if answer is None else answer)

    def ask(self, request):
        """What the device itself answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(10)
            s.connect(self.real)
            s.sendall(request)
            answer = b""
            while not answer.endswith(b"\n\n"):
                piece = s.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer


# --- what is watched while something else happens -------------------------------------------------


class Watch:
    """Looks at something again and again until it is told to stop; keeps the distinct answers."""

    def __init__(self, look):
        self.look = look
        self.seen = []
        self.looks = 0
        self.ended = False
        self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        wait_for("the first look", lambda: self.looks or self.error, PATIENCE, every=0.001)
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()
        if self.error:
            raise self.error

    def _run(self):
        while not self.ended:
            try:
                answer = self.look()
            except Exception as e:
                self.error = e
                return
            if not self.seen or self.seen[-1] != answer:
                self.seen.append(answer)
            self.looks += 1


class Pings:
    """Echoes from one node to an address, 100 a second, until the end of the block. by: the address that they come
    from."""

    def __init__(self, mesh, source, address, by=None):
        self.argv = ["ip", "netns", "exec", mesh.nodes[source].namespace, "ping", "-n", "-i0.01",
                     "-W5", *(["-I", by] if by else []), address]

    def __enter__(self):
        self.process = subprocess.Popen(self.argv, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        if "PING" not in self.process.stdout.readline():
            raise LabError("ping doesn't start")
        line = "Redirect"
        while "Redirect" in line:  # a hub's packets leave by the interface that they came in by
            line = self.process.stdout.readline()
        if "bytes from" not in line:
            raise LabError(f"no answer to {self.argv}: {line}")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        words = self.process.communicate(timeout=PATIENCE)[0]
        # The first was read before, the last ones may still be under way.
        seen = {1} | {int(n) for n in re.findall(r"bytes from .* icmp_seq=(\d+)", words)}
        self.answered, self.lost = len(seen), max(seen) - len(seen)
