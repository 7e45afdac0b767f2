"""Temporary credentials: how they are made, what narrows them, and when they end."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fogbank.access.policy import parse
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.iam import ids
from fogbank.services.iam.lookups import get_policy
from fogbank.services.iam.refusals import invalid_value
from fogbank.services.iam.state import SESSION_BY_END, SESSIONS, Session

CHAINED_LONGEST_S = 3600
ROOT_LONGEST_S = 3600
_PLAIN_LONGEST = 2048
_PACKED_LONGEST_BYTES = 1024
_TOKEN_LONGEST_BYTES = 4096
_MOST_POLICY_ARNS = 10
_MOST_TAGS = 50
_KEPT_AFTER_END_MS = 24 * 3600 * 1000
_SWEPT_AT_ONCE = 4


def session_policies(ctx: Context, req: Any, account: str) -> list[tuple[str, str]] | None:
    """The policies that a request narrows its session by, with their names; None for none.

    Errors: MalformedPolicyDocument, PackedPolicyTooLarge (more than 2048 characters of policy and ARNs), ValidationError.
    """
    arns = [p.arn for p in req.PolicyArns or () if p.arn]
    if req.Policy is None and not arns:
        return None
    if len(arns) > _MOST_POLICY_ARNS:
        raise invalid_value(f"Number of policy ARNs exceeds the limit of {_MOST_POLICY_ARNS}.")
    if len(req.Policy or "") + sum(map(len, arns)) > _PLAIN_LONGEST:
        raise _too_large(100 * (len(req.Policy or "") + sum(map(len, arns))) // _PLAIN_LONGEST)
    policies: list[tuple[str, str]] = []
    if req.Policy is not None:
        parse(req.Policy, "session")
        policies.append(("session policy", req.Policy))
    for arn in arns:
        managed = get_policy(ctx, arn)
        if managed is None or managed.account not in ("aws", account):
            raise ServiceException("MalformedPolicyDocumentException", f"Policy {arn} does not exist or is not attachable.")
        policies.append((arn, managed.document))
    return policies


def session_tags(tags: Iterable[Any] | None) -> dict[str, str]:
    """A request's session tags.

    Errors: ValidationError (more than 50), InvalidParameterValue (a key twice, whatever its case; a reserved key).
    """
    wanted = list(tags or ())
    if len(wanted) > _MOST_TAGS:
        raise invalid_value(f"Number of session tags exceeds the limit of {_MOST_TAGS}.")
    names = [t.Key.lower() for t in wanted]
    if len(set(names)) != len(names):
        raise invalid_parameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(n.startswith("aws:") for n in names):
        raise invalid_parameter("Tag keys that start with 'aws:' are reserved for use by AWS.")
    return {t.Key: t.Value or "" for t in wanted}


def invalid_parameter(sentence: str) -> ServiceException:
    return ServiceException("InvalidParameterValue", sentence)


def _too_large(percent: int) -> ServiceException:
    return ServiceException(
        "PackedPolicyTooLargeException",
        f"Packed policy consumes {percent}% of allotted space, please use smaller policy.",
    )


def packed_percent(policy: str | None, arns: Sequence[str], tags: Mapping[str, str]) -> int | None:
    """How much of the room for policies and tags a request fills, in percent; None without any.

    AWS packs in a form of its own; here it is zlib's.
    Errors: PackedPolicyTooLarge.
    """
    parts = [policy or "", *arns, *(f"{k}={v}" for k, v in tags.items())]
    text = "\n".join(p for p in parts if p)
    if not text:
        return None
    percent = -(-100 * len(zlib.compress(text.encode())) // _PACKED_LONGEST_BYTES)
    if percent > 100:
        raise _too_large(percent)
    return percent


def issue(
    ctx: Context,
    *,
    kind: str,
    account: str,
    owner_id: str,
    arn: str,
    user_id: str,
    name: str,
    duration_s: int,
    minimum_token_bytes: int | None,
    **more: Any,
) -> dict[str, Any]:
    """Makes and keeps a session. Returns Credentials, SessionTokenSize and SessionTokenUtilization.

    A few sessions that ended a day ago go on the way, so that the table does not grow for ever and needs no timer.
    """
    for old in _swept(ctx):
        SESSIONS.delete(ctx, old)
    token = "IQoJb3JpZ2luX2Vj" + base64.b64encode(ctx.random.bytes(240)).decode()
    if minimum_token_bytes and minimum_token_bytes > len(token):
        token += ctx.random.text(minimum_token_bytes - len(token), ids.BASE32)
    session = Session(
        access_key_id=ids.access_key_id(ctx.random, "ASIA", account),
        secret=ids.secret(ctx.random),
        token=token,
        kind=kind,
        account=account,
        owner_id=owner_id,
        arn=arn,
        user_id=user_id,
        name=name,
        issued_at_ms=ctx.now,
        expires_at_ms=ctx.now + duration_s * 1000,
        **more,
    )
    SESSIONS.put(ctx, session)
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret,
            "SessionToken": token,
            "Expiration": session.expires_at_ms,
        },
        "SessionTokenSize": len(token),
        "SessionTokenUtilization": 100 * len(token) // _TOKEN_LONGEST_BYTES,
    }


def _swept(ctx: Context) -> list[Session]:
    ended = SESSION_BY_END.scan(ctx, before=ctx.now - _KEPT_AFTER_END_MS)
    return [session for session, _ in zip(ended, range(_SWEPT_AT_ONCE), strict=False)]


def role_session_arn(role_arn: str, role_name: str, session_name: str) -> str:
    """A role session's ARN: the role's path is not in it."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    return f"arn:{partition}:sts::{account}:assumed-role/{role_name}/{session_name}"
