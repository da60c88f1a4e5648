# SPDX-License-Identifier: MIT
"""Meshes that ./demo keeps: one of each checkout, and nobody ends another one's."""

import os
import re
import types

import demo
import mesh as demo_mesh
import pytest
from lab import Lab, LabError, checkout_of, labs, namespaces_of, sweep


def keep_one(number, checkout):
    """What a run with --keep leaves, but for the mesh in it. A lab is named by its process, and these
    share one."""
    lab = Lab(f"{demo.KIND}-test{number}", str(checkout) if checkout else None)
    with lab:
        lab.namespace("node")
        lab.keep()
    return lab.name


@pytest.fixture(name="kept")
def fixture_kept(tmp_path):
    """Names of the meshes that two checkouts keep, and one of before there were owners."""
    names = [keep_one(n, c) for n, c in enumerate((tmp_path / "a", tmp_path / "b", None))]
    yield names
    for name in names:
        sweep(name)


def test_stop_ends_the_mesh_of_its_own_checkout_only(kept, tmp_path, capsys):
    mine, other, nobodys = kept
    before = {n: s for n, s in labs().items() if n != mine}
    assert checkout_of(mine) == str(tmp_path / "a") and checkout_of(nobodys) is None
    assert demo.kept(str(tmp_path / "a")) == mine
    demo.stop_all(str(tmp_path / "a"))
    said = capsys.readouterr().err
    assert f"{mine} ended" in said and f"{other} of {tmp_path / 'b'} is left alone" in said
    assert mine not in labs() and not namespaces_of(mine)
    assert {n: labs().get(n) for n in (other, nobodys)} == {n: before[n] for n in (other, nobodys)}
    assert namespaces_of(other) and namespaces_of(nobodys)
    assert demo.kept(str(tmp_path / "a")) is None and demo.kept(str(tmp_path / "b")) == other
    demo.stop_all(str(tmp_path / "a"))
    assert "no mesh of this checkout runs" in capsys.readouterr().err
    assert namespaces_of(other)


def test_a_second_is_refused_by_name(kept, tmp_path):
    with pytest.raises(LabError, match=f"{kept[0]} of this checkout is kept already; .*--stop"):
        demo.refuse_second(str(tmp_path / "a"))
    demo.refuse_second(str(tmp_path / "c"))


def test_a_run_that_would_keep_a_second_makes_nothing(kept, tmp_path, monkeypatch):
    refuse = demo.refuse_second
    monkeypatch.setattr(demo, "refuse_second", lambda: refuse(str(tmp_path / "b")))
    before = demo.ours()
    with pytest.raises(LabError, match=kept[1]):
        demo.run_demo(demo.parse_options(["--keep", "--acts", "none", "--device", "shunt-wg"]))
    assert demo.ours() == before


def test_every_act_says_what_happens():
    for name in demo.Demo.ACTS:
        sentence = (getattr(demo.Demo, "act_" + name).__doc__ or "").splitlines()
        assert sentence and len(sentence[0]) > 20, name


def test_it_ends_with_what_it_showed():
    results = [demo.Result(name, 3, 9, 0, 310.4, 0.0, []) for name in demo.Demo.ACTS]
    results[0].trouble = "not within 10 s"
    lines = demo.what_it_showed(results)
    assert len(lines) == 1 + len(demo.Demo.ACTS)
    assert lines[1].endswith("silent for 310 ms and lost 3 packets (it did not come about as it should)")
    assert demo.what_it_showed([]) == []


def test_what_to_try_can_be_copied(tmp_path, capsys, monkeypatch):
    """Each line names a node that there is and a program that it has; the mesh is only told of."""
    monkeypatch.setattr(demo.Mesh, "client_address", lambda self: "10.10.0.101")
    with Lab(f"{demo.KIND}-words", str(tmp_path)) as lab:
        mesh = demo.Mesh(lab, demo.parse_options([]).build, "kernel")
        node = types.SimpleNamespace(name="hub-a", folder=str(tmp_path), path=lambda name: str(tmp_path / name))
        daemon = mesh.daemons["hub-a"] = demo_mesh.Daemon(mesh, node)
        daemon.process = types.SimpleNamespace(pid=4711)
        demo.how_to_look(lab, mesh)
    said = capsys.readouterr().err
    entered = re.findall(r"--enter (\S+)(?: +(\S+))?", said)
    assert {n for n, _ in entered} == {"site-1", "hub-a", "host-1"}
    assert {"shunt", "ping", "ip", "wg"} <= {os.path.basename(program) for _, program in entered}
    assert "kill -9 4711" in said and "host-2 10.20.2.10" in said and "laptop 10.10.0.101" in said
    for words in ("shunt drain hub-a --for 5m --wait 20s", "ip link set eth0 down", "./demo --stop"):
        assert words in said


@pytest.mark.parametrize("paths, words", [
    (["by hub-a", "by hub-a"], "by hub-a"),
    (["by hub-a", "by hub-b"], "by hub-a -> by hub-b"),
    (["by hub-a", "4 by hub-a, 8 by hub-b", "by hub-a"], "by hub-a -> 4 by hub-a, 8 by hub-b -> by hub-a"),
])
def test_the_paths_of_an_act(paths, words):
    assert demo.Result("link", 0, 0, 0, 0.0, 0.0, paths).path() == words
