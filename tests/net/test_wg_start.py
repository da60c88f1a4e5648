# SPDX-License-Identifier: MIT
"""shunt-wg at its edges: started with few descriptors, ended while it starts, left alone, moved to another
network namespace."""

import contextlib
import os
import pathlib
import re
import resource
import signal
import socket
import time

import pytest

from lab import Lab, processes_in, wait_for
from pair import OURS, PORT, PROGRAMS, Pair, key_pair

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-net") as lab:
        yield lab


@pytest.fixture(name="node")
def node_fixture(lab):
    return lab.namespace("n")


def socket_path(node):
    return node.path("wireguard/wg0.sock")


def accepts(node):
    with socket.socket(socket.AF_UNIX) as s:
        with contextlib.suppress(OSError):
            s.connect(socket_path(node))
            return True
    return False


def port_is_taken(node, port):
    text = node.run(["cat", "/proc/net/udp"])
    return any(int(line.split()[1].rpartition(":")[2], 16) == port for line in text.splitlines()[1:])


def spawn_limited(node, n, log):
    """In the foreground; only the program itself may open so few files."""
    return node.spawn(["sh", "-c", f'ulimit -n {n} && exec "$@"', "sh", PROGRAMS[OURS], "-f", "wg0"],
                      log=log)


def nothing_is_left(node):
    return not node.has_interface("wg0") and not os.path.exists(socket_path(node))


# --- descriptors ----------------------------------------------------------------------------------


def works(node, port):
    """Up, with a key and a port, then with another port, and down again."""
    key = node.path("key")
    pathlib.Path(key).write_text(key_pair()[0] + "\n", encoding="ascii")
    node.ip("link set wg0 up")
    node.run(["wg", "set", "wg0", "private-key", key, "listen-port", str(port)])
    wait_for("it is up", lambda: port_is_taken(node, port), 10)
    node.run(["wg", "set", "wg0", "listen-port", str(port + 1)])
    wait_for("the other port", lambda: port_is_taken(node, port + 1), 10)
    assert f"listening port: {port + 1}" in node.run(["wg", "show", "wg0"])
    node.ip("link set wg0 down")
    wait_for("it is down", lambda: not port_is_taken(node, port + 1), 10)
    return True


def test_few_descriptors(node):
    """At every limit it either says at once what is missing, and leaves nothing behind, or it works."""
    started = []
    for n in range(4, 44):
        process = spawn_limited(node, n, f"log{n}")
        wait_for("it ended or serves", lambda p=process: p.poll() is not None or accepts(node), 10)
        if process.poll() is None:
            started.append(n)
            assert works(node, 4000)
            process.terminate()
            assert process.wait(timeout=10) == 0
        else:
            words = pathlib.Path(node.path(f"log{n}")).read_text(encoding="utf-8")
            # Where not even the libraries can be opened, the linker says so.
            assert process.returncode in (1, 127), (n, process.returncode)
            assert "ulimit -n" in words or "cannot open shared object" in words, (n, words)
        wait_for("nothing is left", lambda: nothing_is_left(node), 5)
        assert not processes_in([node.namespace])
    assert started and started == list(range(started[0], 44))


def slice_ns(pid):
    """None: the kernel doesn't tell."""
    found = re.search(r"^se\.slice +: +(\d+)", pathlib.Path(f"/proc/{pid}/sched").read_text(encoding="ascii"), re.M)
    return found and int(found.group(1))


@pytest.mark.skipif(not os.path.exists("/proc/self/autogroup"), reason="the kernel doesn't group by session")
@pytest.mark.parametrize("nice", [-10, 0])
def test_goes_first_among_sessions(node, nice):
    """Where the scheduler weighs sessions, the niceness of a process counts within its own alone."""
    node.run(["nice", "-n", str(nice), PROGRAMS[OURS], "wg0"])
    (pid,) = processes_in([node.namespace])
    group = pathlib.Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii")
    assert group.endswith(f" nice {nice}\n")
    assert slice_ns(pid) in ((None, 500000) if nice else (None, slice_ns("self")))
    node.ip("link del wg0")
    wait_for("it ended", lambda: not processes_in([node.namespace]), 10)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def connect(node):
    s = socket.socket(socket.AF_UNIX)

    def done():
        with contextlib.suppress(BlockingIOError):  # as many wait already as may
            s.connect(socket_path(node))
            return True
        return False
    wait_for("connected", done, 10, every=0.01)
    return s


def test_clients_get_what_is_left(node):
    """As many as want to: the device still goes up and changes its port, a new client is served, and nothing
    spins."""
    process = spawn_limited(node, 46, "log")
    wait_for("the socket", lambda: accepts(node), 10)
    clients = []
    try:
        for _ in range(100):
            clients.append(connect(node))
        assert works(node, 4000)
        # Less than it has: what comes in now can't be accepted.
        [pid] = [p for p in processes_in([node.namespace])
                 if b"wg0" in pathlib.Path(f"/proc/{p}/cmdline").read_bytes().split(b"\0")]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3))
        before = cpu_seconds(pid)
        for _ in range(20):
            clients.append(connect(node))
        time.sleep(2)
        assert cpu_seconds(pid) - before < 1
    finally:
        for s in clients:
            s.close()
    process.terminate()
    assert process.wait(timeout=10) == 0
    wait_for("nothing is left", lambda: nothing_is_left(node), 5)


