# SPDX-License-Identifier: MIT
"""shuntd ended before, or failing at, a call with an effect outside: a sample of what tests/fault/all tries."""

import pytest
from meshes import new_lab
from scene import ACTS, FAIL, KILL, Player, Scene

SAMPLES = {"failover": 2, "leave": 2, "stop": 2, "reload": 4}  # 3 of others


@pytest.fixture(scope="module")
def player():
    with new_lab() as lab:
        yield Player(Scene(lab))


@pytest.mark.parametrize("how", [KILL, FAIL])
@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_cut_short(player, act, how):
    calls = player.undisturbed(act)
    assert calls
    struck, samples = 0, SAMPLES.get(act, 3)
    for at in sorted({1 + (2 * i + 1) * len(calls) // (2 * samples) for i in range(samples)}):
        print(f"{how} at {at}: {calls[at - 1]}")
        player.play(act, at, how)
        struck += player.is_struck
    assert struck
