"""What the door and the services tell of what happens: metrics' values, calls counted, spans, and what a trail records.

Each goes to the service named beside it, in memory, best effort (see `Context.tell`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

MEASURES, SPANS, TRAIL = "cloudwatch", "xray", "cloudtrail"
"""The services that gather them."""


class Measure(NamedTuple):
    """One value of a metric. `dimensions` are sorted by name; `unit` is CloudWatch's ("Count", "Milliseconds", "Bytes", ...).

    `step_s`: how finely it is kept, by the minute or (1) by the second.
    """

    account: str
    region: str
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    unit: str
    at_ms: int
    step_s: int = 60


class Counted(NamedTuple):
    """Calls from outside of one operation that were answered since the last time. `error` is the code, or ""; `about`, what the
    service counts its calls by (`Service.counted_by`)."""

    account: str
    region: str
    service: str
    operation: str
    error: str
    calls: int
    took_ms: float
    at_ms: int
    about: str = ""


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A piece of a trace, from start to end, by the cloud's clock (milliseconds, with a fraction).

    kind       "call" from outside, "inner" from a service to another (`via`), "task" that was carried out later
    trace      the root's id ("1-5759e988-bd862e3fe1be46a994272793"); id and parent are 16 hexadecimal digits
    error      the code it was refused with, or ""
    about      what the request names: member (of `NAMING`) -> value
    """

    kind: str
    trace: str
    id: str
    parent: str
    account: str
    region: str
    service: str
    operation: str
    start_ms: float
    end_ms: float
    status: int
    error: str
    message: str
    request_id: str
    principal: str
    via: tuple[str, ...] = ()
    client: str = ""
    user_agent: str = ""
    method: str = ""
    url: str = ""
    about: dict[str, str] = {}


NAMING = (
    "TableName",
    "QueueUrl",
    "TopicArn",
    "FunctionName",
    "StreamName",
    "DeliveryStreamName",
    "Bucket",
    "Key",
    "SecretId",
    "KeyId",
    "QueueName",
)
"""Members of requests that name what a call was about."""


class Caller(NamedTuple):
    """Who called (an `access.Principal`), with which key, and from where; the latter three are "" of a service's call."""

    who: Any
    access_key: str
    client: str
    user_agent: str
    host: str


class Recorded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A call for the trail: with what, and what came of it.

    It travels as MessagePack, so that the door makes one piece of it at once and keeps nothing else: see `Heard`. `members` and
    `answer` are read when somebody looks: dicts by the names that they have on the wire.
    """

    at_ms: int
    request_id: str
    via: tuple[str, ...]
    error: str
    message: str
    members: msgspec.Raw
    answer: msgspec.Raw


Heard = tuple[str, str, tuple[str, str], tuple[Any, str, str, str, str], bytes]
"""What the trail is told: account, region, (service, operation), the `Caller`'s fields, and a `Recorded`, packed."""

UNHEARD, ASKED, ANSWERED = 0, 1, 2
"""How much of an operation's calls a trail records: nothing, what was asked, and what was answered too."""
