# SPDX-License-Identifier: MIT
"""What shuntd can't start with: a sentence that says so, an exit status, and nothing left behind."""

import base64
import copy
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess

import pytest
from lab import processes_in, wait_for
from memory import dumped_memory
from mesh import kernel_has_wireguard
from meshes import (FOUR, PATIENCE, SHUNTD, SmallMesh, dump, key_pair, new_lab, two_hubs,
                    write_secret)

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_NICE, BPF = 10, 12, 13, 23, 39


@pytest.fixture(scope="module")
def lab():
    with new_lab() as made:
        yield SmallMesh(made, two_hubs(), FOUR)


@pytest.fixture
def mesh(lab):
    """site-1's node without a daemon and a device; the inventory and keys are put back."""
    before = copy.deepcopy(lab.inv)
    yield lab
    lab.inv = before
    lab.write()
    write_secret(lab.inv["nodes"]["site-1"]["private_key_file"], lab.private["site-1"])
    node, daemon = lab.nodes["site-1"], lab.daemons["site-1"]
    if daemon.alive():
        daemon.stop()
    if node.has_interface("wg0"):
        node.ip("link del wg0")
    wait_for("nothing runs there", lambda: not processes_in([node.namespace]), PATIENCE)


def refusal(mesh, *extra, **options):
    """Starts site-1's daemon in vain; its last words."""
    daemon = mesh.daemons["site-1"]
    mark = len(daemon.log())
    daemon.start(*extra, **options)
    status, said = daemon.refused()
    assert status == 1, said[mark:]
    return said[mark:]


def assert_nothing_left(mesh):
    node = mesh.nodes["site-1"]
    assert not node.has_interface("wg0")
    wait_for("no program lives on", lambda: not processes_in([node.namespace]), PATIENCE)


def test_no_inventory(mesh):
    os.rename(mesh.inventory, mesh.inventory + ".away")
    try:
        said = refusal(mesh)
    finally:
        os.rename(mesh.inventory + ".away", mesh.inventory)
    assert "inventory.yaml: " in said and "No such file" in said
    assert_nothing_left(mesh)


def test_a_wrong_inventory_with_every_place(mesh):
    with open(mesh.inventory, "w", encoding="utf-8") as f:
        f.write("mesh: corp\noverlay: [10.10.0.0/24]\nnodes:\n  site-1:\n    public_key: x\n"
                "    adress: [10.10.0.11]\n    listen_port: 99999\n")
    said = refusal(mesh)
    assert re.search(r"inventory\.yaml:6:5: .*adress", said)
    assert re.search(r"inventory\.yaml:7:18: ", said)
    assert_nothing_left(mesh)


