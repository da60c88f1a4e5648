#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may include whom in src/, as docs/architecture.md says; exits 1 where a file doesn't keep to it.

Folders know those that they stand on. Within the folders of the daemon nobody includes in a circle: a unit is a .c with
its .h (and NAME_internal.h belongs to NAME). The daemon's pure units know nothing that has I/O or a clock."""

import pathlib
import re
import sys

KNOWS = {
    "base": set(),
    "wg": {"base"},
    "route": {"base"},
    "mesh": {"base", "route"},
    "live": {"base"},
    "sys": {"base"},
    "device": {"base", "sys"},
    "fib": {"base", "sys", "route", "device"},
    "prober": {"base", "live", "sys"},
    "tunnel": {"base", "wg", "sys"},
    "control": {"base", "sys", "mesh", "route", "live"},
    "daemon": {"base", "control", "sys", "mesh", "route", "live", "prober", "device", "fib"},
    "cli": {"base", "sys", "mesh"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z0-9_]+)/([a-z0-9_]+)\.h"')
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>")
WITHOUT_CIRCLES = {"daemon", "fib", "control", "prober"}
PURE = {"adoption", "candidates", "endpoints", "engine", "engine_adoption", "engine_drain", "engine_endpoints", "engine_generation", "engine_lines", "engine_reports", "engine_routes",
        "engine_sync", "engine_verdicts", "generation", "handshakes", "journal", "kernel_candidates", "kernel_facts", "kernel_refused", "kernel_said", "kernel_source", "kernel_table", "lines", "looks", "names", "shall",
        "reports", "reports_own", "reports_told", "routing_bird", "routing_talk", "routing_watch", "shall_apart", "shall_device", "shall_ours", "transit"}
PURE_KNOWS = {"base", "mesh", "route", "live"}
# Of folders that have more than values and decisions.
PURE_UNITS = {("device", "device"), ("fib", "diff"), ("fib", "plan"), ("fib", "question"), ("fib", "state"), ("fib", "tell"),
              ("fib", "trouble"), ("fib", "want"), ("fib", "want_own"), ("sys", "route_mirror")}
PURE_SYSTEM = {"assert.h", "ctype.h", "errno.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "syslog.h"}


def unit_of(folder, stem):
    return f"{folder}/{stem.removesuffix('_internal')}"


def includes(src):
    """(path, line number, line) of every include."""
    for path in sorted(src.rglob("*.[ch]")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if INCLUDE.match(line) or SYSTEM.match(line):
                yield path, number, line


def faults_of_folders(src):
    for path, number, line in includes(src):
        module = path.relative_to(src).parts[0]
        if module not in KNOWS:
            yield f"{path}: no rule for the folder {module}"
            continue
        found = INCLUDE.match(line)
        if found and found.group(1) in KNOWS and found.group(1) not in KNOWS[module] | {module}:
            yield f"{path}:{number}: {module} must not know {found.group(1)}"


def is_pure(found, system):
    if system:
        return system.group(1) in PURE_SYSTEM
    folder, stem = found.groups()
    return folder in PURE_KNOWS or (folder, stem) in PURE_UNITS or \
        (folder == "daemon" and stem.removesuffix("_internal") in PURE)


def faults_of_purity(src):
    for path, number, line in includes(src):
        if path.parent.name == "daemon" and path.stem.removesuffix("_internal") in PURE:
            if not is_pure(INCLUDE.match(line), SYSTEM.match(line)):
                yield f"{path}:{number}: {path.stem} is pure and must not include this"


def graph(src):
    """unit -> the units that it includes."""
    known = {}
    for path, _, line in includes(src):
        folder, found = path.relative_to(src).parts[0], INCLUDE.match(line)
        if folder not in WITHOUT_CIRCLES or not found or found.group(1) not in WITHOUT_CIRCLES:
            continue
        unit, other = unit_of(folder, path.stem), unit_of(*found.groups())
        if other != unit:
            known.setdefault(unit, set()).add(other)
    return known


def faults_of_circles(known):
    done = set()

    def visit(unit, way):
        if unit in way:
            yield "a circle of includes: " + " -> ".join(way[way.index(unit):] + [unit])
        elif unit not in done:
            for other in sorted(known.get(unit, ())):
                yield from visit(other, way + [unit])
            done.add(unit)

    for unit in sorted(known):
        yield from visit(unit, [])


def faults(src):
    yield from faults_of_folders(src)
    yield from faults_of_purity(src)
    yield from faults_of_circles(graph(src))


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    found = list(faults(src))
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
