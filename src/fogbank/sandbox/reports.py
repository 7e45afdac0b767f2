"""What Lambda itself writes into a function's log: START, END, REPORT and the others, as text or as JSON. Pure.

Each event is known by its name in AWS's schema (`platform.start` without the word platform); the JSON format and the
Telemetry API show the record, the text format a line of its own. The system log level applies to the JSON format only.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any, NamedTuple

_LEVELS = {"TRACE": 0, "DEBUG": 1, "INFO": 2, "WARN": 3, "ERROR": 4, "FATAL": 5}


class Figures(NamedTuple):
    """An invocation's, for REPORT. `status`: success, error or timeout; `fatal`: the environment did not survive it."""

    request_id: str
    duration_ms: float
    billed_ms: int
    memory_mb: int
    peak_mb: int
    init_ms: float = 0
    status: str = "success"
    error_type: str = ""
    trace: str = ""
    fatal: bool = False


def named(kind: str) -> str:
    """The type of an error as logs and answers can carry it, whatever code calls it."""
    return kind[:256].replace("\r", " ").replace("\n", " ").encode("utf-8", "replace").decode()


def stamp(at_ms: int) -> str:
    """An instant as log lines have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at_ms // 1000)) + f".{at_ms % 1000:03d}Z"


def billed(duration_ms: float, init_ms: float, unit_ms: int) -> int:
    """In units of 1 ms the initialisation is billed too, as it is since August 2025; in units of 100 ms it is not, as in 2014."""
    spent = duration_ms + init_ms if unit_ms == 1 else duration_ms
    return max(math.ceil(round(spent / unit_ms, 6)), 1) * unit_ms


def shown(level: str, least: str) -> bool:
    """Whether something of this level is logged where `least` is asked for."""
    return _LEVELS.get(level.upper(), 2) >= _LEVELS.get(least or "INFO", 2)


def event(at_ms: int, kind: str, record: Any) -> dict[str, Any]:
    """An event as the Telemetry API delivers it."""
    return {"time": stamp(at_ms), "type": kind, "record": record}


def as_json(at_ms: int, kind: str, record: Any) -> str:
    return json.dumps(event(at_ms, kind, record), separators=(",", ":"))


def start_text(request_id: str, version: str) -> str:
    return f"START RequestId: {request_id} Version: {version}"


def end_text(request_id: str) -> str:
    return f"END RequestId: {request_id}"


def report_text(figures: Figures) -> str:
    request_id, duration_ms, billed_ms, memory_mb, peak_mb, init_ms, status, error_type, trace, fatal = figures
    line = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms\t"
        f"Memory Size: {memory_mb} MB\tMax Memory Used: {peak_mb} MB"
    )
    if init_ms:
        line += f"\tInit Duration: {init_ms:.2f} ms"
    if fatal and status != "success":
        line += f"\tStatus: {status}"
        if error_type and status != "timeout":
            line += f"\tError Type: {error_type}"
    if trace and (said := _sampled(trace)):
        line += f"\nXRAY TraceId: {said['Root']}\tSegmentId: {said.get('Parent', '')[:16]}\tSampled: true"
    return line


def report_record(figures: Figures) -> dict[str, Any]:
    metrics: dict[str, Any] = {
        "durationMs": round(figures.duration_ms, 3),
        "billedDurationMs": figures.billed_ms,
        "memorySizeMB": figures.memory_mb,
        "maxMemoryUsedMB": figures.peak_mb,
    }
    if figures.init_ms:
        metrics["initDurationMs"] = round(figures.init_ms, 3)
    record: dict[str, Any] = {"requestId": figures.request_id, "metrics": metrics, "status": figures.status}
    if figures.error_type:
        record["errorType"] = figures.error_type
    return record | traced(figures.trace)


def traced(trace: str) -> dict[str, Any]:
    """What records say of a sampled trace."""
    said = _sampled(trace) if trace else None
    if not said:
        return {}
    return {"tracing": {"spanId": said.get("Parent", ""), "type": "X-Amzn-Trace-Id", "value": trace}}


def init_start_text(runtime: str, number: str) -> str:
    return f"INIT_START Runtime Version: {number}\tRuntime Version ARN: {runtime}"


def init_report_text(duration_ms: float, phase: str, status: str, error_type: str) -> str:
    line = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: {phase}\tStatus: {status}"
    return line + f"\tError Type: {error_type}" if error_type else line


def timeout_text(at_ms: int, request_id: str, timeout_ms: int) -> str:
    return f"{stamp(at_ms)} {request_id} Task timed out after {timeout_ms / 1000:.2f} seconds\n"


def _sampled(trace: str) -> dict[str, str] | None:
    said = dict(part.partition("=")[::2] for part in trace.split(";"))
    return said if said.get("Sampled") == "1" and "Root" in said else None
