#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What ./demo runs once all is installed and built: the mesh, the probes and the acts."""

import argparse
import json
import os
import sys
import time
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from engines import ENGINES, has_engine  # noqa: E402
from lab import (Interrupted, Lab, LabError, checkout_of, labs, namespaces_of, sweep,  # noqa: E402
                 wait_for)
from mesh import (CLIENT, DEVICES, HOST, NETWORK, ROOT, SITES, Mesh, default_device,  # noqa: E402
                  kernel_has_wireguard)
from probes import Probes, now  # noqa: E402

KIND = "shunt-demo"
CHECKOUT = os.path.realpath(ROOT)
STREAM_BITS = 10_000_000
# An act that came about at once is still looked at for this long.
WINDOW_S = 3.0


def say(text):
    print(f"demo: {text}", file=sys.stderr, flush=True)


@dataclass
class Result:
    """The figures of an act."""
    name: str
    lost: int  # by the site-to-site flow that lost most
    lost_total: int  # by all flows, the client's too
    lost_client: int
    gap_ms: float  # of the site-to-site flow that was silent longest
    tcp_gap_ms: float
    paths: list  # of the sites: before, while it was under way if that is worth a word, and after
    trouble: str = field(default="")

    def path(self):
        """The paths in order, those that stay the same once."""
        return " -> ".join(p for i, p in enumerate(self.paths) if i == 0 or p != self.paths[i - 1])

    def as_json(self):
        return {"name": self.name, "lost": self.lost, "lost_total": self.lost_total,
                "gap_ms": round(self.gap_ms, 1), "tcp_gap_ms": round(self.tcp_gap_ms, 1)}


def common_path(paths):
    """The paths of all pairs of sites, in as few words as they allow."""
    hubs = set(paths.values())
    if len(hubs) == 1:
        return f"by {hubs.pop() or 'nobody'}"
    count = {h: list(paths.values()).count(h) for h in hubs}
    return ", ".join(f"{n} by {h or 'nobody'}" for h, n in sorted(count.items(), key=str))


class Demo:
    """The acts, each a method act_NAME: it does something and returns when all is as it should be. Its first line is told."""

    # What has to have been played before, and what has to be played after it in any case.
    NEEDS = {"return": "cut", "undrain": "drain"}
    ACTS = ("cut", "return", "drain", "undrain", "restart", "link")

    def __init__(self, mesh, probes):
        self.mesh = mesh
        self.probes = probes
        self.client_cut = False
        self.between = None  # the sites' paths while an act was under way, if it leaves none behind

    # The hub that the sites lean on with everything up is hub-a, the one that dies.

    def act_cut(self):
        """hub-a loses its line to all; nobody is told, so it must be found, and every site moves to hub-b"""
        self.mesh.cut("hub-a")
        self.client_cut = True
        self.mesh.wait_by_hub("hub-b", 10)

    def act_return(self):
        """hub-a has its line again; it is last resort for its hold time, then all move back in one instant"""
        self.mesh.mend("hub-a")
        self.client_cut = False
        self.mesh.wait_settled("hub-a", 60)

    def act_drain(self):
        """hub-a is told to drain and tells its peers; all move to hub-b, and hub-a goes on forwarding meanwhile"""
        self.mesh.daemons["hub-a"].shunt("drain", "hub-a")
        self.mesh.wait_by_hub("hub-b", 10)

    def act_undrain(self):
        """hub-a is drained no more; all move back"""
        self.mesh.daemons["hub-a"].shunt("undrain", "hub-a")
        self.mesh.wait_settled("hub-a", 60)

    def act_restart(self):
        """shuntd is killed and started again, on site-1 for a second, then on every node; the devices go on without it"""
        one = self.mesh.daemons["site-1"]
        one.kill()
        # Long enough that every peer has missed it.
        time.sleep(1)
        one.start()
        self.mesh.wait_settled("hub-a", 20)
        for daemon in self.mesh.daemons.values():
            daemon.kill()
        for daemon in self.mesh.daemons.values():
            daemon.start()
        self.mesh.wait_settled("hub-a", 30)

    def act_link(self):
        """the line between hub-a and site-1 alone is cut for three seconds, and comes back; both live on with all others"""
        begin = time.monotonic()
        self.mesh.cut("hub-a", "site-1")
        try:
            self._wait_moved_off_line()
            time.sleep(max(0.0, begin + WINDOW_S - time.monotonic()))
            self.between = common_path(self.mesh.paths())
        finally:
            self.mesh.mend("hub-a", "site-1")
        self.mesh.wait_settled("hub-a", 60)

    def _wait_moved_off_line(self):
        """Who sees the line leaves it; the others do for site-1 alone, as soon as hub-a has told them. Meanwhile hub-a
        relays by hub-b, which a device that takes packets from either hub lets pass."""
        down = lambda: self.mesh.daemons["site-1"].peers().get("hub-a") == "down"  # noqa: E731
        wait_for("site-1 sees hub-a down", down, 10)
        wait_for("what is from or for site-1 goes by hub-b, and nothing else", self._is_off_line, 20)

    def _is_off_line(self):
        own = NETWORK["site-1"]
        return all(hub == ("hub-b" if site == "site-1" or prefix in own else "hub-a")
                   for (site, prefix), hub in self.mesh.paths().items())

    def flows(self, client):
        return [f for f in self.probes.flows if (CLIENT in (f.source, f.target)) == client]

    def play(self, name):
        """One act in its window; its Result."""
        self.probes.quiet(self.flows(False) if self.client_cut else None)
        before = common_path(self.mesh.paths())
        self.between, trouble = None, ""
        act = getattr(self, "act_" + name)
        say(f"{name}: {act.__doc__.splitlines()[0]}")
        begin = now()
        try:
            act()
        except LabError as e:
            trouble = str(e)
        left = WINDOW_S - (now() - begin) / 1e9
        time.sleep(max(left, 0.5))
        end = now()
        return self.measure(name, begin, end, before, trouble)

    def measure(self, name, begin, end, before, trouble):
        sites = self.probes.judge(begin, end, self.flows(False))
        client = self.probes.judge(begin, end, self.flows(True))
        lost_client = sum(v.lost for v in client)
        return Result(
            name=name, lost=max(v.lost for v in sites),
            lost_total=sum(v.lost for v in sites) + lost_client, lost_client=lost_client,
            gap_ms=max(v.gap_ms for v in sites),
            tcp_gap_ms=self.probes.stream_gap(begin, end)[1],
            paths=list(filter(None, (before, self.between, common_path(self.mesh.paths())))), trouble=trouble)


