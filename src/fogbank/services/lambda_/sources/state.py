"""The model of the data.

A mapping's `number` is that of its pollers: they end when it is another. Its checkpoints say how far the shards of a stream have been read.
"""

from __future__ import annotations

from fogbank.delivery.sources.reading import CHECKPOINT_KEY, Checkpoint
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


MAPPINGS = Table("lambda.mappings", Mapping, key=("account", "region", "id"))
BY_SOURCE = MAPPINGS.index("by_source", "account", "region", "source_arn")
BY_FUNCTION = MAPPINGS.index("by_function", "account", "region", "function")
CHECKPOINTS = Table("lambda.checkpoints", Checkpoint, key=CHECKPOINT_KEY)
