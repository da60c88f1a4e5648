# SPDX-License-Identifier: MIT
"""Meshes whose nodes run a routing engine: BIRD or FRR over one wg0 each, by the files that `shunt render` writes.

    198.51.100.0/24 and 2001:db8::/64, a switch that can lose packets; .254 and ::fe are the world
        |          |          |          |          |          |
     [hub-a]    [hub-b]    [site-1]   [site-2]   [site-3]   [site-4]
                           lan 10.20.1.1/24      ...        10.20.4.1/24
                           fd20:0:0:1::1/64                 fd20:0:0:4::1/64

lan is a wire whose other end nobody uses. Every node has a default route by its uplink, and 10.0.0.0/8 and fd00::/8
besides: what leaves in clear leaves by these, and the switch remembers it (Clear).
"""

import os
import shutil

from clear import Clear, lead_out
from engines import ENGINES, rendered, rendered_engine, start_engines, wait_established
from lab import PATIENCE as TIMES_SLOWER, LabError, wait_for
from meshes import PATIENCE, SHUNT, SmallMesh, hub, inventory, site

HUBS = {"hub-a": 1, "hub-b": 2, "hub-c": 3}


def number(name):
    """Of its addresses: 10.10.0.NUMBER, 198.51.100.NUMBER, ..."""
    return HUBS.get(name) or 10 + int(name.rpartition("-")[2])


def networks(name):
    n = name.rpartition("-")[2]
    return f"10.20.{n}.0/24", f"fd20:0:0:{n}::/64"


def lan_addresses(name):
    n = name.rpartition("-")[2]
    return f"10.20.{n}.1", f"fd20:0:0:{n}::1"


def more_networks(name):
    """What a site may announce besides."""
    n = name.rpartition("-")[2]
    return f"10.40.{n}.0/24", f"fd40:0:0:{n}::/64"


def mesh_inventory(engines, **defaults):
    """An inventory of these nodes: engines is {name: "bird", "frr" or "none"}."""
    nodes = {}
    for name, engine in engines.items():
        more = {"routing": {"engine": engine}} if engine != "none" else {}
        if name in HUBS:
            nodes[name] = hub(HUBS[name], **more)
        else:
            if more:
                more["may_announce"] = list(more_networks(name))
            nodes[name] = site(int(name.rpartition("-")[2]), *networks(name), **more)
    made = inventory(nodes)
    made["defaults"]["liveness"]["interval"] = f"{int(300 * TIMES_SLOWER)}ms"
    made["defaults"].update(defaults)
    return made


def two_hubs_four_sites(*engines):
    """engines: of hub-a, hub-b, site-1 to site-4; the last stated is that of all behind it."""
    names = ("hub-a", "hub-b", "site-1", "site-2", "site-3", "site-4")
    return mesh_inventory({name: engines[min(i, len(engines) - 1)] for i, name in enumerate(names)})


class RoutedMesh(SmallMesh):
    """See the head of the file. inv: see mesh_inventory; device: one of mesh.DEVICES."""

    def __init__(self, lab, inv, device="shunt-wg"):
        super().__init__(lab, inv, {n: f"198.51.100.{number(n)}/24 2001:db8::{number(n)}/64" for n in inv["nodes"]})
        self.device = device
        if device == "wireguard-go":
            self.userspace = shutil.which(device)
        self.clear = Clear(self.switch)
        self.engines = {}
        for name, node in self.nodes.items():
            lead_out(node)
            if name not in HUBS:
                lab.wire(node, "lan", node, "lan-end")
                for address, network in zip(lan_addresses(name), networks(name)):
                    node.address(address + "/" + network.partition("/")[2], "lan")

    def sites(self):
        return [n for n in self.nodes if n not in HUBS]

    def engine_of(self, name):
        return self.inv["nodes"][name].get("routing", {}).get("engine", "none")

    def rendered(self, name):
        """{kind of file: its text} of what is written for the node's engine."""
        return rendered(SHUNT, self.inventory, name, self._out())

    def _out(self):
        return os.path.join(self.lab.folder, "rendered")

    def make_engines(self, *names):
        """Their configurations are rendered; nothing runs yet. It must stand before shuntd is started, which looks
        for the engine in the same folders."""
        for name in names or self.nodes:
            kind = self.engine_of(name)
            if kind in ENGINES:
                self.engines[name] = rendered_engine(kind, self.nodes[name], SHUNT, self.inventory, self._out())
        return self

    def start_engines(self, *names):
        start_engines([self.engines[name] for name in names or self.engines])
        return self

    def start_all(self):
        """Daemons and engines, until all reach all."""
        self.make_engines()
        self.start(device="kernel" if self.device == "kernel" else "uapi")
        self.start_engines()
        self.wait_settled()
        self.wait_all_by("hub-a")
        return self

    # What it looks like.

    def ways(self, of=networks):
        """{(site, network of another): the peer it goes by}"""
        found = {}
        for a in self.sites():
            owners = self.daemons[a].owners()
            found.update({(a, p): owners.get(p) for b in self.sites() if b != a for p in of(b)})
        return found

    def wait_ways(self, what, wanted, seconds=PATIENCE, of=networks):
        """wanted(site, prefix): the peer that it should go by."""
        seen = {}

        def right():
            seen.clear()
            seen.update(self.ways(of))
            return all(by == wanted(*key) for key, by in seen.items())
        try:
            wait_for(what, right, seconds, every=0.1)
        except LabError as e:
            wrong = {f"{a} to {p}": by for (a, p), by in seen.items() if by != wanted(a, p)}
            raise LabError(f"{e}: {wrong}; {self.why()}") from None

    def wait_all_by(self, name, seconds=PATIENCE):
        self.wait_ways(f"all sites by {name}", lambda *_: name, seconds)

    def why(self):
        """What may explain it, in short."""
        words = {n: d.peers() for n, d in self.daemons.items() if d.alive()}
        problems = {n: d.problems() for n, d in self.daemons.items() if d.alive()}
        sessions = {}
        for n, e in self.engines.items():
            try:
                sessions[n] = [s for s, up in e.sessions().items() if not up]
            except (OSError, LabError) as error:
                sessions[n] = str(error)
        return f"peers {words}; problems {problems}; sessions that don't stand {sessions}"

    def reaches(self, a, b, family=0, address=None):
        """True if an echo from site a's network to that of b, or to an address there, is answered."""
        return self.pings_from(a, lan_addresses(a)[family], address or lan_addresses(b)[family])

    def pings_from(self, name, source, address):
        node = self.nodes[name]
        done = node.spawn(["ping", "-c1", "-W1", "-n", "-q", "-I", source, address])
        return done.wait() == 0

    def unreached(self):
        """Pairs of sites, by family, of which no echo comes back."""
        pairs = [(a, b, f) for a in self.sites() for b in self.sites() if a != b for f in (0, 1)]
        running = [(pair, self.nodes[pair[0]].spawn(
            ["ping", "-c1", "-W1", "-n", "-q", "-I", lan_addresses(pair[0])[pair[2]], lan_addresses(pair[1])[pair[2]]]))
            for pair in pairs]
        return [pair for pair, process in running if process.wait()]

    def wait_all_reached(self, seconds=PATIENCE):
        seen = []

        def all_reached():
            seen[:] = self.unreached()
            return not seen
        try:
            wait_for("every site reaches every other, by both families", all_reached, seconds)
        except LabError as e:
            raise LabError(f"{e}: {seen}; {self.why()}") from None

    def wait_sessions(self, seconds=PATIENCE):
        """All of the sites stand."""
        for name, engine in self.engines.items():
            if name not in HUBS:
                wait_established(engine, seconds)
