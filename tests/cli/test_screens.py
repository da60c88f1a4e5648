# SPDX-License-Identifier: MIT
"""What `shunt routes` and `shunt status` make of a daemon's answers, which are made up here."""
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from shunt import ROOT, SHUNT, shunt

sys.path.insert(0, str(ROOT / "tests" / "lab"))
import answers  # noqa: E402
import screens  # noqa: E402
from screens import daemon_that_says  # noqa: E402

GOLDEN = ROOT / "tests" / "golden" / "screens"


def ask(folder, verb, answer, *words, columns=None):
    with daemon_that_says(folder, answer):
        return shunt(verb, *words, "--run-dir", str(folder),
                     env={**os.environ, **({"COLUMNS": str(columns)} if columns else {})})


def screen(folder, verb, answer, *words, columns=None):
    done = ask(folder, verb, answer, *words, columns=columns)
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


# --- a mesh of forty sites, at eighty columns --------------------------------------------------------

AT = "2026-11-28T07:04:31.123Z"


def peer(name, state="up", cause="session-up", why="its BFD session is up", since_s=93600.0, flaps=0, role="spoke", **more):
    return {"node": name, "role": role, "state": state, "cause": cause, "why": why, "since": AT, "since_s": since_s,
            "hold_left_s": None, "flaps": flaps, "probe": "bfd", "bfd": None, "handshake": AT, "handshake_age_s": 42,
            "endpoint": "198.51.100.77:51820", "rx_bytes": 123456789, "tx_bytes": 987, "inventory": "same", "max_owners": 16,
            "lost": [], "sessions": [], **more}


def forty_peers():
    down = {"state": "down", "cause": "expired", "why": "nothing comes from it and echoes stay unanswered"}
    odd = {7: {**down, "since_s": 75.0, "flaps": 3}, 23: {**down, "since_s": 0.4, "handshake": None, "handshake_age_s": None},
           31: {"state": "last-resort", "cause": "poor-line", "why": "the line to it loses packets, or flaps", "flaps": 118}}
    return [peer(f"site-{i}", **odd.get(i, {})) for i in range(1, 41)] + [
        peer("laptop", **{**down, "cause": "stale", "why": "its handshake is too old and no bytes come in"}, role="client"),
        peer("phone", cause="handshake", why="its handshake is recent or bytes come in", role="client")]


def forty_status():
    return {"answer_version": 2, "at": AT, "node": "hub-a", "role": "hub", "mesh": "corp", "inventory": "/etc/shunt/mesh.yaml",
            "inventory_digest": "00ff", "version": "0.2.0", "started": AT, "uptime_s": 1234567.0, "drained": False,
            "drained_until": None, "users": None, "holding": True,
            "device": {"interface": "wg0", "kind": "uapi", "name": "shunt-wg", "listen_port": 51820, "max_owners": 16},
            "routing": None, "cut_pairs": [], "peers": forty_peers(), "problems": [
                {"what": "the reverse path filter is strict on wg0: packets that come by another way than they would go are dropped",
                 "fix": "sysctl -w net/ipv4/conf/wg0/rp_filter=2"}]}


def forty_routes():
    def way(i, via, reason, why, share=0.0, transit=True):
        return {"via": via, "origin": f"site-{i}", "source": "inventory", "distance": 10, "state": "up", "metric": 0, "transit": transit,
                "hub_metric": 10 if transit else None, "rank": 0, "weight": 1, "share": share, "reason": reason, "why": why}

    def route(i):
        lost = i == 7
        ways = [way(i, "hub-a", "origin-down" if lost else "wins", "site-7 is down as seen from here, so hub-a may not reach it either"
                    if lost else "wins by lower hub metric", 0.0 if lost else 100.0),
                way(i, "hub-b", "origin-down" if lost else "higher-hub-metric", "hub-b says that its line to site-7 is down" if lost
                    else "hub metric 20 is higher than hub-a's 10")]
        owners = [] if lost else ["hub-a"]
        prefix = "2001:db8:1234:5678:9abc:def0:1234:5600/120" if i == 12 else f"10.20.{i}.0/24"
        return {"prefix": prefix, "owner": owners[0] if owners else None, "owners": owners, "since": AT, "since_s": 3700.5,
                "kernel_route": True, "on_dead": "fall-back", "pinned": False, "candidates": ways}

    return {"answer_version": 2, "at": AT, "node": "site-41", "own": False, "routes": [route(i) for i in range(1, 41)]}


