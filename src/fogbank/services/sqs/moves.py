"""Message move tasks: dead letters go back to where they came from, or somewhere else.

A task runs as portions of work in the outbox: with MaxNumberOfMessagesPerSecond one portion of so many messages each
second by the cloud's clock, else as fast as it goes. It moves the messages that were there when it started and
can be received; those in flight stay. A moved message is a new one: new id, new instant, receives counted from zero.

Source: API reference, StartMessageMoveTask; "Dead-letter queue redrive" in the SQS Developer Guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.sqs import groups, handles, messages
from fogbank.services.sqs.addresses import address_of_arn, arn_of, get_queue_by_arn
from fogbank.services.sqs.faults import invalid, within
from fogbank.services.sqs.state import BY_DEAD_LETTER, MOVES, QUEUES, TALLIES, Message, Move, Queue, messages_of
from fogbank.store import change

RATE_LIMIT = 500
PORTION = 500
LIST_LIMIT = 10
KEPT_LIMIT = 10
PAUSE_MS = 1000


@operation("StartMessageMoveTask")
def start_message_move_task(ctx: Context, req: Any) -> Answer:
    """Begins to move the messages of a dead-letter queue to DestinationArn, or each to the queue it came from.

    The caller must be allowed to receive and delete there, and to send to where they go. One task runs for a queue at a time.

    Errors: ResourceNotFoundException, UnsupportedOperation (one is running), InvalidParameterValue.
    """
    source = _queue_of(ctx, req.SourceArn, "SourceArn")
    rate = within(req.MaxNumberOfMessagesPerSecond, "MaxNumberOfMessagesPerSecond", 1, RATE_LIMIT, 0)
    origins = list(BY_DEAD_LETTER.scan(ctx, req.SourceArn))
    if not origins:
        raise ServiceException("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    destinations = [req.DestinationArn] if req.DestinationArn else [arn_of(origin) for origin in origins]
    if req.DestinationArn:
        destination = _queue_of(ctx, req.DestinationArn, "DestinationArn")
        if destination.id == source.id:
            raise ServiceException("InvalidParameterValue", "Source queue arn and destination queue arn cannot be the same.")
        if destination.fifo != source.fifo:
            raise ServiceException("InvalidParameterValue", "Source queue and destination queue must be of the same type.")
    for action in ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"):
        ctx.authorize(action, req.SourceArn)
    for arn in destinations:
        ctx.authorize("sqs:SendMessage", arn)
    earlier = list(MOVES.scan(ctx, source.id, reverse=True))
    if earlier and earlier[0].status == "RUNNING":
        raise ServiceException(
            "UnsupportedOperation",
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
        )
    for old in earlier[KEPT_LIMIT - 1 :]:
        MOVES.delete(ctx, old)
    move = Move(
        source=source.id,
        number=ctx.tx.unique(),
        id=ctx.random.uuid(),
        account=source.account,
        region=source.region,
        source_name=source.name,
        source_arn=req.SourceArn,
        destination_arn=req.DestinationArn or "",
        rate=rate,
        status="RUNNING",
        started_at_ms=ctx.now,
        to_move=messages.approximate_counts(ctx, source)[0],
        last=ctx.tx.unique(),
    )
    MOVES.put(ctx, move)
    _continue(ctx, move, ctx.now)
    return {"TaskHandle": handles.task_handle(move.id, move.source_arn)}


@operation("CancelMessageMoveTask")
def cancel_message_move_task(ctx: Context, req: Any) -> Answer:
    """Stops a running task; what was moved stays moved.

    Errors: ResourceNotFoundException, UnsupportedOperation (it does not run), InvalidParameterValue.
    """
    task = handles.read_task(req.TaskHandle)
    if task is None:
        raise invalid(req.TaskHandle, "TaskHandle", "It is not a task handle.")
    source = _queue_of(ctx, task[1], "TaskHandle")
    move = next((move for move in MOVES.scan(ctx, source.id, reverse=True) if move.id == task[0]), None)
    if move is None:
        raise ServiceException("ResourceNotFoundException", "Task does not exist.", status=404)
    if move.status != "RUNNING":
        raise ServiceException("UnsupportedOperation", "Only active tasks can be cancelled.")
    MOVES.put(ctx, change(move, status="CANCELLED"))
    return {"ApproximateNumberOfMessagesMoved": move.moved}


@operation("ListMessageMoveTasks")
def list_message_move_tasks(ctx: Context, req: Any) -> Answer:
    """The latest tasks of a source queue, 1 to 10, newest first. Errors: ResourceNotFoundException, InvalidParameterValue."""
    size = within(req.MaxResults, "MaxResults", 1, LIST_LIMIT, 1)
    source = _queue_of(ctx, req.SourceArn, "SourceArn")
    return {"Results": [_describe(move) for move in islice(MOVES.scan(ctx, source.id, reverse=True), size)]}


def _describe(move: Move) -> dict[str, Any]:
    return {
        "TaskHandle": handles.task_handle(move.id, move.source_arn) if move.status == "RUNNING" else None,
        "Status": move.status,
        "SourceArn": move.source_arn,
        "DestinationArn": move.destination_arn or None,
        "MaxNumberOfMessagesPerSecond": move.rate or None,
        "ApproximateNumberOfMessagesMoved": move.moved,
        "ApproximateNumberOfMessagesToMove": move.to_move,
        "FailureReason": move.failure or None,
        "StartedTimestamp": move.started_at_ms,
    }


def _queue_of(ctx: Context, arn: str, parameter: str) -> Queue:
    """Raises InvalidParameterValue for what is no queue's ARN, AccessDenied for another account's, ResourceNotFoundException."""
    where = address_of_arn(arn)
    if where is None or where.region != ctx.region:
        raise invalid(arn, parameter, "You must use the ARN of a queue of this region: arn:partition:sqs:region:account:name.")
    if where.account != ctx.account:
        raise ServiceException("AccessDenied", f"Access to the resource {arn} is denied.", status=403)
    queue = QUEUES.get(ctx, *where)
    if queue is None:
        raise ServiceException(
            "ResourceNotFoundException", f"The resource that you specified for the {parameter} parameter doesn't exist.", status=404
        )
    return queue


# carrying out


class _Stuck(Exception):
    """A message that cannot be moved, and so ends the task. Its text is the FailureReason."""


def _continue(ctx: Context, move: Move, at_ms: int) -> None:
    payload = {"source": move.source, "number": move.number}
    ctx.later("sqs.move", payload, at_ms=at_ms)


@task("move")
def move_messages(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Moves one portion, and comes again until nothing is left to move."""
    move = MOVES.get(ctx, payload["source"], payload["number"])
    if move is None or move.status != "RUNNING":
        return None
    source = QUEUES.get(ctx, move.account, move.region, move.source_name)
    if source is None or source.id != move.source:
        MOVES.delete(ctx, move)
        return None
    portion = list(islice(_movable(ctx, source, move.last), min(_due(ctx, move), PORTION)))
    moved = 0
    failure = ""
    try:
        for message in portion:
            _move(ctx, source, _destination(ctx, source, move, message), message)
            moved += 1
    except _Stuck as stuck:
        failure = str(stuck)
    if source.fifo:
        messages.count(ctx, source, due_at_ms=groups.settle(ctx, source, dict.fromkeys([message.group for message in portion])))
    left = not failure and next(_movable(ctx, source, move.last), None) is not None
    status = "FAILED" if failure else "RUNNING" if left else "COMPLETED"
    move = change(move, moved=move.moved + moved, status=status, failure=failure)
    MOVES.put(ctx, move)
    if left:
        _continue(ctx, move, ctx.now if _due(ctx, move) else ctx.now + PAUSE_MS - (ctx.now - move.started_at_ms) % PAUSE_MS)
    return None