# --- signals --------------------------------------------------------------------------------------


def first_line_was_run(pid):
    """main has begun: it holds signals from its first line on, until it handles them."""
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        name = status.split("\n", 1)[0].split()[1]
        masks = [int(line.split()[1], 16) for line in status.splitlines()
                 if line.startswith(("SigBlk", "SigCgt"))]
        return name == "shunt-wg" and any(mask & 1 << (signal.SIGTERM - 1) for mask in masks)
    return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("background", [False, True])
def test_ended_while_it_starts(node, number, background):
    """In order, whenever it comes: status 0 in the foreground, and nothing is left."""
    words = [PROGRAMS[OURS], "wg0"] if background else [PROGRAMS[OURS], "-f", "wg0"]
    for delay in (0, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03):
        process = node.spawn(words, log="log")
        wait_for("main", lambda p=process: p.poll() is not None or first_line_was_run(p.pid), 10,
                 every=0)
        time.sleep(delay)
        if process.poll() is None:
            process.send_signal(number)
        status = process.wait(timeout=10)
        if background:
            # Where it was ready already, the signal came to nobody.
            for pid in processes_in([node.namespace]):
                os.kill(pid, number)
            assert status in (0, 1)
        else:
            assert status == 0
        wait_for("it ended", lambda: not processes_in([node.namespace]), 10)
        wait_for("nothing is left", lambda: nothing_is_left(node), 5)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE])
def test_signals_that_mean_nothing(node, number):
    process = node.spawn([PROGRAMS[OURS], "-f", "wg0"], log="log")
    wait_for("it is there", lambda: node.has_interface("wg0"), 10)
    process.send_signal(number)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0


def test_hangup_that_is_ignored(node):
    """nohup: it was asked to."""
    process = node.spawn(["nohup", PROGRAMS[OURS], "-f", "wg0"], log="log")
    wait_for("the socket", lambda: accepts(node), 10)
    process.send_signal(signal.SIGHUP)
    node.run(["wg", "show", "wg0"])
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=10) == 0


# --- alone, and elsewhere -------------------------------------------------------------------------


def wake_ups(pid):
    """How often its threads have slept and woken."""
    n = 0
    for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
        n += sum(int(line.split()[1]) for line in status.read_text(encoding="ascii").splitlines()
                 if "ctxt_switches" in line)
    return n


def rests(pid):
    """True if it did nothing at all for 3 seconds."""
    before = wake_ups(pid)
    time.sleep(3)
    return wake_ups(pid) == before


@pytest.mark.parametrize("state", ["down", "up", "down again", "elsewhere"])
def test_idle(lab, node, state):
    """Nothing but waiting."""
    other = lab.namespace("other")
    for n in (node, other):
        n.sysctl("net/ipv6/conf/default/disable_ipv6", 1)  # no router is solicited
    process = node.spawn([PROGRAMS[OURS], "-f", "wg0"], log="log")
    wait_for("the socket", lambda: accepts(node), 10)
    node.run(["wg", "set", "wg0", "listen-port", str(PORT)])
    if state == "elsewhere":
        node.ip(f"link set wg0 netns {other.namespace}")
    where = other if state == "elsewhere" else node
    if state != "down":
        where.ip("link set wg0 up")
        wait_for("it is up", lambda: port_is_taken(node, PORT), 10)
    if state == "down again":
        where.ip("link set wg0 down")
        wait_for("it is down", lambda: not port_is_taken(node, PORT), 10)
    wait_for("it rests", lambda: rests(process.pid), 15)
    # It still hears what happens.
    where.ip(f"link set wg0 {'down' if state in ('up', 'elsewhere') else 'up'}")
    wait_for("it followed", lambda: port_is_taken(node, PORT) == (state.startswith("down")), 10)
    where.ip("link del wg0")
    assert process.wait(timeout=10) == 0


def test_up_elsewhere(lab):
    """An interface that is taken up in another network namespace carries packets at once. Here nothing
    is measured but that no second passes in which it is only asked for."""
    pair = Pair(lab, OURS, OURS)
    inside = lab.namespace("inside")
    pair.start()
    pair.talk()
    pair.a.node.ip(f"link set wg0 netns {inside.namespace}")
    wait_for("it is down", lambda: not port_is_taken(pair.a.node, PORT), 10)
    waits = []
    for _ in range(5):
        inside.ip("link set wg0 up")
        begin = time.monotonic()
        while not port_is_taken(pair.a.node, PORT):
            assert time.monotonic() - begin < 10
        waits.append(time.monotonic() - begin)
        inside.ip("link set wg0 down")
        wait_for("it is down", lambda: not port_is_taken(pair.a.node, PORT), 10)
    assert min(waits) < 0.5, waits
    inside.address("10.9.0.1/24", "wg0")
    inside.ip("link set wg0 mtu 1300 up")
    wait_for("traffic from there", lambda: inside.run(
        ["sh", "-c", "ping -n -q -c 1 -W 1 10.9.0.2 >&2 && echo yes || true"]).strip() == "yes", 20)
