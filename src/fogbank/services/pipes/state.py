"""The model of the data.

A pipe is one record. Its `number` is that of its pollers: they end when it is another. `parameters` are AWS's SourceParameters,
EnrichmentParameters and TargetParameters; a pipe with a KMS key has them sealed under a data key instead.
"""

from __future__ import annotations

from typing import Any

from fogbank.delivery.sources.reading import CHECKPOINT_KEY, Checkpoint
from fogbank.store import Record, Table

RUNNING, STOPPED = "RUNNING", "STOPPED"
PIPES_LIMIT = 1000


class Pipe(Record, frozen=True, kw_only=True):
    """`desired`: what is asked for; `state`: what it is. From `kind` on: what `delivery.sources` reads (a `Reading`)."""

    account: str
    region: str
    name: str
    source_arn: str
    target_arn: str
    role_arn: str
    created_at_ms: int
    modified_at_ms: int
    desired: str = RUNNING
    state: str = "CREATING"
    reason: str = ""
    description: str = ""
    enrichment_arn: str = ""
    logs: dict[str, Any] = {}
    tags: dict[str, str] = {}
    kms_key: str = ""
    parameters: dict[str, Any] = {}
    sealed: bytes = b""
    data_key: bytes = b""
    number: int = 0
    kind: str = ""
    batch_size: int = 10
    window_s: int = 0
    parallelization: int = 1
    starting: str = ""
    starting_at_ms: int = 0
    max_age_s: int = -1
    retries: int = -1
    bisect: bool = False
    dead_letter_arn: str = ""

    @property
    def id(self) -> str:
        return self.name

    @property
    def tumbling_s(self) -> int:
        return 0


PIPES = Table("pipes.pipes", Pipe, key=("account", "region", "name"))
CHECKPOINTS = Table("pipes.checkpoints", Checkpoint, key=CHECKPOINT_KEY)