def chosen_acts(text):
    """The acts to play, each with what it needs before it."""
    if text == "none":
        return []
    wanted = text.split(",") if text else list(Demo.ACTS)
    for name in wanted:
        if name not in Demo.ACTS:
            raise LabError(f"there is no act {name}; the acts are {', '.join(Demo.ACTS)}")
    wanted += [Demo.NEEDS[n] for n in wanted if n in Demo.NEEDS]
    return [name for name in Demo.ACTS if name in wanted]


def set_up_probes(mesh, rate):
    probes = Probes(os.path.join(mesh.build, "tests", "lab", "probe"))
    for site in SITES:
        probes.add(mesh.host_of(site))
    probes.add(mesh.nodes[CLIENT])
    # One pair of sites speaks IPv6.
    for a, b, family in (("site-1", "site-2", 0), ("site-1", "site-3", 0), ("site-2", "site-3", 1)):
        probes.both_ways(mesh.host_of(a), HOST[a][family], mesh.host_of(b), HOST[b][family], rate)
    probes.both_ways(mesh.nodes[CLIENT], mesh.client_address(),
                     mesh.host_of("site-1"), HOST["site-1"][0], rate)
    probes.stream(mesh.host_of("site-1"), mesh.host_of("site-2"), HOST["site-2"][0], STREAM_BITS)
    return probes


def print_table(mesh, results, converged, rate):
    rows = [("act", "lost", "lost by all", "of these client", "gap ms", "TCP gap ms", "sites' paths")]
    for r in results:
        rows.append((r.name, str(r.lost), str(r.lost_total), str(r.lost_client),
                     f"{r.gap_ms:.0f}", f"{r.tcp_gap_ms:.0f}", r.path()))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    engine = f", routing engine {mesh.engine}" if mesh.engine else ""
    print(f"device {mesh.device}{engine}, {rate} packets a second each way; lost and gap: the worst flow "
          "between two sites")
    for row in rows:
        cells = [row[0].ljust(widths[0])] + [row[i].rjust(widths[i]) for i in range(1, len(widths))]
        print("  ".join(cells) + "  " + row[-1])
    print("converged" if converged else "NOT converged")