SCREENS = {"status": ("status", forty_status, ()), "status-down": ("status", forty_status, ("--down",)),
           "status-wide": ("status", forty_status, ("--wide",)), "routes": ("routes", forty_routes, ()),
           "routes-best": ("routes", forty_routes, ("--best",)), "routes-wide": ("routes", forty_routes, ("--wide",)),
           "routes-within": ("routes", forty_routes, ("--within", "10.20.4.0/22", "--via", "hub-a"))}


@pytest.mark.parametrize("name", SCREENS)
def test_forty_sites(name, tmp_path):
    """SHUNT_GOLDEN=write makes them anew."""
    verb, made_up, words = SCREENS[name]
    answers.check(verb, made_up())
    text = screen(tmp_path, verb, made_up(), *words, columns=80)
    if os.environ.get("SHUNT_GOLDEN") == "write":
        (GOLDEN / f"{name}.txt").write_text(text, "utf-8")
    assert text == (GOLDEN / f"{name}.txt").read_text("utf-8")
    fix = "   mend it: "  # is to be copied
    assert "--wide" in words or max(len(line) for line in text.splitlines() if not line.startswith(fix)) <= 80
    assert "\033" not in text and not re.search(r" $", text, re.M)


@pytest.mark.parametrize("name", screens.PICTURES)
def test_pictures_show_what_the_command_line_makes_of_a_running_mesh(name, tmp_path):
    """tests/golden/screens/record --draw makes them anew."""
    request = screens.PICTURES[name][0]
    recorded = {request: json.loads((GOLDEN / f"recorded-{request}.json").read_text("utf-8"))}
    answers.check(request, recorded[request])
    assert screens.draw(name, str(SHUNT), recorded, str(tmp_path)) == (ROOT / "docs" / "images" / f"{name}.svg").read_text("utf-8")


def test_a_picture_keeps_columns_and_colours():
    text = "\033[1ma\033[0m  b <c\n  \033[31mdown\033[0m it\n3\n4\n5\n"
    picture = screens.svg("shunt x", text, most=3)
    assert re.findall(r"<text(?: class=\"(\w+)\")? x=\"([\d.]+)\" y=\"(\d+)\" textLength=\"([\d.]+)\">(.*?)</text>", picture) == [
        ("dim", "14.0", "28", "8.4", "$"), ("bold", "30.8", "28", "58.8", "shunt x"),
        ("bold", "14.0", "47", "8.4", "a"), ("", "39.2", "47", "33.6", "b &lt;c"),
        ("red", "30.8", "66", "33.6", "down"), ("", "72.8", "66", "16.8", "it"),
        ("dim", "14.0", "85", "168.0", "... and 3 lines more")]


def test_a_pipe_gets_whole_lines(tmp_path):
    assert "nothing comes from it and echoes stay unanswered\n" in screen(tmp_path, "status", forty_status())


def test_filters_hold_for_json_too(tmp_path):
    some = json.loads(screen(tmp_path, "status", forty_status(), "--json", "--down"))
    assert [p["node"] for p in some["peers"]] == ["site-7", "site-23", "site-31", "laptop"]
    some = json.loads(screen(tmp_path, "routes", forty_routes(), "--json", "--best", "--within", "10.20.6.0/23"))
    assert [(r["prefix"], len(r["candidates"])) for r in some["routes"]] == [("10.20.6.0/24", 1), ("10.20.7.0/24", 1)]
    some = json.loads(screen(tmp_path, "routes", forty_routes(), "--json", "--via", "hub-b"))
    assert some["routes"] == []


def fine():
    return {**forty_status(), "peers": [peer("site-1"), peer("laptop", "down", role="client")], "problems": [], "holding": False}


def use(node, prefix="10.20.2.0/24", to="site-2"):
    return {"node": node, "prefix": prefix, "to": to, "last": AT, "last_s": 0.2}


