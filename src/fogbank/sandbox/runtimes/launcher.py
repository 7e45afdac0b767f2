"""Runs inside, where there are external extensions: starts them, then the runtime, and ends as the runtime ends.

Its arguments are the runtime's command. It also brings telemetry to where extensions listen, which nobody could from outside.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import Any

_API = os.environ["AWS_LAMBDA_RUNTIME_API"]
_FOLDER = os.environ.get("FOGBANK_LAYERS", "/opt") + "/extensions"
_stopping = threading.Event()


def main() -> None:
    extensions: dict[int, tuple[str, threading.Thread]] = {}
    for name in sorted(os.listdir(_FOLDER)):
        path = os.path.join(_FOLDER, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            started = subprocess.Popen([path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            printing = threading.Thread(target=_print, args=(name, started.stdout), daemon=True)
            printing.start()
            extensions[started.pid] = (name, printing)
    waiting = threading.Thread(target=_ask, args=("GET", "start"), daemon=True)
    waiting.start()
    while waiting.is_alive():
        waiting.join(0.002)
        _reap(extensions, 0, os.WNOHANG)
    runtime = subprocess.Popen(sys.argv[1:])
    threading.Thread(target=_obey, args=(runtime.pid,), daemon=True).start()
    while True:
        status = _reap(extensions, runtime.pid, 0)
        if status is not None and not _stopping.is_set():
            if os.WIFSIGNALED(status):
                signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
                os.kill(os.getpid(), os.WTERMSIG(status))
            os._exit(os.WEXITSTATUS(status))


def _reap(extensions: dict[int, tuple[str, threading.Thread]], runtime: int, options: int) -> int | None:
    """How the runtime ended, if that is what has ended."""
    try:
        pid, status = os.waitpid(-1, options)
    except ChildProcessError:
        os._exit(0)
    if pid in extensions:
        name, printing = extensions.pop(pid)
        printing.join(0.5)
        _ask("POST", "ended/" + name)
    return status if pid and pid == runtime else None


def _ask(method: str, path: str, body: bytes | None = None) -> Any:
    connection = http.client.HTTPConnection(_API)
    connection.request(method, "/launcher/" + path, body)
    return json.loads(connection.getresponse().read())


def _print(name: str, output: Any) -> None:
    for line in output:
        _ask("POST", "printed/" + name, line)


def _obey(runtime: int) -> None:
    while True:
        order = _ask("GET", "next")
        if "signal" in order:
            _stopping.set()
            os.kill(runtime, signal.SIGTERM if order["signal"] == "TERM" else signal.SIGKILL)
            continue
        try:
            _deliver(order)
        except OSError:
            pass


def _deliver(order: Any) -> None:
    if order["protocol"] == "TCP":
        with socket.create_connection(("127.0.0.1", order["port"]), 5) as there:
            there.sendall("".join(json.dumps(event) + "\n" for event in order["events"]).encode())
        return
    connection = http.client.HTTPConnection("127.0.0.1", order["port"], timeout=5)
    connection.request("POST", order["path"], json.dumps(order["events"]), {"Content-Type": "application/json"})
    connection.getresponse().read()


if __name__ == "__main__":
    main()
