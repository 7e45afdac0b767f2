"""SQS without a door: operations called as functions on a store, with a clock of one's own. For models, which make many calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fogbank.access import principal
from fogbank.delivery import outbox
from fogbank.kernel.chance import Chance
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Wait
from fogbank.services.sqs import SERVICE
from fogbank.store.store import Store

ACCOUNT = "000000000000"
MEMBERS: dict[str, Any] = dict.fromkeys(
    [
        "AttributeNames",
        "Attributes",
        "DelaySeconds",
        "DestinationArn",
        "MaxNumberOfMessages",
        "MaxNumberOfMessagesPerSecond",
        "MaxResults",
        "MessageAttributeNames",
        "MessageAttributes",
        "MessageDeduplicationId",
        "MessageGroupId",
        "MessageSystemAttributeNames",
        "MessageSystemAttributes",
        "NextToken",
        "QueueNamePrefix",
        "QueueOwnerAWSAccountId",
        "ReceiveRequestAttemptId",
        "VisibilityTimeout",
        "WaitTimeSeconds",
        "tags",
    ]
)


class Door:
    """Lets everything pass; keeps what is to be done later in the outbox."""

    def later(self, ctx: Context, task: str, payload: Any, at_ms: int) -> None:
        outbox.put(ctx, task, payload, at_ms, ctx.account, ctx.region)

    def authorize(self, ctx: Context, action: str, resource: str, conditions: Any) -> None:
        pass

    def may(self, ctx: Context, action: str, resource: str, conditions: Any) -> bool:
        return True

    def call(self, *arguments: Any) -> Any:
        raise LookupError("there is no other service here")


class Bare:
    """One account's SQS."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now_ms = 1_700_000_000_000
        self.chance = Chance(1)
        store.create("main", self.now_ms)

    def context(self, tx: Any, operation: str) -> Context:
        root = principal.root(ACCOUNT)
        return Context(
            Door(),
            tx,
            self.store.blobs,
            self.now_ms,
            self.chance,
            root,
            ACCOUNT,
            "us-east-1",
            "sqs",
            operation,
            "r",
            None,
            "http://localhost:4566",
        )

    def call(self, operation: str, **members: Any) -> Any:
        """An operation's answer (None for a Wait); its writes are undone where it raises or waits."""
        return self._run(operation, lambda ctx: SERVICE.operations[operation](ctx, SimpleNamespace(**{**MEMBERS, **members})))

    def _run(self, name: str, act: Any) -> Any:
        tx = self.store.begin("main", self.now_ms)
        try:
            answer = act(self.context(tx, name))
        except BaseException:
            tx.undo()
            raise
        if isinstance(answer, Wait):
            tx.undo()
            return None
        tx.commit()
        return answer

    def advance(self, span_ms: int) -> None:
        """Moves the clock and carries out what becomes due, each thing at its instant."""
        end_ms = self.now_ms + span_ms
        while (item := outbox.first(self.store.begin("main", self.now_ms))) is not None and item.due_ms <= end_ms:
            self.now_ms = max(self.now_ms, item.due_ms)

            def carry_out(ctx: Context, item: outbox.Item = item) -> Any:
                outbox.done(ctx, item)
                return SERVICE.tasks[item.task](ctx, outbox.payload(item))

            self._run(item.task, carry_out)
        self.now_ms = end_ms