@pytest.mark.parametrize("users, words", [
    (None, ""), ([], "nobody sends through it any more"),
    ([use("laptop"), use("site-2", "10.40.0.0/24", "laptop")],
     "still used: laptop to 10.20.2.0/24 (site-2), site-2 to 10.40.0.0/24 (laptop)"),
    ([use(f"site-{i}") for i in range(11)], " and 3 more")])
def test_who_still_uses_a_drained_node(tmp_path, users, words):
    answer = {**fine(), "drained": True, "drained_until": AT, "users": users}
    text = screen(tmp_path, "status", answer, columns=80)
    assert f"drained: last resort for all peers until {AT} or `shunt undrain hub-a`" in " ".join(text.split())
    assert words in " ".join(text.split()) and ("used" in text or "nobody" in text) == (users is not None)
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("change, code, words", [
    ({"users": []}, 0, "nobody sends through it any more"),
    ({"users": [use("laptop")]}, 1, "hub-a is still used after 1s: laptop to 10.20.2.0/24 (site-2)"),
    ({"users": None}, 3, "who uses hub-a isn't known after 1s"),
    ({"users": [use("laptop")], "drained": False}, 1, "hub-a isn't drained any more"),
])
def test_a_drain_waits_until_nobody_uses_the_node(tmp_path, change, code, words):
    answer = {**fine(), "drained": True, "drained_until": None, **change}
    done = ask(tmp_path, "drain", answer, "hub-a", "--wait", "1s")
    assert done.returncode == code and words in (done.stderr if code else done.stdout)
    done = ask(tmp_path, "drain", answer, "hub-a", "--wait", "1s", "--json")
    assert done.returncode == code and json.loads(done.stdout)["users"] == change["users"]


@pytest.mark.parametrize("words", [("--for", "soon"), ("--wait", "0s"), ("--for", "367d"), ("--for", "1.5h")])
def test_a_time_that_is_none(words):
    done = shunt("drain", "hub-a", *words)
    assert done.returncode == 2 and f"{words[1]} is no time from 1s to 366d" in done.stderr


def test_systemd_waits_for_the_longest_drain():
    unit = (ROOT / "contrib" / "systemd" / "shuntd@.service").read_text("utf-8")
    longest = json.loads((ROOT / "docs" / "inventory.schema.json").read_text("utf-8"))["$defs"]["drain_on_stop"]["description"]
    assert "0s to 1m" in longest and int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.M).group(1)) > 60 + 10


@pytest.mark.parametrize("change, code, words", [
    ({}, 0, "SHUNT OK - hub-a: 1 of 1 up, 0 problems | up=1;;;0;1 down=0 last_resort=0 problems=0 clients=0;;;0;1\n"),
    ({"peers": []}, 0, "SHUNT OK - hub-a: 0 of 0 up"),
    ({"peers": [peer("site-1"), peer("site-2", "down")]}, 1, "SHUNT WARNING - hub-a: 1 of 2 up, 0 problems; down: site-2 |"),
    ({"peers": [peer("site-1", "last-resort")]}, 1, "0 of 1 up, 0 problems; last-resort: site-1 |"),
    ({"problems": [{"what": "a | b\nc", "fix": None}]}, 1, "1 of 1 up, 1 problem; a   b c |"),
    ({"drained": True}, 1, "; drained |"),
    ({"holding": True}, 1, "; holding |"),
    ({"peers": [peer("site-1", "down"), peer("laptop", role="client")]}, 2, "SHUNT CRITICAL - hub-a: 0 of 1 up"),
    ({"peers": [peer(f"site-{i}", "down") for i in range(40)]}, 2, "site-6, site-7 and 32 more |"),
])
def test_a_probe_for_monitoring(tmp_path, change, code, words):
    done = ask(tmp_path, "status", {**fine(), **change}, "--check")
    assert done.returncode == code and words in done.stdout and done.stdout.count("\n") == 1 and not done.stderr


def test_a_probe_that_gets_no_answer(tmp_path):
    done = shunt("status", "--check", "--run-dir", str(tmp_path))
    assert done.returncode == 3 and done.stdout.startswith("SHUNT UNKNOWN - no shuntd answers") and not done.stderr
    assert shunt("status", "--check", "--nope").returncode == 3


