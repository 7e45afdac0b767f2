"""Telling services what was asked of them from outside, once it has been answered: logs, trails, metrics.

Most calls nobody wants to be told of: an operation that knows better says so (`Context.watch`). Such a call is only noted while
it is answered; the services' `observe` runs in the loop's next round, all that is noted of a cloud in one transaction.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from fogbank.access.principal import ANONYMOUS, Principal
from fogbank.gateway.cloud import Cloud, notes
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.kernel.seen import Seen

if TYPE_CHECKING:
    from fogbank.gateway.call import Call, Entry
    from fogbank.gateway.pipeline import Gateway


class _Note(NamedTuple):
    cloud: Cloud
    entry: Entry
    seen: Seen


class Onlookers:
    """What was answered and not told yet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._notes: list[_Note] = []

    def note(self, call: Call, response: HttpResponse) -> None:
        """A call that has been answered."""
        now = time.perf_counter()
        seen = _seen(call.cloud, call.entry, call.request, response, call.request_id, call.principal)
        took_ms, turned_ms = (now - call.began) * 1000, (now - call.whole) * 1000
        seen = seen._replace(region=call.region, members=call.members, error=call.error, took_ms=took_ms, turned_ms=turned_ms)
        self._add(call.cloud, call.entry, seen)

    def note_refusal(self, cloud: Cloud, entry: Entry, request: HttpRequest, response: HttpResponse, request_id: str, error: str) -> None:
        """A request that was refused before anybody knew who made it."""
        if entry.manifest is None or entry.manifest.observe is None:
            return
        self._add(cloud, entry, _seen(cloud, entry, request, response, request_id, ANONYMOUS)._replace(error=error))

    def _add(self, cloud: Cloud, entry: Entry, seen: Seen) -> None:
        self._notes.append(_Note(cloud, entry, seen))
        if len(self._notes) == 1:
            self._gateway.loop.call_soon(self._tell)

    def _tell(self) -> None:
        told, self._notes = self._notes, []
        for cloud in {note.cloud for note in told}:
            if self._gateway.clouds.get(cloud.name) is cloud:
                self._gateway.tell(cloud, [(note.entry, note.seen) for note in told if note.cloud is cloud])


def _seen(cloud: Cloud, entry: Entry, request: HttpRequest, response: HttpResponse, request_id: str, principal: Principal) -> Seen:
    body = response.body
    size = 0 if request.method == "HEAD" else len(body) if isinstance(body, bytes | bytearray) else body.size
    return Seen(
        entry.service,
        entry.operation,
        principal,
        request,
        request_id,
        cloud.clock.now_ms(),
        response.status,
        response.headers,
        size,
        partial(notes, cloud, request_id),
    )
