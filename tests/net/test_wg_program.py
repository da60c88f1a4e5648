# SPDX-License-Identifier: MIT
"""shunt-wg as a program that stands in for wireguard-go: options and environment, its life, wg-quick,
`wg`, the rights it needs, and what it tells those who run it. The topology is drawn in pair.py.
"""

import base64
import contextlib
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest

from lab import Lab, LabError, processes_in, run, wait_for
from pair import (BUILD, Capture, End, INNER, OUTER, OURS, PORT, PROGRAMS, Pair, THEIRS, host_port,
                  key_pair, socket_in, tcp_transfer, udp_echoes, within)

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wireguard-go"), reason="wireguard-go isn't installed"),
]

NOBODY = "65534"


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-program") as lab:
        yield lab


@pytest.fixture(name="pair")
def pair_fixture(lab):
    """a is ours, b wireguard-go; nothing runs yet."""
    return Pair(lab, OURS, THEIRS)


def link(node, name="wg0"):
    return json.loads(node.ip(f"-j -d link show dev {name}"))[0]


# --- options, environment, life -------------------------------------------------------------------


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


def port_is_taken(node, port):
    """True if a socket of UDP is bound there; port 0: any."""
    text = node.run(["cat", "/proc/net/udp"])
    return any(port in (0, int(line.split()[1].rpartition(":")[2], 16))
               for line in text.splitlines()[1:])


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


# Some machines keep the device to root; in the mount namespace of a node it can be as usual.
OPEN_TUN = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
            "chmod 666 /dev/net/tun && ")


def setpriv(caps):
    """The command line that goes on as nobody with these capabilities, such as +net_admin."""
    caps = ",".join(["-all", caps]) if caps else "-all"
    return ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps", caps,
            "--ambient-caps", caps, "--bounding-set", caps]


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


def test_no_thread_keeps_more_capabilities_than_it_needs(pair):
    """Of root's, CAP_NET_ADMIN, CAP_NET_BIND_SERVICE and CAP_IPC_LOCK are left."""
    pair.start(SHUNT_WG_WORKERS="2")
    pair.talk()
    for _, end in pair.ends():
        if end.program != OURS:
            continue
        [pid] = end.pids()
        tasks = os.listdir(f"/proc/{pid}/task")
        assert len(tasks) >= 6  # workers too
        for task in tasks:
            text = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text(encoding="ascii")
            for field in ("CapPrm", "CapEff", "CapInh"):
                held = int(text.partition(f"{field}:\t")[2].split()[0], 16)
                assert held & ~(1 << 12 | 1 << 10 | 1 << 14) == 0, (task, field)


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


# --- other namespaces -----------------------------------------------------------------------------


def move(pair, end, name, to):
    """The interface of end goes to the namespace to, with its addresses."""
    run(["ip", "-n", end.node.namespace, "link", "set", "wg0", "netns", to.namespace])
    to.address(f"{INNER[name][4]}/24", "wg0")
    to.address(f"{INNER[name][6]}/64", "wg0")


def ping_from(node, address, seconds=1):
    return subprocess.run(["ip", "netns", "exec", node.namespace, "ping", "-n", "-c1",
                           f"-W{seconds}", address], check=False, capture_output=True).returncode == 0


def test_moves_to_another_namespace(lab, pair):
    """The sockets stay where they were made; the interface works where it is, and is followed there:
    up, down, MTU, another name, its end."""
    pair.start()
    pair.talk()
    inner = lab.namespace("inner")
    move(pair, pair.a, "a", inner)
    inner.ip("link set wg0 up")
    for version in (4, 6):
        wait_for("traffic from there", lambda v=version: ping_from(inner, INNER["b"][v]), 20)
    # Somebody else's interface of this name in the old place is nothing to us.
    pair.a.node.ip("link add wg0 type bridge")
    inner.ip("link set wg0 down")
    wait_for("the port is free", lambda: not port_is_taken(pair.a.node, PORT), 10)
    inner.ip("link set wg0 name tunnel")
    inner.ip("link set tunnel mtu 1350 up")
    wait_for("the port is taken", lambda: port_is_taken(pair.a.node, PORT), 10)
    inner.ip("route replace default dev tunnel")
    wait_for("traffic again", lambda: ping_from(inner, INNER["b"][4]), 20)
    assert largest_message(pair, inner, 1350) == 1350 + 32
    inner.ip("link del tunnel")
    wait_for("the program ended", lambda: not pair.a.pids(), 10)
    assert not os.path.exists(socket_path(pair.a.node))
    assert pair.a.node.has_interface("wg0")


