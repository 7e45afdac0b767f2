import os

from prelude import said, tell

n = 0
try:
    while n < 200000:
        os.close(os.open(f"/tmp/{n}", os.O_CREAT))
        n += 1
except OSError:
    pass
said["files"] = n
tell()
