"""A call as an onlooker sees it, when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fogbank.kernel.http import HttpRequest


class Seen(NamedTuple):
    """One call from outside, and how it was answered.

    principal    who asked (`access.Principal`); nobody where the signature did not hold
    request      as it came: the request line, its headers, the client's address; its body may be gone
    at_ms        when it was answered, by the cloud's clock
    headers      the answer's
    sent_bytes   of the answer's body
    decisions    the authorise hop's decisions about the call, as far as they are remembered (asked for only when needed)
    members      the request's members by AWS's names; None where it was refused before it was read
    error        the code it was refused with, or ""
    took_ms      from its head to its answer, by the machine's clock; turned_ms: from its last byte
    """

    service: str
    operation: str
    principal: Any
    request: HttpRequest
    request_id: str
    at_ms: int
    status: int
    headers: Sequence[tuple[str, str]]
    sent_bytes: int
    decisions: Callable[[], Sequence[Any]]
    region: str = ""
    members: Any = None
    error: str = ""
    took_ms: float = 0
    turned_ms: float = 0
