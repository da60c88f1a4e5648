# SPDX-License-Identifier: MIT
"""shunt render and the file system: all files or none, whatever goes wrong."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest

from shunt import INVENTORY, NODES, ROOT, SHUNT, shunt

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mesh.yaml").write_text(INVENTORY)
    return tmp_path


def render(folder, *options, inventory="mesh.yaml"):
    return shunt("render", inventory, "-o", "out", *options, cwd=folder)


def state(path):
    """Everything below path: files with content, mode and identity, links with their targets."""
    found = {}
    for p in sorted(path.rglob("*")):
        s = p.lstat()
        content = os.readlink(p) if p.is_symlink() else p.read_bytes() if p.is_file() else None
        found[str(p.relative_to(path))] = (content, s.st_mode, s.st_ino, s.st_mtime_ns)
    return {name: what[:2] if what[0] is None else what for name, what in found.items()}


def change(folder):
    """An inventory in which every file differs from before."""
    (folder / "mesh.yaml").write_text(INVENTORY.replace("nodes:", "defaults: {mtu: 1400}\nnodes:"))


@contextlib.contextmanager
def mounted(path, *words):
    subprocess.run(["mount", *words, path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def assert_failed(folder, before, *words):
    """The run fails, says where and why, and all is as before."""
    done = render(folder)
    assert done.returncode == 3, done.stderr
    for word in (*words, "nothing was changed"):
        assert word in done.stderr
    assert state(folder / "out") == before


def test_files_and_modes(folder):
    done = render(folder)
    assert done.returncode == 0 and done.stdout == "out: 4 files written, 0 unchanged\n"
    out = folder / "out"
    assert sorted(os.listdir(out)) == NODES
    for node in NODES:
        assert os.listdir(out / node) == ["wg0.conf"]
        assert stat.S_IMODE((out / node).stat().st_mode) == 0o700
        assert stat.S_IMODE((out / node / "wg0.conf").stat().st_mode) == 0o600


def test_same_input_same_bytes_and_nothing_rewritten(folder):
    render(folder)
    before = state(folder / "out")
    done = render(folder)
    assert done.stdout == "out: 0 files written, 4 unchanged\n"
    assert state(folder / "out") == before


def test_only_what_changed_is_written(folder):
    render(folder)
    text = INVENTORY.replace("10.20.2.0/24", "10.20.9.0/24")
    (folder / "mesh.yaml").write_text(text)
    report = json.loads(render(folder, "--json").stdout)
    assert report == {"directory": "out", "unchanged": 1, "gone": [], "stale": [],
                      "written": ["hub-a/wg0.conf", "hub-b/wg0.conf", "site-1/wg0.conf"]}


def test_a_loosened_mode_is_mended(folder):
    render(folder)
    path = folder / "out/site-1/wg0.conf"
    path.chmod(0o644)
    assert render(folder).stdout == "out: 1 file written, 3 unchanged\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_node(folder):
    assert render(folder, "--node", "site-1").returncode == 0
    assert os.listdir(folder / "out") == ["site-1"]


def test_an_unknown_node(folder):
    done = render(folder, "--node", "site-3")
    assert done.returncode == 2 and 'no node "site-3", did you mean "site-1"?' in done.stderr
    assert not (folder / "out").exists()


def test_errors_are_refused(folder):
    (folder / "mesh.yaml").write_text(INVENTORY.replace("10.20.2.0/24", "10.20.1.0/24"))
    done = render(folder)
    assert done.returncode == 1 and not done.stdout
    assert re.search(r"^mesh.yaml:\d+:\d+: error: duplicate-prefix: ", done.stderr, re.M)
    assert not (folder / "out").exists()


@pytest.mark.parametrize("text", ["", "mesh: [", "mesh: corp\nnods: {}\n", "\0\0", "x" * 100000])
def test_unreadable_is_refused(text, folder):
    (folder / "mesh.yaml").write_text(text)
    done = render(folder)
    assert done.returncode == 2 and done.stderr.startswith("mesh.yaml:")
    assert not (folder / "out").exists()


def test_no_such_inventory(folder):
    done = render(folder, inventory="none.yaml")
    assert done.returncode == 2 and "none.yaml" in done.stderr


# What stands in the way.

@needs_root
@pytest.mark.parametrize("size", ["20k", "24k", "32k"])
def test_a_full_disk(size, folder):
    out = folder / "out"
    out.mkdir()
    with mounted(out, "-t", "tmpfs", "-o", "size=1m", "none"):
        assert render(folder).returncode == 0
        (out / "ballast").write_bytes(b"x" * 4096)  # 20 KiB are taken then
        before = state(out)
        change(folder)
        subprocess.run(["mount", "-o", f"remount,size={size}", out], check=True)
        assert_failed(folder, before, "No space left on device", "out/")


@needs_root
def test_no_inodes_left_for_folders(folder):
    out = folder / "out"
    out.mkdir()
    # The root, the staging folder, four files in it, two of the four groups.
    with mounted(out, "-t", "tmpfs", "-o", "nr_inodes=8", "none"):
        assert_failed(folder, {}, "No space left on device", "out/site-1")


@needs_root
def test_read_only(folder):
    render(folder)
    before = state(folder / "out")
    change(folder)
    with mounted(folder / "out", "--bind", folder / "out"):
        subprocess.run(["mount", "-o", "remount,bind,ro", folder / "out"], check=True)
        assert_failed(folder, before, "Read-only file system")


@needs_root
def test_a_failure_in_the_middle_of_the_renames_is_undone(folder):
    out = folder / "out"
    render(folder)
    (out / "hub-b" / "wg0.conf").unlink()  # one is placed, two are exchanged before the failure
    change(folder)
    with mounted(out / "site-2", "-t", "tmpfs", "none"):
        before = state(out)
        assert_failed(folder, before, "out/site-2/wg0.conf", "Invalid cross-device link")
        assert not (out / "site-2" / "wg0.conf").exists()
    assert render(folder).stdout == "out: 4 files written, 0 unchanged\n"


@pytest.mark.parametrize("obstacle", ["folder", "file", "link"])
def test_something_else_in_the_place(obstacle, folder):
    out = folder / "out"
    (folder / "elsewhere").mkdir()
    out.mkdir()
    if obstacle == "folder":
        (out / "site-1" / "wg0.conf").mkdir(parents=True)
    elif obstacle == "file":
        (out / "site-1").write_text("mine")
    else:
        (out / "site-1").symlink_to(folder / "elsewhere")
    assert_failed(folder, state(out), "out/site-1")
    assert not list((folder / "elsewhere").iterdir())


def test_a_linked_file_is_replaced_not_followed(folder):
    (folder / "victim").write_text("precious")
    (folder / "out" / "site-1").mkdir(parents=True)
    (folder / "out" / "site-1" / "wg0.conf").symlink_to(folder / "victim")
    assert render(folder).returncode == 0
    assert (folder / "victim").read_text() == "precious"
    assert not (folder / "out" / "site-1" / "wg0.conf").is_symlink()


@pytest.mark.parametrize("where, reason", [
    ("nowhere/out", "No such file"), ("mesh.yaml", "Not a directory")])
def test_no_place_for_the_output(where, reason, folder):
    done = shunt("render", "mesh.yaml", "-o", where, cwd=folder)
    assert done.returncode == 3 and where in done.stderr and reason in done.stderr


def test_two_at_once(folder):
    render(folder)
    change(folder)
    before = state(folder / "out")
    fd = os.open(folder / "out", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    done = render(folder)
    assert done.returncode == 3 and "another shunt render" in done.stderr
    assert state(folder / "out") == before
    os.close(fd)
    assert render(folder).returncode == 0


def test_what_a_dead_run_left_is_swept(folder):
    staging = folder / "out" / ".shunt~staging"
    staging.mkdir(parents=True)
    (staging / "0").write_text("half a file")
    assert render(folder).returncode == 0
    assert sorted(os.listdir(folder / "out")) == NODES


def test_staging_that_is_a_link_is_not_followed(folder):
    (folder / "precious").mkdir()
    (folder / "precious" / "0").write_text("")
    (folder / "out").mkdir()
    (folder / "out" / ".shunt~staging").symlink_to(folder / "precious")
    assert render(folder).returncode == 3
    assert os.listdir(folder / "precious") == ["0"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_interrupted(number, folder):
    """However far it came: either all files are new or none is, and nothing lies about."""
    with open(folder / "large.yaml", "w") as large:
        subprocess.run([ROOT / "bench" / "gen-inventory", "hub-and-spoke", "1000", "--hubs", "1"],
                       stdout=large, check=True)
    out = folder / "out"
    run = subprocess.Popen([SHUNT, "render", "large.yaml", "-o", "out"], cwd=folder,
                           stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while run.poll() is None and not (out / ".shunt~staging").exists():
        time.sleep(0.0005)
    run.send_signal(number)
    _, complaint = run.communicate()
    n = len(list(out.glob("*/wg0.conf")))
    if number == signal.SIGKILL:
        assert render(folder, inventory="large.yaml").returncode == 0
        assert len(list(out.glob("*/wg0.conf"))) == 1001
    elif run.returncode == 0:
        assert n == 1001
    else:
        assert run.returncode == 3 and "interrupted; nothing was changed" in complaint
        assert n == 0 and not os.listdir(out)
    assert not (out / ".shunt~staging").exists()


# Nodes that are gone.

def without(folder, node):
    start = INVENTORY.index(f"  {node}:")
    end = INVENTORY.find("\n  ", INVENTORY.index("address", start))
    while end >= 0 and INVENTORY[end + 3] == " ":
        end = INVENTORY.find("\n  ", end + 1)
    text = INVENTORY[:start] + (INVENTORY[end + 1:] if end >= 0 else "")
    (folder / "mesh.yaml").write_text(text)


def test_gone_is_told_and_pruned(folder):
    render(folder)
    without(folder, "site-2")
    done = render(folder)
    assert done.returncode == 0
    assert "out/site-2/wg0.conf: no node has it any more, --prune removes it\n" in done.stdout
    assert (folder / "out/site-2/wg0.conf").exists()
    done = render(folder, "--prune")
    assert "out/site-2/wg0.conf: no node has it any more, removed\n" in done.stdout
    assert not (folder / "out/site-2").exists()
    assert "site-2" not in render(folder, "--prune").stdout


def test_a_renamed_interface_leaves_a_file_behind(folder):
    render(folder)
    (folder / "mesh.yaml").write_text(
        INVENTORY.replace("  site-1:\n", "  site-1:\n    interface: wg7\n"))
    report = json.loads(render(folder, "--json", "--prune").stdout)
    assert report["gone"] == [{"file": "site-1/wg0.conf", "removed": True}]
    assert os.listdir(folder / "out/site-1") == ["wg7.conf"]


def with_engines(folder, **engines):
    """The inventory with `routing: {engine: ...}` for these nodes, _ for -."""
    text = INVENTORY
    for name, engine in engines.items():
        head = f"  {name.replace('_', '-')}:\n"
        assert head in text
        text = text.replace(head, f"{head}    routing: {{engine: {engine}}}\n")
    (folder / "mesh.yaml").write_text(text)


def written(folder, node):
    return sorted(os.listdir(folder / "out" / node))


def test_files_of_engines(folder):
    with_engines(folder, hub_a="bird", hub_b="frr")
    assert render(folder).stdout == "out: 9 files written, 0 unchanged\n"
    assert written(folder, "hub-a") == ["bird.conf", "shunt-bird.conf", "wg0.conf"]
    assert written(folder, "hub-b") == ["daemons", "frr.conf", "shunt-frr.conf", "wg0.conf"]
    assert written(folder, "site-1") == ["wg0.conf"]
    for path in (folder / "out").glob("*/*"):
        assert path.read_text().startswith(f"# shunt render: node {path.parent.name} of mesh corp. ")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = state(folder / "out")
    assert render(folder).stdout == "out: 0 files written, 9 unchanged\n"
    assert render(folder, "--node", "hub-b").stdout == "out: 0 files written, 4 unchanged\n"
    assert state(folder / "out") == before


def test_files_of_another_engine_are_left_behind(folder):
    with_engines(folder, hub_a="bird", hub_b="frr")
    render(folder)
    with_engines(folder, hub_a="frr")
    report = json.loads(render(folder, "--json").stdout)
    names = ["hub-a/bird.conf", "hub-a/shunt-bird.conf", "hub-b/daemons", "hub-b/frr.conf", "hub-b/shunt-frr.conf"]
    assert report["gone"] == [{"file": name, "removed": False} for name in names]
    report = json.loads(render(folder, "--json", "--prune").stdout)
    assert report["gone"] == [{"file": name, "removed": True} for name in names]
    assert written(folder, "hub-b") == ["wg0.conf"]
    # What has our name but isn't ours stays.
    (folder / "out/site-1/bird.conf").write_text("router id 192.0.2.1;\n")
    assert json.loads(render(folder, "--json", "--prune").stdout)["gone"] == []


@pytest.mark.parametrize("interface, engine, files", [
    ("bird", "bird", ["bird.conf", "routing-engine-bird.conf", "shunt-bird.conf"]),
    ("shunt-frr", "frr", ["daemons", "frr.conf", "routing-engine-shunt-frr.conf", "shunt-frr.conf"])])
def test_an_interface_with_an_engines_name(interface, engine, files, folder):
    """<interface>.conf is the file for wg-quick, whatever it is called."""
    with_engines(folder, site_1=engine, hub_a=engine)
    text = (folder / "mesh.yaml").read_text()
    (folder / "mesh.yaml").write_text(text.replace("  site-1:\n", f"  site-1:\n    interface: {interface}\n"))
    render(folder)
    assert written(folder, "site-1") == files
    assert "[Peer]" in (folder / f"out/site-1/{interface}.conf").read_text()


def test_prune_touches_nothing_foreign(folder):
    render(folder)
    out = folder / "out"
    mark = (out / "site-2/wg0.conf").read_text()
    (out / "site-2/wg1.conf").write_text("[Interface]\n# written by hand\n")
    (out / "mine").mkdir()
    (out / "mine/wg0.conf").write_text(mark)  # says that it is of site-2
    (out / "notes").write_text(mark)
    (out / "other").mkdir()
    (out / "other/wg0.conf").write_text(
        mark.replace("node site-2 of mesh corp", "node other of mesh lab"))
    (folder / "away").mkdir()
    (folder / "away/wg0.conf").write_text(mark.replace("site-2", "linked"))
    (out / "linked").symlink_to(folder / "away")
    without(folder, "site-2")
    report = json.loads(render(folder, "--json", "--prune").stdout)
    assert report["gone"] == [{"file": "site-2/wg0.conf", "removed": True}]
    assert os.listdir(out / "site-2") == ["wg1.conf"]
    assert (folder / "away/wg0.conf").exists() and (out / "mine/wg0.conf").exists()
    assert (out / "other/wg0.conf").exists() and (out / "notes").exists()


def test_odd_mesh_and_paths(folder):
    """Whatever a path holds, the line that names it is one line and one word for bash."""
    path = folder / "a b$(touch x)'\"\\;%i" / "key"
    path.parent.mkdir()
    path.write_text("secret\n")
    (folder / "mesh.yaml").write_text(INVENTORY.replace(
        "  site-1:\n", f"  site-1:\n    private_key_file: {json.dumps(str(path))}\n"))
    assert render(folder).returncode == 0
    text = (folder / "out/site-1/wg0.conf").read_text()
    line, = [t for t in text.splitlines() if t.startswith("PostUp")]
    # As wg-quick 1.0 reads a line: cut at '#', strip, replace %i; then bash evaluates it.
    hook = line.split("#")[0].partition("=")[2].strip().replace("%i", "wg0")
    assert hook.startswith("wg set wg0 private-key ")
    done = subprocess.run(["bash", "-c", "wg() { cat \"$4\"; }; eval \"$0\"", hook], cwd=folder,
                          capture_output=True, text=True, check=True)
    assert done.stdout == "secret\n"
    assert not (folder / "x").exists()
    assert pathlib.Path(path).exists()


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
@pytest.mark.parametrize("which", [1, 2])  # of the contents, of the names
def test_a_disk_that_refuses_changes_nothing(folder, which):
    assert render(folder).returncode == 0
    before = state(folder / "out")
    text = (folder / "mesh.yaml").read_text("utf-8")
    (folder / "mesh.yaml").write_text(text.replace("51820", "51999"))
    done = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "trace=syncfs", "-e",
         f"inject=syncfs:error=EIO:when={which}", SHUNT, "render", "mesh.yaml", "-o", "out"],
        cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode not in (0, 1, 2) and "Input/output error" in done.stderr, done.stderr
    assert state(folder / "out") == before
