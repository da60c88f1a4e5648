# SPDX-License-Identifier: MIT
"""Which userspace WireGuards there are to compare, and how each comes to this machine.

What Debian doesn't have is built once into a folder of the bench's, by the language's own client and
registry, and found there from then on; --update builds anew. What can't be had is left out, with the
reason, and never counts as a result.
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "shunt-bench"

WIREGUARD_GO = "golang.zx2c4.com/wireguard"
TAILSCALE = "tailscale.com"
TAILSCALE_FORK = "github.com/tailscale/wireguard-go"
BORINGTUN_AT_LEAST = (0, 7)
TOOLS = ("bench_udp", "bench_accepts", "bench_handshakes")


class Missing(Exception):
    """An implementation can't be had here; the text says why."""


@dataclasses.dataclass
class Implementation:
    name: str
    # The command but for the interface's name; None: no tunnel, the bare wire.
    command: list | None
    version: str
    # "ours", "peer", or "yardstick": not a contender
    role: str
    note: str = ""
    environment: dict = dataclasses.field(default_factory=dict)


def command(argv, **options):
    """Its output; Missing with its last words if it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, **options)
    except FileNotFoundError as e:
        raise Missing(f"{argv[0]} isn't installed") from e
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or [f"exit {done.returncode}"]
        raise Missing(f"{' '.join(map(str, argv[:3]))}: {words[-1]}")
    return done.stdout


def need(program):
    if not shutil.which(program):
        raise Missing(f"{program} isn't installed")


# --- ours ------------------------------------------------------------------------------------------


def tools_of(options):
    """Where the bench's own tools are: beside the binary under test, or built here."""
    folder = options.shunt_wg.resolve().parent
    return folder if all((folder / "bench" / tool).exists() for tool in TOOLS) else build_copying()


def build_copying():
    """The bench's own tools, and shunt-wg with the AEAD replaced by a copy; returns their folder."""
    place = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    folder = CACHE / f"build-{place}"
    if not (folder / "build.ninja").exists():
        command(["meson", "setup", folder, ROOT, "-Dbuildtype=release", "-Dtests=false",
                 "-Dbench_null_aead=true"])
    command(["ninja", "-C", folder, "shunt-wg", *(f"bench/{tool}" for tool in TOOLS)])
    return folder


def version_of_ours(path):
    return command([path, "--version"]).strip().replace("\n", "; ")


def ours(options):
    path = options.shunt_wg.resolve()
    if not path.exists():
        raise Missing(f"{path} isn't there; build it, or name it with --shunt-wg")
    return Implementation("shunt-wg", [str(path), "-f"], version_of_ours(path), "ours")


def ours_inline(options):
    return dataclasses.replace(
        ours(options), name="shunt-wg-inline", role="yardstick",
        note="shunt-wg that never has workers", environment={"SHUNT_WG_WORKERS": "0"})


def ours_with_worker(options):
    return dataclasses.replace(
        ours(options), name="shunt-wg-worker", role="yardstick",
        note="shunt-wg with one worker, needed or not", environment={"SHUNT_WG_WORKERS": "1"})


def ours_copying(options):
    path = build_copying() / "shunt-wg"
    return Implementation("shunt-wg-copy", [str(path), "-f"], version_of_ours(path), "yardstick",
                          "shunt-wg with the AEAD replaced by a copy: what all but the AEAD allows")


def bare(_):
    return Implementation("bare", None, "", "yardstick", "the veth without any tunnel")


# --- peers -----------------------------------------------------------------------------------------


def go_install(module, version, folder, update):
    """The binary of a module's main package, and the version that it is of."""
    need("go")
    binary = folder / module.rsplit("/", 1)[-1]
    if update or not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command(["go", "install", f"{module}@{version}"], env={**os.environ, "GOBIN": str(folder)})
    told = command(["go", "version", "-m", binary])
    return binary, re.search(r"^\s*mod\s+\S+\s+(\S+)", told, re.MULTILINE).group(1)


def wireguard_go(options):
    binary, version = go_install(WIREGUARD_GO, "latest", CACHE / "wireguard-go", options.update)
    return Implementation("wireguard-go", [str(binary), "-f"], version, "peer")


def version_that_tailscale_requires():
    module = json.loads(command(["go", "list", "-m", "-json", f"{TAILSCALE}@latest"], cwd="/"))
    text = pathlib.Path(module["GoMod"]).read_text(encoding="utf-8")
    return re.search(rf"^\s*{re.escape(TAILSCALE_FORK)}\s+(\S+)", text, re.MULTILINE).group(1)


def tailscale(options):
    need("go")
    folder = CACHE / "tailscale"
    version = None
    if options.update or not (folder / "wireguard-go").exists():
        version = version_that_tailscale_requires()
    binary, version = go_install(TAILSCALE_FORK, version, folder, version is not None)
    return Implementation("tailscale", [str(binary), "-f"], version, "peer",
                          "Tailscale's fork of wireguard-go, at the version that tailscale.com requires")


def boringtun(options):
    folder = CACHE / "boringtun"
    binary = folder / "bin" / "boringtun-cli"
    if options.update or not binary.exists():
        need("cargo")
        command(["cargo", "install", "--root", folder, "--target-dir", folder / "target",
                 "--force", "boringtun-cli"])
        shutil.rmtree(folder / "target", ignore_errors=True)
    version = command([binary, "--version"]).split()[-1]
    if tuple(int(n) for n in version.split(".")[:2]) < BORINGTUN_AT_LEAST:
        raise Missing(f"boringtun-cli {version} is too old to compare with")
    return Implementation("boringtun", [str(binary), "-f"], version, "peer")


def debians(_):
    path = "/usr/bin/wireguard-go"
    if not os.path.exists(path):
        raise Missing("Debian's package wireguard-go isn't installed")
    version = command(["dpkg-query", "-W", "-f", "${Version}", "wireguard-go"])
    return Implementation("wireguard-go-2022", [path, "-f"], version, "peer",
                          "Debian's package, of 2022, before all of wireguard-go's work on speed")


ALL = {
    "shunt-wg": ours,
    "tailscale": tailscale,
    "wireguard-go": wireguard_go,
    "boringtun": boringtun,
    "wireguard-go-2022": debians,
    "shunt-wg-inline": ours_inline,
    "shunt-wg-worker": ours_with_worker,
    "shunt-wg-copy": ours_copying,
    "bare": bare,
}


def find(names, options, say):
    """([Implementation], {name: why it is left out})"""
    found, left_out = [], {}
    for name in names:
        say(f"{name}: looking for it, or building it")
        try:
            found.append(ALL[name](options))
        except Missing as e:
            say(f"{name}: left out: {e}")
            left_out[name] = str(e)
    return found, left_out
