"""How people say when and how long: "10 seconds ago", "15m", an ISO timestamp, "@1234" (a sequence number)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_MS = 36525 * 86_400_000
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)(?![a-z])", re.ASCII
)


def span_ms(text: str) -> int:
    """Milliseconds of "90s", "15m", "1h30m", "2 days", or a bare number of seconds; at most a hundred years. ValueError."""
    text = text.strip().lower()
    total = float(text) * 1000 if re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII) else _sum_ms(text)
    if total > _LONGEST_MS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return round(total)


def _sum_ms(text: str) -> float:
    """The sum of "1h30m"."""
    total, end = 0.0, 0
    for found in _SPAN.finditer(text):
        if text[end : found.start()].strip(" ,"):
            raise ValueError(f"{text!r} is not a span of time such as 90s, 15m or '2 hours'")
        unit = found[2]
        total += float(found[1]) * (1 if unit.startswith(("ms", "milli")) else _UNITS_S[unit[0]] * 1000)
        end = found.end()
    if not end or text[end:].strip():
        raise ValueError(f"{text!r} is not a span of time such as 90s, 15m or '2 hours'")
    return total


def moment(text: str, now_ms: int) -> tuple[str, int]:
    """("at", an instant in ms) or ("sequence", a number). ValueError."""
    text = text.strip()
    if re.fullmatch(r"@\d{1,18}", text):
        return "sequence", int(text[1:])
    if text.lower().endswith(" ago"):
        return "at", now_ms - span_ms(text[:-4])
    if re.fullmatch(r"\d{10}(?:\.\d+)?", text):
        return "at", round(float(text) * 1000)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a moment such as '10 seconds ago', 2026-01-31T12:00:00Z or @1234") from None
    return "at", round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000)