def test_a_node_that_isn_t_there(mesh):
    daemon = mesh.daemons["site-1"]
    done = subprocess.run(mesh.nodes["site-1"].inside(
        [SHUNTD, "--node", "site-9", mesh.inventory, "--run-dir", daemon.run_dir]),
        capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "has no node named site-9" in done.stderr


@pytest.mark.parametrize("what, words", [
    ("missing", "shunt key"), ("garbage", "holds no private key"), ("empty", "holds no private key"),
    ("another", "isn't the one whose public key"), ("a folder", "private.key"),
])
def test_private_keys_that_aren_t(mesh, what, words):
    path = mesh.inv["nodes"]["site-1"]["private_key_file"]
    os.unlink(path)
    secret = "S3CRET" * 7
    if what == "garbage":
        write_secret(path, secret)
    elif what == "empty":
        write_secret(path, "")
    elif what == "another":
        secret = key_pair()[0]
        write_secret(path, secret)
    elif what == "a folder":
        os.mkdir(path)
    try:
        said = refusal(mesh)
    finally:
        if what == "a folder":
            os.rmdir(path)
    assert words in said and path in said
    assert secret not in said
    assert_nothing_left(mesh)


def test_a_private_key_for_everybody_s_eyes_is_named(mesh):
    path = mesh.inv["nodes"]["site-1"]["private_key_file"]
    os.chmod(path, 0o644)
    mesh.start("site-1")
    problem = mesh.daemons["site-1"].wait_problem("may be read by others")
    assert problem["fix"] == f"chmod 600 {path}"
    os.chmod(path, 0o600)
    mesh.daemons["site-1"].wait_no_problem("may be read by others")


def hold_port(mesh, family, address, port):
    file = mesh.nodes["site-1"].path("holder.log")
    if os.path.exists(file):
        os.unlink(file)
    holder = mesh.nodes["site-1"].spawn(
        ["/usr/bin/python3", "-c", "import socket, time\n"
         f"s = socket.socket(socket.{family}, socket.SOCK_DGRAM)\n"
         f"s.bind(('{address}', {port})); print('bound', flush=True); time.sleep(600)"],
        log="holder.log")
    wait_for("the port is taken", lambda: os.path.getsize(file), PATIENCE)
    return holder


@pytest.mark.parametrize("family, address", [("AF_INET", "0.0.0.0"), ("AF_INET6", "::")])
def test_a_busy_port(mesh, family, address):
    holder = hold_port(mesh, family, address, 51820)
    try:
        said = refusal(mesh)
    finally:
        holder.kill()
        holder.wait()
    assert "UDP port 51820 (listen_port of site-1) is taken by another program" in said
    assert "ss -lunp" in said
    assert_nothing_left(mesh)


@pytest.mark.parametrize("missing", ["net_admin", "net_raw"])
def test_a_missing_capability(mesh, missing):
    said = refusal(mesh, wrapper=("setpriv", "--bounding-set", f"-{missing}"))
    assert "CAP_NET_ADMIN" in said and "CAP_NET_RAW" in said and "as root" in said
    assert_nothing_left(mesh)


def test_another_user(mesh):
    # (Whoever may not read the inventory is told that first.)
    os.chmod(mesh.lab.folder, 0o755)
    os.chmod(mesh.inventory, 0o644)
    key = mesh.inv["nodes"]["site-1"]["private_key_file"]
    said = refusal(mesh, wrapper=("setpriv", "--reuid", "65534", "--regid", "65534",
                                  "--clear-groups"))
    assert key in said and "Permission denied" in said
    assert "shunt key" not in said, "it is there: a new one would be another node's"
    assert_nothing_left(mesh)


@pytest.mark.parametrize("kind", ["bridge", "veth", "tun"])
def test_an_interface_that_isn_t_wireguard(mesh, kind):
    node = mesh.nodes["site-1"]
    node.ip({"bridge": "link add wg0 type bridge",
             "veth": "link add wg0 type veth peer name wg0-other",
             "tun": "tuntap add dev wg0 mode tun"}[kind])
    said = refusal(mesh)
    assert "wg0 is a " in said and kind in said
    assert node.has_interface("wg0"), "it isn't ours to remove"


@pytest.mark.parametrize("program, words", [
    ("/nonexistent/wireguard-go", "isn't installed"), ("/bin/false", "ended with status 1"),
    ("/bin/true", "wg0"), ("/etc/passwd", "can't be started"),
])
def test_programs_that_make_no_device(mesh, program, words):
    said = refusal(mesh, userspace=program)
    assert words in said and program in said
    assert_nothing_left(mesh)


def test_auto_takes_what_there_is(mesh):
    """The kernel's where it has one, a program's else; and what is there already."""
    mesh.start("site-1", device="auto")
    daemon = mesh.daemons["site-1"]
    kind = "kernel" if kernel_has_wireguard() else "uapi"
    assert daemon.ask("status")["device"]["kind"] == kind
    daemon.stop()
    mesh.start("site-1", device="auto")
    assert f"adopted wg0 ({'kernel' if kind == 'kernel' else 'shunt-wg'})" in daemon.log()


def test_the_inventory_s_device_is_the_default(mesh):
    """It is made as stated, but one that is there is taken, whatever it is; the command line insists."""
    mesh.inv["nodes"]["site-1"]["device"] = "shunt-wg"
    mesh.write()
    mesh.start("site-1", device="auto", userspace="")
    daemon = mesh.daemons["site-1"]
    assert "made wg0 (shunt-wg)" in daemon.log()
    assert not daemon.problem("the inventory states")
    daemon.stop()
    mesh.inv["nodes"]["site-1"]["device"] = "kernel"
    mesh.write()
    mesh.start("site-1", device="auto")
    assert "adopted wg0 (shunt-wg)" in daemon.log()
    assert "the inventory states `device: kernel` for site-1" in daemon.wait_problem("wg0 is shunt-wg")["what"]
    daemon.stop()
    assert "wg0 belongs to a userspace program" in refusal(mesh, device="kernel")


def test_status_shows_the_device_as_it_is_now(mesh):
    mesh.start("site-1")
    assert mesh.daemons["site-1"].ask("status")["device"]["listen_port"] == 51820


def test_no_wireguard_in_this_kernel(mesh):
    if kernel_has_wireguard():
        pytest.skip("this kernel has it")
    assert "this kernel has no WireGuard" in refusal(mesh, device="kernel")
    assert_nothing_left(mesh)


def test_folders_that_can_t_be_used(mesh, tmp_path):
    (tmp_path / "file").write_text("", "ascii")
    for option, what in (("--state-dir", "state"), ("--run-dir", "run")):
        said = refusal(mesh, option, str(tmp_path / "file" / "below"))
        assert f"can't use the {what} directory" in said and "Not a directory" in said
    said = refusal(mesh, "--run-dir", str(tmp_path / ("x" * 120)))
    assert "can't listen on" in said and "too long" in said
    assert_nothing_left(mesh)


def test_a_socket_of_that_name_that_belongs_elsewhere(mesh, tmp_path):
    """Somebody's UAPI socket in the shared folder, and no interface here."""
    path = os.path.join(mesh.nodes["site-1"].folder, "wireguard", "wg0.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(path)
        other.listen(8)
        said = refusal(mesh)
    assert "in another network namespace" in said
    os.unlink(path)


@pytest.mark.parametrize("name", ["lock", "control.sock"])
def test_a_run_directory_that_others_made(mesh, tmp_path, name):
    """Whoever may write there could hold the lock or stand in for the socket."""
    os.chmod(tmp_path, 0o755)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).write_text("", "ascii")
    os.chown(folder, 65534, 65534)
    said = refusal(mesh, "--run-dir", str(folder))
    assert "can't use the run directory" in said and "another user" in said
    assert_nothing_left(mesh)


def test_the_lock_of_the_interface_is_nobody_else_s(mesh):
    """What any user may bind doesn't keep it out; a second daemon is kept out, whatever its folders."""
    squatter = mesh.nodes["site-1"].spawn(
        ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "/usr/bin/python3", "-c",
         "import socket, time; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
         "s.bind('\\0shunt/interface/wg0'); print('bound', flush=True); time.sleep(600)"],
        log="squatter.log")
    try:
        file = mesh.nodes["site-1"].path("squatter.log")
        wait_for("the name is taken", lambda: os.path.getsize(file), PATIENCE)
        mesh.start("site-1")
    finally:
        squatter.kill()
        squatter.wait()
    daemon = mesh.daemons["site-1"]
    second = subprocess.run(mesh.nodes["site-1"].inside(
        [SHUNTD, "--node", "site-1", mesh.inventory, "--run-dir", mesh.nodes["site-1"].path("other"),
         "--state-dir", mesh.nodes["site-1"].path("other-state")]),
        capture_output=True, text=True, check=False, timeout=30)
    assert second.returncode == 1 and "another shuntd has the interface wg0" in second.stderr
    folder = os.stat("/run/shunt-interfaces")
    assert (folder.st_uid, folder.st_mode & 0o077) == (0, 0)
    # However it ends, the next one gets it.
    daemon.kill()
    mesh.start("site-1")


