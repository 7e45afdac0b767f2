import os

from prelude import attempt, said, tell

for path in (
    "/etc/shadow",
    "/etc/sudoers",
    "/root",
    "/root/.ssh",
    "/home",
    "/var/lib",
    "/var/log",
    "/srv",
    "/opt",
    "/run/docker.sock",
    "/sys/kernel",
    "/proc/1/environ",
    "/proc/1/mem",
    "/proc/1/root",
    "/proc/1/cwd",
    "/proc/kcore",
    "/dev/mem",
    "/dev/kmsg",
    "/dev/vda",
    "/dev/sda",
    "/proc/kmsg",
    "/proc/self/../../root",
    os.environ["TENANT"],
):
    if not os.environ["PREFIX"].startswith(os.path.abspath(path)):
        attempt(path, os.listdir, path)
        attempt(path + " read", os.open, path, os.O_RDONLY)
said["processes"] = len([p for p in os.listdir("/proc") if p.isdigit()])
said["secret"] = []
for folder, below, files in os.walk("/"):
    below[:] = [b for b in below if os.path.join(folder, b) not in ("/usr", "/proc", os.environ["PREFIX"])]
    said["secret"] += [f for f in files + below if "secret-of-another" in f]
tell()