def play_all(mesh, options):
    """Results of all acts, and whether all came about."""
    say(f"setting up probes, {options.rate} packets a second each way, and a TCP stream")
    probes = set_up_probes(mesh, options.rate)
    probes.start()
    mesh.wait_settled("hub-a", 60)
    demo = Demo(mesh, probes)
    results, converged = [], True
    try:
        for name in chosen_acts(options.acts):
            result = demo.play(name)
            results.append(result)
            say(f"{name}: worst flow lost {result.lost}, silent for {result.gap_ms:.0f} ms; "
                f"TCP {result.tcp_gap_ms:.0f} ms; the client lost {result.lost_client}; "
                f"sites {result.path()}")
            if result.trouble:
                say(f"{name} did not come about: {result.trouble}")
                converged = False
        if demo.client_cut:
            mesh.mend("hub-a")
        probes.quiet(deadline=30)
    except LabError as e:
        say(str(e))
        converged = False
    probes.close()
    return results, nothing_in_clear(mesh) and converged


def nothing_in_clear(mesh):
    """False, and a word, if something of the mesh has left by an uplink; looked for where an engine runs."""
    seen = mesh.clear.seen() if mesh.clear else []
    if seen:
        say(f"{len(seen)} flows left in clear by an uplink: {', '.join(seen[:5])}")
    return not seen


ASK = {"bird": "birdc show protocols", "frr": "vtysh -c 'show bgp summary'"}


def enter_line(words, what=""):
    """A command that may be copied, and what it does."""
    return f"./demo --enter {words}".ljust(60) + what


def look_around(engine):
    return [enter_line("site-1", "a shell on a node, with its own wg0"),
            enter_line("site-1 shunt status", "one command there"),
            enter_line("site-1 shunt routes", "who carries what, and why"),
            enter_line("hub-a wg show"),
            *([enter_line(f"hub-a {ASK[engine]}")] if engine else [])]


def what_to_try(mesh):
    """Each breaks something, or mends it; what is to be seen of that is in the window with the ping."""
    host, (target, _) = "host-1", HOST["site-2"]
    daemon = mesh.daemons["hub-a"]
    return ["in one window packets from site to site, in another one what a site makes of it:",
            enter_line(f"{host} ping -i 0.2 {target}", "to host-2, behind site-2"),
            enter_line("site-1 shunt status --watch"),
            "drain it: hub-a is used no more, and nothing is lost",
            enter_line("hub-a shunt drain hub-a --for 5m --wait 20s"),
            enter_line("hub-a shunt undrain hub-a"),
            "cut it: hub-a is gone without a word, and all is lost for 0.3 s",
            enter_line("hub-a ip link set eth0 down"),
            enter_line("hub-a ip link set eth0 up"),
            "kill it: hub-a's shuntd; its device goes on, and no packet is lost",
            f"kill -9 {daemon.process.pid}",
            enter_line("hub-a " + " ".join(daemon.command()) + " &")]


def addresses(mesh):
    """Who can be pinged where."""
    ends = [f"host-{s[-1]} {HOST[s][0]} {HOST[s][1]}" for s in SITES]
    return "; ".join([*ends, f"{CLIENT} {mesh.client_address()}"])


def how_to_look(lab, mesh):
    say(f"the mesh runs on as {lab.name}; to look around, from this checkout:")
    for line in (*look_around(mesh.engine), "", *what_to_try(mesh), "",
                 f"addresses: {addresses(mesh)}",
                 f"logs, keys, inventory: {lab.folder}",
                 "./demo --stop".ljust(60) + "ends it"):
        print(f"    {line}".rstrip(), file=sys.stderr)


# Of each act, in a sentence with its figures.
SHOWED = {
    "cut": "a hub that dies without a word: the worst flow was silent for {gap} ms and lost {lost} packets",
    "return": "its return: {lost} lost",
    "drain": "a hub that is drained before it goes: {lost} lost",
    "undrain": "the way back: {lost} lost",
    "restart": "shuntd killed everywhere: the devices went on, {lost} lost",
    "link": "one line that dies between two that live: {gap} ms, and only what used it moved",
}


def what_it_showed(results):
    """For who doesn't read tables."""
    lines = [SHOWED[r.name].format(gap=f"{r.gap_ms:.0f}", lost=r.lost)
             + (" (it did not come about as it should)" if r.trouble else "") for r in results]
    return ["what this showed, of the worst flow between two sites:", *(f"  {line}" for line in lines)] if lines else []


def run_demo(options):
    if options.keep:
        refuse_second()
    with Lab.signals(), Lab(KIND, CHECKOUT) as lab:
        mesh = Mesh(lab, options.build, options.device or default_device(options.build),
                    interval=options.interval, engine=options.engine)
        say(f"laying out the mesh of {os.path.relpath(mesh.example, ROOT)} in namespaces")
        mesh.bring_up(say)
        results, converged = play_all(mesh, options)
        if options.keep:
            refuse_second()  # which may have come meanwhile
            lab.keep()
            how_to_look(lab, mesh)
        else:
            say("taking everything down")
    if options.json:
        print(json.dumps({"device": mesh.device, "acts": [r.as_json() for r in results],
                          "converged": converged}))
    else:
        print_table(mesh, results, converged, options.rate)
        for line in what_it_showed(results):
            print(line)
    return 0 if converged else 1


