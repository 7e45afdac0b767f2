"""Carrying out what is due: the outbox of one cloud, and the tasks that wait for something."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from fogbank.delivery import outbox
from fogbank.kernel.operation import Wait, Waiting

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway

TURN_S = 0.002
"""How long tasks that are due may keep requests waiting."""


class Tasks:
    """Runs a task when it is due, when what it waited for was written, and when work that it began beside the loop is done."""

    def __init__(self, gateway: Gateway, cloud: Cloud) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self._running = False
        self.due_ms: int | None = None
        """When the outbox's first task is due."""
        self.resuming = 0
        """Tasks that will go on in the loop's next round."""

    def awake(self) -> None:
        """The branch is another one now: what was parked in it begins again."""
        self.due_ms = None
        self.resuming = 0
        cloud = self._cloud
        tx = cloud.begin()
        outbox.unpark(tx, tx.at_ms)
        cloud.commit(tx)

    def look(self) -> None:
        """The outbox has changed: its first task may be due earlier than we thought."""
        if not self._running:
            item = outbox.first(self._cloud.reader())
            self.due_ms = item.due_ms if item is not None else None
            if self.due_ms is not None:
                self._cloud.alarm(self.due_ms)

    def run_due(self) -> None:
        """Carries out what is due, some at a time so that requests come through."""
        cloud, loop = self._cloud, self._gateway.loop
        if self.due_ms is None or self.due_ms > cloud.clock.now_ms():
            return
        self._running = True
        try:
            end = loop.time() + TURN_S
            while (item := outbox.first(cloud.reader())) is not None and item.due_ms <= cloud.clock.now_ms():
                self._carry_out(item)
                if loop.time() >= end:
                    break
        finally:
            self._running = False
            self.look()

    def _carry_out(self, item: outbox.Item) -> None:
        cloud = self._cloud
        if cloud.gathering.waiting:
            manifest = self._gateway.manifest(item.task.partition(".")[0])
            if manifest is not None and manifest.fresh:  # an alarm looks at all that was measured until now
                cloud.gathering.flush()
        tx = cloud.begin()
        try:
            wait = self._gateway.perform_task(cloud, tx, item)
            if wait is None:
                outbox.done(tx, item)
            elif wait.on:
                item = outbox.park(tx, item)
            else:
                outbox.put_off(tx, item, wait.until_ms)
            cloud.commit(tx)
            if wait is not None and wait.on:
                self._park(item, wait)
        except Waiting as waiting:
            cloud.undo(tx)
            self._wait(item, waiting.wait)
            return
        except Exception as problem:
            cloud.undo(tx)
            cloud.gathering.heard(tx)
            self._fail(item, problem)
        cloud.beside.over(f"{item.number:016x}")

    def _wait(self, item: outbox.Item, wait: Wait) -> None:
        """Nothing of the attempt stays but that the task waits."""
        if not item.parked:
            tx = self._cloud.begin()
            item = outbox.park(tx, item)
            self._cloud.commit(tx)
        self._park(item, wait)

    def _park(self, item: outbox.Item, wait: Wait) -> None:
        self._cloud.park(wait, partial(self._again, item), self)

    def _again(self, item: outbox.Item) -> None:
        self.resuming -= 1
        if outbox.PARKED.get(self._cloud.reader(), item.number) is not None:  # else the cloud was taken back meanwhile
            self._carry_out(item)

    def _fail(self, item: outbox.Item, problem: Exception) -> None:
        cloud = self._cloud
        tx = cloud.begin()
        after = outbox.failed(tx, item, f"{type(problem).__name__}: {problem}", cloud.clock.now_ms())
        cloud.commit(tx)
        if after.attempts >= outbox.ATTEMPTS:
            print(f"fogbank: task {item.task} given up after {after.attempts} attempts: {after.error}", file=sys.stderr)
