"""The model of the data.

A queue is one record. It has two numbers: `id`, its own for life, and `contents`, what its messages are filed
under. Purging gives a queue new `contents`, deleting takes the queue away; either way the old contents are
out of sight at once, and the task `drop` clears them up in portions.

A message is one record of MESSAGES (standard queues) or FIFO_MESSAGES, in the order in which messages were sent,
which is the order in which they expire. Its `visible_at_ms` is all there is to say about its state:

    visible_at_ms <= now                         can be received
    visible_at_ms > now, receive_count == 0      delayed
    visible_at_ms > now, receive_count > 0       in flight

- Standard: a message is fresh, if it could be received as soon as it was sent and never was, or else in HIDDEN, by
  `visible_at_ms` (also once that is past). The fresh ones are received in the order of MESSAGES itself, HIDDEN is read only
  when the tally says that something there may have come due. Each of the two orders is added to at its end and emptied
  from its start: the tally knows where the fresh ones begin and where HIDDEN does, and how many are in HIDDEN, so that no scan
  walks over rows that are dead, or not fresh. Sending writes two rows (message, tally), receiving and deleting
  three; none of it depends on the depth.
- FIFO: BY_GROUP orders the messages of a group; GROUPS has one row for each group that has messages. A group waits
  while any of its messages is in flight, or its first is delayed: then it is in WAITING, by when that ends, else in
  READY, by its first message. In flight are only some of its first ten: one call gives at most ten, and nothing
  more is given before they are back. A FIFO message that was never received is delayed by what its queue says now, not
  by what it said when it was sent.
- A tally knows what would take long to find out: how many messages there are, how many of them were received at
  least once (so at least as many as are in flight), for when the next sweep of expired ones is set, and where the fresh
  ones, and HIDDEN or WAITING, begin.
- DUPLICATES remembers for five minutes what was sent to a FIFO queue, ATTEMPTS what was received by an attempt id.

A body and its attributes of more than INLINE_BYTES are kept as a blob, so that receiving does not write them again.
"""

from __future__ import annotations

from fogbank.store import Blob, Record, Table

INLINE_BYTES = 4096
VISIBILITY_LIMIT_S = 43_200
MINUTE_MS = 60_000
REST_MS = MINUTE_MS
"""How long the name of a deleted queue rests, and a purged queue."""


class Queue(Record, frozen=True, kw_only=True):
    account: str
    region: str
    name: str
    id: int
    contents: int
    created_at_ms: int
    modified_at_ms: int
    fifo: bool = False
    delay_s: int = 0
    maximum_message_bytes: int = 1_048_576
    retention_s: int = 345_600
    receive_wait_s: int = 0
    visibility_s: int = 30
    policy: str = ""
    dead_letter_arn: str = ""
    max_receive_count: int = 0
    redrive_allow_policy: str = ""
    content_based_deduplication: bool = False
    deduplication_scope: str = "queue"
    fifo_throughput_limit: str = "perQueue"
    sqs_managed_sse: bool = True
    purged_at_ms: int = 0
    tags: dict[str, str] = {}
    kms_key: str = ""
    kms_reuse_s: int = 300


class DeletedQueue(Record, frozen=True, kw_only=True):
    """A name that may not be used again for 60 seconds."""

    account: str
    region: str
    name: str
    deleted_at_ms: int


class Attribute(Record, frozen=True):
    """A message attribute: text (String, Number) or bytes (Binary)."""

    name: str
    type: str
    text: str = ""
    binary: bytes | None = None


class DataKey(Record, frozen=True, kw_only=True):
    """A data key as KMS sealed it, in the encryption context of the queue that asked for it."""

    key_arn: str
    ciphertext: bytes
    queue_arn: str


class QueueKey(Record, frozen=True, kw_only=True):
    """The data key that a principal's messages to a queue are sealed under now."""

    queue: int
    principal: str
    kms_key: str
    data_key: DataKey
    made_at_ms: int


class Message(Record, frozen=True, kw_only=True):
    """`receive_count` counts in this queue, `earlier_receive_count` in those from which it came as a dead letter.

    Body and attributes are here, or sealed in `sealed`, or in a blob (`stored`); under `data_key`, where there is one.
    """

    contents: int
    sent_at_ms: int
    sequence: int
    visible_at_ms: int
    id: str
    sender_id: str
    md5: str
    body: str = ""
    attributes: tuple[Attribute, ...] = ()
    stored: Blob | None = None
    trace_header: str = ""
    group: str = ""
    deduplication_id: str = ""
    receive_count: int = 0
    received_at_ms: int = 0
    first_received_at_ms: int = 0
    earlier_receive_count: int = 0
    source_arn: str = ""
    sealed: bytes = b""
    data_key: DataKey | None = None


