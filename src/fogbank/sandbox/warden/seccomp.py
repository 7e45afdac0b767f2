"""What no program in a box may ask of the kernel, as a seccomp filter."""

from __future__ import annotations

import errno
import struct
from functools import lru_cache

from .linux import X86

# name: (x86_64, aarch64); None where it does not exist
DENIED = {
    # other processes, and the memory of others
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # mounts, roots, namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "setns": (308, 268),
    "unshare": (272, 97),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    # parts of the kernel where most of its holes were found
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "memfd_secret": (447, 447),
    "personality": (135, 92),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "acct": (163, 89),
    "iopl": (172, None),
    "ioperm": (173, None),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
}

# Memory that belongs to no process: a watchdog that adds up processes would not see it.
UNSEEN = {"memfd_create": (319, 279), "shmget": (29, 194), "msgget": (68, 186)}

CLONE, SOCKET, IOCTL, ARCHITECTURE = (56, 41, 16, 0xC000003E) if X86 else (220, 198, 29, 0xC00000B7)
CLONE3, X32, NEW_NAMESPACES, FAMILIES, TIOCSTI, TIOCLINUX = 435, 0x40000000, 0x7E020080, (1, 2, 10), 0x5412, 0x541C

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x50000


@lru_cache
def program(*, watched: bool) -> bytes:
    """The filter. `watched`: a watchdog keeps the memory limit, so what it cannot see is denied as well."""
    denied = {**DENIED, **UNSEEN} if watched else DENIED
    numbers = sorted(n[0 if X86 else 1] or -1 for n in denied.values())
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURE), (RETURN, 0, 0, KILL), (LOAD, 0, 0, 0)]
    if X86:
        steps += [(AT_LEAST, 0, 1, X32), (RETURN, 0, 0, KILL)]
    for number in numbers:
        if number >= 0:
            steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ERROR | errno.EPERM)]
    # clone3's flags lie in memory, where a filter cannot look; libraries then take clone.
    steps += [(EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERROR | errno.ENOSYS)]
    steps += [
        (EQUAL, 0, 4, CLONE),
        (LOAD, 0, 0, 16),
        (ANY_BIT, 0, 1, NEW_NAMESPACES),
        (RETURN, 0, 0, ERROR | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]
    steps += [(EQUAL, 0, len(FAMILIES) + 3, SOCKET), (LOAD, 0, 0, 16)]
    steps += [(EQUAL, len(FAMILIES) - i, 0, family) for i, family in enumerate(FAMILIES)]
    steps += [(RETURN, 0, 0, ERROR | errno.EAFNOSUPPORT), (RETURN, 0, 0, ALLOW)]
    steps += [(EQUAL, 0, 5, IOCTL), (LOAD, 0, 0, 24), (EQUAL, 1, 0, TIOCSTI), (EQUAL, 0, 1, TIOCLINUX), (RETURN, 0, 0, ERROR | errno.EPERM)]
    steps += [(RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
