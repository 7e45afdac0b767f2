"""What happens to asynchronous events: how often and how long they are tried, and where the record of them goes."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_.addresses import Address, address_of, arn, arn_of, named, version_at
from fogbank.services.lambda_.faults import invalid, not_found
from fogbank.services.lambda_.listing import page
from fogbank.services.lambda_.roles import may
from fogbank.services.lambda_.state import EVENT_INVOKES, LATEST, EventInvoke, Version
from fogbank.store import change

_ACTIONS = {
    "sqs": ("sqs:SendMessage", "SendMessage on SQS"),
    "sns": ("sns:Publish", "Publish on SNS"),
    "lambda": ("lambda:InvokeFunction", "Invoke on Lambda"),
    "events": ("events:PutEvents", "PutEvents on EventBridge"),
    "s3": ("s3:PutObject", "PutObject on S3"),
}
"""Service of a destination -> what the role needs, and how AWS says that it lacks it."""


def _where(ctx: Context, req: Any) -> tuple[Address, Version]:
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    version = version_at(ctx, where)
    return (where._replace(qualifier="") if where.qualifier == LATEST else where), version


def check_destination(ctx: Context, version: Version, target: str, kinds: tuple[str, ...]) -> None:
    """A destination that there can be, and that the role may send to. Errors: InvalidParameterValueException."""
    parsed = Arn.parse(target)
    if parsed is None or parsed.service not in kinds:
        raise invalid(f"The provided destination config DestinationConfig is invalid: {target}.")
    if parsed.resource.endswith(".fifo"):
        raise invalid(f"The provided destination {target} is FIFO: only standard queues and topics can be destinations.")
    if parsed.service == "lambda" and target.split(":")[:7] == arn_of(version).split(":")[:7]:
        raise invalid("The destination of a function cannot be the function itself.")
    action, words = _ACTIONS[parsed.service]
    resource = f"{target}/*" if parsed.service == "s3" else target
    if not may(ctx, version, action, resource):
        raise invalid(f"The function's execution role does not have permissions to call {words}.")


def destinations(ctx: Context, version: Version, given: Any) -> dict[str, str]:
    """The fields that DestinationConfig sets."""
    found: dict[str, str] = {}
    for member, field, kinds in (
        ("OnSuccess", "on_success", ("sqs", "sns", "lambda", "events")),
        ("OnFailure", "on_failure", ("sqs", "sns", "lambda", "events", "s3")),
    ):
        part = getattr(given, member, None)
        if part is not None:
            found[field] = part.Destination or ""
            if found[field]:
                check_destination(ctx, version, found[field], kinds)
    return found


def _described(one: EventInvoke) -> dict[str, Any]:
    qualifier = one.qualifier or LATEST
    return {
        "LastModified": one.modified_at_ms,
        "FunctionArn": arn(one.account, one.region, one.function, qualifier),
        "MaximumRetryAttempts": one.retries,
        "MaximumEventAgeInSeconds": one.age_s,
        "DestinationConfig": {
            "OnSuccess": {"Destination": one.on_success} if one.on_success else {},
            "OnFailure": {"Destination": one.on_failure} if one.on_failure else {},
        },
    }


def _given(ctx: Context, version: Version, req: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"modified_at_ms": ctx.now}
    if req.MaximumRetryAttempts is not None:
        fields["retries"] = req.MaximumRetryAttempts
    if req.MaximumEventAgeInSeconds is not None:
        fields["age_s"] = req.MaximumEventAgeInSeconds
    if req.DestinationConfig is not None:
        fields |= destinations(ctx, version, req.DestinationConfig)
    return fields


@operation("PutFunctionEventInvokeConfig")
def put_function_event_invoke_config(ctx: Context, req: Any) -> Answer:
    """Says how often (0 to 2) and how long (60 to 21,600 s) events are tried, and where their records go; what is not given is default.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, PutFunctionEventInvokeConfig.
    """
    where, version = _where(ctx, req)
    fields = _given(ctx, version, req)
    if len(fields) == 1:
        raise invalid("You must specify at least one of error handling or destination setting.")
    made = EventInvoke(account=where.account, region=where.region, function=where.name, qualifier=where.qualifier, **fields)
    EVENT_INVOKES.put(ctx, made)
    return _described(made)


def _at(ctx: Context, where: Address) -> EventInvoke:
    found = EVENT_INVOKES.get(ctx, *where)
    if found is None:
        raise not_found(f"The function {arn(*where._replace(qualifier=where.qualifier or LATEST))} doesn't have an EventInvokeConfig")
    return found


@operation("UpdateFunctionEventInvokeConfig")
def update_function_event_invoke_config(ctx: Context, req: Any) -> Answer:
    """Changes what is given.

    Errors: ResourceNotFoundException, InvalidParameterValueException. Source: API reference, UpdateFunctionEventInvokeConfig.
    """
    where, version = _where(ctx, req)
    made = change(_at(ctx, where), **_given(ctx, version, req))
    EVENT_INVOKES.put(ctx, made)
    return _described(made)


@operation("GetFunctionEventInvokeConfig")
def get_function_event_invoke_config(ctx: Context, req: Any) -> Answer:
    """What happens to events. Errors: ResourceNotFoundException. Source: API reference, GetFunctionEventInvokeConfig."""
    return _described(_at(ctx, _where(ctx, req)[0]))


@operation("DeleteFunctionEventInvokeConfig")
def delete_function_event_invoke_config(ctx: Context, req: Any) -> Answer:
    """Back to the defaults. Errors: ResourceNotFoundException. Source: API reference, DeleteFunctionEventInvokeConfig."""
    EVENT_INVOKES.delete(ctx, _at(ctx, _where(ctx, req)[0]))
    return None


@operation("ListFunctionEventInvokeConfigs")
def list_function_event_invoke_configs(ctx: Context, req: Any) -> Answer:
    """The configurations of a function, its versions and aliases, at most 50 a page.

    Errors: ResourceNotFoundException. Source: API reference, ListFunctionEventInvokeConfigs.
    """
    function = named(ctx, req.FunctionName)
    found = EVENT_INVOKES.scan(ctx, function.account, function.region, function.name)
    return page(req, "FunctionEventInvokeConfigs", found, 50, key=lambda one: one.qualifier, describe=_described)
