# SPDX-License-Identifier: MIT
"""Labs beside each other: which of them somebody still needs."""

import os
import subprocess

import pytest

import lab as labs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(name="folder")
def folder_fixture(tmp_path, monkeypatch):
    """Where labs are, for this test alone."""
    monkeypatch.setattr(labs, "LABS", str(tmp_path))
    return tmp_path


def make(folder, pid, owner=None):
    (folder / f"x-{pid}").mkdir()
    if owner is not None:
        (folder / f"x-{pid}" / "owner").write_text(owner, encoding="ascii")


def a_dead_process():
    with subprocess.Popen(["true"]) as process:
        process.wait()
    return process.pid


@pytest.mark.parametrize("owner", [None, ""], ids=["no word", "half a word"])
def test_one_that_is_being_made_is_left_alone(folder, owner):
    make(folder, os.getpid(), owner)
    assert labs.labs() == {f"x-{os.getpid()}": "running"}


@pytest.mark.parametrize("owner", [None, "", "{pid} 1"])
def test_one_whose_maker_died_is_abandoned(folder, owner):
    pid = a_dead_process()
    make(folder, pid, owner and owner.format(pid=pid))
    assert labs.labs() == {f"x-{pid}": "abandoned"}


def test_another_process_of_the_number_is_no_owner(folder):
    make(folder, os.getpid(), f"{os.getpid()} 1")
    assert labs.labs() == {f"x-{os.getpid()}": "abandoned"}