def largest_message(pair, source, mtu):
    """The length of the data message in which a packet of the interface's full size travels."""
    capture = Capture(pair.b.node)
    with socket_in(source, 4) as s:
        s.sendto(bytes(mtu - 28), (INNER["b"][4], 7500))
    try:
        return wait_for("a large message", lambda: max(
            (len(d) for _, _, _, port, d in capture.packets() if port == PORT and len(d) > mtu),
            default=0), 10)
    finally:
        capture.close()


def test_follows_mtu_and_name(pair):
    pair.start()
    pair.talk()
    for mtu in (1280, 1350, 1411, 1420, 9000):
        pair.a.node.ip(f"link set wg0 mtu {mtu}")
        # Padded to a multiple of 16, but never beyond the MTU.
        wait_for(f"MTU {mtu}", lambda m=mtu: m > 1420 or largest_message(
            pair, pair.a.node, m) == m + 32, 10)
        segments = min((65507 - 40) // (mtu + 32), 64)
        wait_for("superpackets that fit a message", lambda m=mtu, n=segments: (
            link(pair.a.node)["gso_max_size"] == n * (m - 52) + 52), 10)
    pair.a.node.ip("link set wg0 mtu 1420")
    pair.a.node.ip("link set wg0 down")
    wait_for("the port is free", lambda: not port_is_taken(pair.a.node, PORT), 10)
    pair.a.node.ip("link set wg0 name other")
    pair.a.node.ip("link set other up")
    pair.a.node.address(f"{INNER['a'][6]}/64", "other")
    pair.talk()


def test_port_is_taken_when_it_goes_up(pair):
    """The kernel's says so to whoever sets it up; here it is in the log, once, and it goes on by
    itself when the port is free."""
    with socket_in(pair.a.node, 4, bind=("0.0.0.0", PORT)):
        start_other(pair)
        pair.a.start()
        configure(pair)
        words = "the sockets can't be bound: Address already in use"
        wait_for("the line", lambda: words in pair.a.log(), 10)
        # It looks again every second.
        end = time.monotonic() + 2.5
        wait_for("it looked twice more", lambda: time.monotonic() > end, 5)
    pair.talk()
    assert pair.a.log().count(words) == 1


# --- `wg` -----------------------------------------------------------------------------------------


def test_wg_reads_what_it_wrote(pair):
    """setconf, addconf, syncconf, showconf, dump; and the same by wireguard-go."""
    pair.a.start()
    pair.b.start()
    keys = [key_pair()[1] for _ in range(4)]
    psk = key_pair()[0]

    def section(i, *lines):
        return "\n".join(["[Peer]", f"PublicKey = {keys[i]}", *lines]) + "\n"

    device = f"[Interface]\nPrivateKey = {pair.a.private}\nListenPort = 4242\nFwMark = 0xca6c\n"
    first = section(0, f"PresharedKey = {psk}", "AllowedIPs = 10.1.0.0/16, fd01::/64",
                    "Endpoint = 192.0.2.1:51820", "PersistentKeepalive = 25")
    second = section(1, "AllowedIPs = 0.0.0.0/0, ::/0", "Endpoint = [2001:db8::9]:7")
    steps = (("setconf", device + first + second),
             ("addconf", section(2, "AllowedIPs = 10.1.2.0/24")),
             # Taken from the first peer by name of the third.
             ("addconf", section(2, "AllowedIPs = 10.1.0.0/16")),
             ("syncconf", device + first + section(3, "AllowedIPs = 10.3.0.1/32")),
             ("setconf", device.replace("4242", "4243").replace("0xca6c", "off") + second))
    for verb, text in steps:
        dumps = []
        for end in (pair.a, pair.b):
            path = pathlib.Path(end.node.path("conf"))
            path.write_text(text, encoding="ascii")
            end.node.run(["wg", verb, "wg0", str(path)])
            dump = end.node.run(["wg", "show", "all", "dump"]).splitlines()
            conf = end.node.run(["wg", "showconf", "wg0"])
            peers = [line.split("\t") for line in dump[1:]]
            dumps.append((dump[0],
                          sorted([*p[:4], sorted(p[4].split(",")), p[-1]] for p in peers),
                          sorted(re.findall(r"(?:= |, )([^,\n]+)", conf))))
        assert dumps[0] == dumps[1], verb
        # What showconf says can be set again, and changes nothing.
        path.write_text(pair.a.node.run(["wg", "showconf", "wg0"]), encoding="ascii")
        before = pair.a.node.run(["wg", "show", "wg0", "dump"])
        pair.a.node.run(["wg", "setconf", "wg0", str(path)])
        pair.a.node.run(["wg", "syncconf", "wg0", str(path)])
        assert pair.a.node.run(["wg", "show", "wg0", "dump"]) == before


def test_errors_are_worded_as_elsewhere(pair):
    """The same words of `wg` for both implementations, for what `wg` itself lets pass."""
    with socket_in(pair.a.node, 4, bind=("0.0.0.0", 999)), \
            socket_in(pair.b.node, 4, bind=("0.0.0.0", 999)):
        pair.start()
        key = key_pair()[1]
        for words in (["set", "wg0", "listen-port", "999"],
                      ["set", "wg0", "listen-port", "70000"],
                      ["set", "wg0", "fwmark", "x"],
                      ["set", "wg0", "peer", "AAAA"],
                      ["set", "wg0", "peer", key, "allowed-ips", "10.0.0.0/33"],
                      ["set", "wg0", "peer", key, "persistent-keepalive", "65536"],
                      ["set", "nothing", "listen-port", "1"],
                      ["show", "nothing"],
                      ["setconf", "wg0", "/dev/null"],
                      ["show", "wg0", "nonsense"],
                      ["show", "wg0", "by nobody"]):
            argv = [*setpriv(""), "wg", "show", "wg0"] if "by nobody" in words else ["wg", *words]
            said = [execute(end.node, argv) for end in (pair.a, pair.b)]
            assert said[0] == said[1], words
        status, _, err = execute(pair.a.node, ["wg", "set", "wg0", "listen-port", "999"])
        assert (status, err) == (1, "Unable to modify interface: Address already in use\n")


def request(node, text):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(socket_path(node))
        s.sendall(text.encode())
        answer = b""
        while not answer.endswith(b"\n\n"):
            piece = s.recv(65536)
            if not piece:
                break
            answer += piece
        return answer.decode()


def test_errors_of_the_interface(pair):
    """What `wg` never sends: the numbers that it would put in words, each with the sign that it
    expects."""
    pair.a.start()
    hexkey = "ab" * 32
    for text, number in (
            ("private_key=zz\n", errno.EINVAL), ("private_key=" + "a" * 63 + "\n", errno.EINVAL),
            ("listen_port=-1\n", errno.EINVAL), ("listen_port=\n", errno.EINVAL),
            ("fwmark=0x1ffffffff\n", errno.EINVAL), ("replace_peers=yes\n", errno.EINVAL),
            ("no_such_key=1\n", errno.EINVAL), ("listen_port\n", errno.EPROTO),
            ("allowed_ip=10.0.0.0/8\n", errno.EINVAL),
            (f"public_key={hexkey}\nallowed_ip=10.0.0.0/33\n", errno.EINVAL),
            (f"public_key={hexkey}\nendpoint=192.0.2.1\n", errno.EINVAL),
            (f"public_key={hexkey}\nprotocol_version=2\n", errno.EINVAL),
            (f"public_key={hexkey}\nremove=false\n", errno.EINVAL)):
        assert request(pair.a.node, f"set=1\n{text}\n") == f"errno=-{number}\n\n", text
    assert request(pair.a.node, f"set=1\npublic_key={hexkey}\nremove=true\n\n") == "errno=0\n\n"
    assert request(pair.a.node, "get=1\n\n").endswith("errno=0\n\n")
    assert request(pair.a.node, "put=1\n\n") == ""


# --- answers to who can't be served ---------------------------------------------------------------


def icmp_unreachables(node):
    text = node.run(["nstat", "-asz", "IcmpInDestUnreachs", "Icmp6InDestUnreachs"])
    return [int(line.split()[1]) for line in text.splitlines() if "Unreachs" in line]


@pytest.mark.parametrize("version", [4, 6])
def test_unreachable(pair, version):
    """No peer, no endpoint: a local sender is told at once."""
    pair.a.start()
    pair.a.identify()
    pair.a.up()
    pair.a.node.address(f"{INNER['a'][4]}/24", "wg0")
    pair.a.node.address(f"{INNER['a'][6]}/64", "wg0")
    target = (INNER["b"][version], 7600)

    def refused(kind):
        with socket_in(pair.a.node, version, kind) as s:
            # Without it, a host that can't be reached doesn't make a datagram's send fail.
            s.setsockopt(*{4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}[version], 1)
            with pytest.raises(OSError) as caught:
                s.connect(target)
                s.send(b"x")
                s.recv(1)
            return caught.value.errno

    def ping_says():
        return execute(pair.a.node, ["ping", "-n", "-c1", "-W5", INNER["b"][version]])[1]

    words = {4: "Destination Host Unreachable",
             6: "Destination unreachable: Address unreachable"}[version]
    for counter in ("drop_no_peer", "drop_no_endpoint"):
        before = pair.a.stats()[counter]
        assert refused(socket.SOCK_DGRAM) == errno.EHOSTUNREACH
        assert refused(socket.SOCK_STREAM) == errno.EHOSTUNREACH
        assert words in ping_says()
        assert pair.a.stats()[counter] - before >= 3
        pair.a.set("peer", pair.b.public, "allowed-ips", f"{INNER['b'][4]},{INNER['b'][6]}")
    # Not about multicast; and not without end.
    before = icmp_unreachables(pair.a.node)
    with socket_in(pair.a.node, version) as s:
        group = {4: ("239.1.2.3", 7600), 6: ("ff0e::1", 7600, 0, 0)}[version]
        pair.a.node.ip({4: "route add 239.1.2.3/32 dev wg0",
                        6: "-6 route add ff0e::1/128 dev wg0 table local"}[version])
        drops = pair.a.stats()["drop_no_peer"]
        for _ in range(10):
            s.sendto(b"x", group)
        wait_for("they were dropped", lambda: pair.a.stats()["drop_no_peer"] - drops >= 10, 5)
        assert icmp_unreachables(pair.a.node) == before
        drops = pair.a.stats()["drop_no_endpoint"]
        for _ in range(20000):
            with contextlib.suppress(OSError):
                s.sendto(b"x", target)
        wait_for("they were dropped", lambda: pair.a.stats()["drop_no_endpoint"] - drops > 1000, 10)
    told = sum(icmp_unreachables(pair.a.node)) - sum(before)
    assert 0 < told < (pair.a.stats()["drop_no_endpoint"] - drops) // 2 + 100


# --- kernels and paths that lack something --------------------------------------------------------


def test_ipv6_is_disabled(pair):
    """By sysctl, as many do."""
    pair.a.node.sysctl("net/ipv6/conf/all/disable_ipv6", 1)
    pair.a.node.sysctl("net/ipv6/conf/default/disable_ipv6", 1)
    start_other(pair)
    pair.a.start()
    configure(pair)
    pair.wait_ping("traffic")
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][4], 4, 1 << 20)


