# SPDX-License-Identifier: MIT
"""A daemon that is ended before, or fails at, the n-th call that has an effect outside.

        switch: .1 [hub-a]  .2 [hub-b]  .11 [site-1]  .12 [site-2]

site-1 is the victim: 10.20.1.1 behind it, 10.20.2.1 behind site-2, and packets between the two all the
time. On its device and in its namespace stand things of others: a peer, an allowed IP by hand on a peer
of ours, addresses, routes and a rule. An act is played once undisturbed, which says how all should be in
the end; then again with each call in turn as the last one, or the one that fails (effects.c). The daemon is
started again, as a service manager would, and all must be as if nothing had happened.
"""

import contextlib
import mmap
import os
import shutil
import signal
import struct
import time

from lab import PATIENCE as SLOWNESS, LabError, wait_for
from meshes import (BUILD, FOUR, PATIENCE, Pings, SmallMesh, dump, hub, key_pair,
                    set_device, two_hubs)

MODULE = BUILD / "tests" / "fault" / "effects.so"
VICTIM, BEHIND, OTHER = "site-1", "10.20.1.1", "10.20.2.1"
KILL, FAIL = "kill", "fail"
PINGS = 100  # a second
DETECTION_S = 0.9  # interval times multiplier of meshes.LIVENESS
SLACK_S = 3 * SLOWNESS  # a failed request is tried again after a second


class Effects:
    """The file that is shared with effects.c."""

    HEAD, NAME, CALLS = 64, 32, 65536

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as f:
            f.truncate(self.HEAD + self.NAME * self.CALLS)
            self.map = mmap.mmap(f.fileno(), 0)

    def arm(self, at=0, how=KILL):
        """From now on calls count from 1; the at-th is struck."""
        self.map[0:32] = struct.pack("4Q", 0, 0, at, 1 if how == KILL else 2)
        self.map[0:8] = struct.pack("Q", 1)

    def disarm(self):
        self.map[0:8] = struct.pack("Q", 0)

    def count(self):
        return struct.unpack("Q", self.map[8:16])[0]

    def calls(self):
        """What was counted, in order."""
        return [self.map[i:i + self.NAME].split(b"\0")[0].decode().strip() for i in
                range(self.HEAD, self.HEAD + self.NAME * min(self.count(), self.CALLS), self.NAME)]


