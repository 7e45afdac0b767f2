"""One writer's side of the claims: it asks the six storage nodes for rows, and counts their votes.

Each writer has a `Claimer` of its own, with its own connections: two of them decide nothing between themselves. What holds, whoever
dies: a claim that was granted lies on four nodes that vote, until it is released. For a node that votes has been told everything that is
held (`Book.votes`), and what a node granted counts only while the connection lasts on which it did (`Ballot.lose`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fogbank.engines.fleet import frames
from fogbank.engines.fleet.client import Connection
from fogbank.engines.fleet.frames import WRITE_QUORUM, ZONES
from fogbank.engines.fleet.holds import Ballot, Claim, Holder, Keys, Release, Tell, Verdict

_PATIENCE_S = 2.0
_AGAIN_S, _TIE_S = 0.1, 0.005
_encode = msgspec.msgpack.encode


class Conflict(Exception):
    """Another writer holds one of the rows. `holder`: its claim, where a node named it."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__()
        self.holder = holder


class Unheard(Exception):
    """Fewer than four nodes vote."""


class Held:
    """What a transaction holds: its claims by number, and all their keys."""

    __slots__ = ("alone", "claims", "shared")

    def __init__(self) -> None:
        self.claims: dict[int, Keys] = {}
        self.alone: set[int] = set()
        self.shared: set[int] = set()

    def lacks(self, keys: Keys) -> Keys:
        """What of these is not held yet."""
        alone = [key for key in keys[0] if key not in self.alone]
        return alone, [key for key in keys[1] if key not in self.alone and key not in self.shared]

    def take(self, claim: int, keys: Keys) -> None:
        self.claims[claim] = keys
        self.alone.update(keys[0])
        self.shared.update(keys[1])


class _Asked:
    """A claim that is being voted on."""

    def __init__(self, nodes: Iterable[int]) -> None:
        self.ballot = Ballot(nodes)
        self.heard = asyncio.Event()
        self.holder: Holder | None = None

    def answered(self, number: int, answer: asyncio.Future[tuple[int, int, bytes]]) -> None:
        if answer.cancelled() or answer.exception() is not None or answer.result()[0] != frames.DATA:
            self.ballot.lose(number)
        else:
            said = answer.result()[2]
            self.ballot.vote(number, not said)
            if said:
                self.holder = Holder(*msgspec.msgpack.decode(said))
        self.heard.set()


