"""The model of the data.

A mapping's `number` is that of its pollers: they end when it is another. A checkpoint says how far a shard has been read: after
`sequence`, or from `since_ms` on where nothing of it has been (0: from its oldest record), and what a tumbling window has gathered.
"""

from __future__ import annotations

from fogbank.store import Record, Table

NOTHING_YET = "No records processed"
USER = "USER_INITIATED"


class Mapping(Record, frozen=True, kw_only=True):
    account: str
    region: str
    id: str
    kind: str
    source_arn: str
    function: str
    qualifier: str
    enabled: bool
    state: str
    modified_at_ms: int
    number: int = 0
    reason: str = USER
    result: str = ""
    batch_size: int = 10
    window_s: int = 0
    filters: tuple[str, ...] = ()
    parallelization: int = 1
    starting: str = ""
    starting_at_ms: int = 0
    on_failure: str = ""
    max_age_s: int = -1
    bisect: bool = False
    retries: int = -1
    tumbling_s: int = 0
    report_failures: bool = False
    max_concurrency: int = 0
    counted: bool = False
    tags: dict[str, str] = {}


class Checkpoint(Record, frozen=True, kw_only=True):
    account: str
    region: str
    mapping: str
    shard: str
    parents: tuple[str, ...] = ()
    since_ms: int = 0
    sequence: str = ""
    finished: bool = False
    started: int = 0
    begun: bool = False
    window_ms: int = 0
    window_state: bytes = b""


MAPPINGS = Table("lambda.mappings", Mapping, key=("account", "region", "id"))
BY_SOURCE = MAPPINGS.index("by_source", "account", "region", "source_arn")
BY_FUNCTION = MAPPINGS.index("by_function", "account", "region", "function")
CHECKPOINTS = Table("lambda.checkpoints", Checkpoint, key=("account", "region", "mapping", "shard"))
