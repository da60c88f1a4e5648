# SPDX-License-Identifier: MIT
"""What `shunt routes` and `shunt status` make of a daemon's answers, which are made up here."""
import contextlib
import json
import socket
import threading

from shunt import shunt


@contextlib.contextmanager
def daemon_that_says(folder, answer):
    """A control socket in the folder that gives everybody the answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / "control.sock"))
        s.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with s.accept()[0] as one:
                        one.recv(65536)
                        one.sendall(json.dumps({"ok": True, **answer}).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            s.shutdown(socket.SHUT_RDWR)
            thread.join()
            (folder / "control.sock").unlink()


def screen(folder, verb, answer, *words):
    with daemon_that_says(folder, answer):
        done = shunt(verb, *words, "--run-dir", str(folder))
    assert done.returncode == 0, done.stderr
    return done.stdout


def candidate(via, reason="wins", why=None, share=None, origin="site-1", **more):
    return {"via": via, "origin": origin, "state": "up", "metric": 0, "transit": True, "hub_metric": 10,
            "reason": reason, "why": why or reason, "share": share, **more}


def routes(*candidates, owner="hub-a"):
    return {"node": "site-2", "own": False, "routes": [
        {"prefix": "10.20.1.0/24", "owner": owner, "owners": [owner] if owner else [], "kernel_route": True, "since_s": 75.2, "candidates": list(candidates)}]}


def cells(text):
    """Of the table, which stands below an empty line."""
    return [line.split() for line in text.split("\n\n")[-1].splitlines()]


def test_shares(tmp_path):
    text = screen(tmp_path, "routes", routes(
        candidate("hub-a", share=75), candidate("hub-b", share=25.0),
        candidate("hub-c", "higher-hub-metric", "hub metric 20 is higher than hub-a's 10", share=0)))
    head, a, b, c = cells(text)
    assert text.startswith("site-2: 1 prefix, 1 carried, 1 shared\n")
    assert head == ["PREFIX", "VIA", "ORIGIN", "SHARE", "AGE", "WHY"]
    assert a == ["10.20.1.0/24", "*", "hub-a", "site-1", "75%", "1m15s", "wins"]
    assert b == ["*", "hub-b", "site-1", "25%", "wins"]
    assert c[:4] == ["hub-c", "site-1", "-", "hub"]
    wide = screen(tmp_path, "routes", routes(candidate("hub-a", share=100)), "--wide")
    assert cells(wide)[0] == ["PREFIX", "VIA", "ORIGIN", "METRIC", "HUB", "METRIC", "STATE", "AGE", "WHY"]
    assert cells(wide)[1] == ["10.20.1.0/24", "*", "hub-a", "site-1", "0", "10", "up", "1m15s", "wins"]


def test_a_routing_engine_has_a_say(tmp_path):
    """Where all is the inventory's, nobody asks for the source."""
    kernel = {"source": "kernel", "distance": 5}
    text = screen(tmp_path, "routes", routes(
        candidate("hub-b", **kernel),
        candidate("hub-a", "higher-distance", "distance 10 is higher than 5", source="inventory", distance=10)))
    head, b, a = cells(text)
    assert head == ["PREFIX", "VIA", "ORIGIN", "SOURCE", "AGE", "WHY"]
    assert b[:5] == ["10.20.1.0/24", "*", "hub-b", "site-1", "kernel"]
    assert a[:3] == ["hub-a", "site-1", "inventory"]
    answer = routes(candidate("hub-b", "peer-down", "hub-b is down", **kernel), owner=None)
    answer["routes"][0]["kernel_route"] = False
    assert "the kernel's route is the routing engine's" in screen(tmp_path, "routes", answer)


def test_thirds(tmp_path):
    text = screen(tmp_path, "routes", routes(*(candidate(f"hub-{h}", share=100 / 3) for h in "abc")))
    assert [line[-2] for line in cells(text)[2:]] == ["33.3%"] * 2


def test_a_cut_set(tmp_path):
    """No shares, so no column of them; who is equal has a mark and the reason."""
    why = "equal to hub-a, but site-1 takes packets of one source from one hub only"
    for reason in ("cut-from-set", "cut-for-origin"):
        text = screen(tmp_path, "routes", routes(candidate("hub-a", share=100), candidate("hub-b", reason, why)))
        assert "SHARE" not in text
        assert cells(text)[2][:2] == ["=", "hub-b"] and text.rstrip().endswith(why)


