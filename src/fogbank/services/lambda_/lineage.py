"""Loops: a trace header that comes back to a function too often tells that it calls itself, by whatever way.

`Lineage=1:<function>:<times>|1:<function>:<times>` travels in the trace header with everything that a function causes.
Source: "Use Lambda recursive loop detection to prevent infinite loops" in the Lambda Developer Guide.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

TIMES = 16
_lineage = re.compile(r"(?:^|;)\s*Lineage=([^;]*)").search


@lru_cache(4096)
def _mark(function_arn: str) -> str:
    return sha256(function_arn.encode()).hexdigest()[:8]


def times(header: str, function_arn: str) -> int:
    """How often what a header tells of has been at a function already."""
    found = _lineage(header)
    if found is None:
        return 0
    mark = _mark(function_arn)
    for part in found[1].split("|"):
        pieces = part.split(":")
        if len(pieces) == 3 and pieces[1] == mark and pieces[2].isdecimal():
            return int(pieces[2])
    return 0


def carried_on(header: str, function_arn: str) -> str:
    """The header for what the function will cause."""
    mark = _mark(function_arn)
    own = f"1:{mark}:{times(header, function_arn) + 1}"
    found = _lineage(header)
    if found is None:
        return f"{header};Lineage={own}"
    others = [part for part in found[1].split("|") if part.split(":")[1:2] != [mark]]
    plain = header[: found.start()] + header[found.end() :]
    return f"{plain.strip(';')};Lineage={'|'.join([*others, own])}"
