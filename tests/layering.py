#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Who may include whom between the folders of src/, as docs and DESIGN say; exits 1 where a file doesn't keep to it."""

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
    "daemon": {"base", "sys", "mesh", "route", "live", "prober", "device", "fib"},
    "cli": {"base", "sys", "mesh"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z0-9_]+)/[^"]+"')


def faults(src):
    for path in sorted(src.rglob("*.[ch]")):
        module = path.relative_to(src).parts[0]
        allowed = KNOWS.get(module)
        if allowed is None:
            yield f"{path}: no rule for the folder {module}"
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            found = INCLUDE.match(line)
            if found and found.group(1) in KNOWS and found.group(1) not in allowed | {module}:
                yield f"{path}:{number}: {module} must not know {found.group(1)}"


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    found = list(faults(src))
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
