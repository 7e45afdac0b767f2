"""Event source mappings: their operations, and how their states change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.lambda_.addresses import Address, address_of, arn, version_at
from fogbank.services.lambda_.faults import conflict, not_found, refusal
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.sources import checks
from fogbank.services.lambda_.sources.state import BY_FUNCTION, BY_SOURCE, CHECKPOINTS, MAPPINGS, NOTHING_YET, USER, Mapping
from fogbank.services.lambda_.state import LATEST
from fogbank.store import change

_BUSY = frozenset({"Creating", "Enabling", "Disabling", "Updating", "Deleting"})
DEFAULT_BATCH = {"sqs": 10, "kinesis": 100, "dynamodb": 100}


def mapping_arn(account: str, region: str, id: str) -> str:
    return f"arn:{partition_of(region)}:lambda:{region}:{account}:event-source-mapping:{id}"


def function_of(mapping: Mapping) -> Address:
    return Address(mapping.account, mapping.region, mapping.function, mapping.qualifier)


def _at(ctx: Context, id: str) -> Mapping:
    """Raises ResourceNotFoundException."""
    mapping = MAPPINGS.get(ctx, ctx.account, ctx.region, id)
    if mapping is None:
        raise not_found("The resource you requested does not exist.")
    return mapping


def _described(mapping: Mapping) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "UUID": mapping.id,
        "EventSourceArn": mapping.source_arn,
        "EventSourceMappingArn": mapping_arn(mapping.account, mapping.region, mapping.id),
        "FunctionArn": arn(*function_of(mapping)),
        "LastModified": mapping.modified_at_ms,
        "State": mapping.state,
        "StateTransitionReason": mapping.reason,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_s,
        "FilterCriteria": {"Filters": [{"Pattern": text} for text in mapping.filters]} if mapping.filters else None,
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.report_failures else [],
        "MetricsConfig": {"Metrics": ["EventCount"]} if mapping.counted else None,
    }
    if mapping.kind == "sqs":
        answer["ScalingConfig"] = {"MaximumConcurrency": mapping.max_concurrency} if mapping.max_concurrency else None
    else:
        answer |= {
            "StartingPosition": mapping.starting,
            "StartingPositionTimestamp": mapping.starting_at_ms or None,
            "ParallelizationFactor": mapping.parallelization,
            "MaximumRecordAgeInSeconds": mapping.max_age_s,
            "BisectBatchOnFunctionError": mapping.bisect,
            "MaximumRetryAttempts": mapping.retries,
            "TumblingWindowInSeconds": mapping.tumbling_s,
            "LastProcessingResult": mapping.result or NOTHING_YET,
            "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
        }
    return {member: value for member, value in answer.items() if value is not None}


@operation("CreateEventSourceMapping")
def create_event_source_mapping(ctx: Context, req: Any) -> Answer:
    """Has a queue or stream read for a function, by its role.

    SQS: batches of 1 to 10 messages, 10,000 with a window of up to 300 s. Streams: 1 to 10,000 records, from StartingPosition on.

    Errors: ResourceNotFoundException, ResourceConflictException, InvalidParameterValueException.
    Source: API reference, CreateEventSourceMapping.
    """
    checks.unmet(ctx, req)
    kind = checks.kind_of(ctx, req.EventSourceArn)
    where = address_of(ctx, req.FunctionName)
    version = version_at(ctx, where)
    for other in BY_SOURCE.scan(ctx, ctx.account, ctx.region, req.EventSourceArn):
        if function_of(other) == where:
            raise conflict(
                f'The event source arn (" {req.EventSourceArn} ") and function (" {where.name} ") provided mapping already exists. '
                f"Please update or delete the existing mapping with UUID {other.id}"
            )
    fields = {"batch_size": DEFAULT_BATCH[kind], **checks.fields(ctx, kind, version, req)}
    mapping = Mapping(
        account=ctx.account,
        region=ctx.region,
        id=ctx.random.uuid(),
        kind=kind,
        source_arn=req.EventSourceArn,
        function=where.name,
        qualifier="" if where.qualifier == LATEST else where.qualifier,
        enabled=req.Enabled is not False,
        state="Creating",
        modified_at_ms=ctx.now,
        tags=dict(req.Tags or {}),
        **fields,
    )
    checks.whole(ctx, mapping, version)
    _put(ctx, mapping)
    return _described(mapping)


def _put(ctx: Context, mapping: Mapping) -> None:
    """Keeps a mapping in a state that will pass."""
    MAPPINGS.put(ctx, mapping)
    ctx.later("lambda.settle_mapping", [mapping.account, mapping.region, mapping.id])


@operation("GetEventSourceMapping")
def get_event_source_mapping(ctx: Context, req: Any) -> Answer:
    """A mapping. Errors: ResourceNotFoundException. Source: API reference, GetEventSourceMapping."""
    return _described(_at(ctx, req.UUID))


@operation("UpdateEventSourceMapping")
def update_event_source_mapping(ctx: Context, req: Any) -> Answer:
    """Changes what is given, its function too; what is being read is read on with the new settings.

    Errors: ResourceNotFoundException, ResourceInUseException (a change is under way), InvalidParameterValueException.
    Source: API reference, UpdateEventSourceMapping.
    """
    checks.unmet(ctx, req)
    mapping = _settled(ctx, req.UUID)
    where = function_of(mapping) if req.FunctionName is None else address_of(ctx, req.FunctionName)
    version = version_at(ctx, where)
    fields = checks.fields(ctx, mapping.kind, version, req)
    enabled = mapping.enabled if req.Enabled is None else req.Enabled
    state = "Updating" if enabled == mapping.enabled else "Enabling" if enabled else "Disabling"
    qualifier = "" if where.qualifier == LATEST else where.qualifier
    after = change(
        mapping,
        **fields,
        function=where.name,
        qualifier=qualifier,
        enabled=enabled,
        state=state,
        reason=USER,
        modified_at_ms=ctx.now,
    )
    checks.whole(ctx, after, version)
    _put(ctx, after)
    return _described(after)


def _settled(ctx: Context, id: str) -> Mapping:
    mapping = _at(ctx, id)
    if mapping.state in _BUSY:
        raise refusal(
            "ResourceInUseException", f"Cannot update the event source mapping because it is in use: its state is {mapping.state}."
        )
    return mapping


@operation("DeleteEventSourceMapping")
def delete_event_source_mapping(ctx: Context, req: Any) -> Answer:
    """Ends a mapping, soon after. Errors: ResourceNotFoundException, ResourceInUseException.

    Source: API reference, DeleteEventSourceMapping.
    """
    mapping = change(_settled(ctx, req.UUID), state="Deleting", enabled=False, modified_at_ms=ctx.now)
    _put(ctx, mapping)
    return _described(mapping)


@operation("ListEventSourceMappings")
def list_event_source_mappings(ctx: Context, req: Any) -> Answer:
    """The mappings of a source, a function, or all of the region, at most 100 a page. Errors: InvalidParameterValueException.

    Source: API reference, ListEventSourceMappings.
    """
    where = address_of(ctx, req.FunctionName) if req.FunctionName is not None else None
    if req.EventSourceArn is not None:
        found = BY_SOURCE.scan(ctx, ctx.account, ctx.region, req.EventSourceArn)
    elif where is not None:
        found = BY_FUNCTION.scan(ctx, ctx.account, ctx.region, where.name)
    else:
        found = MAPPINGS.scan(ctx, ctx.account, ctx.region)
    ours = (mapping for mapping in found if where is None or function_of(mapping) == where)
    return page(req, "EventSourceMappings", ours, 100, key=lambda mapping: mapping.id, describe=_described)


# what happens then


@task("settle_mapping")
def settle_mapping(ctx: Context, key: list[str]) -> Answer:
    """Brings a mapping into the state that it is to have, and its pollers to work."""
    mapping = MAPPINGS.get(ctx, *key)
    if mapping is None or mapping.state not in _BUSY:
        return None
    if mapping.state == "Deleting":
        for checkpoint in list(CHECKPOINTS.scan(ctx, *key)):
            CHECKPOINTS.delete(ctx, checkpoint)
        MAPPINGS.delete(ctx, mapping)
        return None
    if not mapping.enabled:
        MAPPINGS.put(ctx, change(mapping, state="Disabled", number=0))
        return None
    begins = not mapping.number
    mapping = change(mapping, state="Enabled", number=mapping.number or ctx.tx.unique())
    MAPPINGS.put(ctx, mapping)
    if begins:
        ctx.later("lambda.poll_queue" if mapping.kind == "sqs" else "lambda.find_shards", [*key, mapping.number])
    return None


def current(ctx: Context, item: list[Any]) -> Mapping | None:
    """The mapping that a poller works for; None where it is to end."""
    mapping = MAPPINGS.get(ctx, *item[:3])
    return mapping if mapping is not None and mapping.enabled and mapping.number == item[3] else None


def note(ctx: Context, mapping: Mapping, result: str) -> None:
    """Shows how it went."""
    if mapping.result != result:
        MAPPINGS.put(ctx, change(mapping, result=result))


def of_arn(ctx: Context, resource: str) -> tuple[dict[str, str], Callable[[dict[str, str]], None]]:
    """The tags of a mapping, and what puts others in their place. Raises ResourceNotFoundException."""
    _, _, _, region, account, rest = resource.split(":", 5)
    mapping = MAPPINGS.get(ctx, account, region, rest.partition(":")[2])
    if mapping is None:
        raise not_found("The resource you requested does not exist.")
    return mapping.tags, lambda tags: MAPPINGS.put(ctx, change(mapping, tags=tags))


# for the door


def arn_of_request(ctx: Context, req: Any) -> str | None:
    id = getattr(req, "UUID", None)
    if id is not None:
        return mapping_arn(ctx.account, ctx.region, id)
    resource: str | None = getattr(req, "Resource", None)
    return resource if resource is not None and ":event-source-mapping:" in resource else None


def function_arn(ctx: Context, req: Any) -> str | None:
    """lambda:FunctionArn: of the function that a mapping is, or shall be, for."""
    name = getattr(req, "FunctionName", None)
    if name is not None:
        return arn(*address_of(ctx, name))
    id = getattr(req, "UUID", None)
    mapping = MAPPINGS.get(ctx, ctx.account, ctx.region, id) if id is not None else None
    return arn(*function_of(mapping)) if mapping is not None else None