class Claimer:
    """See the module. `fleet`: the nodes' folder; `writer`: 1 or 2."""

    def __init__(self, fleet: Path, cluster: str, writer: int) -> None:
        self.writer = writer
        self.held: dict[int, Held] = {}
        """By transaction: what was granted, and not let go of."""
        self.owners: dict[int, int] = {}
        """Claim -> the transaction that asked for it."""
        self._fleet = fleet
        self._cluster = cluster
        self._generation = 0
        self._writers: tuple[int, ...] = (writer,)
        self._number = 0
        self._nodes: dict[int, Connection] = {}
        self._asked: set[_Asked] = set()
        self._keeping: list[asyncio.Task[None]] = []
        self._told = asyncio.Event()

    # who is there

    @property
    def asked(self) -> int:
        """How many nodes it can ask."""
        return len(self._nodes)

    def begin(self, generation: int, writers: tuple[int, ...]) -> None:
        """Another generation: all nodes are told anew what is held; of who is alone, nothing is."""
        self._generation, self._writers = generation, writers
        if len(writers) == 1:
            self.held.clear()
            self.owners.clear()
        for number in list(self._nodes):
            self._leave(number)
        if len(writers) > 1 and not self._keeping:
            self._keeping = [asyncio.get_running_loop().create_task(self._keep(number)) for number in range(len(ZONES))]

    async def ready(self, within_s: float) -> None:
        """Waits until four nodes can be asked. Raises Unheard."""
        try:
            async with asyncio.timeout(within_s):
                while len(self._nodes) < WRITE_QUORUM:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            raise Unheard from None

    async def _keep(self, number: int) -> None:
        """Keeps a connection to a node. What is held is the first thing that it is told there."""
        while True:
            lost = asyncio.Event()
            pause_s = _AGAIN_S
            with contextlib.suppress(OSError, TimeoutError):
                connection = await Connection.to(self._fleet, number)
                connection.gone = lost.set
                held = {number: keys for one in self.held.values() for number, keys in one.claims.items()}
                told = Tell(self._cluster, self._generation, self.writer, list(self._writers), held)
                try:
                    answer = connection.put(frames.TELL, _encode(told))
                    self._nodes[number] = connection  # (what is asked from now on comes after it)
                    async with asyncio.timeout(_PATIENCE_S):
                        await answer
                    self._told.set()
                    await lost.wait()
                    pause_s = 0
                finally:
                    connection.close()
                    if self._nodes.get(number) is connection:
                        self._leave(number)
            await asyncio.sleep(pause_s)

    def _leave(self, number: int) -> None:
        """What this node has granted on this connection counts no more."""
        self._nodes.pop(number).close()
        for asked in self._asked:
            asked.ballot.lose(number)
            asked.heard.set()

    def _send(self, kind: int, payload: bytes) -> dict[int, asyncio.Future[tuple[int, int, bytes]]]:
        answers = {}
        for number, connection in list(self._nodes.items()):
            with contextlib.suppress(OSError):
                answers[number] = connection.put(kind, payload)
                answers[number].add_done_callback(_looked_at)
        return answers

    # claims

    async def claim(self, transaction: int, keys: Keys) -> None:
        """Claims rows for a transaction: they are its writer's when this comes back. Raises Conflict, Unheard. Alone, it asks nobody."""
        if len(self._writers) == 1:
            return
        held = self.held.get(transaction) or Held()
        wanted = held.lacks(keys)
        if not any(wanted):
            return
        self._number += 1
        claim = self._number
        self.owners[claim] = transaction
        try:
            await self._elect(claim, wanted)
        except BaseException:
            del self.owners[claim]
            raise
        self.held.setdefault(transaction, held).take(claim, wanted)

    async def _elect(self, claim: int, keys: Keys) -> None:
        """Where nobody has four, both withdraw, and the first writer tries once more."""
        tried = False
        while len(self._writers) > 1:
            await self.ready(_PATIENCE_S)
            generation = self._generation
            asked, verdict = await self._vote(claim, keys)
            if verdict == Verdict.GRANTED:
                return
            self._withdraw([claim])
            if generation != self._generation:
                continue
            if verdict == Verdict.UNHEARD:
                raise Unheard
            if tried or verdict == Verdict.REFUSED or self.writer != min(self._writers):
                raise Conflict(asked.holder)
            tried = True
            await asyncio.sleep(_TIE_S)

    async def _vote(self, claim: int, keys: Keys) -> tuple[_Asked, Verdict]:
        question = Claim(self._cluster, self._generation, self.writer, claim, *keys)
        answers = self._send(frames.CLAIM, _encode(question))
        asked = _Asked(answers)
        self._asked.add(asked)
        for number, answer in answers.items():
            answer.add_done_callback(lambda answer, number=number: asked.answered(number, answer))  # type: ignore[misc]
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while (verdict := asked.ballot.verdict) == Verdict.OPEN:
                    asked.heard.clear()
                    await asked.heard.wait()
        except TimeoutError:
            verdict = Verdict.UNHEARD
        except BaseException:
            self._withdraw([claim])
            raise
        finally:
            self._asked.discard(asked)
        return asked, verdict

    def _withdraw(self, claims: list[int]) -> None:
        if len(self._writers) > 1:
            self._send(frames.RELEASE, _encode(Release(self._cluster, self._generation, self.writer, claims)))

    def release(self, transactions: Iterable[int]) -> None:
        """Lets go of all that these transactions hold."""
        claims = [claim for one in transactions if (held := self.held.pop(one, None)) is not None for claim in held.claims]
        for claim in claims:
            self.owners.pop(claim, None)
        if claims:
            self._withdraw(claims)

    def forget(self) -> None:
        """Nobody writes any more: the nodes forget the cluster."""
        self._send(frames.TELL, _encode(Tell(self._cluster, self._generation, self.writer, [], {})))

    def end(self) -> None:
        """It asks nothing more."""
        for task in self._keeping:
            task.cancel()
        self._keeping = []


def _looked_at(answer: asyncio.Future[Any]) -> None:
    """Nobody may be there to look: that it failed is known by the connection."""
    if not answer.cancelled():
        answer.exception()
