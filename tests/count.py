#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Adds up what the test runners say: meson's testlog.json and pytest's JUnit files. Prints "PASSED FAILED SKIPPED"."""

import json
import re
import sys
import xml.etree.ElementTree as tree

CMOCKA = re.compile(r"^\[  (PASSED|FAILED)  \] +(?:.*: )?(\d+) test", re.M)


def of_meson(path):
    """cmocka's own count where a test prints one, else one a test."""
    passed = failed = skipped = 0
    with open(path, encoding="utf-8") as f:
        for line in f:
            test = json.loads(line)
            output = test.get("stdout", "") + test.get("stderr", "")
            counts = {word: int(n) for word, n in CMOCKA.findall(output)}
            if test["result"] == "SKIP":
                skipped += 1
            elif test["result"] not in ("OK", "EXPECTEDFAIL"):
                passed += counts.get("PASSED", 0)
                failed += max(1, counts.get("FAILED", 0))
            else:
                passed += max(1, counts.get("PASSED", 0))
    return passed, failed, skipped


def of_pytest(path):
    passed = failed = skipped = 0
    for suite in tree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures")) + int(suite.get("errors"))
        skip = int(suite.get("skipped"))
        passed += int(suite.get("tests")) - bad - skip
        failed += bad
        skipped += skip
    return passed, failed, skipped


def main():
    total = [0, 0, 0]
    for path in sys.argv[1:]:
        counts = of_meson(path) if path.endswith(".json") else of_pytest(path)
        total = [a + b for a, b in zip(total, counts)]
    print(*total)


if __name__ == "__main__":
    main()
