import os
import time

from prelude import said, tell

n = 0
try:
    while n < 5000:
        if not os.fork():
            time.sleep(60)
            os._exit(0)
        n += 1
except OSError:
    pass
said["forks"] = n
tell()
