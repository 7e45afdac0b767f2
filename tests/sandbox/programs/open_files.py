import os

from prelude import said, tell

n = 0
try:
    while n < 100000:
        os.open("/dev/null", 0)
        n += 1
except OSError:
    pass
said["files"] = n
tell()
