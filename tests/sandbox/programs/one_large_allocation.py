import time

held = bytearray(1 << 30)
print("survived")
time.sleep(60)
