#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A laboratory of network namespaces: the one thing the demo, the network tests and the benches share.

A Lab has a name of its own and makes everything under it: namespaces (NAME-hub-a), a folder
/run/shunt-lab/NAME with what belongs to its nodes, and the processes inside. Nothing of it outlives
the lab: not after an exception, not after SIGINT, SIGTERM or SIGHUP (they become exceptions while
Lab.signals() is in force), and not after SIGKILL either: a guard process, which does nothing but
wait for the end of a pipe from us, sweeps then. What a machine that lost power left is swept by
the next lab. Only keep() lets a lab live on, until sweep().

A process is known by the namespace that it lives in, never by its name: whatever runs in one of
our namespaces is ours, daemons of daemons included.

WireGuard's UAPI sockets live in /run/wireguard, which all network namespaces share. So every
process of a node runs in a mount namespace of its own in which a folder of the node stands there:
every node has its own wg0, and `wg show` within a node shows that node.

Waiting is always for a state, with a deadline (wait_for); nothing sleeps and hopes.
"""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

LABS = "/run/shunt-lab"
NETNS = "/run/netns"
# These folders are mount points in every node's mount namespace, so they have to exist.
MOUNT_POINTS = ("/run/wireguard", "/run/shunt")
# These in those nodes alone that were given a folder there (Node.bind): of routing engines.
MORE_MOUNT_POINTS = ("/run/bird", "/run/frr")
BIND_AND_EXEC = (
    'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 126; shift 2; done; shift; exec "$@"'
)


class LabError(Exception):
    """Something of the lab didn't come about; the text says what, for a person."""


# How much longer than usual things may take here: an emulated machine says so.
PATIENCE = float(os.environ.get("SHUNT_PATIENCE", "1"))


def wait_for(what, state, seconds, every=0.05):
    """Returns the first true answer of state(); LabError names what was waited for in vain."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        answer = state()
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise LabError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def run(argv, **options):
    """Runs a command to its end and returns its output; LabError with its words if it fails."""
    done = subprocess.run(
        argv, stdin=options.pop("stdin", subprocess.DEVNULL if "input" not in options else None),
        capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}: {words}")
    return done.stdout


def where_it_is(pid):
    """What each thread of a process is at, in proc(5)'s words: its name and state, the number of the system call that it
    is in, and where in the kernel it waits. For who waited for the process in vain."""
    def said(task, name):
        try:
            with open(f"{task}/{name}", encoding="utf-8") as f:
                return f.read().strip()
        except OSError:
            return ""

    lines = []
    for task in sorted(glob.glob(f"/proc/{pid}/task/*")):
        name = re.search(r"[(].*[)] .", said(task, "stat") or "() ?")
        lines.append(f"{name[0]} {said(task, 'syscall').split(' ')[0]} {said(task, 'wchan')}")
    return "\n".join(lines) or f"process {pid} is no more"


def process_start(pid):
    """When a process began, in ticks: with the pid it names a process for good. None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def processes_in(namespaces):
    """The pids of all that runs in these network namespaces."""
    inodes = set()
    for name in namespaces:
        with contextlib.suppress(OSError):
            inodes.add(os.stat(os.path.join(NETNS, name)).st_ino)
    pids = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}/ns/net").st_ino in inodes and process_start(entry):
                    pids.append(int(entry))
    return pids


def end_processes(namespaces):
    """Ends all that runs in these network namespaces: kindly, then surely."""
    for number, seconds in ((signal.SIGTERM, 1.5), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + seconds
        signalled = set()
        while True:
            pids = processes_in(namespaces)
            if not pids:
                return
            for pid in set(pids) - signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            signalled.update(pids)
            if time.monotonic() >= deadline:
                break
            time.sleep(0.02)


def namespaces_of(name):
    with contextlib.suppress(OSError):
        return sorted(n for n in os.listdir(NETNS) if n.startswith(name + "-"))
    return []


def sweep(name):
    """Ends the lab of that name, whoever made it: processes, namespaces, folder."""
    namespaces = namespaces_of(name)
    end_processes(namespaces)
    for namespace in namespaces:
        subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
    folder = os.path.join(LABS, name)
    made = []
    with contextlib.suppress(OSError), open(os.path.join(folder, "made"), encoding="utf-8") as f:
        made = f.read().split()
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        # Fails while another lab lives, which needs the mount points too.
        os.rmdir(LABS)
        for path in made:
            with contextlib.suppress(OSError):
                os.rmdir(path)


def labs():
    """{name: "running", "kept" or "abandoned"} of all labs on this machine."""
    found = {}
    names = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(LABS))
    for name in names:
        owner = None
        with contextlib.suppress(OSError, ValueError):
            with open(os.path.join(LABS, name, "owner"), encoding="ascii") as f:
                owner = f.read().split()
        pid = name.rpartition("-")[2]
        if os.path.exists(os.path.join(LABS, name, "kept")):
            found[name] = "kept"
        elif process_start(owner[0]) == owner[1] if owner else process_start(pid):
            # Without an owner's word the one who has its number is about to give it.
            found[name] = "running"
        else:
            found[name] = "abandoned"
    return found


