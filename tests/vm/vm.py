# SPDX-License-Identifier: MIT
"""A virtual machine with Debian's kernel, for the one thing that namespaces on any machine can't give: the
kernel's own WireGuard.

    image    an ext4 file system made of this machine's installed packages (those that a list names, with all
             they depend on) and of the project: sources, build folder. Nothing of it is written back.
    kernel   Debian's cloud kernel, downloaded and unpacked, never installed.
    boot     qemu under software emulation; an initramfs with busybox loads what the disk needs and hands over to
             the image, where INIT runs one command, its output on the serial line, and powers off.

Nothing outlives a run: qemu dies with whoever started it, whatever the way, and the folder of a run that was
killed is swept by the next. By hand: tests/vm/vm.py COMMAND...; with --prepare it only downloads and unpacks the
kernel.
"""

import codecs
import contextlib
import fcntl
import gzip
import os
import pathlib
import re
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve()
CACHE = BUILD / "vm"

META_PACKAGE = "linux-image-cloud-amd64"
PACKAGES = ("bash coreutils dash grep sed gawk mawk util-linux mount kmod procps iproute2 iputils-ping nftables "
            "wireguard-tools python3 python3-minimal libc-bin "
            "libsodium23 libfyaml0 libmnl0 libuv1 libjansson4 libb2-1 libqrencode4 libpng16-16 android-libboringssl").split()
# For who asks for them: large ones.
ENGINES = ("bird2", "frr", "python3-pytest", "wireguard-go")
DISK_MODULES = ("virtio_pci", "virtio_blk")
INSIDE = "/shunt"

INIT = f"""#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 SHUNT_PATIENCE=4
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -sf /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mkdir -p /run/netns
stty -F /dev/ttyS0 raw
for m in wireguard veth bridge tun nf_tables nft_chain_nat nft_masq nft_ct nft_meta_bridge; do modprobe -q $m; done
ip link set lo up
sysctl -q -w kernel.printk="1 1 1 1"
cd {INSIDE}
exec </dev/null >/dev/ttyS0 2>&1
echo "@@begin"
bash /command 2>&1 | cat
status=${{PIPESTATUS[0]}}
echo
echo "@@end $status"
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

EARLY_INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for m in MODULES; do /bin/busybox insmod /modules/$m; done
n=0
while ! [ -b /dev/vda ] && [ $n -lt 200 ]; do n=$((n + 1)); /bin/busybox usleep 20000; done
/bin/busybox mount -t ext4 /dev/vda /root || /bin/busybox reboot -f
exec /bin/busybox switch_root /root /init
"""


class VMError(Exception):
    """What the machine could not do, in words."""


