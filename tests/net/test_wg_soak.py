# SPDX-License-Identifier: MIT
"""Twenty seconds of bench/soak: whatever changes, no packet is lost that nobody counted."""

import json
import os

import pytest

from lab import Lab
from soak import Soak

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


def test_soak():
    with Lab.signals(), Lab("shunt-soak") as lab:
        soak = Soak(lab)
        soak.run(20, 8, pause=0.1)
        print(json.dumps(soak.report(), indent=1))
        assert soak.problems() == []
        assert min(soak.changes.values()) >= 2
