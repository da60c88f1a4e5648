# SPDX-License-Identifier: MIT
"""shunt-wg at either end of the pair of pair.py, its peer at the other; and both families outside."""

import pytest

from pair import OURS, THEIRS

ORDERS = {"initiator": (OURS, THEIRS), "responder": (THEIRS, OURS)}  # what shunt-wg is
BOTH_WAYS = pytest.mark.parametrize("a, b", ORDERS.values(), ids=ORDERS)
BOTH_OUTER = pytest.mark.parametrize("version", [4, 6], ids=["outer4", "outer6"])
