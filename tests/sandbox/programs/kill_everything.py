import os
import signal

from prelude import attempt, said, tell

os.kill(1, signal.SIGKILL)
os.kill(1, signal.SIGSTOP)
attempt("all", lambda: os.kill(-1, signal.SIGKILL))
said["after"] = "still here"
tell()
