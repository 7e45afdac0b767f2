import os
import time

for _ in range(12):
    if not os.fork():
        held = bytearray(24 << 20)
        time.sleep(60)
time.sleep(60)
print("survived")
