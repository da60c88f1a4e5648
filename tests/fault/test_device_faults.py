# SPDX-License-Identifier: MIT
"""The n-th request to the device or to the kernel fails, in every way that requests can fail.

After each failure nothing that had an owner before and should have one after is without, and once
the device works again it is as the RIB wants it. A site of a small mesh is the victim; a proxy
stands between its daemon and its device.
"""

import contextlib
import copy
import itertools
import os
import signal
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))

from lab import processes_in, wait_for  # noqa: E402
from meshes import (FOUR, PATIENCE, Proxy, SmallMesh, Watch, dump, hub, key_pair,  # noqa: E402
                    new_lab, two_hubs)

KEPT = {"10.20.2.0/24", "10.10.0.12/32", "10.10.0.1/32", "10.10.0.2/32"}


@pytest.fixture(scope="module")
def mesh():
    with new_lab() as lab:
        made = SmallMesh(lab, two_hubs(), FOUR)
        made.start().wait_settled()
        yield made


@pytest.fixture
def site(mesh):
    mesh.wait_settled()
    before = copy.deepcopy(mesh.inv)
    mesh.daemons["site-1"].wait_owner("10.20.2.0/24", "hub-a")
    yield mesh.daemons["site-1"]
    mesh.inv = before
    mesh.write()
    mesh.daemons["site-1"].ask("reload")


# --- ways to fail: each makes an answer of a request -----------------------------------------------


def refused(proxy, request):
    return b"errno=5\n\n"


def no_memory(proxy, request):
    return b"errno=12\n\n"


def hung_up(proxy, request):
    return b""


def garbage(proxy, request):
    return b"what=\x01\x02\nerrno=banana\n\n"


