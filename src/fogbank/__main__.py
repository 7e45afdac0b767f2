"""`fogbank`: the command, and the process that is a running cloud."""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import subprocess
import sys
import time
from pathlib import Path

from fogbank.control import cli, client
from fogbank.control.moments import span_ms

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> int:
    return cli.main(sys.argv[1:], serve)


def serve(options: argparse.Namespace) -> int:
    """Runs the cloud in this process until it is told to stop; with `--detach`, in another."""
    if options.detach:
        return _detach(options)
    from fogbank.store.store import Problem

    try:
        retention_ms = span_ms(options.retention)
        return _run(options, retention_ms)
    except (Problem, ValueError) as problem:
        return _fail(str(problem))
    except OSError as problem:
        if problem.errno in (98, 48):
            return _fail(f"port {options.port} is taken; choose another with --port")
        return _fail(f"cannot listen on {options.host}:{options.port}: {problem.strerror or problem}")


def _fail(message: str) -> int:
    print(f"fogbank: {message}", file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, retention_ms: int) -> int:
    from fogbank.app import MAIN, App, new_loop

    loop = new_loop()
    asyncio.set_event_loop(loop)
    data: Path | None = None if options.ephemeral else (options.data or cli.data_directory())
    host = "127.0.0.1" if options.host == "localhost" else options.host
    strict = options.host not in _LOOPBACK
    app = App(data, loop, sync=options.durability == "power", debug=options.debug)
    try:
        cloud = loop.run_until_complete(app.listen(MAIN, host, options.port, strict=strict, seed=options.seed))
        for name in [n for n in app.store.heads if n != MAIN and "~" not in n]:
            loop.run_until_complete(app.listen_beside(name))
        app.keep_house(retention_ms)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, loop.stop)
        _greet(cloud.endpoint, cloud.root_key if strict else None, options)
        gc.collect()
        gc.freeze()  # what is loaded now stays: the collector need not walk it again
        gc.set_threshold(50_000, 20, 100)
        loop.run_forever()
    finally:
        app.close()
    return 0


def _greet(endpoint: str, root_key: tuple[str, str] | None, options: argparse.Namespace) -> None:
    print(f"Fogbank is up at {endpoint}" + (" (keeps nothing)" if options.ephemeral else ""))
    if root_key is not None:
        print("Open to other machines: only keys that this cloud knows are let in. Its root user's:")
        print(f"export AWS_ENDPOINT_URL={endpoint}\nexport AWS_ACCESS_KEY_ID={root_key[0]}\nexport AWS_SECRET_ACCESS_KEY={root_key[1]}")
    else:
        print(cli.exports(endpoint))
    print("Ctrl-C stops it.", flush=True)


def _detach(options: argparse.Namespace) -> int:
    """Starts the cloud in a process of its own, and returns when it answers."""
    arguments = [a for a in sys.argv[1:] if a != "--detach"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fogbank", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    host = "localhost" if options.host in ("0.0.0.0", *_LOOPBACK) else options.host
    where = f"http://{host}:{options.port}"
    while process.poll() is None:
        try:
            if client.ask(where, "GET", "/health", timeout_s=1)["pid"] == process.pid:
                print(f"Fogbank is up at {where} (pid {process.pid})")
                return 0
        except (client.Unreachable, client.Refusal):
            pass
        time.sleep(0.02)
    _, said = process.communicate()
    sys.stderr.write(said.decode())
    return process.returncode or 1


if __name__ == "__main__":
    raise SystemExit(main())
