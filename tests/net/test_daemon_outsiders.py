# SPDX-License-Identifier: MIT
"""What others do, or leave undone, holds up no move: a log that nobody reads, clients that sit there, a
program that is dying, signals that come too early, a neighbour's rules."""

import contextlib
import copy
import fcntl
import os
import pathlib
import signal
import socket
import threading

import pytest
from lab import processes_in, wait_for
from meshes import FOUR, PATIENCE, SHUNTD, SmallMesh, new_lab, two_hubs

NETWORK = "10.20.2.0/24"


@pytest.fixture(scope="module")
def mesh():
    """All but site-1 run; site-1 is each test's own."""
    with new_lab() as lab:
        made = SmallMesh(lab, two_hubs(), FOUR)
        yield made.start("hub-a", "hub-b", "site-2")


@pytest.fixture
def site(mesh):
    before = copy.deepcopy(mesh.inv)
    yield mesh.daemons["site-1"]
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    mesh.inv = before
    mesh.write()
    if daemon.alive():
        daemon.stop()
    if node.has_interface("wg0"):
        node.ip("link del wg0")
    wait_for("nothing runs there", lambda: not processes_in([node.namespace]), PATIENCE)


def assert_it_moves(mesh, site):
    """A hub goes, and site-1 takes the other; and back."""
    site.wait_owner(NETWORK, "hub-a")
    mesh.cut("site-1", "hub-a")
    site.wait_owner(NETWORK, "hub-b")
    assert site.device_owner(NETWORK) == "hub-b"
    mesh.mend("site-1", "hub-a")
    site.wait_owner(NETWORK, "hub-a")


# --- the log ---------------------------------------------------------------------------------------


def full_pipe(path):
    """A pipe that takes nothing more; its reading end."""
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(reader, b"x" * 4096)
    return reader


def test_a_log_that_nobody_reads(mesh, site, tmp_path):
    reader = full_pipe(tmp_path / "log")
    try:
        site.start("-v", wrapper=("sh", "-c", f'exec "$@" 2>{tmp_path}/log', "sh"))
        site.wait_answers()
        assert_it_moves(mesh, site)
        site.ask("reload")
        read = b""

        def said():
            nonlocal read
            with contextlib.suppress(BlockingIOError):
                read += os.read(reader, 65536)
            return b"left out: nobody took them" in read

        wait_for("how many were left out", said, PATIENCE)
        # And it can be ended while nobody reads.
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(reader, b"x" * 4096)
        assert site.stop() == 0
    finally:
        os.close(reader)


# --- files -----------------------------------------------------------------------------------------


def limited(files):
    return ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")


@contextlib.contextmanager
def idle_clients(site, n):
    """As many connections as there can be, of clients that say nothing."""
    path = os.path.join(site.run_dir, "control.sock")
    with contextlib.ExitStack() as stack:
        for _ in range(n):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            # (With a time limit Python doesn't wait for room among those that aren't let in yet.)
            client.connect(path)
        yield


def test_clients_get_the_files_that_are_left(mesh, site):
    """Whatever they take, prefixes move, a reload is taken, the device is made anew, and others may ask."""
    site.start(wrapper=limited(64))
    site.wait_answers()
    with idle_clients(site, 200):
        assert_it_moves(mesh, site)
        mesh.inv["nodes"]["site-2"]["networks"].append("10.20.61.0/24")
        mesh.write()
        site.ask("reload")
        site.ask("drain")
        site.ask("undrain")
    with idle_clients(site, 200):
        mark = len(site.log())
        mesh.nodes["site-1"].ip("link del wg0")
        site.wait_log("made anew", after=mark)
        site.wait_peers(hub_a="up", hub_b="up")
    assert len(os.listdir(f"/proc/{site.process.pid}/fd")) < 64 - 8


@pytest.mark.parametrize("files", [4, 7, 12, 20, 31, 33, 44])
def test_too_few_files_are_named(mesh, site, files):
    mark = len(site.log())
    site.start(wrapper=limited(files))
    status, said = site.refused()
    assert status == 1, (status, said[mark:])
    assert "ulimit -n" in said[mark:]
    assert not mesh.nodes["site-1"].has_interface("wg0")


# --- signals ---------------------------------------------------------------------------------------


