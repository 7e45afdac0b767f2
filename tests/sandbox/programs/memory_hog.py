held = []
while len(held) < 300:
    held.append(bytearray(8 << 20))
print("survived")
