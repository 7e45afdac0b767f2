"""`fogbank`: the command, and the process that is a running cloud."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fogbank.control import cli, client
from fogbank.control.moments import span_ms

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main() -> int:
    return cli.main(sys.argv[1:], serve)


def serve(options: argparse.Namespace) -> int:
    """Runs the cloud in this process until it is told to stop; with `--detach`, in another."""
    from fogbank.store.store import Problem

    if not 0 <= options.port <= 65535:
        return _fail(f"{options.port} is not a port")
    try:
        return _detach(options) if options.detach else _run(options, span_ms(options.retention))
    except (Problem, ValueError) as problem:
        return _fail(str(problem))
    except OSError as problem:
        return _fail(f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem))


def _fail(message: str) -> int:
    print(f"fogbank: {message}", file=sys.stderr)
    return 1


def _data(options: argparse.Namespace) -> Path | None:
    return None if options.ephemeral else (options.data or cli.data_directory())


def _run(options: argparse.Namespace, retention_ms: int) -> int:
    from fogbank.app import MAIN, App, new_loop

    loop = new_loop()
    asyncio.set_event_loop(loop)
    host = "127.0.0.1" if options.host == "localhost" else options.host
    strict = options.host not in _LOOPBACK
    app = App(
        _data(options),
        loop,
        sync=options.durability == "power",
        sandbox=options.sandbox,
        billing_ms=options.billing_ms,
        debug=options.debug,
    )
    try:
        try:
            cloud = loop.run_until_complete(app.listen(MAIN, host, options.port, strict=strict, seed=options.seed))
            for name in [n for n in app.store.heads if n != MAIN and "~" not in n]:
                loop.run_until_complete(app.listen_beside(name))
        except OSError as problem:
            return _fail(_unheard(options, problem))
        app.keep_house(retention_ms)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, loop.stop)
        _greet(cloud.endpoint, cloud.root_key if strict else None, options)
        loop.call_later(1, loop.run_in_executor, None, _tell_limits, options.sandbox)  # not before the first answers
        gc.collect()
        gc.freeze()  # what is loaded now stays: the collector need not walk it again
        gc.set_threshold(50_000, 20, 100)
        loop.run_forever()
    finally:
        app.close()
    return 0


def _unheard(options: argparse.Namespace, problem: OSError) -> str:
    """Why there is no listening."""
    if problem.errno in (98, 48):
        return f"port {options.port} is taken; choose another with --port"
    return f"cannot listen on {options.host}:{options.port}: {problem}"


def _greet(endpoint: str, root_key: tuple[str, str] | None, options: argparse.Namespace) -> None:
    print(f"Fogbank is up at {endpoint}" + (" (keeps nothing)" if options.ephemeral else ""))
    if root_key is not None:
        print("Open to other machines: only keys that this cloud knows are let in. Its root user's:")
        print(f"export AWS_ENDPOINT_URL={endpoint}\nexport AWS_ACCESS_KEY_ID={root_key[0]}\nexport AWS_SECRET_ACCESS_KEY={root_key[1]}")
        print("export AWS_DEFAULT_REGION=us-east-1")
    else:
        print(cli.exports(endpoint))
    print("Ctrl-C (or fogbank down) stops it.", flush=True)


def _tell_limits(choice: str) -> None:
    """Says which limits on people's code do not hold on this machine."""
    from fogbank.sandbox import driver
    from fogbank.sandbox.box import CannotStart

    try:
        made = driver(choice)
    except CannotStart as problem:
        print(f"fogbank: no code will be run: {problem}", file=sys.stderr)
        return
    for sentence in made.missing:
        print(f"fogbank: the sandbox ({made.name}) is not whole: {sentence}", file=sys.stderr)


def _detach(options: argparse.Namespace) -> int:
    """Starts the cloud in a process of its own, and returns when it answers. What it says goes to a file beside its data."""
    folder = _data(options) or Path(tempfile.mkdtemp(prefix="fogbank-"))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "fogbank.log"
    with path.open("a") as log:
        os.chmod(path, 0o600)  # a root key may be in it
        begin = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "fogbank", *(a for a in sys.argv[1:] if a != "--detach")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    ready = _answers(process, options)
    with path.open() as log:
        log.seek(begin)
        said = log.read()
    if not ready:
        sys.stderr.write(said or f"fogbank: the cloud ended with status {process.returncode}\n")
        return process.returncode or 1
    print(
        "".join(line for line in said.splitlines(keepends=True) if not line.startswith("Ctrl-C"))
        + f"Its pid is {process.pid}, its log {path}."
    )
    return 0


def _answers(process: subprocess.Popen[bytes], options: argparse.Namespace) -> bool:
    """Waits until the process answers as a cloud (or ends: False)."""
    host = "localhost" if options.host in ("0.0.0.0", "::", *_LOOPBACK) else options.host
    while process.poll() is None:
        try:
            if client.ask(f"http://{host}:{options.port}", "GET", "/health", timeout_s=1).get("pid") == process.pid:
                return True
        except (client.Unreachable, client.Refusal):
            pass
        time.sleep(0.02)
    return False


if __name__ == "__main__":
    raise SystemExit(main())
