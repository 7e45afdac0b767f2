import ctypes
import mmap
import os

from prelude import libc, said, tell


def child(work):
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    return os.waitpid(pid, 0)[1] & 127


def old():
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\xb8\x14\0\0\0\xcd\x80\xc3")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


x86 = os.uname().machine == "x86_64"
said["x32"] = child(lambda: libc.syscall(ctypes.c_long(0x40000000 + 39))) if x86 else "unknown here"
said["i386"] = child(old) if x86 else "unknown here"
tell()