def checkout_of(name):
    """The checkout that the lab was made for, if its maker said one; else None."""
    with contextlib.suppress(OSError):
        with open(os.path.join(LABS, name, "checkout"), encoding="utf-8") as f:
            return f.read().rstrip("\n")
    return None


class Interrupted(SystemExit):
    """A signal asked us to end."""

    def __init__(self, number):
        super().__init__(128 + number)


class Lab:
    """See the head of the file. Use as a context manager."""

    def __init__(self, kind="shunt-lab", checkout=None):
        """checkout: the folder that it belongs to, for those that outlive their maker."""
        for name, state in labs().items():
            if state == "abandoned":
                sweep(name)
        self.name = f"{kind}-{os.getpid()}"
        self.folder = os.path.join(LABS, self.name)
        self.kept = False
        self._checkout = checkout
        self._bridge_ports = {}
        self._guard = None
        self._pipe = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise LabError("network namespaces need root")
        with self._undisturbed():
            self._found()
        return self

    def _found(self):
        while True:
            os.makedirs(LABS, mode=0o755, exist_ok=True)
            # Whoever was alone here before may take the folder of all away meanwhile.
            with contextlib.suppress(FileNotFoundError):
                os.mkdir(self.folder, mode=0o700)
                break
        self._made = []
        for path in MOUNT_POINTS:
            self.mount_point(path)
        if self._checkout:
            self._write("checkout", self._checkout)
        self._write("owner", f"{os.getpid()} {process_start(os.getpid())}")
        reader, self._pipe = os.pipe()
        self._guard = subprocess.Popen(
            ["/usr/bin/python3", os.path.abspath(__file__), "--guard", self.name], stdin=reader,
            stdout=subprocess.DEVNULL, start_new_session=True)
        os.close(reader)

    def __exit__(self, *_):
        with self._undisturbed():
            if not self.kept:
                sweep(self.name)
            os.close(self._pipe)
            self._guard.wait()

    def mount_point(self, path):
        """The folder is there; if it wasn't, it goes with the last lab."""
        if not os.path.isdir(path):
            os.makedirs(path, mode=0o700)
            self._made.append(path)
        self._write("made", "\n".join(self._made))

    @staticmethod
    @contextlib.contextmanager
    def signals():
        """While in force, a signal to end is an exception, so that all is taken down in order."""
        def end(number, _):
            raise Interrupted(number)
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {n: signal.signal(n, end) for n in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @staticmethod
    @contextlib.contextmanager
    def _undisturbed():
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {n: signal.signal(n, signal.SIG_IGN) for n in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text + "\n")

    def keep(self):
        """The lab outlives us."""
        self._write("kept", "")
        self.kept = True

    @classmethod
    def attach(cls, name):
        """A lab that somebody else made, to look into."""
        lab = cls.__new__(cls)
        lab.name = name
        lab.folder = os.path.join(LABS, name)
        return lab

    def existing(self, name):
        """The Node of a namespace that is there."""
        return Node(self, name, f"{self.name}-{name}")

    # Namespaces and wires.

    def namespace(self, name, forward=False):
        """Makes a namespace; returns its Node."""
        full = f"{self.name}-{name}"
        run(["ip", "netns", "add", full])
        node = Node(self, name, full)
        node.ip("link set lo up")
        node.sysctl("net/ipv6/conf/all/accept_dad", 0)
        node.sysctl("net/ipv6/conf/default/accept_dad", 0)
        if forward:
            node.sysctl("net/ipv4/ip_forward", 1)
            node.sysctl("net/ipv6/conf/all/forwarding", 1)
        return node

    def wire(self, a, a_name, b, b_name):
        """A veth pair from a to b, both ends up."""
        run(["ip", "-n", a.namespace, "link", "add", a_name, "type", "veth",
             "peer", "name", b_name, "netns", b.namespace])
        a.ip(f"link set {a_name} up")
        b.ip(f"link set {b_name} up")

    def underlay(self, name="underlay"):
        """A switch that can lose what it should carry: see plug(), cut(), mend()."""
        node = self.namespace(name)
        node.ip("link add br0 type bridge")
        node.ip("link set br0 up")
        # A set is asked for every packet, so that cutting is one step and leaves no trace at the
        # ends: no carrier lost, no ICMP.
        node.nft("""
            table bridge lab {
                counter lost { }
                set cut { type ifname; }
                set pairs { type ifname . ifname; }
                chain forward {
                    type filter hook forward priority 0;
                    iifname @cut counter name lost drop
                    oifname @cut counter name lost drop
                    iifname . oifname @pairs counter name lost drop
                }
            }""")
        return node

    def plug(self, underlay, node, *addresses, device="eth0"):
        """Wires a node to the switch."""
        port = f"p{len(self._bridge_ports)}"
        self._bridge_ports[node.name] = port
        self.wire(node, device, underlay, port)
        underlay.ip(f"link set {port} master br0")
        for address in addresses:
            node.address(address, device)

    def cut(self, underlay, node, other=None):
        """Nothing passes between node and the switch any more, or between the two; silently."""
        underlay.nft("add element " + self._cut_element(node, other))

    def mend(self, underlay, node, other=None):
        underlay.nft("delete element " + self._cut_element(node, other))

    def _cut_element(self, node, other):
        a = self._bridge_ports[node.name]
        if not other:
            return f'bridge lab cut {{ "{a}" }}'
        b = self._bridge_ports[other.name]
        return f'bridge lab pairs {{ "{a}" . "{b}", "{b}" . "{a}" }}'

    @staticmethod
    def lost_by_cut(underlay):
        """How many frames the cuts have swallowed."""
        text = underlay.run(["nft", "list", "counter", "bridge", "lab", "lost"])
        return int(re.search(r"packets (\d+)", text).group(1))


class Node:
    """A namespace with the folders of what runs in it."""

    def __init__(self, lab, name, namespace):
        self.lab = lab
        self.name = name
        self.namespace = namespace
        self.folder = os.path.join(lab.folder, "nodes", name)
        self.binds = []
        for path in MOUNT_POINTS:
            mine = os.path.join(self.folder, os.path.basename(path))
            os.makedirs(mine, mode=0o700, exist_ok=True)
            self.binds += [mine, path]
        for path in MORE_MOUNT_POINTS:
            mine = os.path.join(self.folder, os.path.basename(path))
            if os.path.isdir(mine):
                self.binds += [mine, path]

    def bind(self, path, owner="root"):
        """What is started in the node from now on finds a folder of the node's own at that path, one of
        MORE_MOUNT_POINTS. Returns where else it is."""
        assert path in MORE_MOUNT_POINTS
        self.lab.mount_point(path)
        mine = os.path.join(self.folder, os.path.basename(path))
        os.makedirs(mine, mode=0o755, exist_ok=True)
        shutil.chown(mine, owner, owner)
        if path not in self.binds:
            self.binds += [mine, path]
        return mine

    def path(self, name):
        return os.path.join(self.folder, name)

    def inside(self, argv):
        """The command line that runs argv in this node; the process keeps its pid throughout."""
        return ["ip", "netns", "exec", self.namespace, "sh", "-c", BIND_AND_EXEC, "sh",
                *self.binds, "--", *argv]

    def run(self, argv, **options):
        return run(self.inside(argv), **options)

    def spawn(self, argv, log=None, **options):
        """Starts argv in this node; its standard error goes to the node's file log, appended."""
        with open(self.path(log) if log else os.devnull, "ab") as err:
            options.setdefault("stdin", subprocess.DEVNULL)
            options.setdefault("stdout", err)
            return subprocess.Popen(self.inside(argv), stderr=err, start_new_session=True, **options)

    def ip(self, words):
        return run(["ip", "-n", self.namespace, *words.split()])

    def address(self, address, device):
        self.ip(f"address add {address} dev {device}" + (" nodad" if ":" in address else ""))

    def nft(self, rules):
        return run(["ip", "netns", "exec", self.namespace, "nft", "-f", "-"], input=rules)

    def sysctl(self, path, value):
        run(["ip", "netns", "exec", self.namespace, "sh", "-c",
             'echo "$1" > "/proc/sys/$2"', "sh", str(value), path])

    def has_interface(self, name):
        return any(link["ifname"] == name for link in json.loads(self.ip("-j link show") or "[]"))


def guard(name):
    """Waits until the lab's owner is gone, whatever the way, and sweeps what it left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    if os.path.isdir(os.path.join(LABS, name)) and labs().get(name) != "kept":
        sweep(name)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--guard":
        guard(sys.argv[2])
    else:
        sys.exit("lab.py is a library; ./demo is the program")
