# SPDX-License-Identifier: MIT
"""The acts of bench/engine in which meshes without a routing engine and with each take turns."""
import json
import pathlib
import statistics
import subprocess
import sys
import time

DEMO = pathlib.Path(__file__).resolve().parent.parent / "tests" / "lab" / "demo.py"
PATIENCE = 120
CUTS = 3


def in_turn(engines, args, one_run):
    """{"ACT, engine KIND": {figure: {"median", "worst"}}} of --runs rounds; one_run(engine or None): [{"name", figures}].
    A run that fails is told, and left out."""
    kinds, found = ("none", *engines), {}
    for _ in range(args.runs):
        for kind in kinds:
            for act, figures in whole_run(one_run, kind):
                for name, value in figures.items():
                    found.setdefault(act, {}).setdefault(kind, {}).setdefault(name, []).append(value)
    if not found:
        raise OSError("no run went well")
    return {f"{act}, engine {kind}": {f: {"median": statistics.median(v), "worst": max(v)} for f, v in by[kind].items()}
            for act, by in found.items() for kind in kinds if kind in by}


def whole_run(one_run, kind):
    """[(act, figures)]"""
    from lab import LabError

    try:
        return [(figures.pop("name"), figures) for figures in one_run(kind if kind != "none" else None)]
    except (LabError, OSError) as e:
        print(f"engine: a run with engine {kind} failed: {e}", file=sys.stderr)
        return []


def act_demo(engines, device, args):
    def one_run(engine):
        words = ["/usr/bin/python3", DEMO, "--json", "--device", device, "--build",
                 args.build, *(["--engine", engine] if engine else [])]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(done.stderr[-2000:])
        return json.loads(done.stdout)["acts"]

    return in_turn(engines, args, one_run)


def wait_moved(mesh, prefix, hub):
    """When the device of site-1 was seen to send to the prefix by that hub."""
    from meshes import sends_to

    end = time.monotonic() + PATIENCE
    while sends_to(mesh, "site-1", prefix) != hub:
        if time.monotonic() > end:
            raise OSError(f"site-1 doesn't send to {prefix} by {hub}")
        time.sleep(0.002)
    return time.monotonic_ns()


def cut_line(mesh, probes):
    """Once; site-3's uplink is its router's."""
    from mesh import NETWORK, ROUTER
    from probes import now

    flows = [f for f in probes.flows if {f.source, f.target} == {"host-1", "host-3"}]
    probes.quiet(deadline=60)
    begin = now()
    mesh.cut("hub-a", ROUTER)
    cut = time.monotonic_ns()
    try:
        moved = wait_moved(mesh, NETWORK["site-3"][0], "hub-b")
        time.sleep(2)
        verdicts = probes.judge(begin, now(), flows)
    finally:
        mesh.mend("hub-a", ROUTER)
    mesh.wait_settled("hub-a", 60)
    return {"name": "line", "moved_ms": round((moved - cut) / 1e6, 1), "lost": max(v.lost for v in verdicts),
            "gap_ms": round(max(v.gap_ms for v in verdicts), 1)}


def act_line(engines, device, args):
    import demo
    from lab import Lab
    from mesh import Mesh

    def one_run(engine):
        with Lab("engine") as lab:
            mesh = Mesh(lab, args.build, device, engine=engine)
            mesh.bring_up()
            mesh.wait_settled("hub-a", 60)
            probes = demo.set_up_probes(mesh, 1000)
            probes.start()
            found = [cut_line(mesh, probes) for _ in range(CUTS)]
            probes.close()
            return found

    return in_turn(engines, args, one_run)
