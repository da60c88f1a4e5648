# SPDX-License-Identifier: MIT
"""The mesh of examples/two-hubs.yaml in a lab, every node run by shuntd.

                      198.51.100.0/24 (a switch that can lose packets)
        .1 |            .2 |         .11 |         .12 |       .13 |            .20 |
       [hub-a]         [hub-b]    [site-1]      [site-2]    [router-3]       [laptop]
                                      |             |      masquerade |     stock WireGuard,
                                      |             |      192.168.3.0/24   by wg-quick
                                      |             |                 |
                                      |             |             [site-3]
                                      |             |                 |
                                  [host-1]      [host-2]          [host-3]
                                 10.20.1.10    10.20.2.10        10.20.3.10

The lab works on a copy of the inventory in its own folder: the example's public keys are replaced by
those of keys made here, and private_key_file by where these are. Nothing else is changed.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import answers as answers_of
from clear import Clear, lead_out
from engines import rendered_engine, start_engines, wait_established
from lab import Lab, LabError, run, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLE = os.path.join(ROOT, "examples", "two-hubs.yaml")

HUBS = {"hub-a": "198.51.100.1", "hub-b": "198.51.100.2"}
SITES = {"site-1": "198.51.100.11", "site-2": "198.51.100.12", "site-3": None}
CLIENT, CLIENT_ADDRESS = "laptop", "198.51.100.20"
ROUTER, ROUTER_ADDRESS = "router-3", "198.51.100.13"
NETWORK = {s: (f"10.20.{s[-1]}.0/24", f"fd20:0:0:{s[-1]}::/64") for s in SITES}
HOST = {s: (f"10.20.{s[-1]}.10", f"fd20:0:0:{s[-1]}::10") for s in SITES}
GATEWAY = {s: (f"10.20.{s[-1]}.1", f"fd20:0:0:{s[-1]}::1") for s in SITES}

DEVICES = ("shunt-wg", "wireguard-go", "kernel")


def kernel_has_wireguard():
    """Asks the kernel, in a namespace that is gone afterwards."""
    done = subprocess.run(
        ["unshare", "--net", "ip", "link", "add", "wg0", "type", "wireguard"],
        check=False, capture_output=True)
    return done.returncode == 0


def default_device(build):
    """The best that this machine has."""
    if kernel_has_wireguard():
        return "kernel"
    return "shunt-wg" if os.access(os.path.join(build, "shunt-wg"), os.X_OK) else "wireguard-go"


def with_keys(text, keys):
    """The inventory with {node: (public key, private key file)} in place of what it says."""
    lines, node, in_nodes = [], None, False
    for line in text.splitlines():
        if re.match(r"\S", line) and not line.startswith("#"):
            in_nodes = line.startswith("nodes:")
        name = re.match(r"  ([A-Za-z0-9_=+.-]+):", line)
        if in_nodes and name:
            node = name.group(1)
        key = re.match(r"(\s+)public_key:", line)
        if in_nodes and key and node in keys:
            public, private_file = keys[node]
            lines += [f"{key.group(1)}public_key: {public}",
                      f"{key.group(1)}private_key_file: {private_file}"]
        elif not (in_nodes and re.match(r"\s+private_key_file:", line)):
            lines.append(line)
    return "\n".join(lines) + "\n"


class Daemon:
    """shuntd on a node, to be started and killed at will. The device outlives it."""

    def __init__(self, mesh, node):
        self.mesh = mesh
        self.node = node
        self.name = node.name
        self.run_dir = os.path.join(node.folder, "shunt", node.name)
        self.process = None

    def command(self):
        """What starts it, inside the node."""
        mesh = self.mesh
        kind = ["kernel"] if mesh.device == "kernel" else ["uapi", "--userspace", mesh.userspace]
        # The folder of the run dir is bind-mounted on /run/shunt, where `shunt` looks by itself.
        return [os.path.join(mesh.build, "shuntd"), "--node", self.name, mesh.inventory,
                "--device", *kind, "--run-dir", f"/run/shunt/{self.name}",
                "--state-dir", self.node.path("state")]

    def start(self, *extra):
        self.process = self.node.spawn([*self.command(), *extra], log="shuntd.log")

    def kill(self):
        """As a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(timeout=10)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def ask(self, op, **more):
        """One request to the control socket; None while the daemon can't be asked."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(5)
                s.connect(os.path.join(self.run_dir, "control.sock"))
                s.sendall(json.dumps({"op": op, **more}).encode() + b"\n")
                with s.makefile("rb") as answers:
                    line = answers.readline()
        except OSError:
            return None
        if not line:
            return None
        answer = json.loads(line)
        if not answer["ok"]:
            raise LabError(f"{self.name}: {op}: {answer['error']}")
        answers_of.check(op, answer)
        return answer

    def shunt(self, *words):
        """The command line, as an operator would use it; returns its output."""
        return run([os.path.join(self.mesh.build, "shunt"), *words, "--run-dir", self.run_dir])

    def peers(self):
        """{peer: state}; empty while the daemon can't be asked."""
        status = self.ask("status")
        return {p["node"]: p["state"] for p in status["peers"]} if status else {}

    def owners(self):
        """{prefix: the peer that carries it now}; empty while the daemon can't be asked."""
        answer = self.ask("routes")
        return {r["prefix"]: r["owner"] for r in answer["routes"]} if answer else {}

    def last_words(self, lines=5):
        with contextlib.suppress(OSError):
            with open(self.node.path("shuntd.log"), encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:]).rstrip()
        return ""


