# SPDX-License-Identifier: MIT
"""shunt key: the private half in its file and nowhere else."""
import os
import re
import stat
import subprocess

import pytest

from shunt import SHUNT, shunt

KEY = re.compile(r"^[A-Za-z0-9+/]{43}=\n$")


def public_of(path):
    with open(path, "rb") as private:
        return subprocess.run(["wg", "pubkey"], stdin=private, capture_output=True, text=True,
                              check=True).stdout


@pytest.mark.parametrize("words", [["k"], ["-o", "k"], ["--output", "k"]])
def test_pair(words, tmp_path):
    done = shunt("key", *words, cwd=tmp_path)
    path = tmp_path / "k"
    assert done.returncode == 0 and KEY.match(done.stdout) and not done.stderr
    assert KEY.match(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert done.stdout == public_of(path)
    assert os.listdir(tmp_path) == ["k"]


def test_never_overwrites(tmp_path):
    shunt("key", "k", cwd=tmp_path)
    before = (tmp_path / "k").read_text()
    for words in [["k"], ["--preshared", "k"]]:
        done = shunt("key", *words, cwd=tmp_path)
        assert done.returncode == 1 and "--force" in done.stderr and not done.stdout
    assert (tmp_path / "k").read_text() == before
    assert os.listdir(tmp_path) == ["k"]


def test_not_even_a_dangling_link(tmp_path):
    (tmp_path / "k").symlink_to("nowhere")
    assert shunt("key", "k", cwd=tmp_path).returncode == 1
    assert os.listdir(tmp_path) == ["k"]


def test_force(tmp_path):
    shunt("key", "k", cwd=tmp_path)
    before = (tmp_path / "k").read_text()
    done = shunt("key", "k", "--force", cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "k").read_text() != before
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_public_of_a_private_key(tmp_path):
    made = shunt("key", "k", cwd=tmp_path)
    done = shunt("key", "--public", "k", cwd=tmp_path)
    assert done.stdout == made.stdout and not done.stderr
    (tmp_path / "k").chmod(0o644)
    done = shunt("key", "--public", "k", cwd=tmp_path)
    assert done.stdout == made.stdout and "chmod 600" in done.stderr


@pytest.mark.parametrize("content", ["", "hello\n", "A" * 44 + "\n", "\0" * 44, "x" * 100000])
def test_public_of_something_else(content, tmp_path):
    (tmp_path / "k").write_text(content)
    done = shunt("key", "--public", "k", cwd=tmp_path)
    assert done.returncode == 2 and "no private key" in done.stderr
    assert not content.strip() or content.strip() not in done.stderr


def test_preshared(tmp_path):
    done = shunt("key", "--preshared", "k", cwd=tmp_path)
    assert done.returncode == 0 and not done.stdout
    assert KEY.match((tmp_path / "k").read_text())
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


@pytest.mark.parametrize("path, reason", [
    ("nowhere/k", "No such file"),
    ("file/k", "Not a directory"),
])
def test_where_it_cannot_be(path, reason, tmp_path):
    (tmp_path / "file").write_text("")
    done = shunt("key", path, cwd=tmp_path)
    assert done.returncode == 3 and path in done.stderr and reason in done.stderr
    assert not done.stdout and os.listdir(tmp_path) == ["file"]


def test_a_full_disk_leaves_nothing(tmp_path):
    # A file size limit of nothing stands for a full disk; the signal that goes with it is ignored.
    done = subprocess.run(
        ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh", SHUNT, "key", "k"],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "k: File too large" in done.stderr and not done.stdout
    assert os.listdir(tmp_path) == []


def strace_works():
    try:
        return not subprocess.run(["strace", "-e", "trace=none", "true"], check=False,
                                  capture_output=True).returncode
    except OSError:
        return False


@pytest.mark.skipif(not strace_works(), reason="needs strace")
@pytest.mark.parametrize("which", [1, 2])  # the file's, its folder's
def test_a_disk_that_refuses_leaves_nothing(which, tmp_path):
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e",
         f"inject=fsync:error=EIO:when={which}", SHUNT, "key", "k"],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and "k: Input/output error" in done.stderr and not done.stdout
    assert os.listdir(tmp_path) == []
