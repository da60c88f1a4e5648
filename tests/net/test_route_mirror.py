# SPDX-License-Identifier: MIT
"""The mirror of the kernel's routes against the kernel: whatever is changed, by whom and how fast, it is what a dump
shows. route_twin follows the kernel of a namespace and compares.

Changes at random come from route_twin itself; BIRD and FRR change static routes of theirs:

    n    l0 10.1.0.1/24 fd01::1/64    l1 10.2.0.1/24 fd02::1/64    (each with its other end)
"""

import os
import pathlib
import random
import shutil
import subprocess

import pytest

from lab import Lab, LabError, run, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
TWIN = str(pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "tests/net/route_twin")
FRR = "/usr/lib/frr"
PREFIXES = ["10.20.0.0/16", "10.20.1.0/24", "10.20.2.0/24", "fd20::/48", "fd20:0:0:1::/64", "fd20:0:0:2::/64"]
GATEWAYS = {4: ["10.1.0.2", "10.1.0.3", "10.2.0.2"], 6: ["fd01::2", "fd01::3", "fd02::2"]}
BIG, TINY = 64 << 20, 2048  # room for news

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.mark.parametrize("compat", [0, 1])
@pytest.mark.parametrize("room, mix", [(BIG, 0), (BIG, 1), (TINY, 0), (TINY, 1)],
                         ids=["news alone", "ipv6 mixed", "overruns", "overruns, mixed"])
def test_random_changes(compat, room, mix):
    seed = int(os.environ.get("SHUNT_TEST_SEED", random.randrange(1 << 32)))
    said = run([TWIN, "random", str(seed), "1000", str(compat), str(room), str(mix)])
    assert room == BIG or " 0 overruns" not in said


