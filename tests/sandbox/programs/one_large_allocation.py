import time

held = bytearray(1 << 30)
time.sleep(60)
print("survived")
