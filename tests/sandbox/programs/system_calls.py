import ctypes
import json
import os

from prelude import call, libc, tell

SIGCHLD = 17
clone = int(os.environ["CLONE"])

for name, number in json.loads(os.environ["NUMBERS"]).items():
    call(name, libc.syscall, ctypes.c_long(number), 0, 0, 0, 0, 0, 0)
for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    call(f"unshare {flag:x}", libc.unshare, flag)
    call(f"clone {flag:x}", libc.syscall, ctypes.c_long(clone), ctypes.c_ulong(flag | SIGCHLD), 0, 0, 0, 0)
call("clone3", libc.syscall, ctypes.c_long(435), ctypes.c_char_p(bytes(88)), 88)
call("chroot", libc.chroot, b"/tmp")
call("mknod", libc.mknod, b"/tmp/m", 0o60666, 0xFE00)
call("tiocsti", libc.ioctl, 0, ctypes.c_ulong(0x5412), b"x")
tell()
