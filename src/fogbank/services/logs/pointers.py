"""What names an event: 56 digits of its instant, its stream and its sequence; a query's @ptr is that, wrapped up."""

from __future__ import annotations

from typing import NamedTuple

from fogbank.kernel import paging
from fogbank.kernel.errors import ServiceException
from fogbank.services.logs.chunks import Event, Place
from fogbank.services.logs.faults import invalid
from fogbank.services.logs.state import BY_ID, STREAM_NAMES, STREAMS, Group, Stream
from fogbank.store.tables import At

_GREATEST = 1 << 62


class Pointed(NamedTuple):
    """Where an event is."""

    group: Group
    stream: Stream
    place: Place


def event_id(stream: Stream, event: Event) -> str:
    """Unique in a region, and in the order of time."""
    return f"{event.at_ms:015}{stream.id:021}{event.sequence:020}"


def pointer(stream: Stream, event: Event) -> str:
    return paging.token(event_id(stream, event))


def pointed(at: At, text: str) -> Pointed | None:
    """What a pointer leads to; None where that is not there any more. Errors: InvalidParameterException."""
    digits = paging.place(text, _bad) or ""
    if len(digits) != 56 or not digits.isascii() or not digits.isdecimal():
        raise _bad()
    at_ms, number, sequence = int(digits[:15]), int(digits[15:36]), int(digits[36:])
    if number > _GREATEST or sequence > _GREATEST:
        raise _bad()
    named = STREAM_NAMES.get(at, number)
    stream = STREAMS.get(at, named.group, named.name) if named is not None else None
    group = BY_ID.first(at, stream.group) if stream is not None else None
    return Pointed(group, stream, (at_ms, sequence)) if group is not None and stream is not None else None


def _bad() -> ServiceException:
    return invalid("The specified log record pointer is not valid.")