def run(argv, **options):
    done = subprocess.run(argv, check=False, text=True, capture_output=True, **options)
    if done.returncode:
        raise VMError(f"{' '.join(map(str, argv[:6]))}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


# --- the kernel ------------------------------------------------------------------------------------


def kernel_package():
    """The package that the meta package stands for."""
    text = run(["apt-cache", "depends", META_PACKAGE])
    found = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", text)
    if not found:
        raise VMError(f"{META_PACKAGE} is not in the package lists; apt-get update may help")
    return found.group(1)


def download(folder):
    """Debian's kernel into the folder. The lists may be absent, or older than what the mirror still has."""
    try:
        run(["apt-get", "download", kernel_package()], cwd=folder)
    except VMError:
        run(["apt-get", "update", "-q"])
        package = kernel_package()
        try:
            run(["apt-get", "download", package], cwd=folder)
        except VMError as e:
            raise VMError(f"the kernel for the virtual machine can't be downloaded: {e}") from None
    return next(folder.glob("*.deb"))


@contextlib.contextmanager
def locked():
    """One at a time in the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unpack_kernel():
    """The folder of the unpacked package; downloaded once, and kept until the build folder goes."""
    with locked():
        folder = CACHE / "kernel"
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            deb = download(folder)
            run(["dpkg-deb", "-x", deb, folder / "root"])
            deb.unlink()
            (modules,) = (folder / "root/lib/modules").iterdir()
            run(["depmod", "-b", folder / "root", modules.name])
            (folder / "done").touch()
        return folder


def module_files(kernel, names):
    """The modules with all that they need, in the order of loading."""
    (modules,) = (kernel / "root/lib/modules").iterdir()
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, deps = line.partition(":")
        needs[path] = deps.split()
    by_name = {pathlib.Path(p).name.split(".")[0].replace("-", "_"): p for p in needs}
    order = []
    for name in names:
        path = by_name.get(name)
        for p in ([*reversed(needs[path]), path] if path else []):
            if p not in order:
                order.append(p)
    return [modules / p for p in order]


def make_initramfs(kernel, target):
    with tempfile.TemporaryDirectory() as folder:
        tree = pathlib.Path(folder)
        (tree / "bin").mkdir()
        (tree / "modules").mkdir()
        shutil.copy("/bin/busybox", tree / "bin/busybox")
        files = module_files(kernel, DISK_MODULES)
        for f in files:
            shutil.copy(f, tree / "modules" / f.name)
        init = tree / "init"
        init.write_text(EARLY_INIT.replace("MODULES", " ".join(f.name for f in files)))
        init.chmod(0o755)
        names = "\n".join(str(p.relative_to(tree)) for p in sorted(tree.rglob("*")))
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=names.encode(), cwd=tree,
                                 capture_output=True, check=True).stdout
        target.write_bytes(gzip.compress(archive, 1))


# --- the image -------------------------------------------------------------------------------------


def installed_files(packages):
    """Every file of the packages and of all that they depend on, as far as they are installed."""
    text = run(["apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests",
                "--no-enhances", "--no-conflicts", "--no-breaks", "--no-replaces", *packages])
    names = sorted({line for line in text.splitlines() if re.match(r"[a-z0-9]", line)})
    listed = subprocess.run(["dpkg-query", "-L", *names], check=False, capture_output=True, text=True).stdout
    skip = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/perl",
            "/usr/lib/x86_64-linux-gnu/perl", "/usr/share/lintian/", "/boot/", "/lib/modules/", "/var/")
    return sorted({p for p in listed.splitlines()
                   if p.startswith("/") and p != "/." and not p.startswith(skip)})


def copy_into(tree, path):
    """A file, folder or link of this machine, at its place below tree; links of folders (/bin) resolved."""
    source = pathlib.Path(path)
    real = pathlib.Path(os.path.realpath(source.parent)) / source.name
    target = tree / str(real).lstrip("/")
    if target.is_symlink() or target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if real.is_symlink():
        target.symlink_to(os.readlink(real))
    elif real.is_dir():
        target.mkdir()
    elif real.is_file():
        shutil.copy2(real, target)


def fill(tree, kernel, packages):
    for link in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / link).mkdir(parents=True, exist_ok=True)
        (tree / link).symlink_to(f"usr/{link}")
    for folder in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "var/lib", "var/log", "var/tmp"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "var/run").symlink_to("/run")
    for path in installed_files(packages):
        copy_into(tree, path)
    for path in ("/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/protocols", "/etc/alternatives/awk",
                 "/usr/bin/awk"):
        if os.path.lexists(path):
            copy_into(tree, path)
    (tree / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    shutil.copytree(kernel / "root/lib/modules", tree / "usr/lib/modules", dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("sound", "media", "gpu", "usb", "scsi"))
    run(["ldconfig", "-r", tree])


def add_project(tree):
    """Sources that run as they are, and programs."""
    for part in ("tests", "examples", "bench"):
        shutil.copytree(ROOT / part, tree / INSIDE.lstrip("/") / part,
                        ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    for name in ("shunt", "shuntd", "shunt-wg", "tests/lab/probe", "tests/lab/device_tool"):
        target = tree / INSIDE.lstrip("/") / "build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(BUILD / name, target)


def sweep():
    """What runs left that were killed."""
    for folder in CACHE.glob("run-*"):
        if not os.path.exists(f"/proc/{folder.name.split('-')[1]}"):
            shutil.rmtree(folder, ignore_errors=True)


class VM:
    """A machine to run one command in, as often as you like; each time it boots anew from a fresh image, which has
    these packages besides."""

    def __init__(self, more_packages=()):
        self.packages = [*PACKAGES, *more_packages]
        for program in ("qemu-system-x86_64", "busybox", "depmod", "cpio", "mke2fs", "setpriv"):
            if not shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin"):
                raise VMError(f"{program} isn't installed; ./check vm installs what is needed")
        self.kernel = unpack_kernel()
        sweep()

    def _image(self, command, folder):
        tree = folder / "tree"
        tree.mkdir()
        fill(tree, self.kernel, self.packages)
        add_project(tree)
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        (tree / "command").write_text(command)
        image = folder / "image"
        with open(image, "wb") as f:
            f.truncate(1 << 30)
        run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image])
        shutil.rmtree(tree)

    def _command_line(self, folder):
        (vmlinuz,) = (self.kernel / "root/boot").glob("vmlinuz-*")
        return ["setpriv", "--pdeathsig", "KILL",
                "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", str(vmlinuz),
                "-initrd", str(folder / "initramfs"), "-append",
                "console=ttyS1 quiet panic=-1 random.trust_cpu=on mitigations=off",
                "-drive", f"file={folder}/image,format=raw,if=virtio,cache=unsafe",
                "-device", "virtio-rng-pci", "-serial", "stdio", "-serial", f"file:{folder}/console"]

    def run(self, command, seconds, say=lambda text: None):
        """(exit status, output) of a bash script; VMError if the machine doesn't come to its end in time.

        say is called with every piece of output as it comes.
        """
        with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"run-{os.getpid()}-") as name:
            folder = pathlib.Path(name)
            self._image(command, folder)
            make_initramfs(self.kernel, folder / "initramfs")
            with subprocess.Popen(self._command_line(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT) as machine:
                try:
                    return self._listen(machine.stdout.fileno(), time.monotonic() + seconds, folder, say)
                finally:
                    machine.kill()

    @staticmethod
    def _listen(fd, deadline, folder, say):
        text, begun, why = "", False, "took too long"
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([fd], [], [], left)[0]:
                break
            piece = os.read(fd, 65536)
            if not piece:
                why = "ended early"
                break
            text += decoder.decode(piece).replace("\r", "")
            if not begun and (found := re.search(r"^@@begin\n", text, re.M)):
                begun, text = True, text[found.end():]
            ended = begun and re.search(r"\n@@end (\d+)\n", text)
            if begun:
                say(piece.decode(errors="replace"))
            if ended:
                return int(ended.group(1)), text[:ended.start()]
        console = folder / "console"
        said = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        raise VMError(f"the virtual machine {why}; it said:\n{text[-3000:]}\n{said}")


def main(argv):
    """Runs the words given in a machine; "--prepare" fetches what that takes, and no more."""
    try:
        if argv == ["--prepare"]:
            unpack_kernel()
            return 0
        status, _ = VM(ENGINES).run(shlex.join(argv) if len(argv) > 1 else argv[0] if argv else "wg --version; uname -a", 3600,
                             lambda piece: print(piece, end="", flush=True))
    except VMError as e:
        print(e, file=sys.stderr)
        return 255
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
