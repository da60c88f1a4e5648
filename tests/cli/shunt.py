# SPDX-License-Identifier: MIT
"""What tests of the command line share: the built program and how to run it."""
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHUNT = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "shunt"

INVENTORY = """\
mesh: corp
overlay: [10.10.0.0/24]
topology: hub-and-spoke
nodes:
  hub-a:
    role: hub
    public_key: s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk=
    address: [10.10.0.1]
    endpoint: 192.0.2.1:51820
  hub-b:
    role: hub
    public_key: VcYfM8srh8Mibxf0NXVLCrCjnUJWIm29Kmx+deVy0F8=
    address: [10.10.0.2]
    endpoint: 192.0.2.2:51820
    metric: 20
  site-1:
    public_key: xWO0e+spgCse2UwkCN7PP1zLG1gdnJbuEncGqye62g4=
    address: [10.10.0.11]
    networks: [10.20.1.0/24]
  site-2:
    public_key: 7poylWfdcBmLhNaxaeC7KszkbMjMuofMTng+TuVeHjA=
    address: [10.10.0.12]
    networks: [10.20.2.0/24]
"""
NODES = ["hub-a", "hub-b", "site-1", "site-2"]


def shunt(*words, cwd=None, **options):
    """Runs the program; the result has .returncode, .stdout and .stderr."""
    options.setdefault("stdout", subprocess.PIPE)
    return subprocess.run([SHUNT, *words], stderr=subprocess.PIPE, text=True, check=False, cwd=cwd,
                          **options)


def verbs():
    """As --help lists them."""
    lines = shunt("--help").stdout.split("\n\n")[1].splitlines()
    return [line.split()[0] for line in lines]
