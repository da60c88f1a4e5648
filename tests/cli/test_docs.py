# SPDX-License-Identifier: MIT
"""What the documentation points at is there: files, headings, verbs and options."""

import base64
import hashlib
import itertools
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from shunt import SHUNT, shunt

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "tests/vm/README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchor(heading):
    """As forges make it of a heading."""
    text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
    return text.strip().replace(" ", "-")


def headings(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {anchor(h) for h in re.findall(r"^#+ (.*)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    lost = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (fragment and fragment not in headings(there)):
            lost.append(link)
    assert not lost


def commands(page):
    """(line, words) of every call of shunt in the page's blocks of shell."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.replace(";", " ; "), comments=True)
            for i, word in enumerate(words):
                if word == "shunt":
                    yield line, words[i + 1:]


def test_commands_are_those_of_the_program():
    seen = 0
    for page in PAGES:
        for line, words in commands(page):
            text = shunt(words[0], "--help").stdout
            assert text.startswith("Usage: shunt " + words[0]), line
            for word in words[1:]:
                assert not word.startswith("-") or re.search(rf"(^|[ \[]){word}\b", text, re.M), line
            seen += 1
    assert seen > 10


def test_the_example_of_the_readme_is_an_inventory(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    number = itertools.count()
    keys = re.sub(r"public_key: \.\.\.", lambda _: "public_key: " + base64.b64encode(
        hashlib.sha256(b"%d" % next(number)).digest()).decode(), text)
    [example] = re.findall(r"^```yaml\n(.*?)^```", keys, re.M | re.S)
    (tmp_path / "mesh.yaml").write_text(example, encoding="utf-8")
    done = shunt("check", "mesh.yaml", cwd=tmp_path)
    assert done.returncode == 0 and "0 errors" in done.stdout


BENCHES = re.findall(r"`((?:build/)?bench/\w+|bench_\w+)`", (ROOT / "docs/testing.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("bench", BENCHES)
def test_benches_tell_their_options(bench):
    program = ROOT / bench if bench.startswith("bench/") else SHUNT.parent / "bench" / pathlib.Path(bench).name
    done = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60, check=False)
    told = done.stdout or done.stderr
    assert "usage" in told and "--json" in told


@pytest.mark.parametrize("program, wrong", [("demo", "--jsn"), ("check", "nte")])
def test_wrong_words_cost_no_installation_and_no_build(program, wrong):
    done = subprocess.run([ROOT / program, wrong], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and wrong in done.stderr and f"./{program} --help" in done.stderr


def test_the_demo_lets_all_of_its_options_in():
    """It looks at the words before it installs anything, and then hands them on."""
    asked = subprocess.run([sys.executable, ROOT / "tests/lab/demo.py", "--help"], capture_output=True, text=True,
                           timeout=60, check=True).stdout
    let_in = re.search(r"^\t-h \| (.*?)\) ;;", (ROOT / "demo").read_text(encoding="utf-8"), re.M).group(1).split(" | ")
    for option in set(re.findall(r"--\w+", asked)) - {"--help", "--enter"}:
        assert option in let_in, option


def test_what_is_installed_is_built_in_a_folder_of_its_own():
    """meson passes over the options of a folder that ./demo or ./check has set up."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    [folder] = re.findall(r"^meson setup (\S+) --prefix", text, re.M)
    assert folder != "build" and f"meson install -C {folder}\n" in text
    assert "-Dtests=true" in (ROOT / "demo").read_text(encoding="utf-8")


def test_the_systemd_unit_starts_what_is_installed():
    (command,) = [line for line in (SHUNT.parent / "shuntd@.service").read_text("ascii").splitlines()
                  if line.startswith("ExecStart=")]
    assert re.match(r"ExecStart=/\S*/bin/shuntd --node %i ", command)


def test_the_systemd_unit_never_gives_up(tmp_path):
    """Five failures in ten seconds are systemd's own limit, unless a unit says otherwise."""
    text = (SHUNT.parent / "shuntd@.service").read_text("ascii")
    section, set_in = None, {}
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            set_in[section, key] = value
    assert set_in["Unit", "StartLimitIntervalSec"] == "0"
    assert set_in["Service", "Restart"] == "always"
    assert int(set_in["Service", "RestartSec"]) >= 5
    if shutil.which("systemd-analyze"):
        unit = tmp_path / "shuntd@x.service"
        unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M), "ascii")
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True,
                              text=True, check=False)
        assert not [line for line in done.stderr.splitlines() if "shuntd@x.service" in line]
