# SPDX-License-Identifier: MIT
"""The published JSON Schema says the same as the reader.

Every example validates. Then one inventory is changed in one place at a time, and both must agree
whether that is still one. What a schema can't say is left to the reader alone: names that a link
doesn't find, a pair listed twice in different order, the same prefix in different words. What the
reader leaves to `shunt check` the schema says already: the shape of a key.
"""
import copy
import json
import os
import pathlib
import re
import subprocess

import jsonschema
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
KEY = "s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk="
GONE = object()  # the key is taken out


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors have it; PyYAML's own is 1.1, where `off` is false."""


Loader.yaml_implicit_resolvers = {}
for kind, pattern, first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:" + kind, re.compile(f"^(?:{pattern})$"), list(first)
    )

SCHEMA = json.loads((ROOT / "docs/inventory.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example(path):
    VALIDATOR.validate(yaml.load(path.read_text(), Loader))


def ask_reader(texts):
    """The reader's answer to each: "ok", or its first error."""
    return subprocess.run(
        [os.environ["SHUNT_INVENTORY_PROBE"]],
        input="".join(t + "\0" for t in texts).encode(),
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode().splitlines()


def test_reference():
    """The inventory that the reference begins with is one."""
    text = (ROOT / "docs/inventory.md").read_text().split("```yaml\n")[1].split("```")[0]
    VALIDATOR.validate(yaml.load(text, Loader))
    assert ask_reader([text]) == ["ok"]


def test_there_are_examples():
    assert len(EXAMPLES) >= 4


BASE = {
    "mesh": "m",
    "overlay": ["10.0.0.0/8", "fd10::/64"],
    "topology": "hub-and-spoke",
    "defaults": {"mtu": 1420, "liveness": {"probe": "bfd"}},
    "nodes": {
        "a": {
            "role": "hub",
            "public_key": KEY,
            "address": ["10.0.0.1", "fd10::1"],
            "endpoint": "192.0.2.1:51820",
            "metric": 10,
            "networks": ["10.1.0.0/16", {"prefix": "10.2.0.0/16", "metric": 1}],
        },
        "b": {"public_key": KEY, "address": "10.0.0.2", "nat": True},
    },
    "links": [["a", "b"]],
}

WRONG_TYPES = [None, True, 7, 1.5, "", "x", [], ["x"], {}, {"x": "y"}]
PLACES = {
    ("mesh",): ["m", "two words", "ä" * 63, "ä" * 64, "a\nb", "12"],
    ("overlay",): ["10.0.0.0/8", ["10.0.0.0/8"], ["10.0.0.0/8"] * 2, "10.0.0.0/33", [7]],
    ("topology",): ["full-mesh", "Full-mesh", "mesh"],
    ("defaults",): [{"mtu": 1}, {"role": "hub"}, {"mesh": "m"}, {"liveness": {}}],
    ("nodes",): [{"a": BASE["nodes"]["a"]}, BASE["nodes"]],
    ("nodes", "a"): [{"public_key": KEY}, {"address": "10.0.0.1"},
                     {"public_key": KEY, "address": "10.0.0.1", "role": "client", "dns": ["fd10::1", "x"]}],
    ("nodes", "a", "role"): ["spoke", "hub", "client", "Hub", "server"],
    ("nodes", "a", "public_key"): [KEY],
    ("nodes", "a", "default_route"): ["clients", ["clients", "b"], [], "b", ["b", "b"], [["b"]], [7]],
    ("defaults", "default_route"): ["clients", ["b"]],
    ("revoked",): [KEY, [KEY], [], [KEY[1:]], [7]],
    ("nodes", "a", "nat"): [True, False, "true", "yes"],
    ("nodes", "a", "metric"): [0, 4294967294, 4294967295, -1, "1"],
    ("nodes", "a", "weight"): [1, 1000, 0, 1001, -1, "1"],
    ("nodes", "a", "device"): ["kernel", "shunt-wg", "other", "wireguard-go", "Kernel"],
    ("defaults", "device"): ["kernel", "shunt-wg", "other", "uapi"],
    ("nodes", "a", "may_announce"): [[], "10.40.0.0/16", ["10.40.0.0/16", "::/0"], ["10.40.0.0/16"] * 2, [7], ["x"]],
    ("defaults", "dns"): ["10.0.0.1", "fd10::1", "corp.example", "x.", [], ["10.0.0.1", "corp.example"], "10.0.0", "-x",
                          [7], ["10.0.0.1/32"], ["a b"]],
    ("nodes", "a", "dns"): ["10.0.0.1"],
    ("defaults", "may_announce"): ["10.40.0.0/16"],
    ("nodes", "a", "routing"): [{}, {"engine": "bird"}, {"asn": 1}, "bird", {"area": 0}],
    ("defaults", "routing"): [{}, {"engine": "bird", "reflectors": ["a", "b"]}, {"may_announce": "10.0.0.0/8"}],
    ("nodes", "a", "routing", "engine"): ["bird", "frr", "other", "none", "Bird", "quagga"],
    ("nodes", "a", "routing", "protocol"): ["bgp", "ospf", "babel", "BGP"],
    ("nodes", "a", "routing", "layout"): ["single", "per-peer"],
    ("nodes", "a", "routing", "asn"): [1, 4294967294, 0, 4294967295, "65001"],
    ("nodes", "a", "routing", "reflectors"): ["a", ["a", "b"], ["a", "a"], [7], [["a"]]],
    ("nodes", "a", "routing", "distance"): [1, 255, 0, 256],
    ("nodes", "a", "routing", "tables"): [1, 254, 255, 4294967295, 4294967296, [10, 254], [254, 254], ["main"], 0],
    ("nodes", "a", "routing", "protocols"): [12, [186, 196], 2, 213, 0, 255, 256, [12, 12]],
    ("nodes", "a", "routing", "socket"): ["/run/x", "run/x", "/" + "x" * 106, "/" + "x" * 107],
    ("nodes", "a", "interface"): ["wg0", "a" * 15, "a" * 16, "=+._-", ".", "..", "...", "a/b", "a b"],
    ("nodes", "a", "listen_port"): [1, 65535, 0, 65536, -1, "80"],
    ("nodes", "a", "keepalive"): ["auto", "off", "on", 1, 65535, 0, 65536, "25", "25s"],
    ("nodes", "a", "mtu"): [576, 65535, 575, 65536, 1279, 1280],
    ("nodes", "b", "mtu"): [576, 575],
    ("nodes", "a", "private_key_file"): ["/k", "/", "k", "./k", "/a b", "/a#b", "/a\tb", "/ä"],
    ("nodes", "a", "liveness"): [{}, {"probe": "echo", "hold": "1s"}, "bfd", {"timeout": "1s"}],
    ("nodes", "a", "liveness", "probe"): ["bfd", "echo", "handshake", "ping", "BFD"],
    ("nodes", "a", "liveness", "multiplier"): [1, 255, 0, 256, "3"],
    ("nodes", "a", "liveness", "interval"): [
        *("10ms 9ms 60s 61s 1m 2m 0m 1h 10000us 9999us 60000000us 60000001us 60000ms 60001ms".split()),
        *("10000000ns 9999999ns 60000000000ns 60000000001ns 010ms 0s 1 1.5s 100 ms -1s 1S 59s".split()),
    ],
    ("nodes", "a", "liveness", "hold"): [
        *("0s 0ms 0h 1h 2h 60m 61m 3600s 3601s 3600000ms 3600001ms 3600000000us 3600000001us".split()),
        *("3600000000000ns 3600000000001ns 005s 1d s 5 2999s 3599s".split()),
    ],
    ("nodes", "a", "address"): [
        *("10.0.0.1 10.0.0.1/32 10.0.0.1/24 10.0.0.256 10.0.0 10.0.0.01 010.0.0.1 10.0.0.1/".split()),
        *("fd10::1 fd10::1/128 fd10::1/64 :: ::1 1:: 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7::".split()),
        *("::2:3:4:5:6:7:8 1::3:4:5:6:7:8 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 :1 1: ::: fd10::g".split()),
        *("::ffff:10.0.0.1 1:2:3:4:5:6:10.0.0.1 1:2:3:4:5:6:7:10.0.0.1 ::10.0.0 fe80::1%eth0 12345::".split()),
        *("FD10::ABCD fd10::00001 1:2:3:4:5:6::10.0.0.1 1:2:3:4:5::10.0.0.1".split()),
        ["10.0.0.1", "10.0.0.1"],
        ["10.0.0.1", "10.0.0.2"],
    ],
    ("nodes", "a", "networks"): [
        [],
        "10.0.0.0/8",
        *("0.0.0.0/0 ::/0 10.0.0.0/32 10.0.0.0/08 10.0.0.0/-1 10.0.0.0/ 10.0.0.0/a 10.1.2.3/16".split()),
        *("fd10::/128 fd10::/129 fd10::/099 fd10::/99 fd10::/119 fd10::1 /8 10.0.0.0/8/8".split()),
        {"prefix": "10.0.0.0/8"},
        [{"prefix": "10.0.0.0/8"}],
        [{"metric": 1}],
        [{"prefix": ["10.0.0.0/8"]}],
        [{"prefix": "10.0.0.0/8", "cost": 1}],
        [["10.0.0.0/8"]],
        ["10.0.0.0/8", "10.0.0.0/8"],
        [None],
    ],
    ("nodes", "a", "networks", 1, "metric"): [0, 4294967294, 4294967295, "1"],
    ("nodes", "a", "networks", 1, "weight"): [1, 1000, 0, 1001, "1"],
    ("nodes", "a", "networks", 1, "on_dead"): ["fall-back", "hold", "release", "fallback", "drop"],
    ("nodes", "a", "endpoint"): [
        *("h h:1 h:65535 h:0 h:65536 h:01 h: :1 h.example.net h.example.net.:5 h..net:5 .h:5 h-:5".split()),
        *("-h:5 h_1:5 _h:5 1h:5 1:5 h.1:5 h.1.:5 10.0.0.1 10.0.0.1:5 10.0.0.256:5 10.0.0.1.:5".split()),
        *("[fd10::1]:5 [fd10::1] fd10::1 [fd10::1]5 [fd10::1 [10.0.0.1]:5 [h]:5 h:5:6 h:5x hä:5 h/:5".split()),
        *("[fe80::1%eth0]:5 [fe80::1%3] [fe80::1%]:5 [fe80::1%a/b]:5 [fd10::1%eth0]:5 fe80::1%eth0".split()),
        *("0x7f:5 0X7F.:5 h.0x1:5 0x:5 0xg:5 10.0.0.1%eth0:5 h%eth0:5".split()),
        "h h:5",
        "a" * 63 + ":5",
        "a" * 64 + ":5",
        ".".join(["a" * 63] * 3 + ["a" * 61]) + ":5",
        ".".join(["a" * 63] * 3 + ["a" * 62]) + ":5",
    ],
    ("links",): [
        [],
        [["a"]],
        [["a", "b", "a"]],
        [["a", "a"]],
        [["a", "b"], ["a", "b"]],
        [{"between": ["a", "b"]}],
        [{"between": ["a", "b"], "preshared_key_file": "/psk"}],
        [{"between": ["a", "b"], "preshared_key_file": "psk"}],
        [{"between": ["a", "b"], "endpoints": {"a": "192.168.1.5:51820"}}],
        [{"between": ["a", "b"], "endpoints": {"b": "h", "a": "[fe80::1%eth0]:5"}}],
        [{"between": ["a", "b"], "endpoints": {}}],
        [{"between": ["a", "b"], "endpoints": {"a": "h:0"}}],
        [{"between": ["a", "b"], "endpoints": {"a": None}}],
        [{"between": ["a", "b"], "endpoints": ["h:5", "h:6"]}],
        [{"between": ["a", "b"], "endpoints": "h:5"}],
        [{"between": "a"}],
        [{"preshared_key_file": "/psk"}],
        [{"between": ["a", "b"], "mtu": 1400}],
        [[1, "b"]],
        "a",
        ["a"],
    ],
}
NODE_NAMES = ["a", "A-Z_=+.0", "a" * 63, "a" * 64, ".", "..", "...", "a b", "a/b", "ä", "", "1", "true"]


def changed(place, value):
    tree = copy.deepcopy(BASE)
    at = tree
    for step in place[:-1]:
        if isinstance(at, dict):
            at.setdefault(step, {})
        at = at[step]
    if value is GONE:
        at.pop(place[-1], None)
    else:
        at[place[-1]] = value
    return tree


def cases():
    for place, values in PLACES.items():
        for value in [*values, *WRONG_TYPES, GONE]:
            yield place, value, changed(place, value)
        yield place, "unknown key", changed((*place[:-1], "unknown"), 1) if isinstance(
            place[-1], str
        ) else BASE
    for name in NODE_NAMES:
        yield ("nodes",), name, changed(("nodes", name), BASE["nodes"]["b"])


def is_for_the_reader(place, value):
    """True where the two may differ."""
    if place == ("nodes", "a", "public_key"):
        return value not in (KEY, None, [], {}, GONE)  # the shape of a key is the check's
    if place == ("nodes", "a"):
        return value is GONE  # the link names it
    if place[-1] in ("reflectors", "default_route"):  # whether there is a node of that name is the reader's
        return value in ("x", ["x"])
    if place == ("nodes",):
        return isinstance(value, dict) and "b" not in value
    return False


def test_reader_agrees():
    all_cases = list(cases())
    texts = [json.dumps(tree, ensure_ascii=False) for _, _, tree in all_cases]
    answers = ask_reader(texts)
    assert len(answers) == len(all_cases) > 500
    differ = []
    for (place, value, tree), answer in zip(all_cases, answers):
        wrong = next(VALIDATOR.iter_errors(tree), None)
        if (answer == "ok") != (wrong is None) and not is_for_the_reader(place, value):
            differ.append((place, value, answer, wrong and wrong.message[:100]))
    assert not differ
    assert 100 < sum(a == "ok" for a in answers) < len(answers) - 100
