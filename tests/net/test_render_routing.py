# SPDX-License-Identifier: MIT
"""The files that `shunt render` writes for BIRD and FRR, run: two hubs and two sites, and wires in place of WireGuard.

        [hub-a]    [hub-b]
           |          |          wg0 of each is a wire to one switch; what shuntd keeps in the
        ---+----------+---       kernel of who lives (signals) is played here
           |          |
        [site-1]   [site-2]      lan: 10.20.1.1/24 and fd20:0:0:1::1/64, ...

What the engines then have in the kernel is compared with what the inventory means: next hops of both families, what is
announced, passed on and refused, what goes when a peer is told dead, and what stays when an engine is killed.
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import time

import pytest

from engines import ENGINES, has_engine, rendered, wait_established
from lab import Lab, LabError, run, wait_for
from meshes import SHUNT

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not (has_engine("bird") and has_engine("frr")), reason="BIRD or FRR isn't installed")]

OVERLAYS = ["10.10.0.0/24", "fd10::/64"]
SIGNALS = 213
LONG = 60


def node_of(number, role="spoke", families="46", **more):
    addresses = {"4": f"10.10.0.{number}", "6": f"fd10::{number}"}
    node = {"address": [addresses[f] for f in families], "role": role}
    if role == "hub":
        node["endpoint"] = f"192.0.2.{number}:51820"
    else:
        node["networks"] = [f"10.20.{number - 10}.0/24", f"fd20:0:0:{number - 10}::/64"]
    return node | more


def mesh_of(nodes, **defaults):
    for name, node in nodes.items():
        node["public_key"] = base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()
    return {"mesh": "wires", "overlay": OVERLAYS, "topology": "hub-and-spoke", "defaults": defaults, "nodes": nodes}


def four(*engines, families="46", **routing):
    """hub-a, hub-b, site-1, site-2 with these engines."""
    numbers = {"hub-a": 1, "hub-b": 2, "site-1": 11, "site-2": 12}
    return mesh_of({name: node_of(number, name.partition("-")[0].replace("site", "spoke"), families,
                                  routing={"engine": engine, **routing})
                    for (name, number), engine in zip(numbers.items(), engines)})


class Wires:
    """See the head of the file."""

    def __init__(self, lab, inv, names=None):
        self.lab = lab
        self.inv = inv
        self.file = os.path.join(lab.folder, "mesh.yaml")
        self.write()
        self.switch = lab.underlay()
        self.nodes, self.engines = {}, {}
        for name in names or inv["nodes"]:
            self.add(name)

    def write(self):
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(self.inv, f)

    def kind(self, name):
        return self.inv["nodes"][name]["routing"]["engine"]

    def add(self, name):
        """The node with its wires and what shuntd would have made; its engine isn't started."""
        node = self.nodes[name] = self.lab.namespace(f"n{len(self.nodes)}", forward=True)
        self.lab.plug(self.switch, node, device="wg0")
        for address in self.addresses(name):
            node.address(address + ("/128" if ":" in address else "/32"), "wg0")
        for overlay in OVERLAYS:
            family = "-6" if ":" in overlay else "-4"
            node.ip(f"{family} route add {overlay} dev wg0 table 5000")
            node.ip(f"{family} rule add to {overlay} lookup 5000 priority 32690")
        self.lab.wire(node, "lan", node, "lan-end")
        for network in self.inv["nodes"][name].get("networks", []):
            address, _, length = network.partition("/")
            if address not in ("0.0.0.0", "::"):
                node.address(re.sub(r"(\.0|::)$", lambda m: ".1" if m[0] == ".0" else "::1", address) + "/" + length, "lan")
        files = self.files(name)
        found = re.search(r"kernel table (\d+)", files.get("bird", ""))
        self.table = getattr(self, "table", {}) | {name: found and found[1]}
        self.engines[name] = ENGINES[self.kind(name)](node, files[self.kind(name)], files.get("daemons"))

    def put(self, name, text):
        """Another configuration for its engine, which isn't started yet."""
        self.engines[name].write(text, self.files(name).get("daemons"))

    def files(self, name):
        return rendered(SHUNT, self.file, name, os.path.join(self.lab.folder, "out"))

    def addresses(self, name):
        return self.inv["nodes"][name]["address"]

    def signal(self, name, peer, lives=True):
        """As shuntd tells name's engine that the peer lives."""
        verb = "replace" if lives else "del"
        for address in self.addresses(peer):
            family, length = ("-6", 128) if ":" in address else ("-4", 32)
            prefix = f"{address}/{length}"
            if self.kind(name) != "bird" or family == "-6":
                self.nodes[name].ip(f"{family} route {verb} {prefix} dev wg0 proto {SIGNALS}")
            if self.kind(name) == "bird":
                self.nodes[name].ip(f"{family} route {verb} {prefix} via {address} dev wg0 onlink table {self.table[name]} "
                                    f"proto {SIGNALS}")

    def peers(self, name):
        """Nodes that are direct with it."""
        is_hub = self.inv["nodes"][name]["role"] == "hub"
        return [p for p in self.nodes if p != name and (is_hub or self.inv["nodes"][p]["role"] == "hub")]

    def start(self, *names):
        for name in names or self.nodes:
            for peer in self.peers(name):
                self.signal(name, peer)
                self.signal(peer, name)
            self.engines[name].start()
        return self

    def wait_sessions(self, *names):
        for name in names or self.nodes:
            families = {f for f in (":" in a for a in self.addresses(name))}
            n = sum(len(families & {":" in a for a in self.addresses(p)}) for p in self.peers(name))
            wait_established(self.engines[name], LONG, n)
        return self

    # What is in the kernel.

    def hops(self, name, prefix):
        """The next hops of the engine's route on the node; None: it has none."""
        family = "-6" if ":" in prefix else "-4"
        for route in json.loads(self.nodes[name].ip(f"-j {family} route show exact {prefix}") or "[]"):
            if route.get("protocol") in ("bird", "bgp", "186"):
                found = route.get("nexthops", [route])
                return sorted(h.get("gateway") or h.get("via", {}).get("host", "no gateway") for h in found)
        return None

    def wait_hops(self, name, prefix, *peers, seconds=LONG):
        """The route goes by these peers, in the prefix's family or, where they have none, the other."""
        want = sorted(self.address_like(p, prefix) for p in peers) or None
        seen = []

        def is_so():
            seen[:] = [self.hops(name, prefix)]
            return seen[0] == want
        try:
            wait_for(f"{prefix} on {name} goes by {want}", is_so, seconds)
        except LabError as e:
            raise LabError(f"{e}, but by {seen[0]}; {self.words(name)}") from None

    def address_like(self, peer, prefix):
        addresses = self.addresses(peer)
        return next((a for a in addresses if (":" in a) == (":" in prefix)), addresses[0])

    def words(self, name):
        engine = self.engines[name]
        try:
            return engine.ask("show route all" if engine.kind == "bird" else "show bgp ipv4 unicast")
        except (OSError, LabError) as e:
            return str(e)

    def wait_converged(self):
        for site, other in (("site-1", "site-2"), ("site-2", "site-1")):
            for network in self.inv["nodes"][other]["networks"]:
                self.wait_hops(site, network, "hub-a", "hub-b")
                for hub in ("hub-a", "hub-b"):
                    self.wait_hops(hub, network, other)
        return self


