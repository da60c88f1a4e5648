# SPDX-License-Identifier: MIT
"""shunt-wg as a program that stands in for wireguard-go: options and environment, its life, wg-quick,
and the rights it needs. The topology is drawn in pair.py.
"""

import base64
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

from lab import Lab, processes_in, wait_for
from pair import host_port, INNER, OURS, OUTER, Pair, PORT, PROGRAMS, tcp_transfer, THEIRS, within
from program import (accepts, configure, ended, execute, NOBODY, OPEN_TUN, ours, port_is_taken,
                     setpriv, socket_path, start_other)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-program") as lab:
        yield lab


@pytest.fixture(name="pair")
def pair_fixture(lab):
    """a is ours, b wireguard-go; nothing runs yet."""
    return Pair(lab, OURS, THEIRS)


# --- options, environment, life -------------------------------------------------------------------


def test_options(pair):
    node = pair.a.node
    status, out, err = execute(node, ours("--version"))
    assert (status, err) == (0, "") and re.match(r"shunt-wg \d+\.\d+\.\d+\n", out)
    status, out, _ = execute(node, ours("--help"))
    assert status == 0 and "WG_TUN_FD" in out
    for wrong in ((), ("wg0", "wg1"), ("--no-such-option", "wg0"), ("a/b",), ("x" * 16,), ("..",),
                  ("",), ("--json", "wg0"), ("--stats", "wg0", "wg1")):
        status, out, err = execute(node, ours(*wrong))
        assert (status, out) == (2, "") and "Usage" in err
    status, _, err = execute(node, ours("--stats", "wg0"))
    assert status == 1 and err == (
        "shunt-wg: no program serves /var/run/wireguard/wg0.sock; does wg0 run?\n")
    assert not processes_in([node.namespace])


@pytest.mark.parametrize("words, environment", [
    (["-f"], {}), (["--foreground"], {}), ([], {"WG_PROCESS_FOREGROUND": "1"})])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_foreground(pair, words, environment, number):
    process = pair.a.node.spawn(ours(*words, "wg0"), env={**os.environ, **environment})
    wait_for("the socket", lambda: accepts(pair.a.node), 10)
    assert pair.a.node.run(["wg", "show", "interfaces"]).split() == ["wg0"]
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=10) == 0
    assert not os.path.exists(socket_path(pair.a.node))
    assert not pair.a.node.has_interface("wg0")


def test_background(pair):
    """When the program returns, its socket accepts; and it lets go of whoever started it: these are
    pipes whose end is waited for."""
    for _ in range(5):
        status, out, err = execute(pair.a.node, ours("wg0"))
        assert accepts(pair.a.node)
        assert (status, out, err) == (0, "", "")
        [pid] = pair.a.pids()
        assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        # The standard three, and what libuv keeps in reserve once a client has come.
        assert opened.count("/dev/null") in (3, 4)
        mode = os.stat(socket_path(pair.a.node)).st_mode
        assert mode & 0o777 == 0o700
        pair.a.end()
        assert not os.path.exists(socket_path(pair.a.node))


def test_no_standard_descriptors(pair):
    """As some supervisors start things: nothing open, no terminal."""
    start_other(pair)
    process = pair.a.node.spawn(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *ours("wg0")])
    assert process.wait(timeout=10) == 0
    configure(pair)
    pair.talk()
    [pid] = pair.a.pids()
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3


@pytest.mark.parametrize("level, lines", [
    ("verbose", True), ("debug", True), ("error", False), ("silent", False), (None, False)])
def test_log_level(pair, level, lines):
    environment = {"LOG_LEVEL": level} if level else {}
    process = pair.a.node.spawn(ours("-f", "wg0"), log="log", env={**os.environ, **environment})
    wait_for("the socket", lambda: accepts(pair.a.node), 10)
    pair.a.up()
    wait_for("it is up", lambda: port_is_taken(pair.a.node, 0), 10)
    # The other error: a name that is taken.
    status, _, err = execute(pair.a.node, ours("wg0"), environment)
    assert status == 1 and bool(err) == (level != "silent")
    process.terminate()
    process.wait(timeout=10)
    log = pathlib.Path(pair.a.node.path("log")).read_text(encoding="utf-8")
    assert bool(log) == lines, log
    assert ("interface up" in log) == lines


