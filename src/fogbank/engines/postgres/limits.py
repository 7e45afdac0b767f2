"""Settings that a standby may not have less of than its writer had: else it does not start, or stands still as soon as the log says so.

What the log said is in the control file by then. It is kept beside the data, as those may be made anew, from an image of before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.postgres.control import control

_KEPT = "limits.json"


def raised(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """A standby's settings: at least what its data and the log, as far as it is known, ask for. `folder`: the node's."""
    kept: dict[str, int] = json.loads((folder / _KEPT).read_bytes()) if (folder / _KEPT).exists() else {}
    least = {name: max(limit, kept.get(name, 0)) for name, limit in control(folder / "data").limits.items()}
    return {**given, **{name: str(max(limit, int(given.get(name) or 0))) for name, limit in least.items()}}


def outgrown(folder: Path, given: Mapping[str, str]) -> bool:
    """Whether the log asks for more than a standby was started with; it is kept for its next start."""
    asked = control(folder / "data").limits
    if all(limit <= int(given.get(name) or limit) for name, limit in asked.items()):
        return False
    (folder / _KEPT).write_text(json.dumps(asked))
    processes.give(folder / _KEPT)
    return True
