import time

held = []
try:
    while len(held) < 300:
        held.append(bytearray(8 << 20))
except MemoryError:
    pass
time.sleep(60)
print("survived")