def test_verbose_log_tells_what_happens(pair):
    """By the names that users of wireguard-go look for, peers by their short ones, and no key."""
    start_other(pair)
    pair.a.start()
    configure(pair)
    pair.talk()
    pair.a.set("peer", pair.b.public, "remove")
    peer = f"peer({pair.b.public[:4]}…{pair.b.public[39:43]}) - "
    wait_for("the last event", lambda: peer + "Removed" in pair.a.log(), 5)
    log = pair.a.log()
    for event in ("UAPI: Updating private key", "UAPI: Updating listen port", "interface up",
                  "UDP bind has been updated", peer + "Created", peer + "UAPI: Updating endpoint",
                  peer + "UAPI: Updating allowedips", peer + "Sending handshake initiation",
                  peer + "Received handshake response"):
        assert f"shunt-wg: (wg0) {event}\n" in log, (event, log)
    for secret in (pair.a.private, base64.b64decode(pair.a.private).hex(), pair.b.public):
        assert secret not in log


def test_log_that_nobody_reads(pair):
    start_other(pair)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, bytes(4096))
    os.set_blocking(writer, True)
    process = subprocess.Popen(pair.a.node.inside(ours("-f", "wg0")), stderr=writer,
                               env={**os.environ, "LOG_LEVEL": "verbose"})
    wait_for("the socket", lambda: accepts(pair.a.node), 10)
    configure(pair)
    pair.talk()
    pair.a.node.ip("link set wg0 down")
    wait_for("it is down", lambda: not port_is_taken(pair.a.node, PORT), 10)
    process.terminate()
    assert process.wait(timeout=10) == 0
    os.close(reader)
    os.close(writer)


def make_tun(node, name, flags):
    """A file descriptor of an interface that this process makes, as a container's manager would."""
    def make():
        fd = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), flags))  # TUNSETIFF
        return fd
    return within(node, make)


@pytest.mark.parametrize("flags", [0x5001, 0x1001], ids=["vnet headers", "plain"])
@pytest.mark.parametrize("background", [False, True])
def test_tun_of_another(pair, flags, background):
    start_other(pair)
    fd = make_tun(pair.a.node, "wg0", flags)
    process = pair.a.node.spawn(
        ours("wg0") if background else ours("-f", "wg0"), pass_fds=[fd],
        env={**os.environ, "WG_TUN_FD": str(fd)})
    os.close(fd)
    if background:
        assert process.wait(timeout=10) == 0
    wait_for("the socket", lambda: accepts(pair.a.node), 10)
    configure(pair)
    pair.talk()
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][4], 4, 1 << 20)
    assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][6], 6, 1 << 20)
    pair.a.end()
    process.wait(timeout=10)


def test_wrong_descriptors(pair):
    for environment, words in (
            ({"WG_TUN_FD": "tun"}, "WG_TUN_FD is no file descriptor"),
            ({"WG_TUN_FD": "0"}, "file descriptor 0 is no TUN"),
            ({"WG_TUN_FD": "77"}, "file descriptor 77 is no TUN: Bad file descriptor"),
            ({"WG_UAPI_FD": "77"}, "Bad file descriptor"),
            ({"WG_UAPI_FD": "socket"}, "Bad file descriptor")):
        status, _, err = execute(pair.a.node, ours("wg0"), environment)
        assert status == 1 and words in err, err
        wait_for("nothing is left", lambda: ended(pair), 5)