class Scene:
    def __init__(self, lab):
        inv = two_hubs()
        inv["nodes"]["site-2"]["networks"] = ["10.20.2.0/24", "10.20.9.0/24", "fd20:2::/64"]
        inv["nodes"]["site-1"]["networks"] = ["10.20.1.0/24", "fd20:1::/64"]
        self.mesh = SmallMesh(lab, inv, FOUR)
        self.before = self.mesh.inv
        self.after = self._changed()
        self.node, self.daemon = self.mesh.nodes[VICTIM], self.mesh.daemons[VICTIM]
        self.effects = Effects(os.path.join(lab.folder, "effects"))
        _, self.foreigner = key_pair()
        self.options = ()
        for name, address in ((VICTIM, BEHIND), ("site-2", OTHER)):
            node = self.mesh.nodes[name]
            node.ip("link add lan0 type bridge")
            node.ip("link set lan0 up")
            node.address(f"{address}/24", "lan0")
        self.node.ip("rule add from 10.97.0.0/16 lookup 77")
        self.node.ip("route add 10.96.0.0/16 dev lan0 table 77")
        self.node.ip("route add unreachable 10.95.0.0/16 metric 4294967295")
        self.mesh.start("hub-a", "hub-b", "site-2")
        self.start()
        self.settle()
        self.add_foreign()
        self.base = self.snapshot()

    def _changed(self):
        """What a reload brings: a hub and a network more, a network less, other settings of a peer."""
        _, public = key_pair()
        changed = {**self.before, "nodes": {n: dict(s) for n, s in self.before["nodes"].items()}}
        changed["nodes"]["hub-c"] = hub(3, public_key=public)
        changed["nodes"]["site-2"]["networks"] = ["10.20.2.0/24", "10.20.22.0/24", "fd20:22::/64"]
        changed["nodes"]["hub-b"]["keepalive"] = 20
        self.mesh.keys["hub-c"] = public
        return changed

    def add_foreign(self):
        set_device(self.node, f"public_key={self.foreigner}", "allowed_ip=10.99.0.0/24",
                   "endpoint=198.51.100.99:51820", "persistent_keepalive_interval=0",
                   f"public_key={self.mesh.keys['hub-b']}", "allowed_ip=192.168.77.0/24")
        self.node.ip("route add 10.98.0.0/24 dev wg0")
        self.node.ip("address add 10.77.0.1/24 dev wg0")

    def start(self):
        self.daemon.start(*self.options, env={"SHUNT_EFFECTS": self.effects.path,
                                              "LD_PRELOAD": str(MODULE)})

    def settle(self, *down):
        """Until the daemon sees all its peers up, but those that are dead."""
        def settled():
            if not self.daemon.alive():
                raise LabError(f"shuntd ended: {self.daemon.last_words(20)}")
            peers = self.daemon.peers()
            return peers and all((s == "up") == (n not in down and n != "hub-c")
                                 for n, s in peers.items())
        try:
            wait_for("the victim has settled", settled, PATIENCE)
        except LabError as e:
            raise LabError(f"{e}: {self.daemon.peers()}; {self.daemon.last_words(20)}") from None

    def snapshot(self):
        """All that the victim's device and kernel have, in words."""
        have = dump(self.node)
        seen = {f"peer {self.mesh.name_of(key)} allowed {p}"
                for key, peer in have.peers.items() for p in peer["allowed"]}
        seen |= {f"peer {self.mesh.name_of(key)} keepalive {p['persistent_keepalive_interval']}"
                 for key, p in have.peers.items()}
        seen |= {f"{k} {have.device.get(k)}" for k in ("private_key", "listen_port", "fwmark")}
        for family in ("-4", "-6"):
            seen |= {f"rule {r}" for r in self.node.ip(f"{family} rule").splitlines()}
            seen |= {f"route {' '.join(r.split())}" for r in
                     self.node.ip(f"{family} route show table all").splitlines()}
        for line in self.node.ip("-o address show").splitlines():
            words = line.split()
            seen.add(f"address {words[1]} {words[3]}")
        seen |= {f"nft {line.strip()}" for line in
                 self.node.run(["nft", "list", "ruleset"]).splitlines()}
        return frozenset(line for line in seen if "fe80" not in line)  # made anew by chance

    def foreign(self):
        """What of the snapshot isn't ours."""
        words = ("foreign", "192.168.77.0/24", "10.97.", "10.96.", "10.95.", "10.98.", "10.77.")
        return {line for line in self.snapshot() if any(w in line for w in words)}

    def wait_as(self, *references):
        try:
            wait_for("all is as it should be", lambda: self.snapshot() in references, PATIENCE)
        except LabError as e:
            now, want = self.snapshot(), references[0]
            raise LabError(f"{e}: missing {sorted(want - now)}, too much {sorted(now - want)}; "
                           f"{self.daemon.last_words(10)}") from None


class Act:
    """One thing that happens to the victim."""

    keeps_device = True  # and what others have on it
    is_harmless = True   # no packet is lost
    options = ()
    dead = ()            # peers, in the end

    def __init__(self, scene):
        self.scene = scene

    def prepare(self):
        """Before calls count."""

    def begin(self):
        raise NotImplementedError

    def is_over(self):
        raise NotImplementedError

    def again(self):
        """What an operator does if it failed."""

    def undo(self):
        """Back to where all acts begin, but for what others had on a device that is gone."""


class Start(Act):
    """On a device that is there."""

    def prepare(self):
        self.scene.daemon.kill()

    def begin(self):
        self.scene.start()

    def is_over(self):
        return self.scene.daemon.ask("status")


class ColdStart(Start):
    """On a machine that has nothing of ours."""

    keeps_device = is_harmless = False

    def prepare(self):
        node = self.scene.node
        self.scene.daemon.kill()
        node.ip("link del wg0")
        for family in ("-4", "-6"):
            node.ip(f"{family} route flush table all proto 213")
            while "proto 213" in node.ip(f"{family} rule"):
                node.ip(f"{family} rule del protocol 213")
        shutil.rmtree(node.path("state"))


