# SPDX-License-Identifier: MIT
"""The examples, rendered, byte by byte.

tests/golden/render/<example>/<node>/ has the files that a person has read and found right.
After a change that is meant: SHUNT_GOLDEN=write pytest tests/golden/test_render.py, and read the
difference. Of the large example two nodes stand for all.
"""
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SHUNT = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "shunt"
EXAMPLES = {
    "anycast": None,
    "bgp": None,
    "forty-sites": ["site-01", "site-40"],
    "ospf": None,
    "road-warriors": None,
    "shared-load": None,
    "two-hubs": None,
}


def render(example, folder, *options):
    """Exit code and {path: content} of what stands in the folder then."""
    done = subprocess.run(
        [SHUNT, "render", ROOT / "examples" / f"{example}.yaml", "-o", folder, *options],
        capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return files(folder)


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_example_is_here():
    assert sorted(EXAMPLES) == sorted(p.stem for p in (ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_golden(example, tmp_path):
    got = render(example, tmp_path / "out")
    if EXAMPLES[example]:
        got = {path: text for path, text in got.items() if path.split("/")[0] in EXAMPLES[example]}
    golden = HERE / "render" / example
    if os.environ.get("SHUNT_GOLDEN") == "write":
        shutil.rmtree(golden, ignore_errors=True)
        for path, text in got.items():
            (golden / path).parent.mkdir(parents=True, exist_ok=True)
            (golden / path).write_bytes(text)
    want = files(golden)
    assert sorted(got) == sorted(want)
    for path, text in want.items():
        assert got[path].decode() == text.decode(), path


@pytest.mark.parametrize("example", sorted(EXAMPLES))
def test_one_node_is_as_in_the_whole(example, tmp_path):
    whole = render(example, tmp_path / "all")
    for path in list(whole)[:: max(1, len(whole) // 5)]:
        node = path.split("/")[0]
        one = render(example, tmp_path / path.replace("/", "_"), "--node", node)
        assert one == {p: text for p, text in whole.items() if p.split("/")[0] == node}