def ours(checkout=CHECKOUT):
    """{name: state} of the meshes that this checkout has made; others' aren't our matter."""
    return {name: state for name, state in labs().items()
            if name.startswith(KIND + "-") and checkout_of(name) == checkout}


def kept(checkout=CHECKOUT):
    """The one that is kept, or None."""
    return next((name for name, state in ours(checkout).items() if state == "kept"), None)


def refuse_second(checkout=CHECKOUT):
    """One kept mesh per checkout: --enter and --stop couldn't tell which is meant."""
    name = kept(checkout)
    if name:
        raise LabError(f"{name} of this checkout is kept already; ./demo --enter NODE looks into it, "
                       "./demo --stop ends it")


def stop_all(checkout=CHECKOUT):
    """Ends the mesh that this checkout has kept, and what a killed run of it left."""
    found = ours(checkout)
    for name, state in found.items():
        if state == "running":
            say(f"{name} is running its acts; interrupt it to end it")
        else:
            sweep(name)
            say(f"{name} ended")
    if not found:
        say("no mesh of this checkout runs")
    for name, state in labs().items():
        if name.startswith(KIND + "-") and state == "kept" and name not in found:
            say(f"{name} of {checkout_of(name) or 'another checkout'} is left alone")
    return 0


def enter(words):
    """Becomes a shell, or the command given, on a node of the mesh that runs."""
    lab, node = kept() or next(reversed(ours()), None), words[0]
    if not lab:
        raise LabError("no mesh of this checkout runs; ./demo --keep --acts none makes one")
    if f"{lab}-{node}" not in namespaces_of(lab):
        nodes = [n[len(lab) + 1:] for n in namespaces_of(lab)]
        raise LabError(f"there is no node {node}; there are {', '.join(nodes)}")
    argv = words[1:] or [os.environ.get("SHELL", "/bin/sh")]
    os.environ["PATH"] = os.path.join(ROOT, "build") + ":" + os.environ.get("PATH", "")
    os.environ["PS1"] = f"{node}# "
    line = Lab.attach(lab).existing(node).inside(argv)
    os.execvp(line[0], line)


def parse_options(argv):
    p = argparse.ArgumentParser(prog="./demo", description="Two hubs, three sites and a client in "
                                "network namespaces; a hub dies and what that costs is measured.")
    p.add_argument("--json", action="store_true", help="one JSON object on standard output")
    p.add_argument("--device", choices=DEVICES, help="default: the best that is there")
    p.add_argument("--engine", choices=[*ENGINES],
                   help="a routing engine on each hub and site that says by BGP where networks are; default: none")
    p.add_argument("--acts", default="", metavar="A,B", help="only these; none for none: "
                   + ", ".join(Demo.ACTS))
    p.add_argument("--rate", type=int, default=1000, metavar="N", help="packets a second each way")
    p.add_argument("--interval", metavar="TIME", help="between the probes of a peer; default: the example's")
    p.add_argument("--keep", action="store_true", help="leave the mesh running; one of each checkout")
    p.add_argument("--stop", action="store_true", help="end the mesh that this checkout kept")
    p.add_argument("--enter", nargs=argparse.REMAINDER, metavar="NODE [COMMAND]",
                   help="a shell or a command on a node of a mesh that runs")
    p.add_argument("--build", default=os.path.join(ROOT, "build"), help=argparse.SUPPRESS)
    options = p.parse_args(argv)
    if options.rate < 1:
        p.error("--rate is at least 1")
    if options.enter is not None and not options.enter:
        p.error("--enter NODE [COMMAND]")
    chosen_acts(options.acts)
    if options.engine and not has_engine(options.engine):
        raise LabError(f"{options.engine} isn't installed; ./demo --engine {options.engine} does that")
    if options.device == "kernel" and not kernel_has_wireguard():
        raise LabError("this kernel has no WireGuard; --device wireguard-go does without")
    return options


def main(argv):
    try:
        options = parse_options(argv)
        if options.stop:
            return stop_all()
        if options.enter:
            return enter(options.enter)
        return run_demo(options)
    except Interrupted as e:
        say("interrupted; everything is taken down")
        return e.code
    except LabError as e:
        say(str(e))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
