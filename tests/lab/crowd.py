# SPDX-License-Identifier: MIT
"""Many sites in one namespace, beside a hub of its own: real tunnels and real sessions of BGP, at little cost.

    [hub-a] wg0 10.10.0.1 --- 198.51.100.1, switch, 198.51.100.9 --- [crowd] wg1 10.10.1.1, wg2 10.10.1.2, ...

Each site is a shunt-wg with a key, a port and an overlay address of its own; packets from that address leave by its
device. One BIRD speaks for all, from each address with the AS number of that site, and announces 10.20.N.0/24 for site-N
(BIRD takes two sessions with one neighbour only where they are on different interfaces, so they are direct).
No shuntd runs there: the hub probes the sites by echoes, which the kernel answers.
"""

import os
import re

from clear import Clear, lead_out
from engines import Bird, rendered_engine
from meshes import BUILD, PATIENCE, SHUNT, SmallMesh, hub, inventory, set_device
from lab import run, wait_for

PORT = 52000
# A user may have 128 files that watch others, and a shunt-wg has one: so several users, of nobody's numbers.
USER_FIRST, OF_A_USER = 64101, 60
CAPABILITIES = "+net_admin,+net_bind_service,+dac_override"
AS_FIRST = 4200100000  # of the crowd: site-N has that plus N


def site_name(n):
    return f"site-{n}"


class Crowd(SmallMesh):
    """The topology at the head of the file, with so many sites and that engine on the hub."""

    def __init__(self, lab, n, engine):
        self.n = n
        nodes = {"hub-a": hub(1, routing={"engine": engine})}
        for i in range(1, n + 1):
            nodes[site_name(i)] = {
                "address": [f"10.10.1.{i}"], "endpoint": f"198.51.100.9:{PORT + i}", "listen_port": PORT + i,
                "interface": f"wg{i}", "networks": [f"10.20.{i}.0/24"],
                "routing": {"engine": "bird", "asn": AS_FIRST + i},
                "liveness": {"probe": "echo", "interval": "1s", "multiplier": 3, "hold": "1s"}}
        inv = inventory(nodes)
        inv["overlay"] = ["10.10.0.0/16", "fd10::/64"]
        super().__init__(lab, inv, {"hub-a": "198.51.100.1/24"})
        self.crowd = lab.namespace("crowd")
        lab.plug(self.switch, self.crowd, "198.51.100.9/24")
        self.hub = self.nodes["hub-a"]
        self.clear = Clear(self.switch)
        self.hub.address("2001:db8::1/64", "eth0")
        lead_out(self.hub)
        self.daemon = self.daemons["hub-a"]
        self.engine = rendered_engine(engine, self.hub, SHUNT, self.inventory, os.path.join(lab.folder, "rendered"))

    def start_crowd(self):
        os.chmod(self.crowd.path("wireguard"), 0o755)  # which they watch
        self.crowd.run(["sh", "-euc", f"""
            for i in $(seq {self.n}); do
                setpriv --reuid $(({USER_FIRST} + i / {OF_A_USER})) --regid {USER_FIRST} --clear-groups \
                    --inh-caps {CAPABILITIES} --ambient-caps {CAPABILITIES} {BUILD}/shunt-wg wg$i
            done"""], timeout=4 * PATIENCE)
        for i in range(1, self.n + 1):
            set_device(self.crowd, f"private_key={self._hex(self.private[site_name(i)])}", f"listen_port={PORT + i}",
                       f"public_key={self.keys['hub-a']}", "endpoint=198.51.100.1:51820", "allowed_ip=10.10.0.1/32",
                       interface=f"wg{i}")
        lines = []
        for i in range(1, self.n + 1):
            lines += [f"link set wg{i} up", f"address add 10.10.1.{i} peer 10.10.0.1/32 dev wg{i}",
                      f"route add 10.10.0.1/32 dev wg{i} table {1000 + i}",
                      f"rule add from 10.10.1.{i} lookup {1000 + i}"]
        run(["ip", "-n", self.crowd.namespace, "-batch", "-"], input="\n".join(lines) + "\n")
        return self

    @staticmethod
    def _hex(key):
        import base64
        return base64.b64decode(key).hex()

    def start_speaker(self):
        """The one BIRD."""
        (number,) = {int(n) for n in re.findall(r"(?:local [\d.]+ as|local as|router bgp) (\d+)", self.engine_text())}
        text = ["router id 10.10.1.1;", "protocol device { }"]
        for i in range(1, self.n + 1):
            text.append(f"""protocol static n{i} {{ ipv4; route 10.20.{i}.0/24 blackhole; }}
                protocol bgp p{i} {{ local 10.10.1.{i} as {AS_FIRST + i}; neighbor 10.10.0.1 as {number}; direct;
                    interface "wg{i}"; strict bind; hold time 30; connect delay time 1; connect retry time 2; error wait time 1, 2;
                    ipv4 {{ import none; export where proto = "n{i}"; next hop self; }}; }}""")
        self.speaker = Bird(self.crowd, "\n".join(text) + "\n").start()
        return self

    def engine_text(self):
        with open(os.path.join(self.engine.folder, f"{self.engine.kind}.conf"), encoding="utf-8") as f:
            return f.read()

    def wait_owned(self, sites, seconds=PATIENCE):
        """Until just these of them own their networks on the hub."""
        wanted = {f"10.20.{i}.0/24": site_name(i) for i in sites}

        def owned():
            return {p: o for p, o in self.daemon.owners().items() if p.startswith("10.20.") and o} == wanted
        wait_for(f"the networks of {len(wanted)} sites are theirs", owned, seconds, every=0.2)