@pytest.mark.parametrize("background", [False, True])
def test_socket_of_another(pair, background):
    """A listening socket handed over is served, and its deletion is the end."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(socket_path(pair.a.node))
        s.listen(5)
        process = pair.a.node.spawn(
            ours("wg0") if background else ours("-f", "wg0"), pass_fds=[s.fileno()],
            env={**os.environ, "WG_UAPI_FD": str(s.fileno())})
    if background:
        assert process.wait(timeout=10) == 0
    pair.a.identify()
    assert f"listening port: {PORT}" in pair.a.node.run(["wg", "show", "wg0"])
    os.unlink(socket_path(pair.a.node))
    wait_for("the program ended", lambda: ended(pair), 10)
    process.wait(timeout=10)


def test_ends_with_its_interface(pair):
    pair.a.start()
    pair.a.node.ip("link del wg0")
    wait_for("the program ended", lambda: ended(pair), 10)
    assert not os.path.exists(socket_path(pair.a.node))


def test_ends_with_its_socket(pair):
    pair.a.start()
    os.unlink(socket_path(pair.a.node))
    wait_for("the program ended", lambda: ended(pair), 10)


def test_socket_that_another_replaced(pair):
    """It goes on, as wireguard-go does; what stands there now isn't its own to remove."""
    pair.a.start()
    path = socket_path(pair.a.node)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path + ".new")
        s.listen(1)
        os.rename(path + ".new", path)
        [pid] = pair.a.pids()
        time.sleep(0.5)
        assert pair.a.pids() == [pid]
        os.kill(pid, signal.SIGTERM)
        wait_for("the program ended", lambda: ended(pair), 10)
        assert accepts(pair.a.node)


def test_stale_socket_is_replaced(pair):
    pair.a.start()
    pair.a.end(signal.SIGKILL)
    assert os.path.exists(socket_path(pair.a.node)) and not accepts(pair.a.node)
    pair.a.start()
    assert accepts(pair.a.node)


@pytest.mark.parametrize("full", [False, True], ids=["", "full"])
def test_live_socket_is_respected(pair, full):
    with socket.socket(socket.AF_UNIX) as s, socket.socket(socket.AF_UNIX) as client:
        s.bind(socket_path(pair.a.node))
        s.listen(0 if full else 5)
        if full:
            client.connect(socket_path(pair.a.node))
        status, _, err = execute(pair.a.node, ours("wg0"))
        assert status == 1
        assert err == ("shunt-wg: (wg0) another program serves /var/run/wireguard/wg0.sock "
                       "already\n")
        assert os.path.exists(socket_path(pair.a.node))
    wait_for("no interface is left", lambda: ended(pair), 5)


def test_name_is_taken(pair):
    status, _, err = execute(pair.a.node, ours("eth0"))
    assert status == 1 and "there is an interface eth0 already that is no TUN" in err
    pair.a.start()
    status, _, err = execute(pair.a.node, ours("wg0"))
    assert status == 1 and "wg0 is already in use by another program" in err
    # The one that runs isn't hurt.
    assert accepts(pair.a.node)


def test_no_tun_device(pair):
    status, _, err = execute(pair.a.node, [
        "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh", *ours("wg0")])
    assert status == 1 and "/dev/net/tun is missing" in err


# --- wg-quick -------------------------------------------------------------------------------------


def write_quick(end, other_name, other, extra="", allowed=None):
    mine = "a" if other_name == "b" else "b"
    folder = end.node.path("quick")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = pathlib.Path(folder) / "wg0.conf"
    path.write_text(
        f"[Interface]\nAddress = {INNER[mine][4]}/24, {INNER[mine][6]}/64\n"
        f"PostUp = wg set %i private-key {end.key_file}\nListenPort = {PORT}\n{extra}\n"
        f"[Peer]\nPublicKey = {other.public}\nEndpoint = {host_port(OUTER[other_name][4])}\n"
        f"AllowedIPs = {allowed or ', '.join(f'{a}' for a in INNER[other_name].values())}\n",
        encoding="ascii")
    path.chmod(0o600)
    return str(path)


def quick(end, verb, path, **environment):
    return subprocess.run(
        end.node.inside(["wg-quick", verb, path]), stdin=subprocess.DEVNULL, check=False,
        capture_output=True, text=True, timeout=30,
        env={**os.environ, "WG_QUICK_USERSPACE_IMPLEMENTATION": PROGRAMS[OURS], **environment})


def test_wg_quick(pair):
    start_other(pair)
    path = write_quick(pair.a, "b", pair.b)
    done = quick(pair.a, "up", path)
    assert done.returncode == 0, done.stderr
    pair.talk()
    assert "wg0" in pair.a.node.run(["wg", "show", "interfaces"]).split()
    done = quick(pair.a, "down", path)
    assert done.returncode == 0, done.stderr
    wait_for("the program ended", lambda: not pair.a.pids(), 10)
    assert not pair.a.node.has_interface("wg0")
    assert not os.path.exists(pair.a.node.path("wireguard/wg0.sock"))


