"""An environment's log: what its code prints and what Lambda itself says of it, in the function's format, told in bundles."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from fogbank.sandbox import reports
from fogbank.sandbox.function import Function, Lines
from fogbank.sandbox.reports import Figures, report_record, report_text
from fogbank.sandbox.turn import Turn

_BUNDLE = 1000
_BUNDLE_CHARACTERS = 1 << 20
_LATER_S = 0.2
"""How long lines wait that belong to no invocation."""


class Journal:
    """See the module. `turn`: the invocation whose lines these are."""

    def __init__(self, house: Any, function: Function, log_stream: str) -> None:
        self._house = house
        self._function = function
        self._log_stream = log_stream
        self._json = function.log_format == "JSON"
        self._lines: list[tuple[int, str]] = []
        self._characters = 0
        self._timer: asyncio.TimerHandle | None = None
        self.turn: Turn | None = None
        self.listener: Callable[[int, str, Any], None] | None = None
        """Is told of each event where an extension has subscribed to them."""

    # what code prints

    def printed(self, lines: list[str]) -> None:
        now_ms = time.time_ns() // 1_000_000
        for line in lines:
            if not self._json or self._wanted(line):
                self._line(now_ms, line)

    def _wanted(self, line: str) -> bool:
        """The JSON format: a line with a level of its own is shown if the level is asked for."""
        least = self._function.application_log_level
        if not least or not line.startswith("{"):
            return True
        try:
            said = json.loads(line)
        except (ValueError, RecursionError):
            return True
        level = said.get("level", said.get("log_level")) if isinstance(said, dict) else None
        return not isinstance(level, str) or reports.shown({"WARNING": "WARN", "CRITICAL": "FATAL"}.get(level.upper(), level), least)

    def _line(self, at_ms: int, line: str) -> None:
        self._lines.append((at_ms, line))
        if self.turn is not None:
            self.turn.wrote(line)
        elif self._timer is None:
            self._timer = self._house.loop.call_later(_LATER_S, self.flush)
        self._characters += len(line)
        if len(self._lines) >= _BUNDLE or self._characters >= _BUNDLE_CHARACTERS:
            self.flush()

    # what Lambda says

    def platform_line(self, text: str) -> None:
        """A line that has no event of its own."""
        if not self._json:
            self._line(time.time_ns() // 1_000_000, text)

    def init_start(self, version: str, phase: str, origin: str) -> None:
        function = self._function
        arn = f"arn:aws:lambda:{function.region}::runtime:{hashlib.sha256(version.encode()).hexdigest()}"
        record = {"initializationType": origin, "phase": phase, "runtimeVersion": version, "runtimeVersionArn": arn}
        record |= {"functionName": function.name, "functionVersion": function.version}
        self._event("platform.initStart", record, "INFO", reports.init_start_text(arn, version))

    def init_done(self, duration_ms: float, phase: str, origin: str) -> None:
        if self._json or self.listener is not None:
            record = {"initializationType": origin, "phase": phase, "status": "success"}
            self._event("platform.initRuntimeDone", record, "DEBUG")
            report = record | {"metrics": {"durationMs": round(duration_ms, 3)}}
            self._event("platform.initReport", report, "DEBUG" if origin == "on-demand" else "INFO")

    def init_failed(self, duration_ms: float, phase: str, status: str, error_type: str, origin: str) -> None:
        record = {"initializationType": origin, "phase": phase, "status": status, "errorType": error_type}
        self._event("platform.initRuntimeDone", record, "WARN")
        text = reports.init_report_text(duration_ms, phase, status, "" if status == "timeout" else error_type)
        self._event("platform.initReport", record | {"metrics": {"durationMs": round(duration_ms, 3)}}, "WARN", text)

    def extension(self, record: dict[str, Any]) -> None:
        words = f"EXTENSION\tName: {record['name']}\tState: {record['state']}\tEvents: [{', '.join(record['events'])}]"
        self._event("platform.extension", record, "INFO", words)

    def subscribed(self, record: dict[str, Any]) -> None:
        words = f"TELEMETRY\tName: {record['name']}\tState: {record['state']}\tTypes: [{', '.join(record['types'])}]"
        self._event("platform.telemetrySubscription", record, "INFO", words)

    def start(self, turn: Turn) -> None:
        invocation, version = turn.invocation, self._function.version
        text = f"START RequestId: {invocation.request_id} Version: {version}"
        if self._json or self.listener is not None:
            record = {"requestId": invocation.request_id, "version": version} | reports.traced(invocation.trace)
            self._event("platform.start", record, "INFO", text)
        else:
            self._lines.append((time.time_ns() // 1_000_000, text))
            turn.wrote(text)

    def end(self, turn: Turn, figures: Figures) -> bytes:
        """END and REPORT; everything is told. What the invocation has written."""
        end, report = f"END RequestId: {figures.request_id}", "" if self._json else report_text(figures)
        if self._json or self.listener is not None:
            worse = figures.status != "success"
            done = {"requestId": figures.request_id, "status": figures.status, "metrics": {"durationMs": round(figures.duration_ms, 3)}}
            if figures.error_type:
                done["errorType"] = figures.error_type
            self._event("platform.runtimeDone", done, "WARN" if worse else "DEBUG", end)
            self._event("platform.report", report_record(figures), "WARN" if worse else "INFO", report)
        else:
            now_ms = time.time_ns() // 1_000_000
            self._lines.append((now_ms, end))
            self._lines.append((now_ms, report))
            turn.wrote(end)
            turn.wrote(report)
        self.flush()
        turn.log.append("")
        return "\n".join(turn.log).encode("utf-8", "replace")

    def _event(self, kind: str, record: dict[str, Any], level: str, text: str = "") -> None:
        """In the function's format; `text` is its line in the other, if it has one."""
        now_ms = time.time_ns() // 1_000_000
        if self.listener is not None:
            self.listener(now_ms, kind, record)
        if not self._json:
            if text:
                self._line(now_ms, text)
        elif reports.shown(level, self._function.system_log_level):
            self._line(now_ms, reports.as_json(now_ms, kind, record))

    def flush(self) -> None:
        """Tells what there is."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            lines, self._lines, self._characters = self._lines, [], 0
            function = self._function
            self._house.tell(
                Lines(function.account, function.region, function.arn, function.key, function.log_group, self._log_stream, tuple(lines))
            )
