import errno
import os
import sys

from prelude import said, tell

n = 0
held = []
try:
    while n < 600:
        held.append(os.memfd_create("x"))
        n += os.write(held[-1], bytes(4 << 20)) >> 20
except OSError as problem:
    said["memfd"] = errno.errorcode[problem.errno]
    tell()
    sys.exit()
print("survived")
