"""What is read, how far it has been read, and for whom."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

from fogbank.kernel.context import Context, Role
from fogbank.kernel.operation import Watch
from fogbank.store import Record, Table

Event = dict[str, Any]
Item = list[Any]
"""The payload of a poller's task: `[account, region, id of the reading, number of its pollers, ...]`."""


class Reading(Protocol):
    """The settings of a reader of a source, as a service's record has them (-1: without a limit).

    `kind`: sqs, kinesis or dynamodb. `starting`: TRIM_HORIZON, LATEST or AT_TIMESTAMP.
    """

    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def source_arn(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def window_s(self) -> int: ...
    @property
    def parallelization(self) -> int: ...
    @property
    def starting(self) -> str: ...
    @property
    def starting_at_ms(self) -> int: ...
    @property
    def max_age_s(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def bisect(self) -> bool: ...
    @property
    def tumbling_s(self) -> int: ...


class Checkpoint(Record, frozen=True, kw_only=True):
    """How far a shard has been read: after `sequence`, or from `since_ms` on where nothing of it has been (0: from its oldest record), and
    what a tumbling window has gathered."""

    account: str
    region: str
    reader: str
    shard: str
    parents: tuple[str, ...] = ()
    since_ms: int = 0
    sequence: str = ""
    finished: bool = False
    started: int = 0
    begun: bool = False
    window_ms: int = 0
    window_state: bytes = b""


CHECKPOINT_KEY = ("account", "region", "reader", "shard")

R = TypeVar("R", bound=Reading)


class Entry:
    """A record of a shard, and its event (None where filters leave it out)."""

    __slots__ = ("at_ms", "event", "key", "sequence", "size")

    def __init__(self, sequence: str, key: str, at_ms: int, event: Event | None, size: int) -> None:
        self.sequence = sequence
        self.key = key
        self.at_ms = at_ms
        self.event = event
        self.size = size


class Handled(NamedTuple):
    """What became of a batch of a stream: the entries that were not taken; whether all of it failed; what a window's function hands on;
    and what the consumer wants to know when it is told that they are given up."""

    left: list[Entry]
    failed: bool = False
    state: bytes = b""
    about: Any = None


class Consumer(Protocol[R]):
    """A service that has sources read. Its tasks `poll_queue`, `find_shards` and `poll_shard` call the functions of `queues`, `shards` and
    `streams` with it."""

    service: str
    checkpoints: Table[Checkpoint]

    def current(self, ctx: Context, item: Item) -> R | None:
        """What a poller works for; None where it is to end."""

    def watch(self, item: Item) -> Watch:
        """What is written when that changes."""

    def role(self, ctx: Context, reading: R) -> Role:
        """As whom the source is read. Errors: whatever hinders."""

    def wanted(self, ctx: Context, reading: R, event: Event) -> bool:
        """Whether filters let an event through."""

    def most(self, ctx: Context, reading: R) -> int:
        """How many pollers there may be at a queue."""

    def handle_messages(self, ctx: Context, reading: R, role: Role, messages: list[Event], request_id: str) -> set[str]:
        """Has messages handled: the ids of those that were not taken. May raise Waiting; raises what hinders it."""

    def handle_records(self, ctx: Context, reading: R, role: Role, checkpoint: Checkpoint, unit: Any) -> Handled:
        """Has a unit (`batches.Unit`) handled. May raise Waiting, before anything else; raises what hinders it from being tried."""

    def give_up(
        self, ctx: Context, reading: R, role: Role, shard: str, unit: Any, entries: list[Entry], condition: str, handled: Handled | None
    ) -> None:
        """Records are left: they are too old (RecordAgeExceeded), or were tried too often (RetryAttemptsExhausted)."""

    def note(self, ctx: Context, reading: R, result: str) -> None:
        """How it went: "OK", or "PROBLEM: ..."."""

    def count(self, ctx: Context, reading: R, name: str, value: float) -> None:
        """A metric (PolledEventCount, FilteredOutEventCount, InvokedEventCount, FailedInvokeEventCount, DeletedEventCount)."""
