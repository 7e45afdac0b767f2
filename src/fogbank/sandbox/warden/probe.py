"""What this machine grants: each protection is tried once, in a process that ends at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from . import birth, cgroups, linux, mail, root

APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"


def tried(work: Callable[[], Any]) -> str:
    """ "" or what the kernel said."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as problem:
            os.write(tell, (str(problem) or type(problem).__name__).encode()[:1000])
        os._exit(0)
    os.close(tell)
    answer = os.read(told, 1000).decode()
    os.close(told)
    os.waitpid(child, 0)
    return answer


def enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    linux.unshare(linux.NEWUSER)
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open("/proc/self/" + file, "w") as opened:
            opened.write(text)


def in_user_namespace() -> None:
    enter_user_namespace()
    linux.unshare(linux.NEWNS | linux.NEWNET)


def half_a_box(privileged: bool) -> None:
    """All of the isolation there is, without a program."""
    if not privileged:
        enter_user_namespace()
    linux.unshare(linux.NEWPID)
    child = os.fork()
    if child:
        if os.waitpid(child, 0)[1]:
            raise OSError(1, "a box cannot be made")
        return
    ground = root.Ground()
    ours, _ = mail.pair()
    half = birth.Half(ground, ours, [], 1 << 30, privileged)
    limits = {"open_files": 64, "processes": 4, "memory_bytes": 1 << 26, "tmp_bytes": 1 << 20}
    half.finish({**limits, "mounts": (), "listen": (("127.0.0.1", 1),)}, True)
    os._exit(0)


def main(descriptor: int) -> None:
    """Tells the server: (reason why there can be no boxes, privileged, missing)."""
    mail.send(socket.socket(fileno=descriptor), look())


def look() -> tuple[str, bool, tuple[str, ...]]:
    refused = "" if hasattr(os, "pidfd_open") else "this Python knows no pidfd"
    privileged = os.geteuid() == 0 and not tried(lambda: linux.unshare(linux.NEWNS | linux.NEWPID | linux.NEWNET))
    if not privileged and not refused:
        refused = _said(tried(in_user_namespace))
    if not refused:
        refused = tried(lambda: half_a_box(privileged))
    if refused:
        return refused, privileged, ()
    found = cgroups.find()
    for folder in {*found.folders.values()}:
        cgroups.remove(folder)
    return "", privileged, tuple(_missing(privileged, found.without()))


def _said(problem: str) -> str:
    if not problem:
        return ""
    if os.path.exists(APPARMOR):
        with open(APPARMOR) as file:
            if file.read().strip() == "1":
                problem = f"AppArmor restricts them ({problem}; `sysctl kernel.apparmor_restrict_unprivileged_userns=0` permits them)"
    return f"the kernel grants no user namespace: {problem}"


def _missing(privileged: bool, without: set[str]) -> list[str]:
    sentences = []
    if "memory" in without:
        sentences.append(
            "Memory is not limited by the kernel (no memory cgroup is delegated to us): a watchdog looks every 50 ms, and what a box takes "
            "between two looks is bounded only per process."
        )
    if "cpu" in without:
        sentences.append(
            "The processor share is not kept by the kernel (no cpu cgroup is delegated to us): a watchdog stops boxes that are ahead "
            "of theirs, and children that end unobserved are not counted."
        )
    if "pids" in without and privileged:
        sentences.append("The number of processes is limited by user number only (there is no pids cgroup).")
    if not privileged and os.geteuid() == 0:
        sentences.append("Boxes run as the machine's root user, without its capabilities (this container grants no more).")
    return sentences
