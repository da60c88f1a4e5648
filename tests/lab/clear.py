# SPDX-License-Identifier: MIT
"""Whether anything of a mesh leaves in clear: every node has routes by which it would, and the switch of the underlay
remembers what does.
"""

import json

from lab import wait_for

# On the switch; the underlay is 198.51.100.0/24 and 2001:db8::/64.
WORLD = ("198.51.100.254", "2001:db8::fe")
INSIDE = ("10.0.0.0/8", "fd00::/8")


def lead_out(node, world=WORLD):
    """A default route by the uplink, and one for all that may be inside; of IPv4 alone if the world has no more."""
    for family, by, inside in zip("46", world, INSIDE):
        node.ip(f"-{family} route replace default via {by}")
        node.ip(f"-{family} route add {inside} via {by}")


class Clear:
    """What of the mesh the switch has seen in clear: packets with an inner source or destination. The switch is the
    world, too."""

    RULES = """
        table bridge clear {
            set seen4 { typeof ip saddr . ip daddr; flags dynamic; size 1000; }
            set seen6 { typeof ip6 saddr . ip6 daddr; flags dynamic; size 1000; }
            chain in {
                type filter hook prerouting priority 0;
                ip saddr 10.0.0.0/8 add @seen4 { ip saddr . ip daddr }
                ip daddr 10.0.0.0/8 add @seen4 { ip saddr . ip daddr }
                ip6 saddr fd00::/8 add @seen6 { ip6 saddr . ip6 daddr }
                ip6 daddr fd00::/8 add @seen6 { ip6 saddr . ip6 daddr }
            }
        }"""

    def __init__(self, switch):
        self.switch = switch
        for address in (f"{WORLD[0]}/24", f"{WORLD[1]}/64"):
            switch.address(address, "br0")
        switch.nft(self.RULES)

    def seen(self):
        """["source > destination"]"""
        found = []
        for family in "46":
            shown = json.loads(self.switch.run(["nft", "-j", "list", "set", "bridge", "clear", f"seen{family}"]))
            for element in shown["nftables"][-1]["set"].get("elem", []):
                found.append(" > ".join(element.get("elem", {}).get("val", element)["concat"]
                                        if "concat" not in element else element["concat"]))
        return found

    def proves_itself(self, node):
        """What goes nowhere in the mesh is seen, from this node, by either family."""
        for address in ("10.255.255.1", "fd00:ffff::1"):
            node.spawn(["ping", "-c1", "-W1", "-n", "-q", address])
        wait_for("the switch sees what leaves in clear", lambda: len({":" in s for s in self.seen()}) == 2, 10)
        self.forget()

    def forget(self):
        for family in "46":
            self.switch.run(["nft", "flush", "set", "bridge", "clear", f"seen{family}"])
