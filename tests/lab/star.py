# SPDX-License-Identifier: MIT
"""A site and three hubs, each a shunt-wg; the hubs don't know each other.

                                        +-- 198.51.100.2 [hub0] wg0 10.9.0.2, fd09::2, fe80::2
    [site] eth0 198.51.100.1 --(switch)-+-- 198.51.100.3 [hub1] wg0 10.9.0.3, fd09::3, fe80::3
     wg0 10.9.0.1, fd09::1, fe80::1     +-- 198.51.100.4 [hub2] wg0 10.9.0.4, fd09::4, fe80::4

192.0.2.1 and 2001:db8:9::1 are on each hub's lo.
"""

import base64
import os
import socket

from pair import End, OURS, PATIENCE, host_port

HUBS = 3
SERVICE = {4: "192.0.2.1", 6: "2001:db8:9::1"}


def hex_of(end):
    return base64.b64decode(end.public).hex()


class Star:
    """The topology at the head of the file."""

    def __init__(self, lab):
        underlay = lab.underlay()
        self.site = End(lab.namespace("site"), OURS)
        self.hubs = [End(lab.namespace(f"hub{i}"), OURS) for i in range(HUBS)]
        for i, end in enumerate([self.site, *self.hubs]):
            lab.plug(underlay, end.node, f"198.51.100.{i + 1}/24")
            self.begin(end)
            for address in (f"10.9.0.{i + 1}/24", f"fd09::{i + 1}/64", f"fe80::{i + 1}/64"):
                end.node.address(address, "wg0")
        for i, hub in enumerate(self.hubs):
            self.site.set("peer", hub.public, "endpoint", host_port(f"198.51.100.{i + 2}"),
                          "allowed-ips", f"10.9.0.{i + 2},fd09::{i + 2}")
            hub.node.address(f"{SERVICE[4]}/32", "lo")
            hub.node.address(f"{SERVICE[6]}/128", "lo")
        self.site.node.ip(f"route add {SERVICE[4]}/32 dev wg0 src 10.9.0.1")
        self.site.node.ip(f"route add {SERVICE[6]}/128 dev wg0 src fd09::1")

    def begin(self, end):
        """The program runs and, if it is a hub's, knows the site."""
        end.start()
        end.identify()
        if end is not self.site:
            end.set("peer", self.site.public, "allowed-ips", "10.9.0.1,fd09::1")
        end.up()

    def ask(self, end, *lines):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE)
            s.connect(os.path.join(end.node.folder, "wireguard", "wg0.sock"))
            s.sendall(("\n".join(lines) + "\n\n").encode())
            answer = b""
            while not answer.endswith(b"\n\n"):
                answer += s.recv(65536)
        assert b"errno=0\n" in answer, answer
        return answer.decode()

    def own(self, prefixes, *owners):
        """The prefixes belong to these (hub, rank, weight)."""
        self.ask(self.site, "set=1", "owners=1", *(f"owner={hex_of(h)},{r},{w}" for h, r, w in owners),
                 *(f"allowed_ip={p}" for p in prefixes))

    def share(self, *ranks):
        """The service belongs to all hubs, of these ranks."""
        self.own([f"{SERVICE[v]}/{32 if v == 4 else 128}" for v in (4, 6)],
                 *((h, r, 1) for h, r in zip(self.hubs, ranks)))

    def level(self, hub, level):
        self.ask(self.site, "set=1", f"public_key={hex_of(hub)}", f"level={level}")

    def talk(self):
        """The site has a session with each hub."""
        for i, hub in enumerate(self.hubs):
            self.site.node.run(["ping", "-n", "-q", "-c", "1", "-W", str(PATIENCE), f"10.9.0.{i + 2}"])
            assert self.site.peer(hub)["handshake"]

    def have_multicast(self, hubs):
        """All hubs send to groups; the site would to these, once its device does."""
        for i, hub in enumerate(self.hubs):
            self.ask(hub, "set=1", "multicast=true", f"public_key={hex_of(self.site)}", "multicast=true",
                     "link_local=fe80::1")
            self.ask(self.site, "set=1", f"public_key={hex_of(hub)}",
                     f"multicast={'true' if hub in hubs else 'false'}", f"link_local=fe80::{i + 2}")

    def multicast(self, is_on):
        """Of the site's device."""
        self.ask(self.site, "set=1", f"multicast={'true' if is_on else 'false'}")
