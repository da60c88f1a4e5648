# SPDX-License-Identifier: MIT
"""Two hundred sessions of BGP over one interface of a hub (crowd.py)."""

import os

import pytest

from crowd import Crowd
from engines import has_engine, wait_established
from lab import wait_for
from meshes import HELD, PATIENCE, dump, new_lab

MANY = 200
LONG = 3 * PATIENCE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.mark.parametrize("engine", ["bird", "frr"])
def test_two_hundred_sessions(engine):
    if not has_engine(engine) or not has_engine("bird"):
        pytest.skip(f"{engine} or BIRD isn't installed")
    with new_lab() as lab:
        crowd = Crowd(lab, MANY, engine).start_crowd()
        crowd.daemon.start().wait_answers(LONG)
        crowd.engine.start()
        crowd.start_speaker()
        wait_established(crowd.engine, LONG, MANY)
        everybody = range(1, MANY + 1)
        crowd.wait_owned(everybody, LONG)
        owners = dump(crowd.hub).owners()
        assert {p: crowd.name_of(owners.get(p)) for p in (f"10.20.{i}.0/24" for i in everybody)} == \
            {f"10.20.{i}.0/24": f"site-{i}" for i in everybody}
        # One of them falls silent; nobody else is touched, and it comes back.
        crowd.crowd.ip("link set wg7 down")
        crowd.wait_owned([i for i in everybody if i != 7], LONG)
        assert len([s for s in crowd.engine.sessions().values() if s]) >= MANY - 1
        crowd.crowd.ip("link set wg7 up")
        crowd.crowd.ip("route add 10.10.0.1/32 dev wg7 table 1007")
        crowd.wait_owned(everybody, LONG + HELD)
        wait_for("no problem is named", lambda: not crowd.daemon.problems(), PATIENCE)
        assert crowd.clear.seen() == []