def test_who_is_reached_by_a_hub(tmp_path):
    """The daemon that is made up gives one answer to both questions."""
    both = {**forty_routes(), **{k: v for k, v in forty_status().items() if k == "peers"}}
    both["peers"] = [peer("hub-a", role="hub"), peer("site-3", "down")]
    both["routes"] = both["routes"][:3]
    text = screen(tmp_path, "status", both, "--via", "hub-a", columns=80)
    assert text.startswith("site-41: 3 nodes reached by hub-a, which is up\n")
    assert cells(text)[1:] == [["site-1", "-", "10.20.1.0/24"], ["site-2", "-", "10.20.2.0/24"], ["site-3", "down", "10.20.3.0/24"]]
    found = json.loads(screen(tmp_path, "status", both, "--via", "hub-a", "--json"))
    assert found["nodes"][2] == {"node": "site-3", "state": "down", "prefixes": ["10.20.3.0/24"]}
    done = ask(tmp_path, "status", both, "--via", "hub-z")
    assert done.returncode == 2 and "hub-z is no peer of site-41" in done.stderr


def test_watching_goes_on(tmp_path):
    with daemon_that_says(tmp_path, fine()):
        with subprocess.Popen([SHUNT, "status", "--watch", "--run-dir", tmp_path], stdout=subprocess.PIPE, text=True) as one:
            heads = []
            while len(heads) < 2:
                line = one.stdout.readline()
                heads += [line] if line.startswith("hub-a: ") else []
            one.terminate()
    assert heads == ["hub-a: 1 of 1 up, 0 problems; 0 of 1 client here\n"] * 2


def test_schemas_are_what_requests_declare():
    """Member by member, and null where it may be."""
    text = (ROOT / "src" / "control" / "requests.c").read_text("utf-8")
    ops = {op: {"undrain": "drain"}.get(op, op) for op in re.findall(r'\.op = "(\w+)"', text)}
    # What stands behind an answer, a line each, has a schema of its own.
    assert {p.stem for p in answers.FOLDER.glob("*.json")} == {*ops, "event"}
    of_event = re.findall(r'X\("([^"]+)", "([^"]+)"\)', text)

    def members(schema, path=""):
        for name, one in schema.get("properties", {}).items():
            assert name in schema["required"], name
            yield from member(one, f"{path}.{name}".lstrip("."))

    def member(one, path):
        if "type" not in one:
            return
        types = [one["type"]] if isinstance(one["type"], str) else one["type"]
        yield path, types[0] + ("?" if "null" in types else "")
        yield from members(one, path)
        if "items" in one:
            yield from member(one["items"], path + "[]")

    def schema_of(name):
        return json.loads((answers.FOLDER / f"{name}.json").read_text("utf-8"))

    for op, of in ops.items():
        rows = re.search(rf"{of}_fields\[\] = {{(.*?)}};", text, re.S).group(1)
        declared = re.findall(r'{"([^"]+)", "([^"]+)"}', rows)
        if "EVENT_FIELDS(IN_ANSWER)" in rows:
            declared += [(f"events[].{name}", of_type) for name, of_type in of_event]
        assert sorted(members(schema_of(op))) == sorted(declared), op
    assert sorted(members(schema_of("event"))) == sorted(of_event)


# --- events ----------------------------------------------------------------------------------------


def event(number, kind, text, at="2026-11-28T07:04:31.123Z", **more):
    return {"event": number, "at": at, "node": "site-1", "kind": kind, "because": None, "peer": None, "state": None,
            "cause": None, "prefix": None, "prefixes": None, "from": None, "to": None, "gap_ms": None, "lost": None,
            "text": text, "fix": None, **more}


HAPPENED = [
    event(1, "verdict", "hub-a is down: nothing heard of it, and it answers no echo", peer="hub-a", state="down"),
    event(2, "move", "10.20.2.0/24 and 3 others: hub-a -> hub-b in 1.8 ms", because=1, state="done"),
    event(3, "problem", "the line between hub-a and site-1 is down, though both live: packets go by hub-b",
          state="begins", fix="look at it"),
    event(4, "problem", "the line between hub-a and site-1 is down, though both live: packets go by hub-b",
          state="over"),
    event(5, "reload", "é" * 100, state="done")]


