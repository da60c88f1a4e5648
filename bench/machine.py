# SPDX-License-Identifier: MIT
"""What a figure says of the machine that it is of."""
import os
import platform


def machine():
    """{"cpu": model, "cores": n, "kernel": release}"""
    model = platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release()}
