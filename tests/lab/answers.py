# SPDX-License-Identifier: MIT
"""What daemons answer is held against docs/schema, in whatever test asks them."""

import functools
import json
import pathlib

try:
    import jsonschema
except ImportError:  # the demo and the benches do without
    jsonschema = None

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schema"
_seen = set()


@functools.cache
def validator(op):
    path = FOLDER / f"{op}.json"
    if jsonschema is None or not path.exists():
        return None
    return jsonschema.Draft7Validator(json.loads(path.read_text("utf-8")))


def shape(value):
    """Which members there are, of which types: what is of a shape that was held against the schema is passed over."""
    if isinstance(value, dict):
        return tuple((k, shape(v)) for k, v in value.items())
    if isinstance(value, list):
        return frozenset(map(shape, value))
    return type(value).__name__


def check(op, answer):
    """Raises jsonschema.ValidationError if the answer isn't what the schema says."""
    judge = validator(op)
    if judge is None:
        return
    key = op, shape(answer)
    if key not in _seen:
        judge.validate(answer)
        _seen.add(key)