def events(folder, *words, columns=None):
    return screen(folder, "events", {"node": "site-1", "started": "x", "last": 5, "events": HAPPENED}, *words,
                  columns=columns)


def test_events_are_a_line_each_and_fit(tmp_path):
    lines = events(tmp_path, columns=80).splitlines()
    assert len(lines) == len(HAPPENED) and max(map(len, lines)) == 80
    assert lines[1].endswith("  move      10.20.2.0/24 and 3 others: hub-a -> hub-b in 1.8 ms")
    assert "  problem   the line between hub-a and site-1" in lines[2] and lines[2].endswith("…")
    assert "  problem   over: the line between" in lines[3]
    # Whole into a pipe, and with the date where it is asked for.
    assert events(tmp_path).splitlines()[2].endswith("packets go by hub-b")
    wide = events(tmp_path, "--wide", columns=80).splitlines()
    assert re.match(r"2026-11-2[789] \d\d:04:31\.123  move  ", wide[1]) and wide[4].endswith("é" * 100)


def test_events_as_json_are_an_object_a_line(tmp_path):
    assert [json.loads(line) for line in events(tmp_path, "--json").splitlines()] == HAPPENED


@pytest.mark.parametrize("words, why", [
    (["--last", "-1"], "--last is a number of events, and -1 is none"), (["--last", "x"], "and x is none"),
    (["--kind", "lost"], "--kind"), (["--kind", "verdict,move"], "--kind")])
def test_events_that_nobody_can_mean(tmp_path, words, why):
    done = shunt("events", *words, "--run-dir", str(tmp_path))
    assert done.returncode == 2 and why in done.stderr


def test_events_without_a_daemon(tmp_path):
    for words in ((), ("--follow",)):
        done = shunt("events", *words, "--run-dir", str(tmp_path))
        assert (done.returncode, done.stdout) == (3, "") and "no shuntd answers" in done.stderr


@contextlib.contextmanager
def daemon_that_tells(folder, *lives):
    """Each connection gets the next: the life's name and its events, and is closed then. Yields the requests."""
    asked = []
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(folder / "control.sock"))
        s.listen()

        def serve():
            for started, happened in lives:
                with s.accept()[0] as one:
                    asked.append(json.loads(one.recv(65536)))
                    head = {"ok": True, "answer_version": 1, "node": "site-1", "started": started, "last": 9}
                    # In pieces that end anywhere.
                    text = "".join(json.dumps(line) + "\n" for line in (head, *happened)).encode()
                    one.sendall(text[:200])
                    one.sendall(text[200:])
            s.accept()[0].close()  # and no more

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        with socket.socket(socket.AF_UNIX) as last, contextlib.suppress(OSError):
            last.connect(str(folder / "control.sock"))
        thread.join()


def test_following_goes_on_over_a_restart(tmp_path):
    with daemon_that_tells(tmp_path, ("one", HAPPENED[:2]), ("one", HAPPENED[2:3]), ("two", HAPPENED)) as asked:
        with subprocess.Popen([SHUNT, "events", "--follow", "--json", "--kind", "move", "--run-dir", tmp_path],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
            seen = [json.loads(one.stdout.readline())["event"] for _ in range(8)]
            one.terminate()
            told = one.stderr.read()
    assert seen == [1, 2, 3, 1, 2, 3, 4, 5]
    assert asked == [{"op": "subscribe", "kind": "move", "last": 20},
                     {"op": "subscribe", "kind": "move", "started": "one", "after": 2},
                     {"op": "subscribe", "kind": "move", "started": "one", "after": 3}]
    assert "the daemon is gone; waiting for it\nshunt: the daemon is back\n" in told
    assert "the daemon is back: it was restarted\n" in told


def test_following_ends_with_its_reader(tmp_path):
    with daemon_that_tells(tmp_path, ("one", HAPPENED)):
        with subprocess.Popen([SHUNT, "events", "--follow", "--run-dir", tmp_path],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
            one.stdout.readline()
            one.stdout.close()
            assert one.wait(timeout=60) == 3
