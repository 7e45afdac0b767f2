import os
from pathlib import Path

from prelude import attempt, call, libc, tell

attempt("mem", open, "/proc/1/mem", "r+b")
for name in ("maps", "environ", "stack", "auxv", "io", "syscall"):
    attempt(name, Path("/proc/1", name).read_bytes)
attempt("root", os.listdir, "/proc/1/root")
for number in range(3, 12):
    attempt(f"fd {number}", os.open, f"/proc/1/fd/{number}", os.O_RDWR)
if hasattr(os, "pidfd_open"):
    call("pidfd", libc.syscall, 438, os.pidfd_open(1), 3, 0)
call("ptrace", libc.ptrace, 16, 1, 0, 0)
tell()
