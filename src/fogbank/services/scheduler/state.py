"""The model of the data.

A schedule is one record. `next_at_ms` is the instant at which it is due next (0: never again), and there is one task for it; a task that
comes for another instant is one of the past. The target's input lies sealed: under a data key of the schedule's KMS key, or under
the root key.
"""

from __future__ import annotations

from typing import Any

from fogbank.store import Record, Table

DEFAULT = "default"
GROUPS_LIMIT = 500


class Group(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    created_at_ms: int = 0
    modified_at_ms: int = 0
    deleting: bool = False
    tags: dict[str, str] = {}
    token: str = ""


class Schedule(Record, frozen=True, kw_only=True):
    """`settings`: the other members of AWS's Target. `input`: sealed, b"" where there is none; `data_key`: as KMS sealed it.

    `id`: its own for life, so that nothing left of a deleted one finds its successor.
    `window_minutes`: 0 where the time window is not flexible. `version` counts changes. `asked`: the digest of the request.
    """

    account: str
    region: str
    group: str
    name: str
    expression: str
    zone: str
    target_arn: str
    role_arn: str
    created_at_ms: int
    modified_at_ms: int
    state: str = "ENABLED"
    description: str = ""
    start_ms: int = 0
    end_ms: int = 0
    window_minutes: int = 0
    after: str = "NONE"
    kms_key: str = ""
    settings: dict[str, Any] = {}
    input: bytes = b""
    data_key: bytes = b""
    token: str = ""
    asked: bytes = b""
    version: int = 1
    next_at_ms: int = 0
    id: int = 0


GROUPS = Table("scheduler.groups", Group, key=("account", "region", "name"))
SCHEDULES = Table("scheduler.schedules", Schedule, key=("account", "region", "group", "name"))
