"""The files of a box: the system's programs and what is mounted, all read-only, and a /tmp of its own.

A zygote lays the ground once, in its own mount namespace, at a folder that nobody mounts from: what is the same for all boxes.
A box gets a copy of that namespace and moves the pieces into a root of its own.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from . import linux

STAGES = ("/sys", "/boot", "/media", "/mnt")
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32", "/nix/store", "/gnu/store")
DEVICES = ("null", "zero", "full", "random", "urandom")
# Of /etc only what libraries read and what says nothing of the machine's people.
ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "protocols", "services", "fonts")
CERTIFICATES = ("ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/tls/cert.pem", "pki/ca-trust/extracted", "ca-certificates/extracted")

READ_ONLY = linux.ATTR_READ_ONLY | linux.ATTR_NOSUID | linux.ATTR_NODEV
PATH = os.O_PATH | os.O_CLOEXEC


class Ground:
    """What a zygote has laid: where, which pieces, and which links beside them."""

    def __init__(self) -> None:
        self.stage = next(s for s in STAGES if os.path.isdir(s))
        self.pieces = []  # type: list[str]
        self.links = []  # type: list[tuple[str, str]]
        linux.unshare(linux.NEWNS)
        linux.mount("", "/", None, linux.RECURSIVE | linux.SLAVE)
        sources = [p for p in SYSTEM if os.path.lexists(p)]
        linux.mount("ground", self.stage, "tmpfs", linux.NOSUID, "size=4m,mode=755")
        os.mkdir(self.stage + "/box")
        for path in sources:
            if os.path.islink(path):
                self.links.append((os.readlink(path), path))
            else:
                self._bind(path, path, READ_ONLY)
                self.pieces.append(path)
        self._devices()
        self._etc()

    def _bind(self, source: str, at: str, attributes: int) -> None:
        target = self.stage + "/ground" + at
        if os.path.isdir(source):
            os.makedirs(target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            open(target, "w").close()
        bind(source, target, attributes)

    def _fresh(self, at: str) -> str:
        folder = self.stage + "/ground" + at
        os.makedirs(folder)
        linux.mount("box", folder, "tmpfs", linux.NOSUID | linux.NOEXEC, "size=1m,mode=755")
        self.pieces.append(at)
        return folder

    def _devices(self) -> None:
        folder = self._fresh("/dev")
        for device in DEVICES:
            self._bind("/dev/" + device, "/dev/" + device, linux.ATTR_READ_ONLY | linux.ATTR_NOSUID | linux.ATTR_NOEXEC)
        for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            os.symlink(f"/proc/self/fd/{number}", folder + "/" + name)
        os.symlink("/proc/self/fd", folder + "/fd")
        seal(folder)

    def _etc(self) -> None:
        folder = self._fresh("/etc")
        java = [name for name in os.listdir("/etc") if name.startswith("java")] if os.path.isdir("/etc") else []
        for name in (*ETC, *CERTIFICATES, *java):
            source = os.path.realpath("/etc/" + name)
            if os.path.exists(source):
                self._bind(source, "/etc/" + name, READ_ONLY)
        texts = {
            "hosts": "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
            "resolv.conf": "options attempts:1 timeout:1\n",
        }
        for name, text in texts.items():
            with open(folder + "/" + name, "w") as file:
                file.write(text)
        for name in ("passwd", "group"):
            os.symlink("../run/" + name, folder + "/" + name)
        seal(folder)


class Root:
    """A box's own root, in its own mount namespace, while it is put together."""

    def __init__(self, ground: Ground, user: int) -> None:
        self.path = ground.stage + "/box"
        linux.mount("box", self.path, "tmpfs", linux.NOSUID | linux.NODEV, "size=2m,mode=755")
        for piece in ground.pieces:
            os.makedirs(self.path + piece)
            linux.mount(ground.stage + "/ground" + piece, self.path + piece, None, linux.MOVE)
        for content, at in ground.links:
            os.symlink(content, self.path + at)
        for folder in ("/proc", "/tmp", "/run", "/var"):
            os.mkdir(self.path + folder)
        os.symlink("../tmp", self.path + "/var/tmp")
        for name, text in (("passwd", f"box:x:{user}:{user}::/tmp:/bin/sh\n"), ("group", f"box:x:{user}:\n")):
            with open(self.path + "/run/" + name, "w") as file:
                file.write(text)
        linux.mount("proc", self.path + "/proc", "proc", linux.NOSUID | linux.NODEV | linux.NOEXEC)
        # An ordinary user's boxes own the settings of their network.
        bind(self.path + "/proc/sys", self.path + "/proc/sys", READ_ONLY)

    def furnish(self, tmp_bytes: int, mounts: Iterable[tuple[str, str]]) -> None:
        size = max(tmp_bytes, 4096)
        inodes = min(max(size >> 14, 4096), 1 << 20)
        linux.mount("tmp", self.path + "/tmp", "tmpfs", linux.NOSUID | linux.NODEV, f"size={size},nr_inodes={inodes},mode=1777")
        for source, at in mounts:
            self._lay(source, at)

    def _lay(self, source: str, at: str) -> None:
        opened = os.open(source, PATH)
        try:
            tree = linux.copy_of(opened)
            linux.set_attributes(tree, READ_ONLY)
            target = self._place(at, stat.S_ISDIR(os.fstat(opened).st_mode))
            try:
                linux.attach(tree, target)
            finally:
                os.close(target)
                os.close(tree)
        finally:
            os.close(opened)

    def _place(self, at: str, folder: bool) -> int:
        """Where a mount goes: made where it is missing. No link is followed: one in people's code could lead out of the box."""
        parts = [p for p in at.split("/") if p not in ("", ".")]
        if not parts or ".." in parts:
            raise ValueError(f"nothing can be mounted at {at!r}")
        here = os.open(self.path, PATH)
        for depth, part in enumerate(parts):
            try:
                below = os.open(part, PATH | os.O_NOFOLLOW, dir_fd=here)
            except FileNotFoundError:
                if folder or depth < len(parts) - 1:
                    os.mkdir(part, 0o755, dir_fd=here)
                else:
                    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=here))
                below = os.open(part, PATH | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = below
            if stat.S_ISLNK(os.fstat(here).st_mode):
                os.close(here)
                raise ValueError(f"{at!r} leads through a link")
        return here

    def enter(self) -> None:
        """From here on nothing of the machine's own files can be named."""
        seal(self.path)
        os.chdir(self.path)
        linux.pivot_root_here()
        linux.unmount_here()
        os.chdir("/")


def bind(source: str, target: str, attributes: int) -> None:
    opened = os.open(source, PATH)
    at = os.open(target, PATH)
    tree = linux.copy_of(opened)
    linux.set_attributes(tree, attributes)
    linux.attach(tree, at)
    for descriptor in (opened, at, tree):
        os.close(descriptor)


def seal(folder: str) -> None:
    """Nothing can be written to this mount any more (those below it are asked for themselves)."""
    opened = os.open(folder, PATH)
    linux.set_attributes(opened, linux.ATTR_READ_ONLY, recursive=False)
    os.close(opened)