MIXED = four("bird", "frr", "frr", "bird")
for _name in ("site-1", "site-2"):
    MIXED["nodes"][_name]["may_announce"] = [f"10.40.{_name[-1]}.0/24", f"fd40:0:0:{_name[-1]}::/64"]
CASES = {
    "mixed": MIXED,
    "bird": four("bird", "bird", "bird", "bird"),
    "frr": four("frr", "frr", "frr", "frr"),
    "one-as-bird": four("bird", "bird", "bird", "frr", asn=65000),
    "one-as-frr": four("frr", "frr", "bird", "frr", asn=65000),
    "ipv6-overlay": four("bird", "frr", "frr", "bird", families="6"),
}


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-render") as lab:
        yield lab


@pytest.fixture(name="mixed", scope="module")
def mixed_fixture():
    with Lab.signals(), Lab("shunt-render-mixed") as lab:
        yield Wires(lab, MIXED).start().wait_sessions().wait_converged()


@pytest.mark.parametrize("case", sorted(set(CASES) - {"mixed"}))
def test_comes_up(case, lab):
    wires = Wires(lab, CASES[case]).start().wait_sessions().wait_converged()
    # The line from hub-a to site-2 is dead, both ends know; nothing goes by hub-a and hub-b.
    wires.signal("hub-a", "site-2", lives=False)
    wires.signal("site-2", "hub-a", lives=False)
    for network in wires.inv["nodes"]["site-2"]["networks"]:
        wires.wait_hops("site-1", network, "hub-b")
        wires.wait_hops("hub-a", network, "hub-b")
    wires.signal("hub-a", "site-2")
    wires.signal("site-2", "hub-a")
    wires.wait_converged()


