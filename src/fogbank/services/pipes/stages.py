"""An execution: a batch goes through the enrichment to the target, as the pipe's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from fogbank.delivery import targets
from fogbank.delivery.sources.batches import failed_items
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.languages import documents
from fogbank.services.pipes import encryption, events, inputs, metrics
from fogbank.services.pipes.addresses import role_of
from fogbank.services.pipes.logs import Steps
from fogbank.services.pipes.state import Pipe
from fogbank.wire import instants


class Batch(NamedTuple):
    """Events on their way. `kind`: of the source whose records they are; "" where the enrichment has made them."""

    kind: str
    events: list[Any]


class Stage(NamedTuple):
    """What a stage is carried out with."""

    ctx: Context
    pipe: Pipe
    settings: dict[str, Any]
    steps: Steps

    def with_input(self, batch: Batch) -> list[Any]:
        """The events as the stage's template makes them."""
        template = self.settings.get("InputTemplate")
        return [inputs.made(self.pipe, batch.kind, template, event, self.ctx.now) for event in batch.events]


def execute(ctx: Context, pipe: Pipe, batch: list[Any]) -> list[int]:
    """Carries a batch through: the places of the events that failed. May raise Waiting, while a function runs."""
    steps = Steps(ctx, pipe)
    steps.add("EXECUTION_STARTED", payload=batch)
    metrics.count(ctx, pipe, "Invocations")
    metrics.count(ctx, pipe, "EventCount", len(batch))
    try:
        parameters = encryption.parameters_of(ctx, pipe, role_of(pipe))
        failed = _through(ctx, pipe, parameters, Batch(pipe.kind, batch), steps)
    except ServiceException as problem:
        steps.add("EXECUTION_FAILED", problem)
        metrics.count(ctx, pipe, "ExecutionFailed")
        failed = list(range(len(batch)))
    else:
        if failed:
            steps.add("EXECUTION_PARTIALLY_FAILED")
            metrics.count(ctx, pipe, "ExecutionPartiallyFailed")
        else:
            steps.add("EXECUTION_SUCCEEDED")
    steps.written(ctx)
    return failed


def _through(ctx: Context, pipe: Pipe, parameters: dict[str, Any], batch: Batch, steps: Steps) -> list[int]:
    """The places of the source's events that failed, where only some did; raises the problem of a stage that failed as a whole."""
    whole = batch
    if pipe.enrichment_arn:
        stage = Stage(ctx, pipe, parameters.get("EnrichmentParameters", {}), steps)
        steps.add("ENRICHMENT_STAGE_ENTERED", payload=batch.events)
        batch = _at(stage, "ENRICHMENT", batch, _enriched)
        steps.add("ENRICHMENT_STAGE_EXITED", payload=batch.events)
    stage = Stage(ctx, pipe, parameters.get("TargetParameters", {}), steps)
    if not batch.events:
        steps.add("TARGET_INVOCATION_SKIPPED")
        metrics.count(ctx, pipe, "TargetStageSkipped")
        return []
    steps.add("TARGET_STAGE_ENTERED", payload=batch.events)
    failed: list[int] = _at(stage, "TARGET", batch, lambda stage, one: _delivered(stage, one, whole))
    steps.add("TARGET_STAGE_EXITED")
    if failed and len(batch.events) != len(whole.events):  # which of the source's they were is not known
        return list(range(len(whole.events)))
    return failed


def _at(stage: Stage, name: str, batch: Batch, work: Callable[[Stage, Batch], Any]) -> Any:
    pipe, steps = stage.pipe, stage.steps
    service = (pipe.enrichment_arn if name == "ENRICHMENT" else pipe.target_arn).split(":")[2]
    steps.add(f"{name}_INVOCATION_STARTED")
    try:
        done = work(stage, batch)
    except ServiceException as problem:
        steps.add(f"{name}_INVOCATION_FAILED", problem, service)
        metrics.count(stage.ctx, pipe, f"{name.capitalize()}StageFailed")
        raise
    if name == "TARGET" and done:
        steps.add("TARGET_INVOCATION_PARTIALLY_FAILED")
        metrics.count(stage.ctx, pipe, "TargetStagePartiallyFailed")
    else:
        steps.add(f"{name}_INVOCATION_SUCCEEDED")
    return done


