# SPDX-License-Identifier: MIT
"""Whatever path the programs, the manuals, the examples and the pages mention is there after `meson
install`."""

import pathlib
import re
import subprocess

import pytest
from shunt import ROOT, SHUNT, verbs

BUILD = SHUNT.parent
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
# Files of ours by a path of their own, or as they are called in a clone.
OURS = re.compile(r"(?<![\w/.])/[\w./+-]*/doc/shunt[\w./+-]*|(?<![\w/.])(?:docs|examples)/[\w./-]+")


@pytest.fixture(scope="module", name="root")
def fixture_root(tmp_path_factory):
    where = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", where], check=True,
                   stdout=subprocess.DEVNULL)
    return where


@pytest.fixture(scope="module", name="documents")
def fixture_documents(root):
    (found,) = root.rglob("doc/shunt")
    return found


def lost(text, root, documents):
    """The paths of our files in the text that aren't there."""
    found = [p.rstrip(".") for p in OURS.findall(text)]
    return [p for p in found
            if not (root / p[1:] if p.startswith("/") else documents / p).exists()]


def test_help_names_what_is_there(root, documents):
    told = []
    for words in [["shunt"], *(["shunt", v] for v in verbs()), ["shuntd"], ["shunt-wg"]]:
        (program,) = root.rglob(f"bin/{words[0]}")
        told.append(subprocess.run([program, *words[1:], "--help"], check=True, capture_output=True,
                                   text=True).stdout)
    assert lost("".join(told), root, documents) == []
    assert any("doc/shunt/docs/findings.md" in t for t in told)


def test_manuals_name_what_is_there(root, documents):
    pages = [p for p in root.rglob("share/man/**/*") if p.is_file()]
    if not pages:
        pytest.skip("scdoc isn't installed")
    text = "".join(re.sub(r"\\(&|(?=-))", "", p.read_text("utf-8")) for p in pages)
    assert lost(text, root, documents) == []
    assert "inventory.schema.json" in text and "@docs@" not in text


def test_the_unit_names_what_is_there(root):
    (unit,) = root.rglob("shuntd@.service")
    programs = re.findall(r"^Exec\w+=[-@:+!]*(/\S+/shuntd) ", unit.read_text("ascii"), re.M)
    assert programs and all((root / p[1:]).exists() for p in programs)


def test_pages_link_to_what_is_there(documents):
    pages = list(documents.rglob("*.md"))
    assert {p.name for p in (ROOT / "docs").glob("*.md")} < {p.name for p in pages}
    gone = [(page.name, link) for page in pages for link in LINK.findall(page.read_text("utf-8"))
            if "://" not in link and not (page.parent / link).exists()]
    assert gone == []


def test_examples_name_what_is_there(root, documents):
    examples = list((documents / "examples").glob("*.yaml"))
    assert {e.name for e in examples} == {e.name for e in (ROOT / "examples").glob("*.yaml")}
    for example in examples:
        text = example.read_text("utf-8")
        (schema,) = re.findall(r"^# yaml-language-server: \$schema=(\S+)", text, re.M)
        assert (example.parent / schema).exists()
        assert lost(re.sub(r"\$schema=\S+", "", text), root, documents) == []


def test_no_path_leads_to_where_it_was_built(root):
    for file in root.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.suffix in (".md", ".service", ".yaml"):
            assert str(ROOT) not in file.read_text("utf-8")
            assert str(pathlib.Path(BUILD)) not in file.read_text("utf-8")


def test_completion_is_there_for_each_program(root):
    """Where bash, zsh and fish look."""
    for file in ("bash-completion/completions/shunt", "fish/vendor_completions.d/shunt.fish"):
        for program in ("shunt", "shuntd", "shunt-wg"):
            assert root.rglob(file.replace("s/shunt", f"s/{program}").replace("d/shunt", f"d/{program}"))
    (zsh,) = root.rglob("share/zsh/vendor-completions/_shunt")
    assert zsh.read_text("utf-8").startswith("#compdef shunt shuntd shunt-wg\n")