def test_dead_peers(mixed):
    for hub, other in (("hub-a", "hub-b"), ("hub-b", "hub-a")):
        for site, network in (("site-1", "10.20.2.0/24"), ("site-2", "fd20:0:0:1::/64")):
            mixed.signal(site, hub, lives=False)
            mixed.wait_hops(site, network, other)
            mixed.signal(site, hub)
            mixed.wait_hops(site, network, "hub-a", "hub-b")
    mixed.wait_converged()


def add_address(wires, name, *addresses):
    for address in addresses:
        wires.nodes[name].address(address, "lan")


def everywhere(wires, name, prefix):
    """A site's prefix has come to all others."""
    for other in wires.nodes:
        if other.startswith("hub"):
            wires.wait_hops(other, prefix, name)
        elif other != name:
            wires.wait_hops(other, prefix, "hub-a", "hub-b")


def nowhere(wires, *prefixes):
    return [(name, p, wires.hops(name, p)) for name in wires.nodes for p in prefixes if wires.hops(name, p)]


@pytest.mark.parametrize("site, n", [("site-1", 1), ("site-2", 2)])
def test_announces_what_is_local(site, n, mixed):
    node = mixed.nodes[site]
    add_address(mixed, site, f"10.20.{n}.129/25", f"fd20:0:0:{n}:8000::1/65", f"10.40.{n}.65/26")
    # A network behind a router of the site, and what isn't its own to announce.
    node.ip(f"route add 10.40.{n}.128/26 via 10.20.{n}.77 dev lan onlink")
    add_address(mixed, site, "192.168.77.1/24", "10.10.0.99/32", f"10.20.{3 - n}.193/26", "fd10::99/128")
    # As shuntd writes them: ways of the inventory, and what refuses.
    node.ip(f"route add 10.40.{n}.32/27 dev wg0 proto {SIGNALS} metric 4278190080")
    node.ip(f"route add unreachable 10.40.{n}.0/24 proto {SIGNALS} metric 4294967295")
    node.ip(f"-6 route add unreachable fd40:0:0:{n}::/64 proto {SIGNALS} metric 4294967295")
    for prefix in (f"10.20.{n}.128/25", f"fd20:0:0:{n}:8000::/65", f"10.40.{n}.64/26", f"10.40.{n}.128/26"):
        everywhere(mixed, site, prefix)
    assert not nowhere(mixed, "192.168.77.0/24", "10.10.0.99/32", f"10.20.{3 - n}.192/26", "fd10::99/128",
                       f"10.40.{n}.32/27", f"10.40.{n}.0/24", f"fd40:0:0:{n}::/64")
    # Withdrawn is gone.
    node.ip(f"address del 10.40.{n}.65/26 dev lan")
    node.ip(f"route del 10.40.{n}.128/26")
    for name in mixed.nodes:
        for prefix in (f"10.40.{n}.64/26", f"10.40.{n}.128/26"):
            if name != site:
                mixed.wait_hops(name, prefix)
    for address in (f"10.20.{n}.129/25", f"fd20:0:0:{n}:8000::1/65", "192.168.77.1/24", "10.10.0.99/32",
                    f"10.20.{3 - n}.193/26", "fd10::99/128"):
        node.ip(f"address del {address} dev lan")


