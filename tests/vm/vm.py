# SPDX-License-Identifier: MIT
"""A virtual machine with Debian's kernel, for the one thing that namespaces on any machine can't give: the
kernel's own WireGuard.

    image    an ext4 file system made of this machine's installed packages (those that a list names, with all
             they depend on) and of the project: sources, build folder. Nothing of it is written back.
    kernel   Debian's cloud kernel, downloaded and unpacked, never installed.
    boot     qemu under software emulation; an initramfs with busybox loads what the disk needs and hands over to
             the image, where INIT runs one command, its output on the serial line, and powers off.
"""

import gzip
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHUNT_BUILD", ROOT / "build")).resolve()
CACHE = BUILD / "vm"

META_PACKAGE = "linux-image-cloud-amd64"
PACKAGES = ("bash coreutils dash grep sed gawk mawk util-linux mount kmod procps iproute2 iputils-ping nftables "
            "wireguard-tools python3 python3-minimal python3-pytest libc-bin "
            "libsodium23 libfyaml0 libmnl0 libuv1 libjansson4").split()
DISK_MODULES = ("virtio_pci", "virtio_blk")
INSIDE = "/shunt"

INIT = f"""#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
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


def unpack_kernel():
    """The folder of the unpacked package; downloaded once."""
    package = kernel_package()
    folder = CACHE / package
    if (folder / "done").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run(["apt-get", "download", package], cwd=folder)
    (deb,) = folder.glob("*.deb")
    run(["dpkg-deb", "-x", deb, folder / "root"])
    deb.unlink()
    version = next((folder / "root/lib/modules").iterdir()).name
    run(["depmod", "-b", folder / "root", version])
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


def fill(tree, kernel):
    for link in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / link).mkdir(parents=True, exist_ok=True)
        (tree / link).symlink_to(f"usr/{link}")
    for folder in ("proc", "sys", "dev", "run", "tmp", "root", "etc", "var/lib", "var/log"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
    (tree / "var/run").symlink_to("/run")
    for path in installed_files(PACKAGES):
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
    for part in ("tests", "examples"):
        shutil.copytree(ROOT / part, tree / INSIDE.lstrip("/") / part,
                        ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    for name in ("shunt", "shuntd", "tests/net/probe", "tests/net/device_tool"):
        target = tree / INSIDE.lstrip("/") / "build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(BUILD / name, target)


class VM:
    """A machine to run one command in, as often as you like; each time it boots anew from a fresh image."""

    def __init__(self):
        self.kernel = unpack_kernel()
        self.initramfs = CACHE / "initramfs"
        make_initramfs(self.kernel, self.initramfs)

    def _image(self, command, folder):
        tree = pathlib.Path(folder) / "tree"
        tree.mkdir()
        fill(tree, self.kernel)
        add_project(tree)
        (tree / "init").write_text(INIT)
        (tree / "init").chmod(0o755)
        (tree / "command").write_text(command)
        image = pathlib.Path(folder) / "image"
        with open(image, "wb") as f:
            f.truncate(1 << 30)
        run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", tree, image])
        shutil.rmtree(tree)
        return image

    def run(self, command, seconds, say=lambda line: None):
        """(exit status, output) of a bash script; VMError if the machine doesn't come to its end in time."""
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            image = self._image(command, folder)
            (vmlinuz,) = (self.kernel / "root/boot").glob("vmlinuz-*")
            argv = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
                    "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", str(vmlinuz),
                    "-initrd", str(self.initramfs), "-append",
                    "console=ttyS1 quiet panic=-1 random.trust_cpu=on mitigations=off",
                    "-drive", f"file={image},format=raw,if=virtio,cache=unsafe",
                    "-device", "virtio-rng-pci", "-serial", "stdio", "-serial", f"file:{folder}/console"]
            machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT)
            try:
                return self._listen(machine, time.monotonic() + seconds, folder, say)
            finally:
                machine.kill()
                machine.wait()

    @staticmethod
    def _listen(machine, deadline, folder, say):
        os.set_blocking(machine.stdout.fileno(), False)
        text, begun = "", None
        while time.monotonic() < deadline:
            try:
                piece = os.read(machine.stdout.fileno(), 65536).decode(errors="replace")
            except BlockingIOError:
                piece = ""
            if piece:
                text += piece
                say(piece)
                begun = re.search(r"^@@begin\r?\n", text, re.M)
                ended = re.search(r"\n@@end (\d+)", text)
                if begun and ended:
                    return int(ended.group(1)), text[begun.end():ended.start()]
            elif machine.poll() is not None:
                break
            else:
                time.sleep(0.05)
        console = pathlib.Path(folder, "console")
        said = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        raise VMError("the virtual machine " + ("ended early" if machine.poll() is not None else "took too long")
                      + f"; it said:\n{text[-3000:]}\n{said}")


def json_of(output, mark):
    """The JSON object on the line that begins with mark."""
    found = re.search(rf"^{re.escape(mark)} (.*)$", output, re.M)
    if not found:
        raise VMError(f"no line {mark!r} in:\n{output[-3000:]}")
    return json.loads(found.group(1))