class Reload(Act):
    def begin(self):
        self.scene.mesh.write(self.scene.after)
        self.again()

    def again(self):
        with contextlib.suppress(LabError):
            self.scene.daemon.ask("reload")

    def is_over(self):
        return True

    def undo(self):
        self.scene.mesh.write(self.scene.before)
        self.scene.daemon.ask("reload")


class Failover(Act):
    """The hub that carries everything dies, its daemon with it: started anew it holds nothing back."""

    is_harmless = False
    dead = ("hub-a",)

    def begin(self):
        self.scene.mesh.daemons["hub-a"].kill()
        self.scene.mesh.cut("hub-a")

    def is_over(self):
        return self.scene.daemon.owners().get("10.20.2.0/24") == "hub-b"

    def undo(self):
        self.scene.mesh.mend("hub-a")
        self.scene.mesh.start("hub-a")
        self.scene.daemon.wait_owner("10.20.2.0/24", "hub-a")
        self.scene.mesh.daemons["site-2"].wait_owner("10.20.1.0/24", "hub-a")


class Stop(Act):
    def begin(self):
        self.scene.daemon.process.terminate()

    def is_over(self):
        return False  # until it has ended


class Leave(Stop):
    """It takes its device along."""

    keeps_device = is_harmless = False
    options = ("--stop-devices",)


ACTS = {"start": Start, "cold-start": ColdStart, "reload": Reload, "failover": Failover,
        "stop": Stop, "leave": Leave}


class Player:
    """Plays acts in a scene, and knows how each ends undisturbed."""

    def __init__(self, scene):
        self.scene = scene
        self.ends, self.calls = {}, {}
        self.is_struck = False  # whether the last act came so far

    def undisturbed(self, name):
        """Its calls, in order."""
        if name not in self.ends:
            self.play(name)
        return self.calls[name]

    def play(self, name, at=0, how=KILL):
        """The at-th call is struck; 0: none is, and that is how it should end."""
        scene, act = self.scene, ACTS[name](self.scene)
        if scene.options != act.options:
            scene.options = act.options
            scene.daemon.kill()
            scene.start()
            scene.settle()
        scene.wait_as(scene.base)
        foreign = scene.foreign()
        act.prepare()
        if act.keeps_device:
            with Pings(scene.mesh, VICTIM, OTHER) as pings:
                cost_s = self._act(name, act, at, how)
            assert pings.lost <= (0 if act.is_harmless else PINGS * cost_s), \
                f"{pings.lost} packets lost in {cost_s:.1f} s"
            assert scene.foreign() == foreign
        else:
            self._act(name, act, at, how)
        act.undo()
        if not any("foreign" in line for line in scene.snapshot()):
            scene.add_foreign()
        scene.settle()
        scene.wait_as(scene.base)

    def _act(self, name, act, at, how):
        """Until all is as it should be; the seconds that packets may be lost."""
        scene, daemon, away_s = self.scene, self.scene.daemon, 0
        scene.effects.arm(at, how)
        act.begin()
        self._wait_over(act)
        scene.effects.disarm()
        self.is_struck = scene.effects.count() >= at > 0
        if self.is_struck and how == KILL:
            assert daemon.process.wait(timeout=PATIENCE) == -signal.SIGKILL
        if daemon.alive():
            if at:
                act.again()
        else:
            died = time.monotonic()
            scene.start()
            daemon.wait_answers()
            away_s = time.monotonic() - died
        scene.settle(*act.dead)
        if at:
            scene.wait_as(self.ends[name], *(() if act.keeps_device else [scene.base]))
        else:
            self.ends[name], self.calls[name] = self._still(), scene.effects.calls()
        return 2 * DETECTION_S + away_s + SLACK_S

    def _wait_over(self, act):
        """Until the daemon has ended, or the act is over and nothing follows any more."""
        count, since = -1, 0

        def is_over():
            nonlocal count, since
            if not self.scene.daemon.alive():
                return True
            if not act.is_over():
                return False
            now = self.scene.effects.count()
            if now != count:
                count, since = now, time.monotonic()
            return time.monotonic() - since > 0.3
        wait_for("the act is over", is_over, PATIENCE)

    def _still(self):
        """The snapshot, once it stays the same for a while."""
        last, n = None, 0
        while n < 5:
            now = self.scene.snapshot()
            n = n + 1 if now == last else 0
            last = now
            time.sleep(0.05)
        return last