class Twin:
    """route_twin, that follows the kernel of a node."""

    def __init__(self, node):
        self.process = node.spawn([TWIN, "follow"], log="twin.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, bufsize=1)
        assert self.process.stdout.readline() == "ready\n"
        self.states = {}

    def ask(self, word):
        """Its lines, and its verdict."""
        self.process.stdin.write(f"{word}\n")
        lines = []
        while not lines or lines[-1] not in ("done", "differ"):
            lines.append(self.process.stdout.readline().rstrip("\n"))
            assert lines[-1], "route_twin ended"
        return lines[:-1], lines[-1]

    def check(self):
        lines, verdict = self.ask("check")
        assert verdict == "done", lines

    def wait(self, wanted):
        """Until each prefix is as wanted: "stands", "withdrawn", "swept" or "refused"."""
        def is_so():
            self.states.update(line.split()[:2] for line in self.ask("changes")[0])
            return all(self.states.get(p, "withdrawn") == state for p, state in wanted.items())
        try:
            wait_for("the mirror follows", is_so, 20)
        except LabError as e:
            raise LabError(f"{e}: wanted {wanted}, is {self.states}") from None

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


class Bird:
    """BIRD with static routes: {prefix: gateways; none: unreachable}."""

    def __init__(self, node):
        self.node = node
        self.configuration, self.socket = node.path("bird.conf"), node.path("bird.ctl")
        self.process = None

    def start(self, routes):
        self.write(routes)
        self.process = self.node.spawn(["/usr/sbin/bird", "-f", "-c", self.configuration, "-s", self.socket, "-P",
                                        self.node.path("bird.pid")], log="bird.log")

    def write(self, routes):
        text = "router id 10.77.0.1;\nprotocol device { scan time 1; }\n"
        for family in "46":
            text += f"protocol kernel {{ scan time 3600; merge paths on; ipv{family} {{ export all; }}; }}\n"
            lines = "".join(f"route {p} {self.way(ways)};\n" for p, ways in routes.items() if (":" in p) == (family == "6"))
            text += f"protocol static {{ ipv{family}; {lines} }}\n"
        with open(self.configuration, "w", encoding="ascii") as f:
            f.write(text)

    @staticmethod
    def way(ways):
        return " ".join(f"via {w} weight {i + 1}" for i, w in enumerate(ways)) if ways else "unreachable"

    def change(self, routes):
        self.write(routes)
        self.node.run(["birdc", "-s", self.socket, "configure"])

    def kill(self):
        self.process.kill()
        self.process.wait(10)


class Frr:
    """zebra and staticd with the same."""

    def __init__(self, node):
        self.node = node
        self.folder = node.path("frr")
        os.mkdir(self.folder)
        os.chmod(node.lab.folder, 0o711)
        shutil.chown(self.folder, "frr", "frr")
        for name in ("empty.conf", "vtysh.conf"):
            with open(os.path.join(self.folder, name), "w", encoding="ascii"):
                pass
        self.processes, self.routes = [], {}

    def start(self, routes):
        for name in ("zebra", "staticd"):
            vty = os.path.join(self.folder, f"{name}.vty")
            if os.path.exists(vty):
                os.unlink(vty)
            self.processes.append(self.node.spawn(
                [os.path.join(FRR, name), "-f", os.path.join(self.folder, "empty.conf"), "-i",
                 os.path.join(self.folder, f"{name}.pid"), "-z", os.path.join(self.folder, "zserv"), "--vty_socket",
                 self.folder, "-P", "0"], log="frr.log"))
            wait_for(f"{name}'s socket", lambda path=vty: os.path.exists(path), 20)
        self.routes = {}
        self.change(routes)

    @staticmethod
    def lines(routes):
        for prefix, ways in routes.items():
            for way in ways or ["reject"]:
                yield f"{'ipv6' if ':' in prefix else 'ip'} route {prefix} {way}"

    def change(self, routes):
        before, after = set(self.lines(self.routes)), set(self.lines(routes))
        words = ["-c", "configure"]
        for line in sorted(f"no {line}" for line in before - after) + sorted(after - before):
            words += ["-c", line]
        self.routes = routes
        self.node.run(["vtysh", "--vty_socket", self.folder, "--config_dir", self.folder, *words])

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait(10)
        self.processes = []


ENGINES = [pytest.param(Bird, id="bird", marks=pytest.mark.skipif(not shutil.which("bird"), reason="needs BIRD")),
           pytest.param(Frr, id="frr", marks=pytest.mark.skipif(not os.path.exists(FRR), reason="needs FRR"))]


@pytest.fixture(name="lab")
def make_lab():
    with Lab("shunt-mirror") as lab:
        yield lab


def make_node(lab):
    node = lab.namespace("n")
    node.ip("link set lo up")
    for i in (1, 2):
        node.ip(f"link add l{i} type veth peer name p{i}")
        node.ip(f"link set p{i} up")
        node.ip(f"link set l{i} up")
        node.address(f"10.{i}.0.1/24", f"l{i}")
        node.address(f"fd0{i}::1/64", f"l{i}")
    return node


def some_routes(chance):
    routes = {}
    for prefix in PREFIXES:
        if chance.random() < 0.7:
            ways = GATEWAYS[6 if ":" in prefix else 4]
            routes[prefix] = sorted(chance.sample(ways, chance.choice([0, 1, 1, 2, 3])))
    return routes


def sweep(engine, twin):
    """The engine's next life removes what it doesn't know. On a busy machine zebra now and then leaves some of it, or
    all: then the kernel has it as the mirror says, and a further life is tried."""
    for _ in range(3):
        engine.start({})
        try:
            twin.wait(dict.fromkeys(PREFIXES, "swept"))
            return
        except LabError:
            twin.check()
        engine.kill()
    raise LabError("the engine removes nothing after its start")


@pytest.mark.parametrize("compat", [0, 1])
@pytest.mark.parametrize("make", ENGINES)
def test_engines(lab, make, compat):
    """What an engine changes; and what it withdraws is told apart from what its next life sweeps."""
    chance = random.Random(int(os.environ.get("SHUNT_TEST_SEED", random.randrange(1 << 32))))
    node = make_node(lab)
    node.sysctl("net/ipv4/nexthop_compat_mode", compat)
    twin, engine = Twin(node), make(node)
    engine.start({"10.20.0.0/16": ["10.1.0.2"]})
    twin.wait({"10.20.0.0/16": "stands"})
    for _ in range(10):
        routes = some_routes(chance)
        engine.change(routes)
        twin.wait({p: "withdrawn" if p not in routes else "stands" if routes[p] else "refused" for p in PREFIXES})
        twin.check()
    engine.change({p: GATEWAYS[6 if ":" in p else 4] for p in PREFIXES})
    twin.wait(dict.fromkeys(PREFIXES, "stands"))
    engine.kill()
    twin.check()
    twin.wait(dict.fromkeys(PREFIXES, "stands"))
    sweep(engine, twin)
    twin.check()
    engine.kill()
    twin.close()
