"""A turn of the event loop is one write to the log: answers wait for it, together."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fogbank.store.store import Store, sync_file

Send = Callable[[], None]


class Turn:
    """Holds back what may be said only once the log has it.

    With the store's `sync` an answer also waits for the disk: one sync for all that wait, on a thread.
    """

    def __init__(self, store: Store, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop
        self._gathered = store.log.gathered
        self._held: list[Send] = []
        self._scheduled = False
        self._syncing = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sync") if store.sync else None

    def say(self, send: Send) -> None:
        """Calls `send` now if the log is up to date, else at the end of the turn: a reader may have seen what was just written."""
        if not self._gathered and not self._held and not self._syncing:
            send()
            return
        self._held.append(send)
        self.schedule()

    def schedule(self) -> None:
        """There are transactions to write, though nobody waits for them."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        self._scheduled = False
        try:
            self._store.write()
        except OSError as problem:
            # What is in memory is not on disk: the only honest way on is to start again from the log.
            print(f"fogbank: the log cannot be written ({problem.strerror}); stopping, nothing acknowledged is lost", file=sys.stderr)
            os._exit(1)
        if self._pool is None:
            held, self._held = self._held, []
            for send in held:
                send()
        elif not self._syncing:
            self._sync()

    def _sync(self) -> None:
        assert self._pool is not None
        if not self._held:
            return
        self._syncing = True
        held, self._held = self._held, []
        future = self._pool.submit(sync_file, self._store.log.duplicate())
        future.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._synced, held))

    def _synced(self, held: list[Send]) -> None:
        self._syncing = False
        for send in held:
            send()
        self._sync()
