"""Rotation: a schedule by the clock, and the four steps of the function that makes a new version.

A rotation is one task for each step, so that a step that fails is not done twice, and one that waits for its function does
not hold up others. A function that reports an error has the rotation begin anew, from the first step, RETRIES times, later
and later. A function that cannot be called leaves the step in the outbox, with the reason. Either way AWSPENDING stays where it
is, and the next window takes the same version up again.

Source: "Rotation by Lambda function" in the AWS Secrets Manager User Guide.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation, task
from fogbank.services.secretsmanager import replication, rules, windows
from fogbank.services.secretsmanager.addresses import arn_of, named, primary_at
from fogbank.services.secretsmanager.rules import invalid, not_allowed
from fogbank.services.secretsmanager.state import CURRENT, DAY_MS, PENDING, SECRETS, VERSIONS, Rotation, Secret
from fogbank.store import change

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
TEST = STEPS.index("testSecret")
RETRIES = 5
RETRY_S = 60
PRINCIPAL = "secretsmanager.amazonaws.com"
_duration = re.compile(r"([0-9]+)h").fullmatch


def _schedule(rotation: Rotation) -> windows.Windows | None:
    if rotation.schedule:
        return windows.parse(rotation.schedule)
    return windows.days(rotation.days) if rotation.days else None


def planned(ctx: Context, secret: Secret, rotation: Rotation, *, shown: bool = True) -> Secret:
    """The secret with its next rotation set, as seen from now. `shown`: NextRotationDate says so already."""
    schedule = _schedule(rotation)
    window = schedule.next(ctx.now, rotation.duration_h) if schedule is not None and rotation.enabled else None
    if window is None:
        return change(secret, rotation=change(rotation, opens_at_ms=0, next_at_ms=0))
    if window.opens_ms != rotation.opens_at_ms:
        payload = _payload(secret) | {"at_ms": window.opens_ms}
        ctx.later("secretsmanager.rotate_when_due", payload, at_ms=window.opens_ms)
    next_at_ms = window.closes_ms - 1000 if shown else rotation.next_at_ms
    return change(secret, rotation=change(rotation, opens_at_ms=window.opens_ms, next_at_ms=next_at_ms))


def after_manual_change(ctx: Context, secret: Secret) -> Secret:
    """A new AWSCURRENT counts as a rotation where the schedule is in days after the last one (AutomaticallyAfterDays)."""
    rotation = secret.rotation
    if rotation is None or not rotation.days or not rotation.enabled or rotation.run:
        return secret
    return planned(ctx, secret, rotation)


def describe(secret: Secret) -> dict[str, Any]:
    """The members of DescribeSecret and ListSecrets about rotation; nothing for a secret that never had any."""
    rotation = secret.rotation
    if rotation is None:
        return {}
    rules_ = {
        "AutomaticallyAfterDays": rotation.days or _days_between(rotation),
        "Duration": f"{rotation.duration_h}h" if rotation.duration_h else None,
        "ScheduleExpression": rotation.schedule or None,
    }
    return {
        "RotationEnabled": rotation.enabled,
        "RotationLambdaARN": rotation.function_arn,
        "RotationRules": rules_ if any(rules_.values()) else None,
        "LastRotatedDate": rotation.rotated_at_ms or None,
        "NextRotationDate": rotation.next_at_ms or None,
    }


def _days_between(rotation: Rotation) -> int | None:
    """How many days lie between the last rotation and the next, as its schedule has it."""
    if not rotation.rotated_at_ms or not rotation.opens_at_ms:
        return None
    return -((rotation.rotated_at_ms - rotation.opens_at_ms) // DAY_MS)


@operation("RotateSecret")
def rotate_secret(ctx: Context, req: Any) -> Answer:
    """Sets how a secret is rotated, and rotates it: at once, or with RotateImmediately false when the first window opens.

    The function is called with each of its four steps; the version it makes has ClientRequestToken as its VersionId. While
    AWSPENDING is on another version than AWSCURRENT, a rotation is under way and no other begins.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException; AccessDeniedException where Secrets
    Manager may not or cannot invoke the function. Source: API reference, RotateSecret.
    """
    secret, token = primary_at(ctx, req.SecretId), rules.token_of(req)
    for name in ("ExternalSecretRotationMetadata", "ExternalSecretRotationRoleArn"):
        if getattr(req, name) is not None:
            raise NotImplementedOperation("secretsmanager", "RotateSecret", f"with {name}: managed external secrets")
    rotation = _configured(secret, req)
    if pending_apart(secret):
        raise not_allowed("A previous rotation isn't complete. That rotation will be reattempted.")
    if VERSIONS.get(ctx, secret.id, token) is not None:
        raise not_allowed(f"The version {token} exists already: use another ClientRequestToken.")
    ctx.authorize("lambda:InvokeFunction", rotation.function_arn)
    _check_invocable(ctx, secret, rotation.function_arn)
    secret = planned(ctx, secret, rotation)
    probe = req.RotateImmediately is False
    _begin(ctx, change(secret, changed_at_ms=ctx.now), token, probe=probe)
    return named(secret, VersionId=token)


def pending_apart(secret: Secret) -> bool:
    pending = secret.stages.get(PENDING)
    return pending is not None and pending != secret.stages.get(CURRENT)


def _configured(secret: Secret, req: Any) -> Rotation:
    """The secret's rotation with what the request changes. Raises InvalidParameterException, InvalidRequestException."""
    before = secret.rotation or Rotation(enabled=True, function_arn="")
    function_arn = req.RotationLambdaARN or before.function_arn
    if not function_arn:
        raise not_allowed("No Lambda rotation function ARN is associated with this secret.")
    parsed = Arn.parse(function_arn)
    if parsed is None or parsed.service != "lambda":
        raise invalid(f"{function_arn} isn't the ARN of a Lambda function.")
    rotation = change(before, enabled=True, function_arn=function_arn)
    given = req.RotationRules
    if given is not None:
        rotation = change(rotation, **_rules(given))
    if req.RotateImmediately is False and _schedule(rotation) is None:
        raise invalid("RotateImmediately can be false only where RotationRules give a schedule.")
    return rotation


