#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes C of docs/findings.md: finding_texts.py PAGE > finding_texts.c. A code is a heading of the third level,
its severity the heading above it; of its text, paragraphs lose what only a browser shows."""

import re
import sys


def plain(paragraph):
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(paragraph.split()))
    return re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])", r"\1", text)


def blocks(text):
    """(is it an example, its text) of what stands below a heading."""
    for part in re.split(r"^(```\w*\n.*?^```)$", text, flags=re.M | re.S):
        if part.startswith("```"):
            lines = part.split("\n")[1:-1]
            yield True, "".join(f"    {line}".rstrip() + "\n" for line in lines)
            continue
        for paragraph in re.split(r"\n\s*\n", part):
            if paragraph.strip():
                yield False, plain(paragraph)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def main():
    with open(sys.argv[1], encoding="utf-8") as page:
        sections = re.split(r"^## (Errors|Warnings)$", page.read(), flags=re.M)
    codes = []
    print('/* Made by finding_texts.py of docs/findings.md. */\n#include "cli/finding_texts.h"\n')
    for title, section in zip(sections[1::2], sections[2::2]):
        parts = re.split(r"^### ([a-z0-9-]+)$", section, flags=re.M)
        for code, text in zip(parts[1::2], parts[2::2]):
            print(f"static const struct finding_block blocks_{len(codes)}[] = {{")
            found = list(blocks(text))
            for is_verbatim, words in found:
                print(f"\t{{{int(is_verbatim)}, {quoted(words)}}},")
            print("};\n")
            codes.append((code, title[:-1].lower(), len(found)))
    print("const struct finding_text finding_texts[] = {")
    for i, (code, severity, n) in enumerate(codes):
        print(f'\t{{"{code}", "{severity}", blocks_{i}, {n}}},')
    print(f"}};\nconst size_t n_finding_texts = {len(codes)};")


main()
