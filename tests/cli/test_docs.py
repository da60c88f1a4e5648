# SPDX-License-Identifier: MIT
"""What the documentation points at is there: files, headings, verbs and options."""

import base64
import functools
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
sys.path.insert(0, str(ROOT / "tests"))
from reflow import long_lines  # noqa: E402
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("**/*.md")), ROOT / "tests/vm/README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")
OURS = ("shunt", "shuntd", "shunt-wg")
# Files of the tree by their paths; a * stands for several, a word in capitals for any.
FILE = re.compile(r"(?<![\w./~$-])(?:\./)?((?:bench|contrib|docs|examples|src|tests)/[\w./*-]*[\w*]|check|demo)(?![\w/])")


def text_of(page):
    return page.read_text(encoding="utf-8")


def anchor(heading):
    """As forges make it of a heading."""
    text = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower())
    return text.strip().replace(" ", "-")


def headings(page):
    return {anchor(h) for h in re.findall(r"^#+ (.*)$", FENCE.sub("", text_of(page)), re.M)}


def name_of(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    lost = []
    for link in LINK.findall(FENCE.sub("", text_of(page))):
        path, _, fragment = link.partition("#")
        if "://" in path:
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (fragment and fragment not in headings(there)):
            lost.append(link)
    assert not lost


def test_the_index_has_every_page():
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text_of(index))}
    assert [name_of(p) for p in PAGES if "tests" not in p.parts and p != index and p not in linked] == []


def calls(text):
    """Each call of a program of ours in lines of shell, as its words."""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
        except ValueError:  # a quoted text of several lines
            continue
        start = True
        for i, word in enumerate(words):
            if start and word.rpartition("/")[2] in OURS:
                rest = list(itertools.takewhile(lambda w: not set(w) & set(";&|()<>"), words[i + 1:]))
                yield [word.rpartition("/")[2], *rest]
            start = bool(set(word) & set(";&|(")) or word in ("do", "then", "exec", "sudo") or "=" in word or "@" in word


@functools.lru_cache(maxsize=None)
def help_of(*words):
    done = subprocess.run([SHUNT.parent / words[0], *words[1:], "--help"], capture_output=True, text=True, timeout=60,
                          check=False)
    return done.stdout if done.returncode == 0 else ""


def wrong_words(words):
    """What of a call its program doesn't know."""
    program, *rest = words
    known = help_of(program)
    if program == "shunt" and rest and not rest[0].startswith("-"):
        verb = rest.pop(0)
        known = help_of(program, verb) if re.search(rf"^ +{re.escape(verb)}\b", known, re.M) else ""
        if verb == "help" or not re.fullmatch(r"[a-z][\w-]*", verb):
            return []
        if not known:
            return [verb]
    options = [w.partition("=")[0] for w in rest if re.match(r"--?[a-z]", w)]
    return [o for o in options if o != "--help" and not re.search(rf"(^|[ \[(|,]){re.escape(o)}\b", known, re.M)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_are_those_of_the_programs(page):
    text = text_of(page)
    shell = [block for _, language, block in FENCE.findall(text) if language == "sh"]
    shell += [code for code in INLINE.findall(FENCE.sub("", text)) if code.split()[0] in OURS]
    wrong = [(words, w) for block in shell for words in calls(block) if (w := wrong_words(words))]
    if page.name != "CHANGELOG.md":  # which tells of what went, too
        assert wrong == []


def test_what_is_looked_at_is_found():
    """A search that finds nothing any more would say that all is well."""
    found = list(calls("shunt check a.yaml && ssh root@b shunt reload --json; X=1 shuntd --nod a # shunt drain"))
    assert found == [["shunt", "check", "a.yaml"], ["shunt", "reload", "--json"], ["shuntd", "--nod", "a"]]
    assert [wrong_words(c) for c in found] == [[], [], ["--nod"]]
    assert wrong_words(["shunt", "chekc", "x"]) == ["chekc"] and wrong_words(["shunt", "key", "--privat"]) == ["--privat"]
    assert sum(1 for page in PAGES for _ in calls("".join(b for _, l, b in FENCE.findall(text_of(page)) if l == "sh"))) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page):
    text = text_of(page)
    code = [b for _, language, b in FENCE.findall(text) if language in ("", "sh")] + INLINE.findall(FENCE.sub("", text))
    named = {name for block in code for name in FILE.findall(block)
             if not re.search(r"(^|/)[A-Z]+(/|\.|$)", name)}
    gone = [n for n in sorted(named) if not any(ROOT.glob(n)) and not any((SHUNT.parent).glob(n)) and not any(page.parent.glob(n))]
    assert page.name == "CHANGELOG.md" or gone == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_prose_has_a_hundred_columns(page):
    assert long_lines(text_of(page)) == []


def test_versions_are_those_of_the_sources():
    told = dict(re.findall(r"`(\w+)` (\d+)", re.search(r"^Answers of the control socket: (.*?)\.$", text_of(ROOT / "docs/versions.md"),
                                                      re.M | re.S).group(1)))
    defined = re.findall(r"^#define CONTROL_(\w+)_VERSION (\d+)", (ROOT / "src/control/versions.h").read_text("ascii"), re.M)
    assert told == {name.lower(): number for name, number in defined}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_whole_inventories_are_right(page, tmp_path):
    number = itertools.count()
    for _, language, block in FENCE.findall(text_of(page)):
        if language == "yaml" and block.startswith("mesh:"):
            whole = re.sub(r"public_key: \.\.\.", lambda _: "public_key: " + base64.b64encode(
                hashlib.sha256(b"%d" % next(number)).digest()).decode(), block)
            (tmp_path / "mesh.yaml").write_text(whole, encoding="utf-8")
            done = shunt("check", "mesh.yaml", cwd=tmp_path)
            assert done.returncode == 0 and "0 errors" in done.stdout, done.stdout + done.stderr


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
    text = (ROOT / "docs/packages.md").read_text(encoding="utf-8")
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
