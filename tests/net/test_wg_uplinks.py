# SPDX-License-Identifier: MIT
"""Two ways to the world, each of a provider that drops foreign sources.

       [a] eth0 192.0.2.1    ---- r0 [r] rb ---- eth0 203.0.113.2 [b]
           eth1 198.51.100.1 ---- r1

a prefers eth0. Whatever takes that way from it, the next packet goes by eth1 from eth1's address; nobody
waits for a timer. Both families, with packets coming in at the old address all the time.
"""

import contextlib
import os
import subprocess
import time

import pytest

from lab import Lab, wait_for
from pair import End, OURS, PORT, PROGRAMS, host_port

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")

NETS = {4: ("192.0.2.%s", "198.51.100.%s", "203.0.113.%s", 24, "default"),
        6: ("2001:db8:a::%s", "2001:db8:b::%s", "2001:db8:c::%s", 64, "default")}
INNER = {"a": "10.9.0.1", "b": "10.9.0.2"}
SILENCE = 6  # less than any timer that would mend it; a ping waits for a second


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-net") as lab:
        yield lab


class Uplinks:
    """The topology at the head of the file; a knows where b is."""

    def __init__(self, lab, version):
        self.version = version
        self.nets = NETS[version]
        self.a, self.r, self.b = (lab.namespace(n, forward=n == "r") for n in "arb")
        length = self.nets[3]
        for node, device, port, net in ((self.a, "eth0", "r0", 0), (self.a, "eth1", "r1", 1),
                                        (self.b, "eth0", "rb", 2)):
            lab.wire(node, device, self.r, port)
            node.address(f"{self.nets[net] % (2 if net == 2 else 1)}/{length}", device)
            self.r.address(f"{self.nets[net] % 'fe'}/{length}" if version == 6 else
                           f"{self.nets[net] % 254}/{length}", port)
        for net, metric in ((0, 100), (1, 200)):
            self.default(self.a, f"{self.via(net)} metric {metric}")
        self.default(self.b, self.via(2))
        family = "ip" if version == 4 else "ip6"
        self.r.nft(f"""
            table {family} providers {{
                chain in {{
                    type filter hook prerouting priority -300;
                    iifname r0 {family} saddr {self.nets[1] % 1} drop
                    iifname r1 {family} saddr {self.nets[0] % 1} drop
                }}
            }}
            """)
        self.ends = {"a": End(self.a, OURS), "b": End(self.b, OURS)}
        for name, end in self.ends.items():
            end.start()
            end.identify()
            other = self.ends["b" if name == "a" else "a"]
            words = ["endpoint", host_port(self.nets[2] % 2)] if name == "a" else []
            end.set("peer", other.public, *words, "allowed-ips",
                    INNER["b" if name == "a" else "a"])
            end.up()
            end.node.address(f"{INNER[name]}/24", "wg0")
        wait_for("traffic", self.ping, 20)

    def via(self, net):
        gateway = self.nets[net] % ("fe" if self.version == 6 else 254)
        return f"via {gateway}"

    def default(self, node, words, verb="add"):
        node.ip(f"-{self.version} route {verb} default {words}")

    def ping(self, source="a"):
        node = self.a if source == "a" else self.b
        return subprocess.run(
            node.inside(["ping", "-n", "-q", "-c1", "-W1", INNER["b" if source == "a" else "a"]]),
            check=False, capture_output=True).returncode == 0

    def seen(self):
        """a as b sees it."""
        return self.ends["b"].peer(self.ends["a"])["endpoint"]

    def address(self, net):
        return host_port(self.nets[net] % 1)

    def expect(self, net):
        """Traffic soon, and by that provider."""
        begin = time.monotonic()
        wait_for("traffic", self.ping, SILENCE)
        wait_for("the other address", lambda: self.ping() and self.seen() == self.address(net), 5)
        return time.monotonic() - begin


def link_down(u):
    u.a.ip("link set eth0 down")


def address_deleted(u):
    """For IPv4 its routes go with it; for IPv6 by hand."""
    u.a.ip(f"address del {u.nets[0] % 1}/{u.nets[3]} dev eth0")
    if u.version == 6:
        default_replaced(u)


def default_moved(u):
    u.default(u.a, f"{u.via(1)} metric 50")