def _rules(given: Any) -> dict[str, Any]:
    """The fields that RotationRules set. Raises InvalidParameterException."""
    if given.AutomaticallyAfterDays is not None and given.ScheduleExpression is not None:
        raise invalid("You can't specify both AutomaticallyAfterDays and ScheduleExpression.")
    hours = _duration(given.Duration) if given.Duration is not None else None
    duration_h = int(hours[1]) if hours else 0
    if given.Duration is not None and not 1 <= duration_h <= 24:
        raise invalid("Duration must be from 1h to 24h.")
    if given.ScheduleExpression is not None:
        try:
            schedule = windows.parse(given.ScheduleExpression)
        except ValueError as wrong:
            raise invalid(f"Invalid ScheduleExpression {given.ScheduleExpression}: {wrong}.") from None
        last = schedule.hours[-1] if schedule.hours and not schedule.is_hourly() else 0
        if duration_h > schedule.least_gap_hours() or last + duration_h > 24:
            raise invalid("The rotation window must not extend into the next rotation window or the next UTC day.")
    return {"days": given.AutomaticallyAfterDays or 0, "schedule": given.ScheduleExpression or "", "duration_h": duration_h}


def _check_invocable(ctx: Context, secret: Secret, function_arn: str) -> None:
    try:
        _invoke(ctx, secret, function_arn, "DryRun", b"{}")
    except ServiceException as refused:
        missing = f" {refused.message}" if isinstance(refused, NotImplementedOperation) else ""
        raise ServiceException(
            "AccessDeniedException",
            "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the principal"
            f" {PRINCIPAL}.{missing}",
        ) from None


def _invoke(ctx: Context, secret: Secret, function_arn: str, how: str, payload: bytes) -> Any:
    """Calls the function as Secrets Manager, on behalf of the secret."""
    acting = Acting(PRINCIPAL, arn_of(secret), secret.account)
    where = Arn.parse(function_arn)
    members = {"FunctionName": function_arn, "InvocationType": how, "Payload": payload}
    return ctx.call("lambda", "Invoke", members, acting=acting, region=where.region if where else None)


def _payload(secret: Secret) -> dict[str, Any]:
    return {"account": secret.account, "region": secret.region, "name": secret.name, "id": secret.id}


