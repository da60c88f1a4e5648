# SPDX-License-Identifier: MIT
"""What can be said of the packages and the units without building or installing any: tests/packages does that."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
from shunt import ROOT, SHUNT

BUILD = SHUNT.parent
DEBIAN = ROOT / "debian"
PACKAGES = ("shunt", "shunt-wg")
SERVICES = ("shuntd@.service", "shunt-wg@.service")
# What a package of Debian's has that ./check and ./demo don't need to name, or the other way round.
OF_THE_PACKAGE = {"debhelper-compat", "scdoc", "libipsec-mb-dev"}
OF_A_CHECKOUT = {"gcc", "libc6-dev", "ninja-build", "libcmocka-dev"}
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd isn't installed")


@pytest.fixture(scope="module", name="root")
def fixture_root(tmp_path_factory):
    """What meson installs; its prefix, whichever that is, stands for the packages' usr."""
    where = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", where], check=True,
                   stdout=subprocess.DEVNULL)
    (shunt,) = where.rglob("bin/shunt")
    return shunt.parents[1]


def lines(name):
    return [line for line in (DEBIAN / name).read_text("utf-8").splitlines() if line]


def below(path):
    return [p for p in path.rglob("*") if not p.is_dir()] if path.is_dir() else [path]


def test_every_file_that_is_installed_is_in_one_package(root):
    there = {os.path.relpath(p, root) for p in below(root)}
    taken = []
    for name in [*(f"{p}.install" for p in PACKAGES), "not-installed"]:
        for line in lines(name):
            source = line.split()[0]
            if source.startswith("debian/"):
                assert (ROOT / source).exists(), line
                continue
            found = below(root / source.removeprefix("usr/"))
            assert found and all(p.exists() for p in found), line
            taken += [os.path.relpath(p, root) for p in found]
    assert there - set(taken) == set(), "in no package"
    assert len(taken) == len(set(taken)), "in two packages"


def names(text):
    return set(re.findall(r"(?<![\w-])[a-z][a-z0-9.+-]+", re.sub(r"\([^)]*\)|\[[^]]*\]|-y|\\", " ", text)))


def test_what_a_build_needs_is_told_alike():
    control = (DEBIAN / "control").read_text("utf-8")
    package = names(re.search(r"^Build-Depends:((?:.*\n )*.*)$", control, re.M).group(1))
    setup = (ROOT / "tests/setup.sh").read_text("utf-8")
    checkout = names(re.search(r'^BUILD_PACKAGES="([^"]*)"', setup, re.M).group(1))
    assert package - OF_THE_PACKAGE == checkout - OF_A_CHECKOUT
    page = (ROOT / "docs/packages.md").read_text("utf-8")
    told = names(re.search(r"^apt-get install --no-install-recommends ((?:.*\\\n)*.*)$", page, re.M).group(1))
    assert checkout - {"libcmocka-dev"} <= told


def test_the_version_is_told_alike():
    version = re.search(r"^  version: '([^']+)'", (ROOT / "meson.build").read_text("utf-8"), re.M).group(1)
    assert lines("changelog")[0].startswith(f"shunt ({version}) ")


def services(root, folder):
    """The units as they are installed, as instances, with programs that are there."""
    made = {}
    for name in SERVICES:
        text = (root / "lib/systemd/system" / name).read_text("ascii")
        made[name] = folder / name.replace("@", "@x")
        made[name].write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M), "ascii")
    shutil.copy(root / "lib/systemd/system/shunt-wg.target", folder)
    return made


@needs_systemd
def test_units_are_understood(root, tmp_path):
    units = services(root, tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units.values()], capture_output=True, text=True,
                          check=False)
    assert not [line for line in done.stderr.splitlines() if "shunt" in line]


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_units_may_do_what_the_page_says(root, tmp_path, name):
    page = (ROOT / "docs/packages.md").read_text("utf-8")
    told = float(re.search(rf"^\| `{name}` \| ([\d.]+) \|", page, re.M).group(1))
    unit = services(root, tmp_path)[name]
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True,
                          text=True, check=False)
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout).group(1)) == told, done.stdout


def test_the_daemon_s_unit_starts_devices_by_theirs(root, tmp_path):
    unit = (root / "lib/systemd/system/shuntd@.service").read_text("ascii")
    told = re.search(r"^Environment=SHUNT_WG=\S+(/libexec/\S+)$", unit, re.M).group(1)
    starter = root / told[1:]
    assert os.access(starter, os.X_OK)
    (tmp_path / "systemctl").write_text('#!/bin/sh\necho "$@"\n', "ascii")
    (tmp_path / "systemctl").chmod(0o755)
    done = subprocess.run([starter, "wg-a.1"], capture_output=True, text=True, check=True,
                          env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stdout == "start shunt-wg@wg-a.1.service\n"


def test_the_folders_that_the_readme_writes_to_are_there():
    section = (ROOT / "README.md").read_text("utf-8").partition("## Two machines of your own")[2].partition("\n## ")[0]
    folders = set(re.findall(r"/(etc/\w+)/", section))
    assert folders and folders <= set(lines("shunt.dirs"))


def test_the_packages_start_nothing():
    for script in DEBIAN.glob("*.postinst"):
        calls = re.findall(r"(?:deb-systemd-invoke|systemctl)(?: --system)? (\S+)", script.read_text("utf-8"))
        assert set(calls) <= {"daemon-reload", "list-units", "restart"}, script.name


@pytest.mark.parametrize("script", [*DEBIAN.glob("*.p*inst"), *DEBIAN.glob("*.p*rm"), ROOT / "contrib/build-deb",
                                    *(ROOT / "tests").glob("packages*"), *(ROOT / "tests" / name for name in
                                      ("arm64", "fresh", "migrating", "newcomer", "root-enter"))], ids=lambda p: p.name)
def test_scripts_are_understood(script):
    shell = pathlib.Path(script.read_text("utf-8").splitlines()[0].removeprefix("#!")).name
    subprocess.run([shell, "-n", script], check=True)