@pytest.mark.parametrize("name", ["drained", "journal", "journal.new", "lock"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_has_the_name_of_a_state_file(mesh, tmp_path, name, kind):
    """It is refused, not waited for."""
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    else:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    said = refusal(mesh, "--run-dir" if name == "lock" else "--state-dir", str(tmp_path))
    assert str(path) in said and "no plain file" in said
    assert_nothing_left(mesh)


def test_wrong_usage_is_2():
    for words, named in (([], "--node"), (["--node", "a"], "FILE"),
                         (["--node", "a", "x", "y"], "one inventory"),
                         (["--node", "../a", "x"], "can't be a node's name"),
                         (["--node", "a", "--device", "best", "x"], "--device"),
                         (["--nope"], "--help")):
        done = subprocess.run([SHUNTD, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 2 and named in done.stderr, (words, done.stderr)
    done = subprocess.run([SHUNTD, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--stop-devices" in done.stdout


# --- what it runs with -----------------------------------------------------------------------------


def test_it_keeps_few_privileges_and_gets_no_new_ones(mesh):
    mesh.start("site-1")
    daemon = mesh.daemons["site-1"]
    wanted = sum(1 << c for c in (NET_ADMIN, NET_RAW, SYS_NICE))
    passed_on = 1 << NET_BIND_SERVICE | 1 << BPF
    for task in os.listdir(f"/proc/{daemon.process.pid}/task"):
        with open(f"/proc/{daemon.process.pid}/task/{task}/status", encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        name = status["Name"].strip()
        # All threads that touch something from outside; ASan's own is none of ours.
        for field in ("CapEff", "CapPrm"):
            may = wanted if field == "CapEff" else wanted | passed_on
            assert int(status[field], 16) & ~may == 0, (name, field, status[field])
        assert int(status["CapEff"], 16) & (1 << NET_ADMIN), name
        assert status["NoNewPrivs"].strip() == "1", name


@pytest.mark.skipif(not os.path.exists("/proc/self/autogroup"), reason="the kernel doesn't group by session")
@pytest.mark.parametrize("kind", ["shunt-wg", "wireguard-go"])
def test_it_and_the_device_go_first_among_sessions(mesh, kind):
    mesh.start("site-1", userspace=kind if kind == "wireguard-go" else None)
    pids = processes_in([mesh.nodes["site-1"].namespace])
    assert mesh.daemons["site-1"].process.pid in pids and len(pids) > 1
    for pid in pids:
        group = pathlib.Path(f"/proc/{pid}/autogroup").read_text(encoding="ascii")
        assert group.endswith(" nice -10\n"), (pid, group)


def test_what_the_systemd_unit_leaves_it_is_enough(mesh):
    unit = pathlib.Path(__file__).resolve().parents[2] / "contrib/systemd/shuntd@.service"
    (line,) = [ln for ln in unit.read_text("ascii").splitlines()
               if ln.startswith("CapabilityBoundingSet=")]
    keep = ",".join(f"+{c.removeprefix('CAP_').lower()}" for c in line.partition("=")[2].split())
    daemon = mesh.daemons["site-1"]
    mesh.start("site-1", wrapper=("setpriv", "--bounding-set", f"-all,{keep}", "--no-new-privs"))
    mesh.inv["nodes"]["site-2"]["networks"].append("10.20.27.0/24")
    mesh.write()
    assert daemon.ask("reload")["changed"]["routes_added"] == 1
    mark = len(daemon.log())
    mesh.nodes["site-1"].ip("link del wg0")
    daemon.wait_log("made anew", after=mark)
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        assert int(dict(line.split(":", 1) for line in f)["CapEff"], 16) & (1 << NET_ADMIN)


def test_a_low_port_of_a_device_in_userspace(mesh):
    mesh.inv["nodes"]["site-1"]["listen_port"] = 443
    mesh.write()
    mesh.start("site-1", userspace="")
    wait_for("the port", lambda: mesh.nodes["site-1"].run(
        ["wg", "show", "wg0", "listen-port"]).strip() == "443", 10)
    assert ":443 " in mesh.nodes["site-1"].run(["ss", "-Hlnu"])


def test_its_own_program_is_the_default(mesh):
    """The one that stands beside it."""
    mesh.start("site-1", userspace="")
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    programs = [os.readlink(f"/proc/{p}/exe") for p in processes_in([node.namespace])
                if p != daemon.process.pid]
    assert os.path.join(mesh.build, "shunt-wg") in programs


def test_the_device_s_program_inherits_nothing_of_the_daemon(mesh):
    mesh.start("site-1")
    node, daemon = mesh.nodes["site-1"], mesh.daemons["site-1"]
    (program,) = [p for p in processes_in([node.namespace]) if p != daemon.process.pid and
                  open(f"/proc/{p}/comm", encoding="ascii").read().strip() == "shunt-wg"]
    targets = {os.readlink(f"/proc/{program}/fd/{fd}") for fd in os.listdir(f"/proc/{program}/fd")}
    assert not any("shunt" in t and "memfd" not in t and "wireguard" not in t for t in targets), \
        targets
    assert os.getsid(program) != os.getsid(daemon.process.pid)
    with open(f"/proc/{program}/stat", encoding="ascii") as f:
        assert int(f.read().rpartition(")")[2].split()[1]) != daemon.process.pid
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    assert dump(node).peers


def test_a_state_folder_without_room(mesh):
    """A tiny file system that only the daemon sees; its journal doesn't fit."""
    daemon = mesh.daemons["site-1"]
    state = mesh.nodes["site-1"].path("full")
    os.makedirs(state, exist_ok=True)
    script = (f"mount -t tmpfs -o size=16k,nr_inodes=2 none {state} && "
              f"touch {state}/fill && exec \"$@\"")
    daemon.start("--state-dir", state, wrapper=("sh", "-c", script, "sh"))
    daemon.wait_answers()
    problem = daemon.wait_problem("journal")
    assert "No space left" in problem["what"]
    assert dump(mesh.nodes["site-1"]).peers, "it does its work all the same"
    with pytest.raises(Exception, match="doesn't take it: No space left"):
        daemon.ask("drain")
    assert not daemon.ask("status")["drained"]
    # With room again it is written, although nothing changed meanwhile.
    seen = f"/proc/{daemon.process.pid}/root{state}"
    os.unlink(f"{seen}/fill")
    daemon.ask("reload")
    daemon.wait_no_problem("journal")
    with open(f"{seen}/journal", encoding="ascii") as f:
        assert f"peer {mesh.keys['hub-a']}" in f.read()


def test_a_log_that_nobody_takes(mesh):
    daemon = mesh.daemons["site-1"]
    daemon.start(wrapper=("sh", "-c", 'exec "$@" 2>/dev/full', "sh"))
    daemon.wait_answers()
    daemon.ask("reload")
    assert daemon.stop() == 0


def test_no_secret_is_told_anywhere(mesh):
    shared = mesh.lab.folder + "/secret.psk"
    psk = key_pair()[0]
    write_secret(shared, psk)
    mesh.inv["links"] = [{"between": ["site-1", "hub-a"], "preshared_key_file": shared}]
    mesh.write()
    daemon = mesh.daemons["site-1"]
    daemon.start("-v")
    daemon.wait_answers()
    daemon.ask("reload")
    assert dump(mesh.nodes["site-1"]).peers[mesh.keys["hub-a"]]["preshared_key"] != "0" * 64
    told = [daemon.log(), str(daemon.ask("status")), str(daemon.ask("routes")),
            daemon.shunt("status"), daemon.shunt("routes"), daemon.shunt("status", "--json")]
    for folder in (mesh.nodes["site-1"].path("state"), daemon.run_dir):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                assert os.stat(path).st_mode & 0o077 == 0, path
                with open(path, encoding="utf-8") as f:
                    told.append(f.read())
    for pid in processes_in([mesh.nodes["site-1"].namespace]):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
            told.append(f.read())
        with open(f"/proc/{pid}/environ", encoding="utf-8", errors="replace") as f:
            told.append(f.read())
    for key in mesh.keys.values():
        assert key not in daemon.log(), "nodes are called by their names"
    for secret in (mesh.private["site-1"], psk):
        for form in (secret, base64.b64decode(secret).hex()):
            assert not any(form in text for text in told)
    assert os.stat(os.path.join(daemon.run_dir, "control.sock")).st_mode & 0o177 == 0
    assert os.stat(daemon.run_dir).st_mode & 0o077 == 0


def test_no_secret_of_the_daemon_in_a_core_dump(mesh):
    """Nor is there one; what holds keys is locked and left out of it, and copies are wiped."""
    shared = mesh.lab.folder + "/dumped.psk"
    psk = key_pair()[0]
    write_secret(shared, psk)
    mesh.inv["links"] = [{"between": ["site-1", "hub-a"], "preshared_key_file": shared}]
    mesh.write()
    daemon = mesh.daemons["site-1"]
    mesh.start("site-1")
    for number in range(3):
        mesh.inv["nodes"]["site-2"]["networks"].append(f"10.20.{80 + number}.0/24")
        mesh.write()
        daemon.ask("reload")
    secrets = {f"{what}{how}": form
               for what, text in (("private key", mesh.private["site-1"]), ("preshared key", psk))
               for how, form in (("", base64.b64decode(text)), (" in base64", text.encode()),
                                 (" in hex", base64.b64decode(text).hex().encode()))}
    pid = daemon.process.pid
    found = {f"{name} at {where}" for where, memory in dumped_memory(pid)
             for name, form in secrets.items() if form in memory}
    assert not found
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        assert int(re.search(r"VmLck:\s+(\d+) kB", f.read()).group(1)) > 0