class Content(Record, frozen=True):
    """What is sealed of a message, or held by a blob."""

    body: str
    attributes: tuple[Attribute, ...] = ()


ACTIVE_MS = 6 * 60 * MINUTE_MS
"""So long after it last changed a queue is active, and what is in it told to CloudWatch."""


class Tally(Record, frozen=True, kw_only=True):
    """`received`: messages received at least once and still there. `sweep_at_ms`: 0 where no sweep is set.

    Every fresh message comes after (`fresh_from_ms`, `fresh_after`), an instant and a sequence. Nothing in HIDDEN or WAITING comes due
    before `due_at_ms`; 0 where nothing is in them. `hidden`: how many are in HIDDEN (or fewer, in a log from before it was counted).
    `sample_at_ms`: when what is in the queue is told to CloudWatch next; `active_at_ms`: when it last changed; `rested_at_ms`: where it has
    not been told yet up to then, when it had ceased to be active before.
    """

    contents: int
    messages: int = 0
    received: int = 0
    sweep_at_ms: int = 0
    due_at_ms: int = 0
    fresh_from_ms: int = 0
    sample_at_ms: int = 0
    active_at_ms: int = 0
    fresh_after: int = 0
    hidden: int = 0
    rested_at_ms: int = 0


class Group(Record, frozen=True, kw_only=True):
    """A FIFO group that has messages. `head` is the sequence of its first. It may give something from `ready_at_ms` on."""

    contents: int
    group: str
    ready_at_ms: int
    head: int
    waits: bool


class Duplicate(Record, frozen=True, kw_only=True):
    """What a deduplication id stands for. `scope` is the group, or empty where the whole queue is the scope."""

    queue: int
    scope: str
    deduplication_id: str
    sent_at_ms: int
    message_id: str
    sequence: int


class Taken(Record, frozen=True):
    """A message as a receive attempt left it."""

    sent_at_ms: int
    sequence: int
    receive_count: int
    visible_at_ms: int


class Attempt(Record, frozen=True, kw_only=True):
    queue: int
    id: str
    at_ms: int
    taken: tuple[Taken, ...]


class Move(Record, frozen=True, kw_only=True):
    """A message move task. `last` is the sequence of the newest message that it is to move."""

    source: int
    number: int
    id: str
    account: str
    region: str
    source_name: str
    source_arn: str
    destination_arn: str
    rate: int
    status: str
    started_at_ms: int
    to_move: int
    moved: int = 0
    last: int = 0
    failure: str = ""


def is_fresh(message: Message) -> bool:
    """Never received, and never delayed. (A buried message is sent earlier than it became visible in its new queue.)"""
    return message.visible_at_ms == message.sent_at_ms and not message.receive_count


QUEUES = Table("sqs.queues", Queue, key=("account", "region", "name"))
BY_DEAD_LETTER = QUEUES.index("by_dead_letter", "dead_letter_arn", where=lambda q: q.dead_letter_arn != "")
DELETED_QUEUES = Table("sqs.deleted_queues", DeletedQueue, key=("account", "region", "name"))

QUEUE_KEYS = Table("sqs.queue_keys", QueueKey, key=("queue", "principal"))
MESSAGES = Table("sqs.messages", Message, key=("contents", "sent_at_ms", "sequence"))
HIDDEN = MESSAGES.index("hidden", "contents", "visible_at_ms", where=lambda m: not is_fresh(m))
TALLIES = Table("sqs.tallies", Tally, key=("contents",))

FIFO_MESSAGES = Table("sqs.fifo_messages", Message, key=("contents", "sent_at_ms", "sequence"))
BY_GROUP = FIFO_MESSAGES.index("by_group", "contents", "group", "sequence")
GROUPS = Table("sqs.groups", Group, key=("contents", "group"))
READY = GROUPS.index("ready", "contents", "ready_at_ms", "head", where=lambda g: not g.waits)
WAITING = GROUPS.index("waiting", "contents", "ready_at_ms", "head", where=lambda g: g.waits)
DUPLICATES = Table("sqs.duplicates", Duplicate, key=("queue", "scope", "deduplication_id"))
OLDEST_DUPLICATES = DUPLICATES.index("oldest", "queue", "sent_at_ms")
ATTEMPTS = Table("sqs.attempts", Attempt, key=("queue", "id"))
OLDEST_ATTEMPTS = ATTEMPTS.index("oldest", "queue", "at_ms")

MOVES = Table("sqs.moves", Move, key=("source", "number"))


def messages_of(queue: Queue) -> Table[Message]:
    """The table that a queue's messages are in."""
    return FIFO_MESSAGES if queue.fifo else MESSAGES