def test_an_answer_without_shares(tmp_path):
    """As an older daemon gives it."""
    one = candidate("hub-a")
    del one["share"]
    text = screen(tmp_path, "routes", routes(one))
    assert "SHARE" not in text and cells(text)[1][1:3] == ["*", "hub-a"]


def test_nobody_is_left(tmp_path):
    text = screen(tmp_path, "routes", routes(candidate("hub-a", "peer-down", "hub-a is down"), owner=None))
    assert "10.20.1.0/24 has no usable candidate" in text


def test_json_passes_all_through(tmp_path):
    answer = routes(candidate("hub-a", share=75, rank=0, weight=3), candidate("hub-b", share=25, rank=0, weight=1))
    assert json.loads(screen(tmp_path, "routes", answer, "--json")) == answer


def test_problems_of_the_status(tmp_path):
    answer = {"node": "site-2", "role": "spoke", "mesh": "corp", "uptime_s": 5, "drained": False, "holding": False,
              "device": {"interface": "wg0", "kind": "uapi", "name": "shunt-wg", "listen_port": 51820, "max_owners": 16},
              "peers": [], "problems": [
                  {"what": "the line between hub-a and site-1 is dead while both live: hub-b relays", "fix": None},
                  {"what": "site-1 runs an older inventory", "fix": "copy this one there"}]}
    text = screen(tmp_path, "status", answer)
    assert text.startswith("site-2: 0 of 0 up, 2 problems\n")
    assert "\nproblem  the line between hub-a and site-1 is dead while both live: hub-b relays\n\nproblem  site-1" in text
    assert "wg0, uapi WireGuard (shunt-wg, several owners), port 51820" in text
    assert text.endswith("   mend it: copy this one there\n")


def status_with(routing, *peers):
    return {"node": "site-2", "role": "spoke", "mesh": "corp", "uptime_s": 5, "drained": False, "holding": False, "problems": [],
            "device": {"interface": "wg0", "kind": "uapi", "name": "shunt-wg", "listen_port": 51820, "max_owners": 16},
            "routing": routing, "peers": [
                {"node": name, "state": "up", "since_s": 5, "probe": "bfd", "endpoint": None, "handshake_age_s": 3,
                 "rx_bytes": 0, "tx_bytes": 0, "why": "session up", "sessions": sessions} for name, sessions in peers]}


def session(neighbor, state, routes=0):
    return {"neighbor": neighbor, "state": state, "since_s": 5, "routes": routes}


def test_sessions_of_a_routing_engine(tmp_path):
    routing = {"engine": "bird", "socket": "/run/bird/bird.ctl", "answers": True, "since_s": 5, "sessions": 4, "established": 3, "routes": 17}
    text = screen(tmp_path, "status", status_with(
        routing, ("hub-a", [session("10.10.0.1", "established", 12), session("fd10::1", "established", 5)]),
        ("hub-b", [session("10.10.0.2", "established"), session("fd10::2", "active")]),
        ("hub-c", [session("10.10.0.3", "idle")]), ("site-1", [])))
    assert "\nrouting engine bird: 3 of 4 sessions established, 17 routes from them\n" in text
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert "  BGP  " in lines["PEER"]
    assert "  17 routes  " in lines["hub-a"]
    assert "  1 of 2, 0 routes  " in lines["hub-b"]
    assert "  idle  " in lines["hub-c"] and "  -  " in lines["site-1"]


def test_a_routing_engine_that_says_nothing(tmp_path):
    routing = {"engine": "frr", "socket": "/run/frr/bgpd.vty", "answers": False, "since_s": 5, "sessions": 0, "established": 0, "routes": 0}
    assert "\nrouting engine frr: doesn't answer at /run/frr/bgpd.vty\n" in screen(tmp_path, "status", status_with(routing))
    assert "routing engine frr: not asked yet\n" in screen(tmp_path, "status", status_with({**routing, "answers": None}))
    other = {**routing, "engine": "other", "answers": None, "socket": None}
    assert "routing engine other: its sessions aren't known here\n" in screen(tmp_path, "status", status_with(other))
    assert "routing engine" not in screen(tmp_path, "status", status_with(None))