def half_done(proxy, request):
    """A set request is done up to its middle, as a device does that stumbles over a line; of the
    answer to a get one half arrives."""
    if request.startswith("get"):
        answer = proxy.ask(request.encode())
        return answer[:len(answer) // 2]
    lines = request.split("\n")[:-2]
    keep = max(2, len(lines) // 2)
    proxy.ask(("\n".join(lines[:keep]) + "\n\n").encode())
    return b"errno=22\n\n"


def done_but_unsaid(proxy, request):
    """All is done, and the answer is lost."""
    proxy.ask(request.encode())
    return b""


WAYS = [refused, no_memory, hung_up, garbage, half_done, done_but_unsaid]


class Fault:
    """Spoils the requests of one kind whose numbers are wanted."""

    def __init__(self, proxy, kind, way, wanted):
        self.proxy, self.kind, self.way, self.wanted = proxy, kind, way, wanted
        self.count = itertools.count(1)
        self.struck = 0

    def __call__(self, request):
        if not request.startswith(self.kind) or request == "set=1\n\n":
            return None
        if next(self.count) not in self.wanted:
            return None
        self.struck += 1
        return self.way(self.proxy, request)


# --- what happens meanwhile ------------------------------------------------------------------------


def converged(mesh, daemon):
    """The device has exactly what the RIB says, and so have the kernel's routes."""
    wanted = daemon.owners()
    if not wanted:
        return False
    have = {p: mesh.name_of(k) for p, k in dump(daemon.node).owners().items()}
    routes = " ".join(daemon.routes())
    networks = [p for p in wanted if p.startswith("10.2")]
    return have == {p: o for p, o in wanted.items() if o} and all(p in routes for p in networks)


def move_and_return(mesh, daemon):
    """By draining: a hub that is cut off again and again is held longer each time."""
    mesh.daemons["hub-a"].ask("drain")
    daemon.wait_owner("10.20.2.0/24", "hub-b")
    mesh.daemons["hub-a"].ask("undrain")
    daemon.wait_owner("10.20.2.0/24", "hub-a")


def grow_and_shrink(mesh, daemon):
    """A peer and networks come and go by reloads, refused or not."""
    _, public = key_pair()
    mesh.inv["nodes"]["hub-c"] = hub(3, public_key=public)
    mesh.keys["hub-c"] = public
    mesh.inv["nodes"]["site-2"]["networks"] += ["10.20.21.0/24", "10.20.22.0/24"]
    for step in range(2):
        if step:
            del mesh.inv["nodes"]["hub-c"]
            mesh.inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24"]
        mesh.write()
        with contextlib.suppress(Exception):
            daemon.ask("reload")
        wait_for("all is as wanted", lambda: converged(mesh, daemon), PATIENCE)


def play(mesh, daemon, what, kind, way, wanted):
    """Plays what happens with that fault; nothing is lost meanwhile, and all is right in the end."""
    with Proxy(daemon.node) as proxy:
        fault = proxy.spoil = Fault(proxy, kind, way, wanted)

        def look():
            return frozenset(KEPT - set(dump(daemon.node).owners()))
        with Watch(look) as watch:
            what(mesh, daemon)
            wait_for("all is as wanted", lambda: converged(mesh, daemon), PATIENCE)
        proxy.spoil = None
    assert watch.seen == [frozenset()], "prefixes had no owner for a while"
    assert daemon.alive()
    return fault.struck


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["set", "get"])
def test_a_reload_with_a_request_that_fails(mesh, site, kind, way):
    struck = 0
    for n in (1, 2, 3):
        struck += play(mesh, site, grow_and_shrink, kind, way, {n})
    assert struck, "no request was spoiled"
    site.wait_no_problem("can't be brought into line")


@pytest.mark.parametrize("way", WAYS)
def test_a_move_with_a_request_that_fails(mesh, site, way):
    struck = sum(play(mesh, site, move_and_return, "set", way, {n}) for n in (1, 2))
    assert struck, "no request was spoiled"


def test_requests_that_fail_for_a_while_are_named_and_forgotten(mesh, site):
    with Proxy(site.node) as proxy:
        proxy.spoil = Fault(proxy, "set", refused, range(1, 10000))
        mesh.inv["nodes"]["site-2"]["networks"].append("10.20.23.0/24")
        mesh.write()
        with pytest.raises(Exception, match="the device refused a part of it"):
            site.ask("reload")
        site.wait_problem("can't be brought into line")
        wait_for("it is tried again", lambda: proxy.spoil.struck > 2, PATIENCE)
        assert set(dump(site.node).owners()) >= KEPT
        proxy.spoil = None
        site.wait_no_problem("can't be brought into line")
        assert converged(mesh, site)
    mesh.inv["nodes"]["site-2"]["networks"].pop()
    mesh.write()
    site.ask("reload")
    assert converged(mesh, site)


def test_a_device_that_stalls(mesh, site):
    """Its program is stopped for longer than the daemon waits for an answer."""
    (program,) = [p for p in processes_in([site.node.namespace])
                  if open(f"/proc/{p}/comm", encoding="ascii").read().strip() == "shunt-wg"]
    before = dump(site.node).owners()
    mark = len(site.log())
    os.kill(program, signal.SIGSTOP)
    try:
        site.process.send_signal(signal.SIGHUP)
        site.wait_log("can't be brought into line", after=mark)
        assert site.alive()
    finally:
        os.kill(program, signal.SIGCONT)
    mesh.wait_settled()
    wait_for("all is as wanted", lambda: converged(mesh, site), PATIENCE)
    assert set(dump(site.node).owners()) == set(before)


def strace_works():
    done = subprocess.run(["strace", "-e", "trace=none", "true"], check=False, capture_output=True)
    return done.returncode == 0


@pytest.mark.skipif(not strace_works(), reason="needs strace")
@pytest.mark.parametrize("call, error", [("sendto", "ENOBUFS"), ("recvmsg", "ENOBUFS"),
                                         ("recvmsg", "ENOMEM")])
def test_the_kernel_refuses_a_request(mesh, site, call, error):
    """A system call that speaks with the kernel (or the device) fails once, at each place in turn."""
    for n in (1, 2, 4, 7, 10):
        mesh.inv["nodes"]["site-2"]["networks"] = (
            ["10.20.2.0/24", "10.20.24.0/24"] if n % 2 else ["10.20.2.0/24"])
        mesh.write()
        with subprocess.Popen(
                ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
                 "-e", f"inject={call}:error={error}:when={n}", "-p", str(site.process.pid)],
                stderr=subprocess.DEVNULL) as tracer:
            wait_for("it is traced", lambda: is_traced(site.process.pid), PATIENCE)
            with contextlib.suppress(Exception):
                site.ask("reload")
            tracer.send_signal(signal.SIGINT)
        wait_for("all is as wanted", lambda: converged(mesh, site), PATIENCE)
        assert set(dump(site.node).owners()) >= KEPT
    mesh.inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24"]
    mesh.write()
    site.ask("reload")
    assert converged(mesh, site)


def is_traced(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in f)