@contextlib.contextmanager
def lying(wires, name, *prefixes):
    """The node's engine believes that it may announce these prefixes, and has them."""
    engine, node = wires.engines[name], wires.nodes[name]
    families = [("-6" if ":" in p else "-4", p) for p in prefixes]
    if engine.kind == "bird":
        text = wires.files(name)["bird"]
        for digit in "46":
            mine = ", ".join(p for f, p in families if f[1] == digit)
            more = text.replace(f"function shunt_own{digit}()\n{{\n\treturn ",
                                f"function shunt_own{digit}()\n{{\n\treturn net ~ [ {mine} ] || ")
            assert more != text
            text = more
        engine.reconfigure(text)
    else:
        frr_lists(node, "", families)
    for family, prefix in families:
        node.ip(f"{family} route add {prefix} dev lan")
    yield
    for family, prefix in families:
        node.ip(f"{family} route del {prefix} dev lan")
    if engine.kind == "bird":
        engine.reconfigure(wires.files(name)["bird"])
    else:
        frr_lists(node, "no ", families)


def frr_lists(node, no, families):
    lines = [f"{no}{'ipv6' if f == '-6' else 'ip'} prefix-list SHUNT-OWN{f[1]} seq {1 + i} permit {p}"
             for i, (f, p) in enumerate(families)]
    node.run(["vtysh", "--vty_socket", "/run/frr", *(w for line in ["configure", *lines] for w in ("-c", line))])


FOREIGN = ("10.20.{}.128/25", "fd20:0:0:{}:8000::/65", "172.16.9.0/24", "10.20.0.0/16")


@pytest.mark.parametrize("liar, victim", [("site-1", 2), ("site-2", 1)])
def test_hubs_refuse_what_a_site_may_not(liar, victim, mixed):
    prefixes = [p.format(victim) for p in FOREIGN]
    with lying(mixed, liar, *prefixes):
        after = f"10.40.{3 - victim}.{200 + victim}/32"
        add_address(mixed, liar, after)
        everywhere(mixed, liar, after)
        assert not nowhere(mixed, *prefixes)


@pytest.mark.parametrize("liar", ["hub-a", "hub-b"])
def test_others_refuse_what_nobody_may(liar, mixed):
    prefixes = ["172.16.9.0/24", "fd99::/64", "10.20.0.0/16"]
    # The last one somebody may, so that a hub is believed.
    with lying(mixed, liar, *prefixes, "10.20.1.192/27"):
        mixed.wait_hops("site-2", "10.20.1.192/27", liar)
        assert not nowhere(mixed, *prefixes)


def test_a_newer_site_edits_no_hub(mixed):
    """The files of all others are older than the site."""
    before = {name: mixed.files(name) for name in mixed.nodes}
    assert all(before.values())
    mixed.inv["nodes"]["site-3"] = node_of(13, routing={"engine": "bird"}, may_announce=["10.20.1.0/25"])
    mesh_of(mixed.inv["nodes"])
    mixed.write()
    mixed.add("site-3")
    mixed.start("site-3")
    for prefix in mixed.inv["nodes"]["site-3"]["networks"]:
        everywhere(mixed, "site-3", prefix)
    # Apart from what the others know, and nothing else.
    add_address(mixed, "site-3", "10.20.1.1/25")
    add_address(mixed, "site-3", "10.20.3.129/32")
    everywhere(mixed, "site-3", "10.20.3.129/32")
    assert not nowhere(mixed, "10.20.1.0/25")


