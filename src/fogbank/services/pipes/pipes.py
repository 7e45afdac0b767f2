"""Pipes: their operations, and how their states change."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.kernel.paging import Pages
from fogbank.services.pipes import checks, encryption, logs, tagging
from fogbank.services.pipes.addresses import conflict, invalid, pipe_arn, pipe_at
from fogbank.services.pipes.state import CHECKPOINTS, PIPES, PIPES_LIMIT, RUNNING, STOPPED, Pipe
from fogbank.store import change
from fogbank.wire.given import plain

BUSY = frozenset({"CREATING", "UPDATING", "DELETING", "STARTING", "STOPPING"})
FAILED = {"CREATING": "CREATE_FAILED", "UPDATING": "UPDATE_FAILED", "STARTING": "START_FAILED"}
_PAGES = Pages("Limit", lambda: invalid("Invalid NextToken."))


def _shown(pipe: Pipe, desired: str | None = None) -> dict[str, Any]:
    return {
        "Arn": pipe_arn(pipe),
        "Name": pipe.name,
        "DesiredState": desired or pipe.desired,
        "CurrentState": pipe.state,
        "CreationTime": pipe.created_at_ms,
        "LastModifiedTime": pipe.modified_at_ms,
    }


def _put(ctx: Context, pipe: Pipe, state: str) -> Pipe:
    """Keeps a pipe in a state that will pass."""
    pipe = change(pipe, state=state, reason="", modified_at_ms=ctx.now)
    PIPES.put(ctx, pipe)
    ctx.later("pipes.settle", [pipe.account, pipe.region, pipe.name])
    return pipe


def _settled(ctx: Context, name: str) -> Pipe:
    """Raises NotFoundException, ConflictException."""
    pipe = pipe_at(ctx, name)
    if pipe.state in BUSY:
        raise conflict(name, f"Pipe {name} is {pipe.state}: it can be changed when that is over.")
    return pipe


@operation("CreatePipe")
def create_pipe(ctx: Context, req: Any) -> Answer:
    """Makes a pipe: RUNNING (the default) or STOPPED soon after, or CREATE_FAILED for a StateReason. RoleArn needs iam:PassRole.

    Batches: 1 to 10,000 records, of a queue more than 10 only with a window of 1 to 300 s. Limits: 1,000 pipes.
    Errors: ConflictException, ServiceQuotaExceededException, ValidationException. Source: API reference, CreatePipe.
    """
    if PIPES.get(ctx, ctx.account, ctx.region, req.Name) is not None:
        raise conflict(req.Name, f"Pipe {req.Name} already exists.")
    if sum(1 for _ in PIPES.scan(ctx, ctx.account, ctx.region)) >= PIPES_LIMIT:
        about = {"resourceId": req.Name, "resourceType": "Pipe", "serviceCode": "pipes", "quotaCode": "L-0F9E6F0B"}
        raise ServiceException("ServiceQuotaExceededException", "The limit of pipes is reached.", **about)
    pipe = Pipe(
        account=ctx.account,
        region=ctx.region,
        name=req.Name,
        kind=checks.kind_of(ctx, req.Source),
        source_arn=req.Source,
        target_arn=req.Target,
        role_arn=req.RoleArn,
        enrichment_arn=req.Enrichment or "",
        created_at_ms=ctx.now,
        modified_at_ms=ctx.now,
        desired=req.DesiredState or RUNNING,
        description=req.Description or "",
        tags=tagging.checked(req.Tags or {}),
        kms_key=req.KmsKeyIdentifier or "",
        logs=logs.checked(ctx, req.LogConfiguration),
    )
    parameters = {name: plain(given) for name in PARAMETERS if (given := getattr(req, name)) is not None}
    return _shown(_put(ctx, _whole(ctx, pipe, parameters), "CREATING"))


PARAMETERS = ("SourceParameters", "EnrichmentParameters", "TargetParameters")


def _whole(ctx: Context, pipe: Pipe, parameters: dict[str, Any]) -> Pipe:
    """The pipe with parameters, all of it checked. Raises ValidationException, NotImplemented, AccessDenied."""
    checks.enrichment(ctx, pipe.enrichment_arn, parameters)
    checks.target(ctx, pipe.target_arn, parameters)
    checks.role(ctx, pipe.role_arn)
    pipe = change(pipe, **checks.reading(pipe, parameters))
    return encryption.with_parameters(ctx, pipe, parameters)


@operation("UpdatePipe")
def update_pipe(ctx: Context, req: Any) -> Answer:
    """Changes what is given; parameters of a service are replaced as a whole, where they are given. What is being read is read on.

    Errors: NotFoundException, ConflictException (a change is under way), ValidationException. Source: API reference, UpdatePipe.
    """
    pipe = _settled(ctx, req.Name)
    parameters = dict(_opened(ctx, pipe))
    for name in PARAMETERS:
        given = getattr(req, name)
        if given is not None:
            parameters[name] = _merged(parameters.get(name, {}), plain(given))
    if req.Target is not None and req.Target.split(":")[2] != pipe.target_arn.split(":")[2] and req.TargetParameters is None:
        template = parameters.get("TargetParameters", {}).get("InputTemplate")
        parameters["TargetParameters"] = {"InputTemplate": template} if template else {}
    given = {
        "description": req.Description,
        "desired": req.DesiredState,
        "enrichment_arn": req.Enrichment,
        "target_arn": req.Target,
        "role_arn": req.RoleArn,
        "kms_key": req.KmsKeyIdentifier,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if req.LogConfiguration is not None:
        changes["logs"] = logs.checked(ctx, req.LogConfiguration)
    return _shown(_put(ctx, _whole(ctx, change(pipe, **changes), parameters), "UPDATING"))


def _merged(old: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Where a stream's reading began stays; an empty template and filter criteria without filters are taken away."""
    made = {**old, **given}
    for name in ("KinesisStreamParameters", "DynamoDBStreamParameters"):
        if name in given:
            kept = {key: old[name][key] for key in ("StartingPosition", "StartingPositionTimestamp") if key in old.get(name, {})}
            made[name] = {**given[name], **kept}
    return {name: value for name, value in made.items() if value not in ("", {"Filters": []})}