def _due(ctx: Context, move: Move) -> int:
    """How many messages may be moved now: with a rate, what it gives for each second begun, less those moved."""
    if not move.rate:
        return PORTION
    return move.rate * ((ctx.now - move.started_at_ms) // 1000 + 1) - move.moved


def _movable(ctx: Context, source: Queue, last: int) -> Iterator[Message]:
    """Messages of the source that can be received and are not newer than the task; of a FIFO queue group by group."""
    horizon = messages.expired_before_ms(ctx, source)
    for message in _visible(ctx, source):
        if message.sequence <= last and message.sent_at_ms > horizon:
            yield message


def _visible(ctx: Context, source: Queue) -> Iterator[Message]:
    tally = TALLIES.get(ctx, source.contents)
    if tally is None:
        return
    if not source.fifo:
        yield from messages.available(ctx, source, tally)
        return
    for group in groups.available(ctx, source, tally.due_at_ms):
        for message in groups.members(ctx, source, group.group, group):
            if groups.available_at_ms(source, message) > ctx.now:
                break
            yield message


def _destination(ctx: Context, source: Queue, move: Move, message: Message) -> Queue:
    arn = move.destination_arn or message.source_arn
    if not arn:
        raise _Stuck("CouldNotDetermineMessageSource")
    queue = get_queue_by_arn(ctx, arn)
    if queue is None or queue.fifo != source.fifo:
        raise _Stuck("AWS.SimpleQueueService.NonExistentQueue")
    return queue


def _move(ctx: Context, source: Queue, destination: Queue, message: Message) -> None:
    messages_of(source).delete(ctx, message)
    messages.count_gone(ctx, source, message)
    moved = change(
        message,
        contents=destination.contents,
        sequence=ctx.tx.unique(),
        id=ctx.random.uuid(),
        sent_at_ms=ctx.now,
        visible_at_ms=ctx.now,
        receive_count=0,
        received_at_ms=0,
        first_received_at_ms=0,
        earlier_receive_count=0,
        source_arn="",
    )
    messages.put(ctx, destination, moved)
    due_at_ms = groups.join(ctx, destination, moved) if destination.fifo else 0
    messages.count(ctx, destination, 1, expires_at_ms=ctx.now + destination.retention_s * 1000, due_at_ms=due_at_ms)