def _invoked(stage: Stage, arn: str, given: list[Any], kind: str) -> bytes:
    """What a function gives. Raises what hinders it, or that it failed."""
    members = {"FunctionName": arn, "InvocationType": kind, "Payload": msgspec.json.encode(given)}
    region = arn.split(":")[3]
    answer = stage.ctx.call("lambda", "Invoke", members, acting=role_of(stage.pipe), region=region)
    payload = bytes(answer.get("Payload") or b"")
    if answer.get("FunctionError"):
        raise ServiceException("FunctionError", payload.decode("utf-8", "replace")[:1000], status=400)
    return payload


def _enriched(stage: Stage, batch: Batch) -> Batch:
    """The events that the enrichment makes of a batch; nothing, {} and [] are none."""
    said = _invoked(stage, stage.pipe.enrichment_arn, stage.with_input(batch), "RequestResponse")
    try:
        made = documents.read(said or b"null")
    except documents.Malformed:
        raise ServiceException("InvalidResponse", "The enrichment did not answer with JSON.", status=400) from None
    if isinstance(made, list):
        return Batch("", made)
    return Batch("", [] if made in (None, "", {}) else [made])


# The target


def _delivered(stage: Stage, batch: Batch, whole: Batch) -> list[int]:
    """The places of the events that the target did not take, where it took others; raises the problem where it took none."""
    arn = stage.pipe.target_arn
    given = stage.with_input(batch)
    if arn.split(":")[2] == "lambda":
        settings = stage.settings.get("LambdaFunctionParameters", {})
        if settings.get("InvocationType") == "FIRE_AND_FORGET":
            _invoked(stage, arn, given, "Event")
            return []
        return _reported(_invoked(stage, arn, given, "RequestResponse"), whole)
    failed: list[int] = []
    problem: ServiceException | None = None
    for place, (event, made) in enumerate(zip(batch.events, given, strict=True)):
        try:
            _send(stage, batch.kind, event, inputs.text(made))
        except ServiceException as refused:
            failed.append(place)
            problem = refused
            if stage.pipe.kind != "sqs":  # the records of a shard stay in their order
                failed += range(place + 1, len(given))
                break
    if problem is not None and len(failed) == len(given):
        raise problem
    return failed


def _reported(said: bytes, whole: Batch) -> list[int]:
    """The places of the events that a function reports as failed: all, where it reports one that is not of this batch."""
    failed = failed_items(said)
    if not failed:
        return []
    places = {events.identifier(whole.kind, event): place for place, event in enumerate(whole.events)}
    if not all(id in places for id in failed):
        return list(range(len(whole.events)))
    return sorted(places[id] for id in failed)


def _send(stage: Stage, kind: str, event: Any, text: str) -> None:
    """One event. Raises what the target refuses."""
    ctx, pipe = stage.ctx, stage.pipe
    target = Arn.parse(pipe.target_arn)
    assert target is not None
    role = role_of(pipe)
    settings: dict[str, Any] = next((value for name, value in stage.settings.items() if name != "InputTemplate"), {})
    found = {name: inputs.dynamic(value, kind, event) for name, value in settings.items()}
    if target.service == "logs":
        _log(ctx, pipe, found, text)
        return
    if target.service == "events":
        time = found.pop("Time", None)
        source = events.NAMES[pipe.kind]
        found = {"Source": f"Pipe {pipe.name}", "DetailType": f"Event from {source}", **found}
        if time is not None:
            found["Time"] = _instant(time)
    if target.service == "kinesis" and not found.get("PartitionKey"):
        raise ServiceException("ValidationException", "There is no partition key at the path of the event.")
    answer = targets.send(ctx, pipe.target_arn, text, role, parameters=found)
    if target.service == "events" and answer.get("FailedEntryCount"):
        entry = answer["Entries"][0]
        raise ServiceException(entry.get("ErrorCode") or "InternalFailure", entry.get("ErrorMessage") or "", status=400)


def _log(ctx: Context, pipe: Pipe, found: dict[str, Any], text: str) -> None:
    """A log event; its timestamp is milliseconds or an ISO instant, at a path of the event."""
    at = found.get("Timestamp")
    at_ms = ctx.now if at is None else _instant(at)
    targets.log(ctx, pipe.target_arn, found.get("LogStreamName") or pipe.name, text, role_of(pipe), at_ms=at_ms)


def _instant(text: str) -> int:
    try:
        return int(text) if text.isdecimal() else instants.parse(text)
    except ValueError:
        raise ServiceException("ValidationException", f"{text[:100]} is not an instant.") from None