def _opened(ctx: Context, pipe: Pipe) -> dict[str, Any]:
    """Raises ValidationException."""
    try:
        return encryption.parameters_of(ctx, pipe)
    except ServiceException as refused:
        raise invalid(f"The KMS key {pipe.kms_key} cannot be used: {refused.message}") from None


@operation("DescribePipe")
def describe_pipe(ctx: Context, req: Any) -> Answer:
    """A pipe with all its settings; with a KMS key that needs kms:Decrypt. Errors: NotFoundException, ValidationException."""
    pipe = pipe_at(ctx, req.Name)
    parameters = _opened(ctx, pipe)
    return {
        **_shown(pipe, "DELETED" if pipe.state == "DELETING" else None),
        "Description": pipe.description or None,
        "StateReason": pipe.reason or None,
        "Source": pipe.source_arn,
        "Enrichment": pipe.enrichment_arn or None,
        "Target": pipe.target_arn,
        "RoleArn": pipe.role_arn,
        "Tags": pipe.tags,
        "LogConfiguration": pipe.logs or None,
        "KmsKeyIdentifier": pipe.kms_key or None,
        **{name: parameters.get(name) for name in PARAMETERS},
    }


@operation("ListPipes")
def list_pipes(ctx: Context, req: Any) -> Answer:
    """The pipes of the account in the region by name: those with a prefix, in a state, of a source or a target. Source: ListPipes."""
    found = PIPES.scan(ctx, ctx.account, ctx.region, starting=req.NamePrefix or "", after=_PAGES.after(req) or None)
    wanted = (
        one
        for one in found
        if req.DesiredState in (None, one.desired)
        and req.CurrentState in (None, one.state)
        and one.source_arn.startswith(req.SourcePrefix or "")
        and one.target_arn.startswith(req.TargetPrefix or "")
    )
    page, token = _PAGES.page(req, wanted, lambda one: one.name)
    shown = [
        {
            **_shown(one),
            "StateReason": one.reason or None,
            "Source": one.source_arn,
            "Target": one.target_arn,
            "Enrichment": one.enrichment_arn or None,
        }
        for one in page
    ]
    return {"Pipes": shown, "NextToken": token}


@operation("StartPipe")
def start_pipe(ctx: Context, req: Any) -> Answer:
    """Lets a pipe that is stopped, or could not be started, run. Errors: NotFoundException, ConflictException. Source: StartPipe."""
    pipe = _settled(ctx, req.Name)
    if pipe.state == RUNNING:
        raise conflict(req.Name, f"Pipe {req.Name} is running already.")
    return _shown(_put(ctx, change(pipe, desired=RUNNING), "STARTING"))


@operation("StopPipe")
def stop_pipe(ctx: Context, req: Any) -> Answer:
    """Stops a pipe, which goes on from there when it is started. Errors: NotFoundException, ConflictException. Source: StopPipe."""
    pipe = _settled(ctx, req.Name)
    if pipe.state != RUNNING:
        raise conflict(req.Name, f"Pipe {req.Name} is not running: it is {pipe.state}.")
    return _shown(_put(ctx, change(pipe, desired=STOPPED), "STOPPING"))


@operation("DeletePipe")
def delete_pipe(ctx: Context, req: Any) -> Answer:
    """Deletes a pipe, soon after. Errors: NotFoundException, ConflictException. Source: API reference, DeletePipe."""
    return _shown(_put(ctx, _settled(ctx, req.Name), "DELETING"), "DELETED")


# What happens then


@task("settle")
def settle(ctx: Context, key: list[str]) -> Answer:
    """Brings a pipe into the state that it is to have, and its pollers to work."""
    pipe = PIPES.get(ctx, *key)
    if pipe is None or pipe.state not in BUSY:
        return None
    if pipe.state == "DELETING":
        for checkpoint in list(CHECKPOINTS.scan(ctx, *key)):
            CHECKPOINTS.delete(ctx, checkpoint)
        PIPES.delete(ctx, pipe)
        return None
    if pipe.desired == STOPPED:
        PIPES.put(ctx, change(pipe, state=STOPPED, number=0))
        return None
    if problem := checks.hindered(ctx, pipe):
        PIPES.put(ctx, change(pipe, state=FAILED[pipe.state], reason=problem[:512], number=0))
        return None
    begins = not pipe.number
    pipe = change(pipe, state=RUNNING, number=pipe.number or ctx.tx.unique())
    PIPES.put(ctx, pipe)
    if begins:
        ctx.later("pipes.poll_queue" if pipe.kind == "sqs" else "pipes.find_shards", [*key, pipe.number])
    return None


def current(ctx: Context, item: list[Any]) -> Pipe | None:
    """The pipe that a poller works for; None where it is to end."""
    pipe = PIPES.get(ctx, *item[:3])
    return pipe if pipe is not None and pipe.number == item[3] and pipe.state in (RUNNING, "UPDATING") else None
