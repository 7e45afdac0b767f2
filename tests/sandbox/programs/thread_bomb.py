import os
import threading
import time

from prelude import said, tell

n = 0
try:
    while n < 5000:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
except RuntimeError:
    pass
said["threads"] = n
tell()
os._exit(0)
