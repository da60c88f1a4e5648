# SPDX-License-Identifier: MIT
"""shunt-wg as a program, in the pair of pair.py: how it is executed, by whom, and what shows that it
lives."""

import contextlib
import os
import socket
import subprocess

from lab import LabError
from pair import INNER, OUTER, OURS, PROGRAMS, host_port

NOBODY = "65534"
# Some machines keep the device to root; in the mount namespace of a node it can be as usual.
OPEN_TUN = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
            "chmod 666 /dev/net/tun && ")


def setpriv(caps):
    """The command line that goes on as nobody with these capabilities, such as +net_admin."""
    caps = ",".join(["-all", caps]) if caps else "-all"
    return ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", caps,
            "--ambient-caps", caps, "--bounding-set", caps]


def ours(*words):
    return [PROGRAMS[OURS], *words]


def execute(node, argv, environment=None, **options):
    """Runs it to its end, with pipes on all three; (status, stdout, stderr)."""
    done = subprocess.run(node.inside(argv), check=False, capture_output=True, text=True, timeout=20,
                          stdin=options.pop("stdin", subprocess.DEVNULL),
                          env={**os.environ, **(environment or {})}, **options)
    return done.returncode, done.stdout, done.stderr


def accepts(node, name="wg0"):
    with socket.socket(socket.AF_UNIX) as s:
        try:
            s.connect(socket_path(node, name))
        except OSError:
            return False
        return True


def socket_path(node, name="wg0"):
    return node.path(f"wireguard/{name}.sock")


def ended(pair):
    return not pair.a.pids() and not pair.a.node.has_interface("wg0")


def configure(pair, name="a"):
    """a, which runs already, and b, which may not, as Pair.start leaves them."""
    end, other = (pair.a, pair.b) if name == "a" else (pair.b, pair.a)
    end.identify()
    words = ["endpoint", host_port(OUTER["b"][4])] if name == "a" else []
    far = "b" if name == "a" else "a"
    end.set("peer", other.public, *words, "allowed-ips", f"{INNER[far][4]},{INNER[far][6]}")
    end.up()
    end.node.address(f"{INNER[name][4]}/24", "wg0")
    with contextlib.suppress(LabError):  # where IPv6 is disabled
        end.node.address(f"{INNER[name][6]}/64", "wg0")


def start_other(pair):
    """wireguard-go on b, waiting for a."""
    pair.b.start()
    configure(pair, "b")


def port_is_taken(node, port):
    """True if a socket of UDP is bound there; port 0: any."""
    text = node.run(["cat", "/proc/net/udp"])
    return any(port in (0, int(line.split()[1].rpartition(":")[2], 16))
               for line in text.splitlines()[1:])
