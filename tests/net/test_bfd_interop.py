# SPDX-License-Identifier: MIT
"""Our BFD sessions with those who speak it too: BIRD and FRR.

        ours ---- underlay ---- other        10.77.0.1, fd77::1 and 10.77.0.2, fd77::2
    prober_tool   (can cut)   BIRD or FRR

The cuts are silent, as a dead line is. What both ends say about the session must agree.
"""

import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading

import pytest

from lab import Lab, LabError, run, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve() / "tests/lab/prober_tool"
ADDRESSES = {4: ("10.77.0.1", "10.77.0.2"), 6: ("fd77::1", "fd77::2")}
UP = 20  # seconds that a session may take to come up on a busy machine

Timers = collections.namedtuple("Timers", "tx rx multiplier")
QUICK = Timers(100, 100, 3)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")


class Prober:
    """prober_tool in a node: its events as they come, and answers to questions."""

    def __init__(self, node, *peers, device="eth0"):
        self.process = node.spawn(
            [str(TOOL), device, "--hold", "500", *peers], log="prober.log",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events = []
        self.answers = collections.deque()
        self.lock = threading.Lock()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self.lock:
                (self.events if "event" in said else self.answers).append(said)

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.tell(command)
        wait_for(f"prober_tool's answer to {command}", lambda: self.answers, 10)
        return self.answers.popleft()

    def info(self, peer=0):
        return self.ask(f"info {peer}")["info"]

    def verdicts(self):
        with self.lock:
            return [(e["state"], e["cause"]) for e in self.events if e["event"] == "peer"]

    def wait(self, state, cause):
        wait_for(f"the verdict {state} ({cause}); came: {self.verdicts()}",
                 lambda: self.verdicts()[-1:] == [(state, cause)], UP)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.reader.join(10)
        self.process.stdout.close()
        assert self.process.returncode == 0


class Bird:
    """BIRD with one BFD neighbour."""

    def __init__(self, node, neighbour, timers, device="eth0", name="bird"):
        self.node, self.neighbour, self.name = node, neighbour, name
        self.socket = node.path(f"{name}.ctl")
        self.timers = timers
        self.configuration = node.path(f"{name}.conf")
        with open(self.configuration, "w", encoding="ascii") as f:
            f.write(f"""
                router id 10.77.0.2;
                protocol device {{ }}
                protocol bfd {{
                    interface "{device}" {{
                        min tx interval {timers.tx} ms;
                        min rx interval {timers.rx} ms;
                        multiplier {timers.multiplier};
                    }};
                    neighbor {neighbour} dev "{device}";
                }}""")
        self.start()

    def start(self):
        self.process = self.node.spawn(
            ["bird", "-f", "-c", self.configuration, "-s", self.socket,
             "-P", self.node.path(f"{self.name}.pid")], log="bird.log")

    def session(self):
        """{"up", "tx", "detection"}, times in ms; None: it can't be asked, or doesn't know it."""
        try:
            text = self.node.run(["birdc", "-s", self.socket, "show", "bfd", "sessions"])
        except LabError:
            return None
        m = re.search(rf"^{re.escape(self.neighbour)}\s+\S+\s+(\S+)\s+\S+\s+([\d.]+)\s+([\d.]+)",
                      text, re.M)
        if not m:
            return None
        return {"up": m.group(1) == "Up", "tx": float(m.group(2)) * 1000,
                "detection": float(m.group(3)) * 1000}

    def kill(self):
        self.process.kill()
        self.process.wait(10)


class Frr:
    """FRR's bfdd (with the zebra that it needs) with one BFD peer."""

    DAEMONS = "/usr/lib/frr"

    def __init__(self, node, neighbour, timers, device="eth0"):
        self.node, self.neighbour = node, neighbour
        self.folder = node.path("frr")
        os.mkdir(self.folder)
        # It becomes the user frr, who must get through to its folder.
        os.chmod(node.lab.folder, 0o711)
        shutil.chown(self.folder, "frr", "frr")
        self.configuration = os.path.join(self.folder, "bfdd.conf")
        self.peer = f"peer {neighbour} interface {device}"
        if ":" in neighbour:
            self.peer = f"peer {neighbour} local-address {ADDRESSES[6][1]} interface {device}"
        with open(self.configuration, "w", encoding="ascii") as f:
            f.write(f"""bfd
 {self.peer}
  transmit-interval {timers.tx}
  receive-interval {timers.rx}
  detect-multiplier {timers.multiplier}
  no shutdown
""")
        for name in ("zebra.conf", "vtysh.conf"):
            with open(self._path(name), "w", encoding="ascii"):
                pass
        self.zebra = self._spawn("zebra", self._path("zebra.conf"))
        wait_for("zebra's socket", lambda: os.path.exists(self._path("zserv")), UP)
        self.start()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _spawn(self, name, configuration, *more):
        return self.node.spawn(
            [os.path.join(self.DAEMONS, name), "-f", configuration, "-i", self._path(f"{name}.pid"),
             "-z", self._path("zserv"), "--vty_socket", self.folder, "-P", "0", *more], log="frr.log")

    def start(self):
        self.process = self._spawn("bfdd", self.configuration, "--bfdctl", self._path("bfdd.sock"))

    def _vtysh(self, *commands):
        words = []
        for command in commands:
            words += ["-c", command]
        return self.node.run(["vtysh", "--vty_socket", self.folder, "--config_dir", self.folder,
                              "-d", "bfdd", *words])

    def session(self):
        try:
            peers = json.loads(self._vtysh("show bfd peers json"))
        except (LabError, ValueError):
            return None
        for p in peers:
            if p["peer"] == self.neighbour:
                return {"up": p["status"] == "up",
                        "tx": max(p["transmit-interval"], p["remote-receive-interval"]),
                        "detection": p["remote-detect-multiplier"] *
                        max(p["receive-interval"], p["remote-transmit-interval"]),
                        "remote-diagnostic": p.get("remote-diagnostic")}
        return None

    def configure(self, *commands):
        self._vtysh("configure", "bfd", self.peer, *commands)

    def kill(self):
        self.process.kill()
        self.process.wait(10)


SPEAKERS = [
    pytest.param((Bird, 4), id="bird-ipv4"), pytest.param((Bird, 6), id="bird-ipv6"),
    pytest.param((Frr, 4), id="frr-ipv4"), pytest.param((Frr, 6), id="frr-ipv6"),
]


@pytest.fixture(name="lab")
def make_lab():
    with Lab("shunt-bfd") as lab:
        lab.net = lab.underlay()
        lab.ours = lab.namespace("ours")
        lab.other = lab.namespace("other")
        lab.plug(lab.net, lab.ours, "10.77.0.1/24", "fd77::1/64")
        lab.plug(lab.net, lab.other, "10.77.0.2/24", "fd77::2/64")
        lab.probers = []
        yield lab
        for prober in lab.probers:
            prober.close()


def connect(lab, speaker, ours=QUICK, theirs=QUICK):
    """A session that is up at both ends: our prober and their daemon."""
    make, family = speaker
    if make is Bird and not shutil.which("bird"):
        pytest.skip("BIRD isn't installed")
    if make is Frr and not os.path.exists(os.path.join(Frr.DAEMONS, "bfdd")):
        pytest.skip("FRR isn't installed")
    local, remote = ADDRESSES[family]
    other = make(lab.other, local, theirs)
    assert ours.tx == ours.rx
    prober = Prober(lab.ours, f"{local},{remote},{ours.tx},{ours.multiplier},hold=500")
    lab.probers.append(prober)
    prober.wait("up", "session-up")
    wait_for("the other end to be up", lambda: (other.session() or {}).get("up"), UP)
    return prober, other


def wait_for_timers(prober, other, ours, theirs):
    """RFC 5880 section 6.8.2 to 6.8.4: in each direction the slower wish of the two, and whoever
    receives waits for as many intervals as the sender's multiplier says."""
    our_tx = max(ours.tx, theirs.rx)
    their_tx = max(theirs.tx, ours.rx)

    def agree():
        mine, its = prober.info(), other.session()
        return mine["tx_interval_ms"] == our_tx and \
            mine["detection_time_ms"] == their_tx * theirs.multiplier and \
            abs(its["tx"] - their_tx) < 1 and abs(its["detection"] - our_tx * ours.multiplier) < 1

    try:
        wait_for("both ends to agree on timers", agree, UP)
    except LabError as e:
        raise AssertionError(f"{prober.info()} {other.session()}") from e


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_up_and_down(lab, speaker):
    prober, other = connect(lab, speaker)
    wait_for_timers(prober, other, QUICK, QUICK)
    lab.cut(lab.net, lab.ours)
    prober.wait("down", "expired")
    wait_for("the other end to be down", lambda: not other.session()["up"], UP)
    lab.mend(lab.net, lab.ours)
    prober.wait("up", "session-up")
    wait_for("the other end to be up again", lambda: other.session()["up"], UP)
    # It came back without a word of its own, so our hold lay on it first.
    assert ("last-resort", "held") in prober.verdicts()


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_unequal_timers(lab, speaker):
    ours, theirs = Timers(150, 150, 4), Timers(200, 300, 5)
    prober, other = connect(lab, speaker, ours, theirs)
    wait_for_timers(prober, other, ours, theirs)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_timers_change_while_up(lab, speaker):
    prober, other = connect(lab, speaker)
    for ours in (Timers(250, 250, 4), Timers(60, 60, 3)):
        prober.tell(f"set 0 {ours.tx} {ours.multiplier},hold=500")
        wait_for_timers(prober, other, ours, QUICK)
    assert prober.verdicts() == [("up", "session-up")]


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_daemon_dies_and_returns(lab, speaker):
    prober, other = connect(lab, speaker)
    other.kill()
    prober.wait("up", "daemon-silent")
    other.start()
    prober.wait("up", "session-up")
    assert {state for state, _ in prober.verdicts()} == {"up"}


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_our_drain_leaves_the_session_up(lab, speaker):
    prober, other = connect(lab, speaker)
    prober.tell("drain")
    wait_for("diagnostic 6 of ours", lambda: prober.info()["diag"] == 6, UP)
    before = prober.info()["received"]
    wait_for("more packets", lambda: prober.info()["received"] > before + 10, UP)
    session = other.session()
    assert session["up"] and prober.info()["session"] == "Up"
    if "remote-diagnostic" in session:
        assert "oncatenated" in session["remote-diagnostic"]


def test_admin_down(lab):
    """FRR's `shutdown` says nothing about the path, which carries on."""
    prober, other = connect(lab, (Frr, 4))
    other.configure("shutdown")
    prober.wait("up", "daemon-silent")
    other.configure("no shutdown")
    prober.wait("up", "session-up")
    assert {state for state, _ in prober.verdicts()} == {"up"}


def test_beside_bird(lab):
    """BIRD holds the wildcard address of the port in our own namespace, with a session of its own."""
    lab.third = lab.namespace("third")
    lab.plug(lab.net, lab.third, "10.77.0.3/24")
    beside = Bird(lab.ours, "10.77.0.3", QUICK, name="beside")
    its_peer = Bird(lab.third, "10.77.0.1", QUICK, name="third")
    wait_for("BIRD to listen", lambda: "3784" in lab.ours.run(["ss", "-ulnH"]), UP)
    prober, _ = connect(lab, (Bird, 4))
    assert prober.ask("error")["error"] == 0
    listeners = lab.ours.run(["ss", "-ulnH", "sport = :3784"])
    assert "0.0.0.0" in listeners and "10.77.0.1%eth0" in listeners
    # Packets to our address are ours, whoever sends them; BIRD's own session takes another one.
    assert beside.session() is not None and its_peer.session() is not None


@pytest.mark.parametrize("make", [Bird, Frr], ids=["bird", "frr"])
def test_another_speaker_starts_beside_us(lab, make):
    """Whoever starts after us in our namespace can bind the port, and we lose nothing."""
    prober, _ = connect(lab, (make, 4))
    lab.third = lab.namespace("third")
    lab.plug(lab.net, lab.third, "10.77.0.3/24")
    beside = Bird(lab.ours, "10.77.0.3", QUICK, name="beside") if make is Bird else \
        Frr(lab.ours, "10.77.0.3", QUICK)
    wait_for("it knows its session", beside.session, UP)
    before = prober.info()["received"]
    wait_for("more packets", lambda: prober.info()["received"] > before + 10, UP)
    assert beside.process.poll() is None
    assert prober.verdicts() == [("up", "session-up")]


@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("diagnostic,poll", [(1, 0), (0, 1)], ids=["down", "reset-poll"])
def test_forged_beside_another_speaker(lab, speaker, diagnostic, poll):
    """A local user of the other machine sends from its address; no verdict and no session moves."""
    prober, _ = connect(lab, speaker)
    local, remote = ADDRESSES[speaker[1]]
    before = prober.info()
    forger = lab.other.spawn([str(TOOL.parent / "attack"), "bfd", remote, local, str(diagnostic),
                              str(poll), "200", "1.5"], log="attack.log", stdout=subprocess.PIPE)
    assert json.loads(forger.communicate(timeout=UP)[0])["sent"] > 100
    after = prober.info()
    assert after["refused"] > before["refused"] + 100
    assert after["local_discriminator"] == before["local_discriminator"]
    assert after["tx_interval_ms"] == before["tx_interval_ms"]
    assert prober.verdicts() == [("up", "session-up")]


def test_waits_for_its_address(lab):
    """The prober starts before the address and the device are there, and outlives the device."""
    lab.late = lab.namespace("late")
    prober = Prober(lab.late, "10.77.1.1,10.77.1.2,50,3", device="eth1")
    lab.probers.append(prober)
    wait_for("a complaint", lambda: "eth1" in prober.ask("error")["text"], UP)
    for _ in range(2):
        lab.wire(lab.late, "eth1", lab.other, "eth1")
        lab.late.address("10.77.1.1/24", "eth1")
        lab.other.address("10.77.1.2/24", "eth1")
        peer = Prober(lab.other, "10.77.1.2,10.77.1.1,50,3", device="eth1")
        wait_for("the session", lambda: prober.info()["session"] == "Up", UP)
        assert prober.ask("error")["error"] == 0
        peer.close()
        run(["ip", "-n", lab.late.namespace, "link", "del", "eth1"])
        prober.wait("down", "expired")


def test_ttl(lab):
    """RFC 5881 section 5: what may have come from afar is dropped."""
    lab.other.nft("""
        table inet far {
            chain out {
                type filter hook output priority 0;
                udp dport 3784 ip ttl set 254
            }
        }""")
    other = Bird(lab.other, "10.77.0.1", QUICK)
    prober = Prober(lab.ours, "10.77.0.1,10.77.0.2,100,3")
    lab.probers.append(prober)
    wait_for("BIRD to hear us", lambda: (other.session() or {}).get("tx"), UP)
    wait_for("some packets of ours", lambda: prober.info()["sent"] > 3, UP)
    assert prober.info()["received"] == 0 and prober.verdicts() == []
    lab.other.nft("flush ruleset")
    prober.wait("up", "session-up")
    assert other.process.poll() is None
    other.process.send_signal(signal.SIGTERM)
