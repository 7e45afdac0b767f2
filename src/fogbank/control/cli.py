"""The command line. Every command but `up` asks a running cloud over its `/_fogbank` API."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fogbank.control.client import DEFAULT_PORT, Refusal, Unreachable, ask, endpoint

Serve = Callable[[argparse.Namespace], int]


def data_directory() -> Path:
    """Where a cloud keeps its data when nothing else is said: the user's data directory."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fogbank"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fogbank"


_ENDPOINT = "the cloud to talk to (else FOGBANK_ENDPOINT, AWS_ENDPOINT_URL, port 4566)"


class _Command(argparse.ArgumentParser):
    """One command: it takes --endpoint behind its name too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False)
        if not self.prog.endswith(" up"):
            self.add_argument("--endpoint", default=argparse.SUPPRESS, help=_ENDPOINT)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="fogbank", description="A whole AWS-compatible cloud on one machine.", allow_abbrev=False)
    top.add_argument("--endpoint", help=_ENDPOINT)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)

    _say_up(commands.add_parser("up", help="start the cloud (until Ctrl-C)"))

    for name, text in (
        ("env", 'print the lines to export: eval "$(fogbank env)"'),
        ("status", "what is running"),
        ("reset", "start again from nothing, at once"),
        ("down", "stop the cloud"),
        ("coverage", "what is implemented"),
    ):
        commands.add_parser(name, help=text)

    clone = commands.add_parser("clone", help="make a copy of the whole cloud, on a port of its own")
    clone.add_argument("name")
    clone.add_argument("--drop", action="store_true", help="forget that clone instead")

    back = commands.add_parser("backtrack", help="take the whole cloud back in time")
    back.add_argument("--to", required=True, metavar="MOMENT", help="'10 seconds ago', a timestamp, or @SEQUENCE")

    snapshot = commands.add_parser("snapshot", help="the whole cloud as one file")
    snapshot.add_argument("action", choices=("save", "load"))
    snapshot.add_argument("file", type=Path)

    clock = commands.add_parser("clock", help="the cloud's clock")
    clock.add_argument("action", nargs="?", choices=("now", "advance", "freeze", "resume"), default="now")
    clock.add_argument("span", nargs="?", help="for advance: 90s, 15m, '2 hours'")

    dead = commands.add_parser("dead-letters", help="deliveries and other tasks that were given up")
    dead.add_argument("--retry", action="store_true", help="try them all again")

    commands.add_parser("letters", help="the mails, text messages and notifications that would have left the cloud")

    dev = commands.add_parser("dev", help="run a function from a folder: an edit is live at its next invocation")
    dev.add_argument("mount", metavar="FUNCTION=DIR", help="FUNCTION= gives it its own code again")
    dev.add_argument("--region", default=os.environ.get("AWS_DEFAULT_REGION") or "us-east-1")
    dev.add_argument("--account", default="000000000000")

    why = commands.add_parser("explain", help="every policy that was considered for a request, and what decided")
    why.add_argument("request_id", metavar="REQUEST-ID")
    return top


def _say_up(up: argparse.ArgumentParser) -> None:
    """What `fogbank up` can be told."""
    up.add_argument("--port", type=int, default=DEFAULT_PORT)
    up.add_argument("--host", default="127.0.0.1", help="off loopback, only keys that the cloud knows are let in")
    up.add_argument("--data", type=Path, default=None, metavar="DIR", help=f"where it keeps everything (default {data_directory()})")
    up.add_argument("--ephemeral", action="store_true", help="keep nothing")
    up.add_argument("--detach", action="store_true", help="return once it is ready")
    up.add_argument(
        "--durability", choices=("process", "power"), default="process", help="what an acknowledged write survives (default: process)"
    )
    up.add_argument(
        "--sandbox",
        choices=("auto", "strict", "bare", "docker"),
        default="auto",
        help="what people's code runs in: the best that this machine grants (auto), all limits or nothing (strict), an engine's containers",
    )
    up.add_argument(
        "--billing-ms", type=int, choices=(1, 100), default=1, help="what Lambda's durations are rounded up to (100: as in 2014)"
    )
    up.add_argument("--retention", default="24h", help="how far back the log can be read (default 24h)")
    up.add_argument("--seed", type=int, default=None, help="make chance repeatable")
    up.add_argument("--debug", action="store_true", help="print a traceback for every internal failure")


def main(arguments: list[str], serve: Serve) -> int:
    """Runs one command; its exit status."""
    options = parser().parse_args(arguments)
    if options.command == "up":
        return serve(options)
    where = endpoint(options.endpoint)
    try:
        status = COMMANDS[options.command](where, options)
        sys.stdout.flush()
        return status
    except (Unreachable, Refusal) as problem:
        print(f"fogbank: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # as in `fogbank coverage | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def exports(where: str) -> str:
    """The lines that point every AWS SDK and tool at a cloud."""
    lines = {"ENDPOINT_URL": where, "ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "us-east-1"}
    return "\n".join(f"export AWS_{name}={value}" for name, value in lines.items())


def _env(where: str, options: argparse.Namespace) -> int:
    """The exports, for eval in a shell; and since version 1 of the aws command line does not look at AWS_ENDPOINT_URL for SQS,
    RDS and a few more (aws/aws-cli issue 8737), a function that tells it. Semicolons: many write eval without quotes."""
    print("".join(f"{line};\n" for line in exports(where).splitlines()), end="")
    print('aws() { command aws ${AWS_ENDPOINT_URL:+"--endpoint-url=$AWS_ENDPOINT_URL"} "$@"; };')
    return 0


def _status(where: str, options: argparse.Namespace) -> int:
    health = ask(where, "GET", "/health")
    print(f"running      {where} (pid {health['pid']}), at @{health['sequence']}")
    print(f"data         {health['data']}")
    for name, cloud in ask(where, "GET", "/clouds").items():
        print(f"{'cloud' if name == 'main' else 'clone'}        {name}: {cloud['endpoint']}, {_shown(cloud['now_ms'])}")
    return 0


def _reset(where: str, options: argparse.Namespace) -> int:
    answer = ask(where, "POST", "/reset", {})
    print(f"{answer['cloud']} is empty, at @{answer['sequence']}")
    return 0


def _down(where: str, options: argparse.Namespace) -> int:
    print(f"stopping pid {ask(where, 'POST', '/stop', {})['stopping']}")
    return 0


def _clone(where: str, options: argparse.Namespace) -> int:
    if options.drop:
        ask(where, "DELETE", f"/clones/{options.name}")
        print(f"dropped {options.name}")
    else:
        print(ask(where, "POST", "/clones", {"name": options.name})["endpoint"])
    return 0


def _backtrack(where: str, options: argparse.Namespace) -> int:
    answer = ask(where, "POST", "/backtrack", {"to": options.to})
    print(f"{answer['cloud']} is as it was at @{answer['to']}; to undo: fogbank backtrack --to @{answer['from']}")
    return 0


def _snapshot(where: str, options: argparse.Namespace) -> int:
    answer = ask(where, "POST", "/snapshot", {options.action: str(options.file.absolute())})
    print(f"{options.action}d {answer['file']} ({answer['bytes']} bytes)" if options.action == "save" else f"loaded {answer['file']}")
    return 0


def _clock(where: str, options: argparse.Namespace) -> int:
    if options.action == "now":
        answer = ask(where, "GET", "/clock")
    elif options.action == "advance":
        if not options.span:
            print("fogbank: advance by how much? For example: fogbank clock advance 15m", file=sys.stderr)
            return 2
        answer = ask(where, "POST", "/clock", {"advance": options.span})
    else:
        answer = ask(where, "POST", "/clock", {options.action: True})
    print(_shown(answer["now_ms"]) + ("" if answer["running"] else " (frozen)"))
    return 0


def _shown(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _explain(where: str, options: argparse.Namespace) -> int:
    for decision in ask(where, "GET", f"/explain/{options.request_id}")["decisions"]:
        _show(decision, 0)
    return 0


def _dead_letters(where: str, options: argparse.Namespace) -> int:
    if options.retry:
        print(f"trying {ask(where, 'POST', '/dead-letters', {})['retried']} again")
        return 0
    for item in ask(where, "GET", "/dead-letters")["letters"]:
        print(f"{item['task']} ({item['account']}, {item['region']}) after {item['attempts']} attempts: {item['error']}")
    return 0


def _letters(where: str, options: argparse.Namespace) -> int:
    for letter in ask(where, "GET", "/letters")["letters"]:
        print(f"{letter['at']} {letter['channel']} to {letter['to']}: {letter['subject'] or letter['text'].splitlines()[0]}")
    return 0


def _dev(where: str, options: argparse.Namespace) -> int:
    function, equals, folder = options.mount.partition("=")
    if not function or not equals:
        print("fogbank: say FUNCTION=DIR", file=sys.stderr)
        return 2
    wanted = {"function": function, "folder": str(Path(folder).resolve()) if folder else "", "region": options.region}
    answer = ask(where, "POST", "/dev", {**wanted, "account": options.account})
    print(f"{function} runs from {answer['folder']}" if folder else f"{function} runs its own code again")
    return 0


def _show(value: Any, depth: int) -> None:
    """A tree as indented lines."""
    indent = "  " * depth
    for key, item in value.items():
        if isinstance(item, dict):
            if item:
                print(f"{indent}{key}:")
                _show(item, depth + 1)
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            for one in item:
                print(f"{indent}{key}:")
                _show(one, depth + 1)
        elif item not in (None, [], ""):
            print(f"{indent}{key}: {', '.join(map(str, item)) if isinstance(item, list) else item}")


def _coverage(where: str, options: argparse.Namespace) -> int:
    for service, operations in ask(where, "GET", "/coverage").items():
        there, missing = operations["implemented"], operations["missing"]
        print(f"{service}: {len(there)} of {len(there) + len(missing)} operations")
        for name in there:
            print(f"  {name}")
        for name in missing:
            print(f"  - {name}")
    return 0


COMMANDS: dict[str, Callable[[str, argparse.Namespace], int]] = {
    "env": _env,
    "status": _status,
    "reset": _reset,
    "down": _down,
    "clone": _clone,
    "backtrack": _backtrack,
    "snapshot": _snapshot,
    "clock": _clock,
    "explain": _explain,
    "dead-letters": _dead_letters,
    "letters": _letters,
    "dev": _dev,
    "coverage": _coverage,
}