SYSCALLS = {"x86_64": {"socket": 41, "setsockopt": 54, "ioctl": 16},
            "aarch64": {"socket": 198, "setsockopt": 208, "ioctl": 29}}


def kernel_without(refusals):
    """A preexec_fn: these system calls, as {name: [((argument, value)..., errno)]}, are refused in the
    new process and its children, as a kernel would that doesn't know them."""
    numbers = SYSCALLS[platform.machine()]
    program = []
    for name, cases in refusals.items():
        for arguments, error in cases:
            body = []
            for index, value in arguments:
                body += [(0x20, 0, 0, 16 + 8 * index), (0x15, 0, None, value)]
            body += [(0x06, 0, 0, 0x00050000 | error)]
            test = [(0x20, 0, 0, 0), (0x15, 0, None, numbers[name]), *body]
            # A comparison that fails goes on behind this case.
            program += [(code, jt, len(test) - at - 1 if jf is None else jf, k)
                        for at, (code, jt, jf, k) in enumerate(test)]
    program.append((0x06, 0, 0, 0x7FFF0000))
    raw = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(raw)
    fprog = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)

    def install():
        assert buffer  # stays while this does
        if libc.prctl(22, 2, fprog, 0, 0):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            raise OSError(ctypes.get_errno(), "seccomp")
    return install