def default_replaced(u):
    u.default(u.a, f"{u.via(0)} metric 100", "del")


def policy_rule(u):
    u.default(u.a, f"{u.via(1)} table 77")
    u.a.ip(f"-{u.version} rule add to {u.nets[2] % 2} lookup 77 priority 100")


def mark_of_the_device(u):
    """The device's packets have a mark, and that mark another way."""
    u.default(u.a, f"{u.via(1)} table 77")
    u.a.ip(f"-{u.version} rule add fwmark 0x51 lookup 77 priority 100")
    u.ends["a"].set("fwmark", "0x51")


CHANGES = (link_down, address_deleted, default_moved, default_replaced, policy_rule,
           mark_of_the_device)


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__)
@pytest.mark.parametrize("version", [4, 6])
def test_better_way_is_lost(lab, version, change):
    u = Uplinks(lab, version)
    assert u.seen() == u.address(0)
    # b goes on sending to the old address, which must not bring it back.
    flood = u.b.spawn(["ping", "-n", "-q", "-i", "0.02", INNER["a"]], stdout=subprocess.DEVNULL)
    try:
        change(u)
        u.expect(1)
        for _ in range(10):
            assert u.ping()
        assert u.seen() == u.address(1)
    finally:
        flood.terminate()
        flood.wait()


@pytest.mark.parametrize("version", [4, 6])
def test_way_comes_back(lab, version):
    u = Uplinks(lab, version)
    default_moved(u)
    u.expect(1)
    u.default(u.a, f"{u.via(1)} metric 50", "del")
    u.expect(0)


@pytest.mark.parametrize("version", [4, 6])
def test_second_address_of_one_interface_stays(lab, version):
    """Whoever reaches us by it is answered from it, whatever news come; b sees no other."""
    u = Uplinks(lab, version)
    second = u.nets[0] % 9
    u.a.address(f"{second}/{u.nets[3]}", "eth0")
    u.ends["b"].set("peer", u.ends["a"].public, "endpoint", host_port(second))
    wait_for("traffic from b", lambda: u.ping("b"), 20)
    for i in range(20):
        u.a.ip(f"-{version} route add {u.nets[2] % (50 + i)} dev lo")
        assert u.ping("b")
        assert u.seen() == host_port(second)
    # Down and up again is news that it survives, too, once b asks there again.
    u.a.ip(f"address del {second}/{u.nets[3]} dev eth0")
    wait_for("traffic from the first", lambda: u.ping("a"), SILENCE)
    wait_for("the first is seen", lambda: u.ping("a") and u.seen() == u.address(0), 5)


def test_address_renumbered(lab):
    """The route stays, the address is gone: IPv6 would go on sending from it."""
    u = Uplinks(lab, 6)
    u.a.address(f"{u.nets[0] % 7}/{u.nets[3]}", "eth0")
    u.a.ip(f"address del {u.nets[0] % 1}/{u.nets[3]} dev eth0")
    wait_for("traffic", u.ping, SILENCE)
    wait_for("the new address", lambda: u.ping() and u.seen() == host_port(u.nets[0] % 7), 5)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_many_routes(lab):
    """A routing engine that writes tens of thousands costs nearly nothing, and what matters among them is
    still heard."""
    u = Uplinks(lab, 4)
    [pid] = u.ends["a"].pids()
    lines = [f"route {verb} 11.{i >> 8}.{i & 255}.0/24 dev lo"
             for verb in ("add", "del") for i in range(30000)]
    batch = u.a.path("batch")
    with open(batch, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")
    before = cpu_seconds(pid)
    u.a.run(["ip", "-force", "-batch", batch])
    assert cpu_seconds(pid) - before < 0.5
    writer = u.a.spawn(["ip", "-force", "-batch", batch])
    default_moved(u)
    u.expect(1)
    with contextlib.suppress(ProcessLookupError):
        writer.terminate()
    writer.wait()


def test_without_addresses_nothing_breaks(lab):
    """No source was learned yet: news are nothing to it."""
    node = lab.namespace("n")
    end = End(node, OURS)
    end.start()
    end.identify(PORT)
    end.up()
    for i in range(50):
        node.ip(f"route add 10.0.{i}.0/24 dev lo")
    assert end.stats()["tx_packets"] == 0
    assert os.path.exists(PROGRAMS[OURS])
