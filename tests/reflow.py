#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Breaks the prose of pages at a hundred columns: tests/reflow.py PAGE...

Tables, code, headings and pictures stay as they are; words and their order always do. Who edits a page lets it run
over it; tests/cli/test_docs.py asks for no more than that no line is longer."""

import pathlib
import re
import sys

WIDTH = 100
ITEM = re.compile(r"^(\s*(?:[-*+]|\d+\.)\s+)(.*)$")
# What begins something of its own, where it stands first in a line.
BEGINS = re.compile(r"^([-+*]|#+|[>|].*|\d+[.)]|```.*|=+|-+)$")


def words_of(text):
    """What stays together in a line: a span of code, unless it is long; what would begin something, and the word before."""
    glued = re.sub(r"`[^`]{1,60}`", lambda m: m[0].replace(" ", "\0"), text)
    words = []
    for word in glued.split():
        if words and BEGINS.match(word):
            words[-1] += " " + word
        else:
            words.append(word.replace("\0", " "))
    return words


def fill(words, first, rest):
    lines, line = [], first + words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) <= WIDTH:
            line += " " + word
        else:
            lines.append(line)
            line = rest + word
    return [*lines, line]


def is_apart(line):
    return not line.strip() or line.lstrip().startswith(("```", "|", "#", "<", "!["))


def paragraphs(lines):
    """(kind, lines): "code", "apart" (one line) or "prose", in order."""
    i, fenced, indent = 0, False, 0  # indent: of the list that we are in
    while i < len(lines):
        line = lines[i]
        own = len(line) - len(line.lstrip())
        item = ITEM.match(line)
        if line.lstrip().startswith("```"):
            fenced = not fenced
        if fenced or is_apart(line) or (own >= indent + 4 and not item):
            yield ("code" if fenced else "apart"), [line]
            i += 1
            continue
        indent = len(item[1]) if item else min(indent, own)
        taken = [line]
        i += 1
        while i < len(lines) and not is_apart(lines[i]) and not ITEM.match(lines[i]):
            taken.append(lines[i])
            i += 1
        yield "prose", taken


def reflow(text):
    out = []
    for kind, lines in paragraphs(text.split("\n")):
        if kind != "prose":
            out += lines
            continue
        item = ITEM.match(lines[0])
        first = item[1] if item else re.match(r"\s*", lines[0])[0]
        body = " ".join([item[2] if item else lines[0], *lines[1:]])
        out += fill(words_of(body), first, " " * len(first))
    return "\n".join(out)


def long_lines(text):
    """Lines of prose that are too long. Words that can't be broken may be."""
    return [line for kind, lines in paragraphs(text.split("\n")) if kind == "prose" for line in lines
            if len(line) > WIDTH and len(words_of(line)) > (2 if ITEM.match(line) else 1)]


def main():
    for name in sys.argv[1:]:
        page = pathlib.Path(name)
        text = page.read_text(encoding="utf-8")
        new = reflow(text)
        assert new.split() == text.split(), name
        if new != text:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
