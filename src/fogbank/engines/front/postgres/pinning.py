"""What ties a session of an RDS Proxy to its connection for good: it would be seen by others, or missed, on another."""

from __future__ import annotations

import functools
import re

_LONGEST = 16 * 1024
_START = rb"(?:\A|;)(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_FLAGS = re.IGNORECASE | re.DOTALL
_SET = re.compile(_START + rb"(?:set\s+(?!local\b|transaction\b|constraints\b)|reset\b)|\bset_config\s*\(", _FLAGS)
_STATE = re.compile(
    _START
    + rb"(?:(prepare)\s+(?!transaction\b)|(deallocate|execute|discard|listen|unlisten|load|declare)\b|(create)\s+(?:or\s+replace\s+)?"
    rb"(?:global\s+|local\s+)?temp(?:orary)?\b)|\binto\s+(temp)(?:orary)?\b|\b(pg_(?:try_)?advisory_(?:lock|unlock)\w*)\s*\("
    rb"|\b(nextval|setval|currval|lastval)\s*\(|\b(pg_temp|dblink_connect\w*|setseed)\b",
    _FLAGS,
)
EXCLUDE_VARIABLE_SETS = "EXCLUDE_VARIABLE_SETS"


@functools.lru_cache(maxsize=8192)
def reason(statement: bytes, excluded: bool) -> str:
    """Why a statement pins, "" where it does not. `excluded`: variable sets do not."""
    if len(statement) > _LONGEST:
        return "a statement of more than 16 KB"
    if not excluded and _SET.search(statement):
        return "SET"
    found = _STATE.search(statement)
    return next(filter(None, found.groups())).decode().lower() if found else ""