def watched(wires, seconds, state):
    """Until state(), and how often on the way a route was missing that was there before."""
    watch = [(n, p) for n in ("hub-a", "hub-b", "site-1", "site-2") for p in ("10.20.1.0/24", "fd20:0:0:2::/64")
             if wires.hops(n, p)]
    assert len(watch) == 6
    missing = []

    def look():
        missing.extend(w for w in watch if not wires.hops(*w))
        return state()
    wait_for("the engine is back", look, seconds)
    return missing


@pytest.mark.parametrize("name", ["hub-a", "hub-b", "site-1", "site-2"])
def test_an_engine_that_is_killed_loses_nothing(name, mixed):
    engine = mixed.engines[name]
    engine.kill()
    assert not watched(mixed, 0, lambda: True)
    engine.start(recover=True)
    since = []

    def back():
        """For three seconds, so that what is late to come or go is seen."""
        stands = sum(engine.sessions().values()) >= 2 * len(mixed.peers(name))
        since[:] = (since or [time.monotonic()]) if stands else []
        return since and time.monotonic() > since[0] + 3
    assert not watched(mixed, LONG, back)
    mixed.wait_converged()


def listed(engine):
    """{name: since when} of the sessions with nodes that the file lists, those that stand."""
    lines = [line.split() for line in engine.ask("show protocols")]
    return {w[0]: w[4] for w in lines if len(w) > 5 and w[0].startswith(("shunt_hub", "shunt_site")) and w[5] == "Established"}


def test_reload_keeps_sessions(mixed):
    """A file that says the same, and one with one more site."""
    engine, peers = mixed.engines["hub-a"], mixed.peers("hub-a")
    fresh = {}

    def calm():
        """All with the first three stand, and since a second: who comes at that moment may call once more."""
        now = {n: s for n, s in listed(engine).items() if not n.endswith("_site_3")}
        if now != fresh.get("sessions"):
            fresh.update(sessions=now, since=time.monotonic())
        return len(now) == 2 * len([p for p in peers if p != "site-3"]) and time.monotonic() > fresh["since"] + 1
    for _ in range(2):
        wait_for("the sessions stand", calm, LONG)
        before = dict(fresh["sessions"])
        engine.reconfigure(mixed.files("hub-a")["bird"])
        after = listed(engine)
        assert {n: after.get(n) for n in before} == before


ODD = mesh_of({
    "direct": node_of(1, "hub", routing={"engine": "bird"}),
    "A.B_c": node_of(2, "hub", routing={"engine": "frr"}),
    "a.b+c=1": node_of(11, routing={"engine": "frr"}),
    "ms": node_of(12, routing={"engine": "bird"}),
    "x" * 62 + "=": node_of(13, routing={"engine": "bird"}),
    "=+._--0": node_of(14, routing={"engine": "frr"}),
})


def check_files(files, folder):
    """What the programs say of rendered files without being started."""
    for kind, text in files.items():
        path = os.path.join(folder, kind)
        with open(path, "w", encoding="utf-8") as f:
            if kind == "shunt-bird":
                f.write("router id 192.0.2.1;\n")
            f.write(text)
        if kind.endswith("bird"):
            run(["bird", "-p", "-c", path])
        elif kind.endswith("frr"):
            said = run(["vtysh", "-C", "-f", path])
            assert "%" not in said
        else:
            run(["sh", "-euc", '. "$1"; test "$bgpd" = yes', "sh", path])


def test_odd_names(lab):
    wires = Wires(lab, ODD)
    for name in wires.nodes:
        check_files(wires.files(name), lab.folder)
    hubs = ["direct", "A.B_c"]
    wires.start()
    for site in list(wires.nodes)[2:]:
        for other in list(wires.nodes)[2:]:
            if site != other:
                wires.wait_hops(site, ODD["nodes"][other]["networks"][0], *hubs)


