import os
from pathlib import Path

from prelude import tell

places, written = [], []
for folder, below, _ in os.walk("/"):
    below[:] = [name for name in below if os.path.join(folder, name) not in ("/usr", "/proc/2/task", os.environ["PREFIX"])]
    if os.access(folder, os.W_OK):
        places.append(folder)
    try:
        Path(folder, "x").touch()
        written.append(folder)
    except OSError:
        pass
for folder in ("/dev/shm", "/dev/mqueue", "/run", "/var/tmp", "/run/lock", "/usr", "/usr/local", "/sys", "/mnt"):
    try:
        Path(folder, "y").touch()
        written.append(os.path.realpath(folder))
    except OSError:
        pass
tell(writable=places, written=written)