KERNELS = {
    "no IPv6": {"socket": [([(0, socket.AF_INET6)], errno.EAFNOSUPPORT)]},
    "no UDP GSO": {"setsockopt": [([(1, 17), (2, 103)], errno.ENOPROTOOPT),
                                  ([(1, 17), (2, 104)], errno.ENOPROTOOPT)]},
    "no USO": {"ioctl": [([(1, 0x400454D0), (2, 0x6F)], errno.EINVAL)]},
    "no TUN offload": {"ioctl": [([(1, 0x400454D0)], errno.EINVAL)]},
}


@pytest.mark.skipif(platform.machine() not in SYSCALLS, reason="system calls of another machine")
@pytest.mark.parametrize("lacks", KERNELS)
def test_poor_kernels(pair, lacks):
    start_other(pair)
    process = pair.a.node.spawn(ours("wg0"), log="wg0.log",
                                preexec_fn=kernel_without(KERNELS[lacks]))
    assert process.wait(timeout=10) == 0, pair.a.log()
    configure(pair)
    pair.talk()
    for inner in (4, 6):
        assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 2 << 20)
        assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 2 << 20)


@pytest.mark.parametrize("inner", [4, 6])
def test_kernel_that_refuses_merged_packets(pair, inner):
    """It took the offloads when it was asked. Nothing is lost, one line a kind is written, and what is
    sent the other way is still cut from superpackets."""
    start_other(pair)
    pair.a.start(LD_PRELOAD=str(BUILD / "tests/lab/refuse_merged.so"), REFUSE_MERGED="tu")
    configure(pair)
    pair.talk()
    assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 8 << 20)
    assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 8 << 20)
    assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][inner], inner, [1000] * 64)
    assert pair.a.log().count("refuses merged TCP segments") == 1, pair.a.log()
    assert pair.a.stats()["drop_tun_write"] == 0


