# SPDX-License-Identifier: MIT
"""The control socket and who asks it: operators, and clients that do it no good."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess

import pytest
from followed import Followed
from lab import wait_for
from meshes import FOUR, PATIENCE, SHUNT, SmallMesh, new_lab, two_hubs


@pytest.fixture(scope="module")
def mesh():
    with new_lab() as lab:
        inv = two_hubs()
        made = SmallMesh(lab, inv, FOUR)
        for name in ("site-1", "site-2"):
            made.nodes[name].ip("link add lan0 type bridge")
            made.nodes[name].ip("link set lan0 up")
            made.nodes[name].address(f"10.20.{name[-1]}.1/24", "lan0")
        made.start().wait_settled()
        yield made


@pytest.fixture
def hub_a(mesh):
    return mesh.daemons["hub-a"]


@contextlib.contextmanager
def client(daemon):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(PATIENCE)
        s.connect(os.path.join(daemon.run_dir, "control.sock"))
        yield s


def lines(s, n):
    with s.makefile("rb") as f:
        return [json.loads(f.readline()) for _ in range(n)]


def assert_works(daemon):
    assert daemon.ask("status")["node"] == daemon.name


GARBAGE = [b"garbage", b"{", b"[]", b"42", b"null", b'"op"', b"\xff\xfe\x00\x01", b"{}",
           b'{"op": 7}', b'{"op": "nope"}', b'{"op": "status", "op": "drain"}',
           b'{"op": "routes", "query": 7}', b'{"op": "routes", "query": "nonsense"}',
           b'{"op": "routes", "query": "10.0.0.0/99"}', b'{"op": "routes", "query": ""}',
           b'{"op": "nope\\u0000"}', b"[" * 30000, b'{"op":"' + "\u00e9".encode() * 3000 + b'"}',
           b'{"op":"routes","query":"' + "\u00e9".encode() * 3000 + b'"}']


def test_garbage_gets_an_error_each_and_the_connection_lives_on(hub_a):
    with client(hub_a) as s:
        for text in GARBAGE:
            s.sendall(text + b"\n")
            (answer,) = lines(s, 1)
            assert answer["ok"] is False and answer["error"], text[:40]
        s.sendall(b"\n\n\n" + b'{"op": "status"}\n{"op": "routes"}\n')
        status, routes = lines(s, 2)
        assert status["ok"] and routes["ok"]
    assert not hub_a.ask("status")["drained"]


def test_a_request_in_pieces_and_one_that_is_cut_off(hub_a):
    with client(hub_a) as s:
        for byte in b'{"op": "status"}\n':
            s.sendall(bytes([byte]))
        assert lines(s, 1)[0]["ok"]
    with client(hub_a) as s:
        s.sendall(b'{"op": "drai')
    with client(hub_a) as s:
        s.sendall(b'{"op": "drain"}')  # without the newline it is none
        s.shutdown(socket.SHUT_WR)
        assert s.recv(100) == b""
    assert not hub_a.ask("status")["drained"]


def test_a_line_without_end_is_closed(hub_a):
    with client(hub_a) as s:
        with pytest.raises(OSError):
            for _ in range(160):
                s.sendall(b"x" * 65536)
            while s.recv(65536):
                pass
            raise OSError("closed")
    assert_works(hub_a)


def memory_kib(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_who_never_reads_is_not_read_from_either(hub_a):
    """Else its answers would pile up in the daemon."""
    before = memory_kib(hub_a)
    with client(hub_a) as s:
        s.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 64 << 20:
                sent += s.send(b'{"op": "status"}\n' * 1000)
                if not sent % (1 << 20):
                    assert_works(hub_a)
        assert sent < 64 << 20, "the daemon took everything"
        assert_works(hub_a)
        assert memory_kib(hub_a) < before + 50000
        # It gets its answers when it reads after all.
        s.setblocking(True)
        s.settimeout(PATIENCE)
        assert all(a["ok"] for a in lines(s, 200))
    assert_works(hub_a)


def test_many_at_once_keep_nobody_out(hub_a):
    path = os.path.join(hub_a.run_dir, "control.sock")
    with contextlib.ExitStack() as stack:
        idle = []
        for _ in range(600):  # more than the daemon keeps
            s = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            s.connect(path)
            idle.append(s)
        assert_works(hub_a)
        # 200 that want something all get it.
        asking = [stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                  for _ in range(200)]
        for s in asking:
            s.connect(path)
            s.settimeout(PATIENCE)
        for s in asking:
            s.sendall(b'{"op": "routes", "query": "10.20.1.1"}\n')
        assert all(lines(s, 1)[0]["ok"] for s in asking)
        assert_works(hub_a)
    assert_works(hub_a)


# --- operators -------------------------------------------------------------------------------------


def shunt(daemon, *words, run_dir=True):
    return subprocess.run(
        daemon.node.inside([SHUNT, *words, *(["--run-dir", daemon.run_dir] if run_dir else [])]),
        capture_output=True, text=True, check=False)


def test_the_only_daemon_is_found(hub_a):
    done = shunt(hub_a, "status", "--json", run_dir=False)
    assert done.returncode == 0
    status = json.loads(done.stdout)
    assert status["node"] == "hub-a" and "ok" not in status
    assert "peers" in status and "cut_pairs" in status and "problems" in status
    assert "site-1" in shunt(hub_a, "routes", run_dir=False).stdout


def test_a_drain_of_another_node_says_where(hub_a):
    done = shunt(hub_a, "drain", "site-1", run_dir=False)
    assert done.returncode != 0 and "this is hub-a's daemon" in done.stderr
    assert "run `shunt drain site-1` on site-1" in done.stderr
    done = shunt(hub_a, "undrain", "nobody")
    assert done.returncode != 0 and "no peer" in done.stderr
    assert not hub_a.ask("status")["drained"]


def test_a_refused_reload_is_told(mesh, hub_a):
    with open(mesh.inventory, "a", encoding="utf-8") as f:
        f.write("}")
    try:
        done = shunt(hub_a, "reload")
    finally:
        mesh.write()
    assert done.returncode != 0 and "inventory.yaml:" in done.stderr
    done = shunt(hub_a, "reload")
    assert done.returncode == 0
    told = [e["state"] for e in hub_a.ask("events", kind="reload")["events"]]
    assert told[-3:] == ["refused", "in-force", "done"]


def test_a_reload_is_told_in_words(mesh, hub_a):
    done = shunt(hub_a, "reload")
    assert done.stdout == "hub-a has taken the new inventory; the device needed no change\n"
    networks = mesh.inv["nodes"]["site-1"].setdefault("networks", [])
    networks.append("10.20.99.0/24")
    mesh.write()
    try:
        with Followed(hub_a) as told:
            done = shunt(hub_a, "reload")
            told.wait("reload", PATIENCE, state="done")
        told.check()
        assert done.stdout.startswith("hub-a has taken the new inventory: ")
        assert "1 prefixes added" in done.stdout and "_" not in done.stdout
        in_force, moved, over = [e for e in told.events if e["kind"] in ("reload", "move")]
        assert (in_force["state"], moved["because"], over["because"]) == (
            "in-force", in_force["event"], in_force["event"])
        assert (moved["prefix"], moved["from"]) == ("10.20.99.0/24", None)
        assert moved["to"].startswith("site-1")
    finally:
        networks.pop()
        mesh.write()
        shunt(hub_a, "reload")


@pytest.mark.parametrize("mode, what", [
    (0o755, "/run/shunt/hub-a/control.sock may not be used"), (0o700, "/run/shunt may not be read")])
def test_another_user_is_told_to_be_root_and_nothing_else(hub_a, mode, what):
    folder = os.path.dirname(hub_a.run_dir)
    before = os.stat(folder).st_mode
    os.chmod(folder, mode)
    try:
        done = subprocess.run(
            hub_a.node.inside(["setpriv", "--reuid", "65534", "--clear-groups", SHUNT, "status"]),
            capture_output=True, text=True, check=False)
    finally:
        os.chmod(folder, before)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"shunt: {what} by this user; try as root\n"


def keys_in(answer):
    if isinstance(answer, dict):
        return set(answer).union(*map(keys_in, answer.values()))
    return set().union(*map(keys_in, answer)) if isinstance(answer, list) else set()


def test_every_member_of_an_answer_is_documented(hub_a):
    text = pathlib.Path(__file__, "../../../docs/control.md").resolve().read_text(encoding="utf-8")
    keys = keys_in(hub_a.ask("status")) | keys_in(hub_a.ask("routes")) | keys_in(hub_a.ask("events"))
    assert {"hold_left_s", "candidates"} <= keys
    assert [key for key in sorted(keys) if f'"{key}"' not in text and f'`{key}`' not in text] == []


def test_nobody_there(hub_a):
    done = shunt(hub_a, "status", "--node", "hub-z", run_dir=False)
    assert done.returncode != 0 and "no shuntd answers" in done.stderr


# --- what would stop traffic -----------------------------------------------------------------------


def sysctl(mesh, name, path):
    return int(mesh.nodes[name].run(["cat", f"/proc/sys/{path}"]))


def apply_fix(mesh, name, problem):
    mesh.nodes[name].run(["sh", "-c", problem["fix"]])


@pytest.mark.parametrize("path, wrong, words", [
    ("net/ipv4/ip_forward", 0, "IPv4 forwarding is off"),
    ("net/ipv6/conf/all/forwarding", 0, "IPv6 forwarding is off"),
    ("net/ipv4/conf/wg0/rp_filter", 1, "reverse path filter is strict"),
    ("net/ipv4/conf/all/rp_filter", 1, "reverse path filter is strict"),
])
def test_a_setting_that_stops_traffic_is_named_with_its_cure(mesh, hub_a, path, wrong, words):
    assert hub_a.problems() == []
    before = sysctl(mesh, "hub-a", path)
    mesh.nodes["hub-a"].sysctl(path, wrong)
    try:
        problem = hub_a.wait_problem(words)
        assert problem["fix"].startswith("sysctl -w net/")
        text = shunt(hub_a, "status").stdout
        assert words in text and problem["fix"] in text
        apply_fix(mesh, "hub-a", problem)
        hub_a.wait_no_problem(words)
    finally:
        mesh.nodes["hub-a"].sysctl(path, before)
        mesh.nodes["hub-a"].sysctl("net/ipv4/conf/wg0/rp_filter", 0)


def test_set_sysctl_mends_them_also_on_a_new_interface(mesh):
    site_1, node = mesh.daemons["site-1"], mesh.nodes["site-1"]
    site_1.stop()
    node.sysctl("net/ipv4/ip_forward", 0)
    node.sysctl("net/ipv4/conf/wg0/rp_filter", 1)
    node.sysctl("net/ipv4/conf/default/rp_filter", 1)
    site_1.start("--set-sysctl")
    site_1.wait_answers()
    assert sysctl(mesh, "site-1", "net/ipv4/ip_forward") == 1
    assert sysctl(mesh, "site-1", "net/ipv4/conf/wg0/rp_filter") == 2
    assert site_1.problems() == []
    node.ip("link del wg0")
    site_1.wait_log("made anew")
    wait_for("the new interface's filter is loose",
             lambda: sysctl(mesh, "site-1", "net/ipv4/conf/wg0/rp_filter") == 2, PATIENCE)
    mesh.wait_settled()
    # Without the option it is only named.
    site_1.stop()
    node.sysctl("net/ipv4/ip_forward", 0)
    site_1.start()
    site_1.wait_answers()
    site_1.wait_problem("IPv4 forwarding is off")
    assert sysctl(mesh, "site-1", "net/ipv4/ip_forward") == 0
    # A new inventory can need more than the old one did.
    site_1.stop()
    site_1.start("--set-sysctl")
    site_1.wait_answers()
    node.sysctl("net/ipv4/ip_forward", 0)
    site_1.ask("reload")
    assert sysctl(mesh, "site-1", "net/ipv4/ip_forward") == 1


def test_an_own_network_without_a_route_is_named(mesh):
    site_2, node = mesh.daemons["site-2"], mesh.nodes["site-2"]
    assert site_2.problems() == []
    node.ip("address del 10.20.2.1/24 dev lan0")
    problem = site_2.wait_problem("10.20.2.0/24")
    assert "no route leads to it" in problem["what"]
    node.ip("route add default via 198.51.100.250")
    problem = site_2.wait_problem("10.20.2.0/24")
    wait_for("the default route is named", lambda: "only the default route" in
             site_2.problem("10.20.2.0/24")["what"], PATIENCE)
    apply_fix(mesh, "site-2", {"fix": problem["fix"].replace(
        "via GATEWAY (or dev INTERFACE)", "dev lan0")})
    site_2.wait_no_problem("10.20.2.0/24")
