# SPDX-License-Identifier: MIT
"""Which userspace WireGuards there are to compare, and how each comes to this machine.

What Debian doesn't have is built once into a folder of the bench's, by the language's own client and
registry, and found there from then on; --update builds anew. The newest version that exists may be
none for this machine: it wants a newer compiler, or the registry doesn't give it out. Then it is the
newest that can be had, and the record says what stood in the way of the others. What can't be had at
all is left out, with the reason, and never counts as a result.
"""
import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "shunt-bench"

WIREGUARD_GO = "golang.zx2c4.com/wireguard"
WIREGUARD_WINDOWS = "golang.zx2c4.com/wireguard/windows"
TAILSCALE = "tailscale.com"
TAILSCALE_FORK = "github.com/tailscale/wireguard-go"
BORINGTUN_AT_LEAST = (0, 7)
# So many versions are tried, from the newest on, and so many of who requires them are asked.
TRIES = 6
ASKED = 60
TOOLS = ("bench_udp", "bench_accepts", "bench_handshakes")


class Missing(Exception):
    """An implementation can't be had here; the text says why, output is all that was said."""

    def __init__(self, text, output=""):
        super().__init__(text)
        self.output = output


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
        raise Missing(f"{' '.join(map(str, argv[:3]))}: {words[-1].strip()}", done.stdout + done.stderr)
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


def newest_of(versions, build):
    """(what build() returns of the first version that can be had, why not an earlier one, "" if it is
    the first). Missing with the first one's reason if there is none."""
    reason = ""
    for version in itertools.islice(versions, TRIES):
        try:
            return build(version), reason
        except Missing as e:
            reason = reason or f"{version} can't be had: {e}"
    raise Missing(reason or "no version is known")


def go_build(module, version, folder):
    folder.mkdir(parents=True, exist_ok=True)
    command(["go", "install", f"{module}@{version}"], env={**os.environ, "GOBIN": str(folder)})


def required_by(user, module):
    """The versions of the module that the user's versions require, from the newest on, each once. A
    module without tags has no list of its own."""
    listed = json.loads(command(["go", "list", "-m", "-versions", "-json", f"{user}@latest"], cwd="/"))
    versions = [listed["Version"], *reversed(listed.get("Versions", []))]
    told = set()
    for version in list(dict.fromkeys(versions))[:ASKED]:
        found = json.loads(command(["go", "list", "-m", "-json", f"{user}@{version}"], cwd="/"))
        text = pathlib.Path(found["GoMod"]).read_text(encoding="utf-8")
        needs = re.search(rf"^\s*(?:require\s+)?{re.escape(module)}\s+(v\S+)", text, re.MULTILINE)
        if needs and needs.group(1) not in told:
            told.add(needs.group(1))
            yield needs.group(1)


def go_peer(name, module, versions, options, note=""):
    """A module's main package, built of the first of the versions that can be had."""
    need("go")
    folder = CACHE / name
    binary, why_file = folder / module.rsplit("/", 1)[-1], folder / "why-not-newer"
    if options.update or not binary.exists():
        _, why = newest_of(versions(), lambda version: go_build(module, version, folder))
        why_file.write_text(why, encoding="utf-8")
    told = command(["go", "version", "-m", binary])
    version = re.search(r"^\s*mod\s+\S+\s+(\S+)", told, re.MULTILINE).group(1)
    return Implementation(name, [str(binary), "-f"], version, "peer", with_reason(note, why_file))


def with_reason(note, why_file):
    why = why_file.read_text(encoding="utf-8") if why_file.exists() else ""
    return "; ".join(part for part in (note, why) if part)


def wireguard_go(options):
    return go_peer("wireguard-go", WIREGUARD_GO, lambda: itertools.chain(
        ["latest"], required_by(WIREGUARD_WINDOWS, WIREGUARD_GO)), options)


def tailscale(options):
    return go_peer("tailscale", TAILSCALE_FORK, lambda: required_by(TAILSCALE, TAILSCALE_FORK), options,
                   "Tailscale's fork of wireguard-go, at the version that tailscale.com requires")


def version_numbers(version):
    return tuple(int(n) for n in version.split(".")[:2])


def cargo_build(folder):
    """The newest boringtun-cli that can be had; why not a newer one, or "". cargo tells which version a
    requirement means only by trying it."""
    reason, least = "", ".".join(map(str, BORINGTUN_AT_LEAST))
    wanted = f">={least}"
    for _ in range(TRIES):
        try:
            command(["cargo", "install", "--root", folder, "--target-dir", folder / "target",
                     "--force", "--version", wanted, "boringtun-cli"])
            return reason
        except Missing as e:
            tried = re.search(r"boringtun-cli v(\d+\.\d+\.\d+)", e.output)
            reason = reason or f"{tried.group(1) if tried else wanted} can't be had: {e}"
            if not tried:
                break
            wanted = f">={least}, <{tried.group(1)}"
    raise Missing(reason)


def boringtun(options):
    folder = CACHE / "boringtun"
    binary, why_file = folder / "bin" / "boringtun-cli", folder / "why-not-newer"
    if options.update or not binary.exists():
        need("cargo")
        folder.mkdir(parents=True, exist_ok=True)
        why_file.write_text(cargo_build(folder), encoding="utf-8")
        shutil.rmtree(folder / "target", ignore_errors=True)
    version = command([binary, "--version"]).split()[-1]
    if version_numbers(version) < BORINGTUN_AT_LEAST:
        raise Missing(f"boringtun-cli {version} is too old to compare with")
    return Implementation("boringtun", [str(binary), "-f"], version, "peer",
                          with_reason("", why_file))


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
