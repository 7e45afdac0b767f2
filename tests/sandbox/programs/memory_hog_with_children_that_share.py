import mmap
import os
import time

for _ in range(12):
    if not os.fork():
        held = mmap.mmap(-1, 24 << 20)
        held.write(bytes(24 << 20))
        time.sleep(60)
time.sleep(60)
print("survived")