def test_wg_quick_default_route(pair):
    """0.0.0.0/0: the tunnel's own packets are kept out of it by a mark and a table."""
    start_other(pair)
    pair.b.node.ip("address add 203.0.113.7/32 dev lo")
    path = write_quick(pair.a, "b", pair.b, allowed="0.0.0.0/0, ::/0")
    done = quick(pair.a, "up", path)
    assert done.returncode == 0, done.stderr
    mark = pair.a.node.run(["wg", "show", "wg0", "fwmark"]).strip()
    assert int(mark, 16) == PORT
    wait_for("the world, by the tunnel", lambda: subprocess.run(
        pair.a.node.inside(["ping", "-n", "-c1", "-W1", "203.0.113.7"]), check=False,
        capture_output=True).returncode == 0, 20)
    done = quick(pair.a, "down", path)
    assert done.returncode == 0, done.stderr
    assert "fwmark" not in pair.a.node.ip("rule show")


# --- rights ---------------------------------------------------------------------------------------


def test_unprivileged_with_one_capability(pair):
    """CAP_NET_ADMIN alone is enough, except for the folder of sockets, which belongs to root."""
    os.chown(pair.a.node.path("wireguard"), int(NOBODY), int(NOBODY))
    pair.a.node.run(["sh", "-c", OPEN_TUN + 'exec "$@"', "sh", *setpriv("+net_admin"),
                     PROGRAMS[OURS], "wg0"])
    [pid] = pair.a.pids()
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert words["Uid"].split() == [NOBODY] * 4
    assert int(words["CapEff"], 16) == 1 << 12
    start_other(pair)
    configure(pair)
    pair.talk()
    pair.a.set("fwmark", "0x77", "listen-port", "7777")
    pair.wait_ping("traffic from another port, marked")
    pair.a.end()
    assert not os.path.exists(socket_path(pair.a.node))


def check_capabilities(pid):
    """Of root's, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE and CAP_IPC_LOCK are left; the names of its threads."""
    tasks, names = os.listdir(f"/proc/{pid}/task"), []
    for task in tasks:
        text = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text(encoding="ascii")
        for field in ("CapPrm", "CapEff", "CapInh"):
            held = int(text.partition(f"{field}:\t")[2].split()[0], 16)
            assert held & ~(1 << 12 | 1 << 10 | 1 << 14) == 0, (task, field)
        names.append(text.partition("Name:\t")[2].split()[0])
    return names


def test_no_thread_keeps_more_capabilities_than_it_needs(pair):
    pair.start(SHUNT_WG_WORKERS="2")
    pair.talk()
    for _, end in pair.ends():
        if end.program == OURS:
            [pid] = end.pids()
            names = check_capabilities(pid)
            assert len(names) >= 6 and "guard" not in names  # workers too


def test_who_goes_first_has_guards(pair):
    """Told by a niceness below 0: what tx, rx and the socket wait for is never long, nor kept by a right."""
    pair.a.node.run(["nice", "-n", "-5", *ours("wg0")])
    start_other(pair)
    configure(pair)
    pair.talk()
    [pid] = pair.a.pids()
    wait_for("three guards", lambda: check_capabilities(pid).count("guard") == 3, 20)


def test_what_is_missing_is_said(pair):
    """No capability; a folder that can't be written to."""
    node = pair.a.node
    status, _, err = execute(node, ["sh", "-c", OPEN_TUN + 'exec "$@"', "sh", *setpriv(""),
                                    *ours("wg0")])
    assert status == 1
    assert err == "shunt-wg: (wg0) making the interface wg0 needs the capability CAP_NET_ADMIN\n"
    status, _, err = execute(node, ["sh", "-c", OPEN_TUN + 'exec "$@"', "sh",
                                    *setpriv("+net_admin"), *ours("wg0")])
    assert status == 1 and "/var/run/wireguard/wg0.sock can't be made: Permission denied" in err
    status, _, err = execute(node, [*setpriv("+net_admin"), *ours("wg0")])
    assert status == 1 and "/dev/net/tun may not be opened" in err or os.stat(
        "/dev/net/tun").st_mode & 0o006
    wait_for("nothing is left", lambda: ended(pair), 5)