def _begin(ctx: Context, secret: Secret, token: str, *, probe: bool = False) -> None:
    """Puts the secret with AWSPENDING on the version to be made, and the first step to be done. `probe`: only the test."""
    assert secret.rotation is not None
    rotation = change(secret.rotation, run=token, token=ctx.random.uuid())
    replication.put(ctx, change(rules.labelled(secret, [PENDING], token), rotation=rotation))
    ctx.later("secretsmanager.rotate", _payload(secret) | {"run": token, "step": TEST if probe else 0, "attempt": 0, "probe": probe})


@task("rotate_when_due")
def rotate_when_due(ctx: Context, payload: dict[str, Any]) -> Answer:
    """Begins the rotation whose window opens now, or takes up one that did not come to its end."""
    secret = _still_there(ctx, payload)
    rotation = secret.rotation if secret is not None else None
    if secret is None or rotation is None or rotation.opens_at_ms != payload["at_ms"]:
        return None
    token = secret.stages[PENDING] if pending_apart(secret) else ctx.random.uuid()
    _begin(ctx, planned(ctx, secret, rotation, shown=False), token)
    return None


@task("rotate")
def rotate(ctx: Context, payload: dict[str, Any]) -> Answer:
    """One step of a rotation; the next, or the first again, is another task."""
    secret = _still_there(ctx, payload)
    rotation = secret.rotation if secret is not None else None
    if secret is None or rotation is None or rotation.run != payload["run"]:
        return None
    step: int = payload["step"]
    event = {
        "Step": STEPS[step],
        "SecretId": arn_of(secret),
        "ClientRequestToken": rotation.run,
        "RotationToken": rotation.token,
    }
    answer = _invoke(ctx, secret, rotation.function_arn, "RequestResponse", msgspec.json.encode(event))
    secret = _still_there(ctx, payload)
    if secret is None or secret.rotation is None or secret.rotation.run != payload["run"]:
        return None  # cancelled by the function itself
    failed = answer.get("FunctionError") is not None
    if payload["probe"]:
        _end(ctx, rules.unlabelled(secret, PENDING), secret.rotation)
    elif failed or (step == len(STEPS) - 1 and pending_apart(secret)):
        _again(ctx, secret, payload)
    elif step < len(STEPS) - 1:
        ctx.later("secretsmanager.rotate", payload | {"step": step + 1})
    else:
        succeeded = change(secret.rotation, rotated_at_ms=ctx.now)
        _end(ctx, planned(ctx, secret, succeeded), None)
    return None


def _still_there(ctx: Context, payload: dict[str, Any]) -> Secret | None:
    """The secret of a task, where it is the same one and still to be rotated."""
    secret = SECRETS.get(ctx, payload["account"], payload["region"], payload["name"])
    if secret is None or secret.id != payload["id"] or secret.purge_at_ms:
        return None
    return secret if secret.rotation is not None and secret.rotation.enabled else None


def _again(ctx: Context, secret: Secret, payload: dict[str, Any]) -> None:
    attempt = payload["attempt"] + 1
    if attempt <= RETRIES:
        ctx.later("secretsmanager.rotate", payload | {"step": 0, "attempt": attempt}, delay_s=RETRY_S * 2 ** payload["attempt"])
    else:
        _end(ctx, secret, secret.rotation)


def _end(ctx: Context, secret: Secret, rotation: Rotation | None) -> None:
    """Puts the secret with no rotation under way."""
    rotation = rotation or secret.rotation
    assert rotation is not None
    replication.put(ctx, change(secret, rotation=change(rotation, run="", token="")))


def resume(ctx: Context, secret: Secret) -> Secret:
    """A restored secret with its next rotation set anew."""
    rotation = secret.rotation
    if rotation is None or not rotation.enabled:
        return secret
    return planned(ctx, secret, change(rotation, opens_at_ms=0, run="", token=""))


@operation("CancelRotateSecret")
def cancel_rotate_secret(ctx: Context, req: Any) -> Answer:
    """Turns rotation off, and leaves one under way where it is: AWSPENDING may stay on a version that is not complete.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, CancelRotateSecret.
    """
    secret = primary_at(ctx, req.SecretId)
    rotation = secret.rotation
    if rotation is None or not rotation.function_arn:
        raise not_allowed("You tried to cancel rotation of a secret that has no rotation configured.")
    off = change(rotation, enabled=False, opens_at_ms=0, next_at_ms=0, run="", token="")
    replication.put(ctx, change(secret, rotation=off, changed_at_ms=ctx.now))
    return named(secret, VersionId=secret.stages.get(PENDING) if pending_apart(secret) else None)
