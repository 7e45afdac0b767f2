import os
import resource
import subprocess
from pathlib import Path

from prelude import attempt, said, tell

said["uids"] = list(os.getresuid())
attempt("setuid", os.setuid, 0)
attempt("setgid", os.setgid, 0)
attempt("setgroups", os.setgroups, [0])
attempt("setresuid", os.setresuid, 0, 0, 0)
attempt("nice", os.setpriority, 0, 0, -5)
attempt("map", lambda: os.write(os.open("/proc/self/uid_map", os.O_WRONLY), b"0 0 1"))
said["setuid program"] = int(subprocess.run(["/task/setuid-id", "-u"], capture_output=True).stdout or -1)
status = Path("/proc/self/status").read_text()
said["capabilities"] = [line.split()[1] for line in status.splitlines() if line.startswith("Cap")]
try:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    said["limit"] = "done"
except ValueError:
    pass
tell()
