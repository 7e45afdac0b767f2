"""What statements run in a cluster: read from the logs of its PostgreSQL nodes while they are written, for database activity streams.

A cluster that is wanted with `audit` logs every statement; a statement that fails is told with its error. Two or three times a second
what is new in the logs becomes events in the form of AWS's databaseActivityEventList.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from fogbank.engines.postgres import logs

EVERY_S = 0.4
PIECE_BYTES = 1 << 18
_OURS = ("rdsadmin", "rdsrepladmin", "rdsproxyadmin", "[unknown]", "")
_line = re.compile(r"(\S+ \S+) UTC:(.*?):([^:@]*)@([^:]*):\[(\d+)\]:([A-Z0-9]+):  (.*)", re.DOTALL)
_statement = re.compile(r"(?:statement|execute [^:]*): (.*)", re.DOTALL)
_parameter = re.compile(r"\$\d+ = ('(?:[^']|'')*'|NULL)")
_CLASSES = {
    **dict.fromkeys(("SELECT", "TABLE", "VALUES", "SHOW", "EXPLAIN", "FETCH"), "READ"),
    **dict.fromkeys(("INSERT", "UPDATE", "DELETE", "TRUNCATE", "MERGE", "COPY"), "WRITE"),
    **dict.fromkeys(("GRANT", "REVOKE"), "ROLE"),
    **dict.fromkeys(("CREATE", "ALTER", "DROP", "COMMENT", "REINDEX", "SECURITY"), "DDL"),
    **dict.fromkeys(("DO", "CALL"), "FUNCTION"),
}


class Watched(NamedTuple):
    """A node whose statements are told: `logs` the folder of its logs."""

    account: str
    region: str
    cluster: str
    node: str
    version: str
    logs: Path


def events(lines: Iterable[str], node: Watched) -> list[dict[str, Any]]:
    """What some lines of a log tell. A line may have others after it that belong to it: they begin with a tab."""
    found: list[dict[str, Any]] = []
    last: dict[str, dict[str, Any]] = {}  # by process: what DETAIL and ERROR are about
    errors: dict[str, str] = {}
    for line in _joined(lines):
        parts = _line.fullmatch(line)
        if parts is None:
            continue
        at, host, user, database, pid, level, text = parts.groups()
        if user in _OURS:
            continue
        said = _statement.fullmatch(text) if level == "LOG" else None
        if level in ("ERROR", "FATAL"):
            errors[pid] = text
        elif level == "DETAIL" and pid in last and pid not in errors:
            last[pid]["paramList"] = [value[1:-1].replace("''", "'") if value != "NULL" else None for value in _parameter.findall(text)]
        elif level == "STATEMENT" and pid in errors:
            failed = last.get(pid)
            if failed is None or failed["commandText"] != text:
                failed = _event(node, at, host, user, database, pid, text)
                found.append(failed)
            failed["errorMessage"] = errors.pop(pid)
            last.pop(pid, None)
        elif said is not None:
            errors.pop(pid, None)
            last[pid] = _event(node, at, host, user, database, pid, said[1])
            found.append(last[pid])
    return found


def _joined(lines: Iterable[str]) -> list[str]:
    joined: list[str] = []
    for line in lines:
        if line.startswith("\t") and joined:
            joined[-1] += "\n" + line[1:]
        else:
            joined.append(line)
    return joined


def _event(node: Watched, at: str, host: str, user: str, database: str, pid: str, text: str) -> dict[str, Any]:
    command = (re.match(r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*([A-Za-z]+)", text, re.DOTALL) or ("", ""))[1].upper()
    remote, _, port = host.partition("(")
    return {
        "class": "READ" if command == "COPY" and re.search(r"\bto\b", text, re.IGNORECASE) else _CLASSES.get(command, "MISC"),
        "clientApplication": None,
        "command": command,
        "commandText": text,
        "databaseName": database,
        "dbProtocol": "Postgres 3.0",
        "dbUserName": user,
        "errorMessage": None,
        "exitCode": None,
        "logTime": f"{at}+00",
        "netProtocol": "TCP",
        "objectName": None,
        "objectType": None,
        "paramList": [],
        "pid": int(pid),
        "remoteHost": "" if remote == "[local]" else remote,
        "remotePort": port.rstrip(")"),
        "rowCount": None,
        "serverHost": node.node,
        "serverType": "PostgreSQL",
        "serverVersion": node.version,
        "serviceName": "Amazon Aurora PostgreSQL-Compatible edition",
        "sessionId": f"{node.node}.{pid}",
        "startTime": f"{at}+00",
        "statementId": 1,
        "substatementId": 1,
        "type": "record",
    }


class Audit:
    """Follows the logs of all nodes that are to be audited, as long as there are any. `tell` gets account, region and what to tell RDS."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        watched: Callable[[], list[Watched]],
        tell: Callable[[str, str, dict[str, Any]], None],
    ) -> None:
        self._loop = loop
        self._watched = watched
        self._tell = tell
        self._places: dict[Path, tuple[str, int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Begins to follow what is to be followed now; from the present end of each log on."""
        for node in self._watched():
            if node.logs not in self._places:
                there = logs.files(node.logs)
                self._places[node.logs] = (there[-1][0], there[-1][1]) if there else ("", 0)
        if self._places and self._timer is None:
            self._timer = self._loop.call_later(EVERY_S, self._turn)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _turn(self) -> None:
        self._timer = None
        nodes = self._watched()
        kept = {node.logs for node in nodes}
        self._places = {folder: place for folder, place in self._places.items() if folder in kept}
        for node in nodes:
            found = events(self._new(node.logs), node)
            if found:
                self._tell(node.account, node.region, {"cluster": node.cluster, "what": "activity", "node": node.node, "events": found})
        self.look()

    def _new(self, folder: Path) -> list[str]:
        """The whole lines that were written since: of the file that was being read, then of those that came after it."""
        name, place = self._places.get(folder, ("", 0))
        lines: list[str] = []
        for file, size, _ in logs.files(folder):
            if file < name:
                continue
            start = place if file == name and place <= size else 0
            piece = logs.read(folder, file, start, PIECE_BYTES)
            whole = piece[: piece.rfind(b"\n") + 1]
            lines += whole.decode(errors="replace").split("\n")
            self._places[folder] = (file, start + len(whole))
            if start + len(whole) < size:
                break
        return [line for line in lines if line]