class Mesh:
    """The topology at the head of the file."""

    def __init__(self, lab, build, device, example=EXAMPLE, interval=None, engine=None):
        """engine: "bird" or "frr", which then runs on each node that runs shuntd."""
        self.lab = lab
        self.build = os.path.abspath(build)
        self.device = device
        self.userspace = self._userspace() if device != "kernel" else None
        self.inventory = os.path.join(lab.folder, "inventory.yaml")
        self.nodes = {}
        self.daemons = {}
        self.example = example
        self.interval = interval  # of probes, in place of the example's
        self.engine = engine
        self.engines = {}
        self.clear = None  # with an engine: see clear.py
        self._keys = {}

    def _userspace(self):
        if self.device == "shunt-wg":
            return os.path.join(self.build, "shunt-wg")
        program = shutil.which("wireguard-go")
        if not program:
            raise LabError("wireguard-go is not installed")
        return program

    # What stands before any daemon runs.

    def build_underlay(self):
        lab, nodes = self.lab, self.nodes
        self.switch = lab.underlay()
        for name in (*HUBS, *SITES, ROUTER):
            nodes[name] = lab.namespace(name, forward=True)
        for name in (CLIENT, *self.hosts()):
            nodes[name] = lab.namespace(name)
        for name, address in {**HUBS, **SITES, CLIENT: CLIENT_ADDRESS,
                              ROUTER: ROUTER_ADDRESS}.items():
            if address:
                lab.plug(self.switch, nodes[name], f"{address}/24")
        self._wire_nat()
        for site in SITES:
            self._wire_host(site)
        if self.engine:
            self._lead_out()

    def _lead_out(self):
        """Whatever an engine lets go finds a way out by the uplink, and is seen there."""
        self.clear = Clear(self.switch)
        for name in (*HUBS, *SITES, ROUTER):
            if SITES.get(name, "") is None:  # behind the router
                lead_out(self.nodes[name], ("192.168.3.1",))
                continue
            number = {**HUBS, **SITES, ROUTER: ROUTER_ADDRESS}[name].rpartition(".")[2]
            self.nodes[name].address(f"2001:db8::{number}/64", "eth0")
            lead_out(self.nodes[name])
        self.clear.proves_itself(self.nodes["hub-a"])

    @staticmethod
    def hosts():
        return [s.replace("site", "host") for s in SITES]

    def host_of(self, site):
        return self.nodes[site.replace("site", "host")]

    def _wire_nat(self):
        router, site = self.nodes[ROUTER], self.nodes["site-3"]
        self.lab.wire(router, "inside", site, "eth0")
        router.address("192.168.3.1/24", "inside")
        site.address("192.168.3.2/24", "eth0")
        site.ip("route add default via 192.168.3.1")
        router.nft("""
            table ip nat {
                chain out {
                    type nat hook postrouting priority 100;
                    oifname "eth0" masquerade
                }
            }""")

    def _wire_host(self, site):
        host = self.host_of(site)
        self.lab.wire(self.nodes[site], "lan", host, "eth0")
        for network, gateway, address in zip(NETWORK[site], GATEWAY[site], HOST[site]):
            length = network.partition("/")[2]
            self.nodes[site].address(f"{gateway}/{length}", "lan")
            host.address(f"{address}/{length}", "eth0")
            host.ip(f"route add default via {gateway}")

    def make_keys(self):
        """Keys for every node, and the inventory that names them."""
        with open(self.example, encoding="utf-8") as f:
            text = f.read()
        for word in (*HUBS.values(), *sum(NETWORK.values(), ()), CLIENT, *HUBS, *SITES):
            if word not in text:
                raise LabError(f"{self.example} no longer has {word}: mesh.py draws another mesh")
        for name in (*HUBS, *SITES, CLIENT):
            file = self.nodes[name].path("private.key")
            public = run([os.path.join(self.build, "shunt"), "key", file]).strip()
            self._keys[name] = (public, file)
        if self.interval:
            text = re.sub(r"(?<=interval: )\w+", self.interval, text)
        if self.engine:
            text = re.sub(r"(?m)^defaults:$", f"defaults:\n  routing: {{engine: {self.engine}}}", text)
        with open(self.inventory, "w", encoding="utf-8") as f:
            f.write(with_keys(text, self._keys))

    def name_of(self, key):
        """The node with that public key, or None."""
        return next((n for n, (public, _) in self._keys.items() if public == key), None)

    # What runs.

    def make_engines(self):
        """Their configurations are rendered; shuntd then finds them where it looks."""
        for name in (*HUBS, *SITES) if self.engine else ():
            self.engines[name] = rendered_engine(
                self.engine, self.nodes[name], os.path.join(self.build, "shunt"), self.inventory,
                os.path.join(self.lab.folder, "rendered"))

    def start_engines(self, seconds):
        start_engines(list(self.engines.values()))
        self.wait_sessions(seconds)

    def wait_sessions(self, seconds):
        """Until each site has those with both hubs."""
        for name in SITES if self.engines else ():
            wait_established(self.engines[name], seconds)

    def start_daemons(self):
        for name in (*HUBS, *SITES):
            self.daemons[name] = Daemon(self, self.nodes[name])
            self.daemons[name].start()

    def start_client(self):
        """A stock client: wg-quick with the file that `shunt render` made for it.

        wg-quick takes the kernel's WireGuard wherever there is one, whatever the others run on.
        """
        out = os.path.join(self.lab.folder, "rendered")
        shunt = os.path.join(self.build, "shunt")
        run([shunt, "render", self.inventory, "-o", out, "--node", CLIENT])
        folder = os.path.join(out, CLIENT)
        (name,) = os.listdir(folder)
        # What it starts lives on with our pipes in hand; so its words go to a file.
        client = self.nodes[CLIENT].spawn(
            ["wg-quick", "up", os.path.join(folder, name)], log="wg-quick.log",
            env={**os.environ,
                 "WG_QUICK_USERSPACE_IMPLEMENTATION": self.userspace or "wireguard-go"})
        if client.wait(timeout=20) != 0:
            with open(self.nodes[CLIENT].path("wg-quick.log"), encoding="utf-8") as f:
                raise LabError(f"wg-quick up on {CLIENT}: {f.read().strip()}")

    def client_address(self):
        """The client's overlay address."""
        addresses = json.loads(self.nodes[CLIENT].ip("-j -4 address show dev wg0"))
        return addresses[0]["addr_info"][0]["local"]

    def kernel_of_client(self):
        """True if wg-quick took the kernel's."""
        links = json.loads(self.nodes[CLIENT].ip("-j -d link show dev wg0"))
        return links[0].get("linkinfo", {}).get("info_kind") == "wireguard"

    # What it looks like.

    def settled(self):
        """True if all are up and nothing is drained or held back."""
        for daemon in self.daemons.values():
            peers = daemon.peers()
            if not peers or any(state != "up" for state in peers.values()):
                return False
        return True

    def paths(self):
        """{(site, prefix of another): hub}, as each source sees it."""
        paths = {}
        for a in SITES:
            owners = self.daemons[a].owners()
            paths.update({(a, p): owners.get(p) for b in SITES if b != a for p in NETWORK[b]})
        return paths

    def by_hub(self, hub):
        """True if every site reaches every other by that hub."""
        return set(self.paths().values()) == {hub}

    def unsettled(self):
        """What is not as it should be, in words."""
        words = []
        for name, daemon in self.daemons.items():
            peers = daemon.peers()
            if not peers:
                words.append(f"{name} doesn't answer"
                             + ("" if daemon.alive() else f" (it ended): {daemon.last_words()}"))
            words += [f"{name} sees {p} {s}" for p, s in peers.items() if s != "up"]
        return "; ".join(words)

    def wait_settled(self, hub, seconds):
        """Until all are up and all sites lean on the hub; says what doesn't come about."""
        try:
            wait_for(f"all up, sites by {hub}", lambda: self.settled() and self.by_hub(hub),
                     seconds, every=0.1)
        except LabError as e:
            raise LabError(f"{e} ({self.unsettled() or 'paths: ' + str(self.paths())})") from None

    def wait_by_hub(self, hub, seconds):
        wait_for(f"sites by {hub}", lambda: self.by_hub(hub), seconds)

    def cut(self, name, other=None):
        self.lab.cut(self.switch, self.nodes[name], other and self.nodes[other])

    def mend(self, name, other=None):
        self.lab.mend(self.switch, self.nodes[name], other and self.nodes[other])

    def bring_up(self, say=lambda text: None):
        """Everything, until it carries traffic."""
        self.build_underlay()
        self.make_keys()
        say(f"starting shuntd on {len(HUBS) + len(SITES)} nodes, device {self.device}")
        self.make_engines()
        self.start_daemons()
        self.wait_settled_but_client(30)
        if self.engine:
            say(f"starting {self.engine} on each of them")
            self.start_engines(60)
        say(f"starting {CLIENT} with wg-quick")
        self.start_client()

    def wait_settled_but_client(self, seconds):
        def ready():
            for name, daemon in self.daemons.items():
                if not daemon.alive():
                    raise LabError(f"shuntd on {name} ended: {daemon.last_words()}")
            return all(d.ask("status") for d in self.daemons.values())
        wait_for("every shuntd answers", ready, seconds)


__all__ = ["Mesh", "Daemon", "Lab", "LabError", "default_device", "kernel_has_wireguard"]
