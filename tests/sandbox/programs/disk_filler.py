import errno

from prelude import said, tell

n = 0
try:
    for i in range(10000):
        with open(f"/tmp/{i}", "wb") as file:
            n += file.write(bytes(1 << 19))
except OSError as problem:
    said["problem"] = errno.errorcode[problem.errno]
said["MiB"] = n >> 20
tell()
