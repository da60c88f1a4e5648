# SPDX-License-Identifier: MIT
"""tests/setup.sh: what becomes of the services of packages that it installs."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = """
set -eu
PROGRAM=setup ROOT=$1
. "$ROOT/tests/setup.sh"
is_installed() { case " $THERE " in *" $1 "*) ;; *) return 1 ;; esac }
without_services() { "$@"; }
apt_install() { echo "apt $*"; }
PATH=$2:$PATH
install_packages iproute2 $ENGINE_PACKAGES 2>&1
"""


@pytest.mark.parametrize("there, off", [("", ["bird", "frr"]), ("bird2", ["frr"]), ("iproute2 bird2 frr", [])])
def test_engines_that_are_installed_for_tests_stay_off(tmp_path, there, off):
    """And those that were there before are left as they are."""
    stub = tmp_path / "update-rc.d"
    stub.write_text('#!/bin/sh\necho "$2 $1"\n')
    stub.chmod(0o755)
    said = subprocess.run(["sh", "-c", SCRIPT, "sh", ROOT, tmp_path], env={"THERE": there}, capture_output=True, text=True,
                          check=True).stdout.splitlines()
    assert [line for line in said if line.startswith("disable")] == [f"disable {s}" for s in off]
    assert any(line.startswith("apt") for line in said) == bool(off)
