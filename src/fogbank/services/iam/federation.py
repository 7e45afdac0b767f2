"""GetSessionToken and GetFederationToken: a user's own temporary credentials, and those that a user hands to somebody else."""

from __future__ import annotations

import json
from typing import Any

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import mfa, sessions, trust

_DEFAULT_DURATION_S = 43200


_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _deny(*actions: str) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": actions, "Resource": "*"}


# What AWS keeps from such sessions, put as a session policy, so that the one evaluator says no.
# Source: IAM User Guide, "Compare AWS STS credentials".
_OTHER_STS = ("sts:GetFederationToken", "sts:GetSessionToken", "sts:DecodeAuthorizationMessage", "sts:GetAccessKeyInfo")
_SESSION_WITH_MFA = _policy(_EVERYTHING, _deny(*_OTHER_STS))
_SESSION_WITHOUT_MFA = _policy(_EVERYTHING, _deny(*_OTHER_STS, "iam:*"))
_FEDERATED = _policy(_deny(*_OTHER_STS, "sts:AssumeRole", "iam:*"))


def _check_long_term(ctx: Context, operation_name: str) -> Principal:
    """Raises AccessDenied for a caller with temporary credentials."""
    caller: Principal = ctx.principal
    if caller.kind not in ("user", "root") or caller.issued_at_ms is not None:
        raise trust.denied(f"Cannot call {operation_name} with session credentials")
    return caller


def _duration(req: Any, caller: Principal) -> int:
    """Seconds: 12 hours unless the request says otherwise; for root never more than one."""
    duration_s: int = req.DurationSeconds or _DEFAULT_DURATION_S
    return min(duration_s, sessions.ROOT_LONGEST_S) if caller.kind == "root" else duration_s


@operation("GetSessionToken", authorized_here=True)
def get_session_token(ctx: Context, req: Any) -> Answer:
    """The caller's own permissions as temporary credentials, for 15 minutes to 36 hours; no permission is needed.

    They cannot call IAM without MFA, nor STS but for AssumeRole and GetCallerIdentity.
    Errors: AccessDenied (with session credentials; a wrong MFA code).
    """
    caller = _check_long_term(ctx, "GetSessionToken")
    with_mfa = req.SerialNumber is not None or req.TokenCode is not None
    if with_mfa:
        mfa.check_code(ctx, req.SerialNumber, req.TokenCode)
    return sessions.issue(
        ctx,
        kind=caller.kind,
        account=caller.account,
        owner_id=caller.user_id,
        arn=caller.arn,
        user_id=caller.user_id,
        name=caller.name,
        duration_s=_duration(req, caller),
        minimum_token_bytes=req.MinimumSessionTokenSize,
        policies=[("GetSessionToken", _SESSION_WITH_MFA if with_mfa else _SESSION_WITHOUT_MFA)],
        mfa_at_ms=ctx.now if with_mfa else None,
    )


@operation("GetFederationToken")
def get_federation_token(ctx: Context, req: Any) -> Answer:
    """Temporary credentials for somebody else: what both the user's policies and the session policies allow.

    Without session policies they may do nothing but what resource policies grant them. They cannot call IAM, nor STS but for
    GetCallerIdentity. 15 minutes to 36 hours (one hour when root asks). Tags ask for sts:TagSession too.
    Errors: AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge.
    """
    caller = _check_long_term(ctx, "GetFederationToken")
    tags = sessions.session_tags(req.Tags)
    partition = caller.arn.split(":", 2)[1]
    arn = f"arn:{partition}:sts::{caller.account}:federated-user/{req.Name}"
    if tags:
        ctx.authorize("sts:TagSession", arn, **{"aws__requesttag/": tags, "aws__tagkeys": list(tags)})
    policies = sessions.session_policies(ctx, req, caller.account)
    percent = sessions.packed_percent(req.Policy, [p.arn for p in req.PolicyArns or () if p.arn], tags)
    answer = sessions.issue(
        ctx,
        kind="federated-user",
        account=caller.account,
        owner_id=caller.user_id,
        arn=arn,
        user_id=f"{caller.account}:{req.Name}",
        name=req.Name,
        duration_s=_duration(req, caller),
        minimum_token_bytes=req.MinimumSessionTokenSize,
        policies=None if policies is None else [*policies, ("GetFederationToken", _FEDERATED)],
        tags=tags,
    )
    return answer | {
        "FederatedUser": {"FederatedUserId": f"{caller.account}:{req.Name}", "Arn": arn},
        "PackedPolicySize": percent,
    }
