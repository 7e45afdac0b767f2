"""What a data directory says of itself without being started: its control file, and the label of a backup."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

_FILE = struct.Struct("<Q4x4xI4xqQQI84xQI32xiiiii")
"""Versions 13 to 18, 64 bits: system, state, written at (s), last checkpoint; of that: where replay begins, timeline; behind all of it: the
least position that is consistent, and its timeline; then the settings of `_LIMITS`."""
_STATES = ("starting", "shut down", "shut down in recovery", "shutting down", "crash recovery", "archive recovery", "in production")
_LIMITS = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction")


class Control(NamedTuple):
    """A control file.

    checkpoint  the record of the last checkpoint; replay begins at `redo`, on `timeline`
    consistent  a standby is whole from there on (0: at once)
    limits      settings of the writer that a standby may not go below
    """

    system: str
    state: str
    at_ms: int
    checkpoint: int
    redo: int
    timeline: int
    consistent: int
    limits: dict[str, int]

    @property
    def clean(self) -> bool:
        """It was stopped, and did not die."""
        return self.state.startswith("shut down")


def control(folder: Path) -> Control:
    """The control file of a data directory."""
    raw = (folder / "global" / "pg_control").read_bytes()
    system, state, at_s, checkpoint, redo, timeline, consistent, _, *limits = _FILE.unpack_from(raw)
    return Control(
        str(system), _STATES[state], at_s * 1000, checkpoint, redo, timeline, consistent, dict(zip(_LIMITS, limits, strict=True))
    )


def lsn(text: str) -> int:
    """A position in the log, as PostgreSQL writes it: "0/1500028"."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def written(position: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def label(folder: Path) -> tuple[int, int] | None:
    """Timeline and position where replay of a base backup begins; None where the directory is none."""
    try:
        text = (folder / "backup_label").read_text()
    except FileNotFoundError:
        return None
    start = re.search(r"^START WAL LOCATION: (\S+)", text, re.M)
    timeline = re.search(r"^START TIMELINE: (\d+)", text, re.M)
    return (int(timeline[1]), lsn(start[1])) if start and timeline else None
