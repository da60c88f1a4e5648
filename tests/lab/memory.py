# SPDX-License-Identifier: MIT
"""What stands in a process's memory."""

import re


def dumped_memory(pid):
    """What a core dump would hold: (where, bytes) of every mapping that isn't left out."""
    with open(f"/proc/{pid}/smaps", encoding="ascii", errors="replace") as f:
        regions = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) (r\S+) .*?$.*?^VmFlags:(.*?)$", f.read(),
                             re.M | re.S)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, _, flags in regions:
            if " dd" in flags or " io" in flags:
                continue
            start, end = int(start, 16), int(end, 16)
            try:
                memory.seek(start)
                yield f"{start:x}", memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue
