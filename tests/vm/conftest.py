# SPDX-License-Identifier: MIT
import json
import pathlib
import re
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lab")]


@pytest.fixture(scope="session")
def said(request):
    """What one machine printed that ran, one after the other, the COMMAND of each module whose tests were chosen and
    that says how many SECONDS it may take."""
    from vm import VM

    modules = dict.fromkeys(item.module for item in request.session.items if hasattr(item.module, "SECONDS"))
    command = "\n".join(f"(\n{m.COMMAND}\n)\necho @@status {m.__name__.split('.')[-1]} $?" for m in modules)
    _, text = VM().run(command, sum(m.SECONDS for m in modules))
    print(text)
    return text


@pytest.fixture(scope="session")
def results(said):
    """{name: what came of that check}"""
    found = [json.loads(line) for line in re.findall(r"^@@result (.*?)\r?$", said, re.M)]
    return {r["name"]: r for r in found}
