# SPDX-License-Identifier: MIT
"""A device of shunt-wg under its configurators: `wg` and what speaks to the socket besides it; very
many peers; clients that do harm; counters; and where its secrets are.

    [n] wg0, no wire: nothing here needs anybody else
"""

import base64
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import subprocess

import pytest

from lab import Lab, processes_in, wait_for
from memory import dumped_memory

BUILD = pathlib.Path(
    os.environ.get("SHUNT_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")).resolve()
SHUNT_WG = str(BUILD / "shunt-wg")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not shutil.which("wg"), reason="wg isn't installed"),
]


class Device:
    """wg0 by shunt-wg in a namespace of its own."""

    def __init__(self, lab, name, **options):
        self.node = lab.namespace(name)
        self.process = self.node.spawn([SHUNT_WG, "-f", "wg0"], log="log", **options)
        self.path = os.path.join(self.node.folder, "wireguard", "wg0.sock")
        wait_for("the device serves its socket", self.serves, 20)

    def serves(self):
        assert self.process.poll() is None, self.log()
        try:
            self.client().close()
            return True
        except OSError:
            return False

    def log(self):
        with open(self.node.path("log"), encoding="utf-8") as f:
            return f.read()

    def client(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(60)
        s.connect(self.path)
        return s

    def ask(self, request, client=None):
        s = client or self.client()
        s.sendall(request.encode())
        text = b""
        while not text.endswith(b"\n\n"):
            piece = s.recv(1 << 20)
            assert piece, "closed in the middle of an answer"
            text += piece
        if not client:
            s.close()
        return text.decode()

    def wg(self, *words, ok=True, **options):
        done = subprocess.run(self.node.inside(["wg", *words]), check=False, capture_output=True,
                              text=True, timeout=120, **options)
        assert (done.returncode == 0) == ok, (words, done)
        return done.stdout if ok else done.stderr

    def set_conf(self, text, verb="setconf"):
        path = self.node.path("wg0.conf")
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        self.wg(verb, "wg0", path)

    def pid(self):
        for pid in processes_in([self.node.namespace]):
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                if f.read().strip() == "shunt-wg":
                    return pid
        raise AssertionError("no shunt-wg there")


@pytest.fixture(name="lab")
def lab_fixture():
    with Lab.signals(), Lab("shunt-uapi") as lab:
        yield lab


@pytest.fixture(name="device")
def device_fixture(lab):
    return Device(lab, "n")


def key():
    return base64.b64encode(os.urandom(32)).decode()


def peers_conf(n):
    lines = ["[Interface]", f"PrivateKey = {key()}"]
    for i in range(n):
        lines += ["[Peer]", f"PublicKey = {key()}", f"Endpoint = 192.0.2.{i % 250 + 1}:{i % 60000 + 1}",
                  f"AllowedIPs = 10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32"]
    return "\n".join(lines) + "\n"


def fields(device):
    return [line.split("\t") for line in device.wg("show", "wg0", "dump").splitlines()]


# --- by `wg` --------------------------------------------------------------------------------------


def test_whole_configuration(device):
    private, peer, psk = key(), key(), key()
    psk_path = device.node.path("psk")
    pathlib.Path(psk_path).write_text(psk, encoding="ascii")
    private_path = device.node.path("private")
    pathlib.Path(private_path).write_text(private, encoding="ascii")
    device.wg("set", "wg0", "private-key", private_path, "listen-port", "5111", "fwmark", "0x77",
              "peer", peer, "preshared-key", psk_path, "endpoint", "[fe80::1%lo]:5",
              "persistent-keepalive", "25", "allowed-ips", "10.1.2.3/8,fd00::/64")
    head, line = fields(device)
    clamped = bytearray(base64.b64decode(private))
    clamped[0] &= 248
    clamped[31] = clamped[31] & 127 | 64
    assert head[0] == base64.b64encode(clamped).decode()
    assert head[2:] == ["5111", "0x77"]
    assert line[:3] == [peer, psk, "[fe80::1%lo]:5"]
    assert sorted(line[3].split(",")) == ["10.0.0.0/8", "fd00::/64"]
    assert line[4:] == ["0", "0", "0", "25"]
    device.wg("set", "wg0", "fwmark", "off", "peer", peer, "preshared-key", "/dev/null",
              "persistent-keepalive", "off", "allowed-ips", "")
    head, line = fields(device)
    assert head[3] == "off"
    assert line[1] == "(none)" and line[3] == "(none)" and line[7] == "off"
    device.wg("set", "wg0", "peer", peer, "remove")
    assert len(fields(device)) == 1
    # Of somebody who isn't there: no error, as in the kernel.
    device.wg("set", "wg0", "peer", peer, "remove")


def test_setconf_addconf_syncconf(device):
    one, two = key(), key()
    device.set_conf(f"[Interface]\nListenPort = 5222\n[Peer]\nPublicKey = {one}\nAllowedIPs = 10.0.0.0/8\n")
    device.set_conf(f"[Peer]\nPublicKey = {two}\nAllowedIPs = 10.1.0.0/16\n", "addconf")
    assert {line[0] for line in fields(device)[1:]} == {one, two}
    device.set_conf(f"[Interface]\nListenPort = 5222\n[Peer]\nPublicKey = {two}\n"
                    "AllowedIPs = 10.1.0.0/16, 10.2.0.0/16\n", "syncconf")
    head, line = fields(device)
    assert head[2] == "5222" and line[0] == two
    assert sorted(line[3].split(",")) == ["10.1.0.0/16", "10.2.0.0/16"]


def hexed(public):
    return base64.b64decode(public).hex()


def shown(device):
    """Each peer's allowed IPs, as stock wg shows them."""
    return {line[0]: sorted(line[3].split(",")) for line in fields(device)[1:]}


def test_shared_prefixes_beside_wg(device):
    """Stock wg shows them under their preferred owner, and sets beside them what it always did."""
    one, two, three = key(), key(), key()
    device.set_conf("[Interface]\n" + "".join(
        f"[Peer]\nPublicKey = {k}\nAllowedIPs = 10.0.0.{i}/32, fd00::{i}/128\n"
        for i, k in enumerate((one, two, three), 1)))
    own = {k: [f"10.0.0.{i}/32", f"fd00::{i}/128"] for i, k in enumerate((one, two, three), 1)}
    assert device.ask(f"set=1\nowners=1\nowner={hexed(one)},0,100\nowner={hexed(two)},1,100\nowner={hexed(three)},0,0\n"
                      "allowed_ip=10.1.0.0/16\nallowed_ip=fd01::/32\n\n") == "errno=0\n\n"
    assert shown(device) == own | {one: sorted(own[one] + ["10.1.0.0/16", "fd01::/32"])}
    assert "max_owners=16\n" in device.ask("get=1\n\n")
    # By a line of ours they go by the second; a stock set that names no prefix changes nothing of it.
    assert device.ask(f"set=1\nowners=1\nowner={hexed(two)},0,1\nowner={hexed(three)},1,1\n\n") == "errno=0\n\n"
    device.wg("set", "wg0", "peer", two, "persistent-keepalive", "25", "endpoint", "192.0.2.1:5")
    assert shown(device) == own | {two: sorted(own[two] + ["10.1.0.0/16", "fd01::/32"])}
    # Who is removed leaves them to the next.
    device.wg("set", "wg0", "peer", two, "remove")
    del own[two]
    assert shown(device) == own | {three: sorted(own[three] + ["10.1.0.0/16", "fd01::/32"])}
    # A prefix that is set for somebody is his alone.
    device.wg("set", "wg0", "peer", one, "allowed-ips", "10.0.0.1/32,fd00::1/128,10.1.0.0/16")
    assert shown(device) == {one: sorted(own[one] + ["10.1.0.0/16"]), three: sorted(own[three] + ["fd01::/32"])}
    # What a file says is all that there is.
    conf = f"[Interface]\n[Peer]\nPublicKey = {three}\nAllowedIPs = fd01::/32, 10.0.0.3/32\n"
    device.set_conf(conf, "syncconf")
    assert shown(device) == {three: ["10.0.0.3/32", "fd01::/32"]}
    assert "\nowner=" not in device.ask("get=1\n\n")
    device.set_conf(conf)
    assert "\nowners=" not in device.ask("get=1\n\n") and shown(device) == {three: ["10.0.0.3/32", "fd01::/32"]}


def test_a_hundred_thousand_shared_prefixes(device):
    """They are short to say, change by a line, and stock wg lists them."""
    n, one, two = 100000, key(), key()
    prefixes = "".join(f"allowed_ip=10.{i >> 16}.{i >> 8 & 255}.{i & 255}/32\n" for i in range(n))
    assert device.ask(f"set=1\npublic_key={hexed(one)}\npublic_key={hexed(two)}\nowners=1\nowner={hexed(one)},0,1\n"
                      f"owner={hexed(two)},1,1\n{prefixes}\n") == "errno=0\n\n"
    assert [len(shown(device)[k]) for k in (one, two)] == [n, 1]
    assert device.ask(f"set=1\nowners=1\nowner={hexed(two)},0,1\n\n") == "errno=0\n\n"
    lists = shown(device)
    assert lists[one] == ["(none)"] and len(set(lists[two])) == n


def test_words_of_errors(device):
    """A set's errno comes negated and a get's doesn't, or `wg` says Unknown error."""
    device.node.ip("link set wg0 up")
    wait_for("a port", lambda: int(device.wg("show", "wg0", "listen-port")), 10)
    blocker = device.node.spawn(["/usr/bin/python3", "-c", (
        "import socket,time; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
        "s.bind(('',5333)); print('+',flush=True); time.sleep(600)")], stdout=subprocess.PIPE)
    assert blocker.stdout.read(1) == b"+"
    said = device.wg("set", "wg0", "listen-port", "5333", ok=False)
    assert "Address already in use" in said
    assert device.ask("set=1\nlisten_port=zero\n\n") == "errno=-22\n\n"
    assert device.ask("get=1\nzero=0\n\n").endswith("errno=22\n\n")
    assert device.ask("set=1\nno line\n\n") == "errno=-71\n\n"


def test_own_key_as_a_peer(device):
    private = device.wg("genkey").strip()
    public = device.wg("pubkey", input=private).strip()
    device.set_conf(f"[Interface]\nPrivateKey = {private}\n[Peer]\nPublicKey = {public}\n"
                    "AllowedIPs = 10.0.0.0/8\n")
    assert len(fields(device)) == 1


def test_hundred_thousand_peers(device):
    n = 100000
    device.set_conf(peers_conf(n))
    lines = device.wg("show", "wg0", "dump").splitlines()
    assert len(lines) == 1 + n
    assert len({line.split("\t")[3] for line in lines[1:]}) == n
    device.set_conf("[Interface]\n")
    assert len(fields(device)) == 1


# --- clients that do harm -------------------------------------------------------------------------


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def test_clients_that_do_harm(device):
    device.set_conf(peers_conf(20000))
    pid = device.pid()
    answer = len(device.ask("get=1\n\n"))
    before = resident(pid)
    stalled = [device.client() for _ in range(10)]
    for s in stalled:
        s.sendall(b"set=1\npublic_key=00")
    # Never reads, and asks for a hundred answers.
    greedy = device.client()
    greedy.sendall(b"get=1\n\n" * 100)
    # Gone in the middle of the answer.
    for _ in range(5):
        s = device.client()
        s.sendall(b"get=1\n\n")
        s.recv(1)
        s.close()
    for garbage in (b"\0" * 1000, b"GET / HTTP/1.1\r\n\r\n", os.urandom(5000), b"\n\n"):
        s = device.client()
        s.sendall(garbage)
        try:
            assert s.recv(100) == b""
        except ConnectionResetError:
            pass
        s.close()
    assert len(fields(device)) == 20001
    # A sanitizer keeps what was freed.
    if "libasan" not in pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8"):
        assert resident(pid) - before < 4 * answer + (8 << 20)
    for s in stalled:
        s.close()
    greedy.close()
    assert device.wg("show", "wg0", "listen-port")
    assert device.process.poll() is None


# --- counters -------------------------------------------------------------------------------------


def test_stats(device):
    done = device.node.run([SHUNT_WG, "--stats", "wg0", "--json"])
    counters = json.loads(done)
    assert counters["drop_no_peer"] == 0 and all(isinstance(v, int) for v in counters.values())
    # Routed to the device, and nobody has the address.
    device.node.ip("link set wg0 up")
    device.node.ip("address add 10.7.0.1/24 dev wg0")
    wait_for("a port", lambda: int(device.wg("show", "wg0", "listen-port")), 10)
    subprocess.run(device.node.inside(["ping", "-c", "1", "-W", "1", "10.7.0.9"]), check=False,
                   capture_output=True)
    device.set_conf(f"[Interface]\nPrivateKey = {key()}\n[Peer]\nPublicKey = {key()}\n"
                    "AllowedIPs = 10.7.0.8/32\n")
    subprocess.run(device.node.inside(["ping", "-c", "1", "-W", "1", "10.7.0.8"]), check=False,
                   capture_output=True)
    counters = json.loads(device.node.run([SHUNT_WG, "--stats", "wg0", "--json"]))
    assert counters["drop_no_peer"] >= 1
    assert counters["drop_no_endpoint"] >= 1
    text = device.node.run([SHUNT_WG, "--stats", "wg0"])
    for name in counters:
        assert re.search(rf"^{name} +\d+$", text, re.M)
    done = subprocess.run(device.node.inside([SHUNT_WG, "--stats", "wg7"]), check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "wg7" in done.stderr
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(device.node.inside([SHUNT_WG, "--stats", "wg0"]), check=False,
                              stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and "standard output: No space left" in done.stderr


@pytest.mark.parametrize("answer, words", [
    (b"listen_port=1\nerrno=0\n\n", "another implementation's"),
    (b"shunt_tx_packets=1\nerrno=0\n", "Connection reset")], ids=["other", "cut off"])
def test_stats_of_what_has_none(device, answer, words):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(device.node.path("wireguard/wg5.sock"))
        s.listen(1)
        asking = subprocess.Popen(device.node.inside([SHUNT_WG, "--stats", "wg5"]),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        client = s.accept()[0]
        assert client.recv(100) == b"get=1\n\n"
        client.sendall(answer)
        client.close()
        out, err = asking.communicate(timeout=20)
    assert (asking.returncode, out) == (1, "") and words in err


def test_every_counter_is_documented(device):
    counters = json.loads(device.node.run([SHUNT_WG, "--stats", "wg0", "--json"]))
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "shunt-wg.md").read_text("utf-8")
    assert [name for name in counters if f"`{name}`" not in text] == []
    documented = re.findall(r"^\| `([a-z_]+)` \|", text, re.M)
    assert set(counters) <= set(documented)


# --- secrets --------------------------------------------------------------------------------------


def test_no_secret_in_a_core_dump(device):
    private, psk = bytearray(os.urandom(32)), os.urandom(32)
    private[0] &= 248
    private[31] = private[31] & 127 | 64
    lines = [f"[Interface]\nPrivateKey = {base64.b64encode(private).decode()}\n"]
    # Large enough for the request's buffer and the answer's to have grown and moved.
    for i in range(2000):
        lines.append(f"[Peer]\nPublicKey = {key()}\nPresharedKey = {base64.b64encode(psk).decode()}\n"
                     f"AllowedIPs = 10.0.{i >> 8}.{i & 255}/32\n")
    device.set_conf("".join(lines))
    device.node.ip("link set wg0 up")
    device.wg("show", "wg0", "dump")
    device.node.run([SHUNT_WG, "--stats", "wg0"])
    device.set_conf("".join(lines), "syncconf")
    secrets = {f"{what}{how}": form
               for what, secret in (("private key", bytes(private)), ("preshared key", psk))
               for how, form in (("", secret), (" in hex", secret.hex().encode()))}

    def found():
        seen, what = 0, set()
        for where, memory in dumped_memory(device.pid()):
            seen += len(memory)
            what |= {f"{name} at {where}" for name, form in secrets.items() if form in memory}
        assert seen > 1 << 20
        return what

    # The last client may be gone before its buffers are wiped.
    wait_for("no secret stands there", lambda: not found(), 20)


def test_refused_lock_is_one_line(lab):
    """As an unprivileged user who may lock nothing."""
    node = lab.namespace("unlocked")
    folder = os.path.join(node.folder, "wireguard")
    os.chown(folder, 65534, 65534)
    # Some machines keep the device to root; in the mount namespace of a node it can be as usual.
    open_tun = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
                'chmod 666 /dev/net/tun && exec "$@"')
    process = node.spawn(
        ["sh", "-c", open_tun, "sh", "prlimit", "--memlock=0:0",
         "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all,+net_admin",
         "--ambient-caps=-all,+net_admin", "--bounding-set=-all,+net_admin",
         SHUNT_WG, "-f", "wg0"], log="log")
    path = os.path.join(folder, "wg0.sock")

    def log():
        with open(node.path("log"), encoding="utf-8") as f:
            return f.read()

    wait_for("the socket", lambda: os.path.exists(path) or process.poll() is not None, 20)
    assert process.poll() is None, log()
    wait_for("the line", lambda: "locked" in log(), 10)
    peers = "".join(f"public_key={i:064x}\nallowed_ip=10.0.{i >> 8}.{i & 255}/32\n"
                    for i in range(1, 3000))
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(f"set=1\n{peers}\n".encode())
        assert s.recv(100) == b"errno=0\n\n"
    assert log().count("locked") == 1
    # There is no core dump at all: what isn't dumpable belongs to root.
    assert os.stat(f"/proc/{process.pid}/maps").st_uid == 0