@pytest.mark.parametrize("version", [4, 6])
def test_narrow_path(pair, version):
    """The way to the peer takes less than the tunnel's packets: they are fragmented, and sent one by
    one where a batch isn't taken."""
    pair.start(version)
    pair.talk()
    pair.a.node.ip(f"route add {OUTER['b'][version]} dev eth0 mtu 1280")
    for inner in (4, 6):
        assert tcp_transfer(pair.a.node, pair.b.node, INNER["b"][inner], inner, 2 << 20)
        assert tcp_transfer(pair.b.node, pair.a.node, INNER["a"][inner], inner, 2 << 20)
    assert not udp_echoes(pair.a.node, pair.b.node, INNER["b"][4], 4, range(1180, 1393))


def test_low_port(pair):
    """Root's program may still have one when it has given away other rights."""
    pair.start()
    pair.a.set("listen-port", 443)
    pair.talk()
    assert pair.b.peer(pair.a)["endpoint"] == host_port(OUTER["a"][4], 443)


def test_route_to_the_peer_moves(lab, pair):
    """Two ways between the same two addresses: the tunnel goes the way of the route."""
    lab.wire(pair.a.node, "eth1", pair.b.node, "eth1")
    ways = {"a": "198.51.100.%d", "b": "203.0.113.%d"}
    loopback = {"a": "192.0.2.1", "b": "192.0.2.2"}
    for i, (name, end) in enumerate(pair.ends(), 1):
        end.node.address(f"203.0.113.{i}/24", "eth1")
        end.node.address(f"{loopback[name]}/32", "lo")

    def go_by(network):
        for i, (name, end) in enumerate(pair.ends(), 1):
            other = loopback["b" if name == "a" else "a"]
            end.node.ip(f"route replace {other} via {ways[network] % (3 - i)} src {loopback[name]}")

    go_by("a")
    pair.start(endpoint=host_port(loopback["b"]))
    pair.talk()
    capture = Capture(pair.a.node, "eth1")
    go_by("b")
    pair.wait_ping("traffic by the other way", deadline=5)
    wait_for("packets there", lambda: any(
        source == PORT and data[0] == 4 for _, _, source, _, data in capture.packets()), 5)
    pair.a.node.ip("link set eth0 down")
    pair.wait_ping("traffic with the first way gone", deadline=5)
    capture.close()


def test_no_way_to_the_peer(pair):
    """What can't be sent is counted, and goes on once there is a way."""
    pair.start()
    pair.talk()
    pair.a.node.ip(f"route add unreachable {OUTER['b'][4]}")
    assert not pair.ping(seconds=1)
    assert pair.a.stats()["drop_send_error"] > 0
    pair.a.node.ip(f"route del unreachable {OUTER['b'][4]}")
    pair.talk()