def slow_program(mesh, path, seconds=1):
    path.write_text(f"#!/bin/sh\nsleep {seconds}\nexec {mesh.userspace} \"$@\"\n", "ascii")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start(mesh, site, tmp_path, number):
    """It waits until the daemon can do what it asks for."""
    mark = len(site.log())
    lock = os.path.join(site.run_dir, "lock")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lock)
    site.start(userspace=slow_program(mesh, tmp_path / "slow"))
    wait_for("it has begun", lambda: os.path.exists(lock), PATIENCE)
    site.process.send_signal(number)
    if number == signal.SIGHUP:
        site.wait_answers()
        site.wait_log("reloaded", after=mark)
    else:
        assert site.process.wait(timeout=PATIENCE) == 0
        assert "ends; wg0 stays as it is" in site.log()[mark:]


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE])
def test_signals_that_mean_nothing(mesh, site, tmp_path, number):
    """During the start as later."""
    lock = os.path.join(site.run_dir, "lock")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(lock)
    site.start(userspace=slow_program(mesh, tmp_path / "slow"))
    wait_for("it has begun", lambda: os.path.exists(lock), PATIENCE)
    site.process.send_signal(number)
    site.wait_answers()
    site.process.send_signal(number)
    assert site.ask("status")["ok"] and site.alive()


# --- a program that is dying ------------------------------------------------------------------------


def interface_that_goes(mesh):
    """Its program's socket is gone already."""
    node = mesh.nodes["site-1"]
    node.ip("tuntap add dev wg0 mode tun")
    return lambda: node.ip("link del wg0")


def socket_that_goes(mesh):
    """The interface is gone already; who asks is cut off."""
    path = os.path.join(mesh.nodes["site-1"].folder, "wireguard", "wg0.sock")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(8)

    def go():
        os.unlink(path)
        listener.close()
    return go


@pytest.mark.parametrize("what", [interface_that_goes, socket_that_goes])
def test_a_start_beside_a_program_that_is_dying(mesh, site, what):
    timer = threading.Timer(0.4, what(mesh))
    timer.start()
    site.start()
    site.wait_answers()
    timer.join()
    assert site.device_owner(NETWORK) in ("hub-a", "hub-b", None)


def test_a_start_while_the_program_ends(mesh, site):
    """Again and again, since the moment counts."""
    node = mesh.nodes["site-1"]
    for _ in range(5):
        site.start()
        site.wait_answers()
        site.kill()
        for pid in processes_in([node.namespace]):
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                if f.read().strip() == "shunt-wg":
                    os.kill(pid, signal.SIGTERM)
    site.start()
    site.wait_answers()


# --- a neighbour -----------------------------------------------------------------------------------


def hold_port(node, port):
    file = node.path("holder.log")
    holder = node.spawn(
        ["/usr/bin/python3", "-c", "import socket, time\n"
         "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
         f"s.bind(('0.0.0.0', {port})); print('bound', flush=True); time.sleep(600)"], log="holder.log")
    wait_for("the port is taken", lambda: os.path.exists(file) and os.path.getsize(file), PATIENCE)
    return holder


def test_a_start_that_fails_beside_another_daemon_s_rules(mesh, site):
    """Another daemon of this machine has rules for its sources; nothing of ours stays, all of its does."""
    node = mesh.nodes["site-1"]
    mesh.inv["nodes"]["hub-a"]["networks"] = ["10.20.0.0/16"]
    mesh.inv["nodes"]["site-2"].update(interface="wg1", listen_port=51999)
    other = os.path.join(mesh.lab.folder, "other.yaml")
    mesh.inventory, inventory = other, mesh.inventory
    mesh.write()
    mesh.inventory = inventory
    before = set(node.ip("rule show").splitlines())
    neighbour = node.spawn([SHUNTD, "--node", "site-2", other, "--device", "uapi", "--userspace",
                            mesh.userspace, "--run-dir", "/run/shunt/site-2", "--state-dir",
                            node.path("state-2")], log="neighbour.log")
    holder = None
    try:
        wait_for("the neighbour is ready", lambda: "ready" in pathlib.Path(node.path("neighbour.log")).read_text(
            encoding="utf-8"), PATIENCE)
        rules = set(node.ip("rule show").splitlines()) - before
        assert rules
        holder = hold_port(node, 51820)
        mark = len(site.log())
        site.start()
        status, said = site.refused()
        assert status == 1, (status, said[mark:])
        assert "UDP port 51820" in said[mark:]
        assert not node.has_interface("wg0")
        assert set(node.ip("rule show").splitlines()) - before == rules
    finally:
        for process in filter(None, (holder, neighbour)):
            process.terminate()
            process.wait(timeout=PATIENCE)
        if node.has_interface("wg1"):
            node.ip("link del wg1")