def test_a_way_out(lab):
    """A default route from where it may come, and not from elsewhere."""
    inv = four("bird", "frr", "frr", "bird")
    inv["nodes"]["hub-a"]["networks"] = ["0.0.0.0/0", "::/0"]
    inv["nodes"]["site-1"]["may_announce"] = ["0.0.0.0/0"]
    wires = Wires(lab, inv).start()
    # On FRR any route of the kernel is before one of BGP; BIRD's stands beside it.
    for name in set(wires.nodes) - {"hub-b"}:
        wires.nodes[name].ip("route add default dev lan metric 1000")
        wires.nodes[name].ip("-6 route add default dev lan metric 1000")
    wires.wait_hops("site-2", "0.0.0.0/0", "hub-a")
    wires.wait_hops("hub-b", "0.0.0.0/0", "site-1")
    wires.wait_hops("hub-b", "::/0", "hub-a")
    wires.wait_hops("site-2", "::/0", "hub-a")



PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "routing.md"


def test_configurations_of_their_own(lab):
    """As docs/routing.md tells it: our part within what an operator has."""
    wires = Wires(lab, four("bird", "frr", "bird", "frr"))
    example = next(t for t in PAGE.read_text(encoding="utf-8").split("```") if "shunt-bird.conf\";\n" in t and "router id" in t)
    for name in wires.nodes:
        files = wires.files(name)
        check_files(files, lab.folder)
        if wires.kind(name) == "bird":
            part = wires.nodes[name].path("shunt-bird.conf")
            with open(part, "w", encoding="utf-8") as f:
                f.write(files["shunt-bird"])
            own = example.replace("/etc/bird/shunt-bird.conf", part).replace("10.10.0.11", wires.addresses(name)[0])
            # What another protocol gives is announced, and a name of theirs is in nobody's way.
            if name == "site-1":
                own += "protocol static mine { ipv4; route 10.20.1.240/28 blackhole; route 172.16.0.0/12 blackhole; }\n"
            wires.put(name, own)
        else:
            wires.put(name, "frr defaults traditional\nip prefix-list MINE seq 5 permit any\n"
                            "route-map MINE permit 10\n match ip address prefix-list MINE\nexit\n" + files["shunt-frr"])
    wires.start().wait_sessions().wait_converged()
    everywhere(wires, "site-1", "10.20.1.240/28")
    assert not nowhere(wires, "172.16.0.0/12")


def made(engine):
    """{neighbour: how many sessions it has had} of FRR."""
    shown = json.loads(engine.ask("show bgp neighbors json"))
    return {name: peer["connectionsEstablished"] for name, peer in shown.items() if isinstance(peer, dict)}


RELOAD = "/usr/lib/frr/frr-reload.py"


@pytest.mark.skipif(not os.path.exists(RELOAD), reason="frr-pythontools isn't installed")
def test_frr_reload(lab):
    """The file again, and one with a site more: sessions stay, and what is new is there."""
    wires = Wires(lab, four("frr", "bird", "bird", "frr"), names=["hub-a", "hub-b", "site-1", "site-2"])
    wires.start().wait_sessions()
    engine, node = wires.engines["hub-a"], wires.nodes["hub-a"]
    before = made(engine)
    # bgpd and zebra alone, as there.
    reload_it = [RELOAD, "--reload", "--stdout", "--vty_socket", "/run/frr", "--confdir", "/run/frr",
                 "--bindir", "/usr/bin", "/run/frr/frr.conf"]
    node.run(reload_it)
    assert made(engine) == before
    wires.inv["nodes"]["site-3"] = node_of(13, routing={"engine": "bird"})
    mesh_of(wires.inv["nodes"])
    wires.write()
    wires.put("hub-a", wires.files("hub-a")["frr"])
    node.run(reload_it)
    assert made(engine) == before | {a: 0 for a in wires.addresses("site-3")}
    wires.add("site-3")
    wires.start("site-3")
    wires.wait_hops("hub-a", "10.20.3.0/24", "site-3")
