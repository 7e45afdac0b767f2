"""AssumeRole: a caller takes on a role for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fogbank.access.principal import Principal
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.iam import mfa, sessions, trust
from fogbank.services.iam.refusals import invalid_value
from fogbank.services.iam.sessions import invalid_parameter
from fogbank.services.iam.state import Role

_DEFAULT_DURATION_S = 3600


@operation("AssumeRole", authorized_here=True)
def assume_role(ctx: Context, req: Any) -> Answer:
    """Temporary credentials of a role, for 15 minutes up to the role's longest session (one hour when chained).

    In one account the trust policy is enough where it names the caller, and hands the question to the caller's policies where
    it names the account; across accounts both sides must allow. Session tags ask for sts:TagSession, a source identity for
    sts:SetSourceIdentity too. AWS lets no root user assume a role; here root may, because the well-known keys are root.

    Errors: AccessDenied, MalformedPolicyDocument, PackedPolicyTooLarge, ValidationError (DurationSeconds), InvalidParameterValue (tags).
    Source: STS API Reference, AssumeRole; IAM User Guide, "Pass session tags in AWS STS".
    """
    if req.ProvidedContexts:
        raise NotImplementedOperation("sts", "AssumeRole", "with ProvidedContexts")
    caller: Principal = ctx.principal
    role = trust.get_role(ctx, req.RoleArn)
    if role is None:
        raise trust.refused(caller, "sts:AssumeRole", req.RoleArn)
    tags, transitive = _tags(caller, req)
    source_identity = _source_identity(caller, req)
    values = _condition_keys(ctx, req, source_identity)
    trust.check(ctx, caller, "sts:AssumeRole", role, values)
    if req.Tags:
        trust.check(ctx, caller, "sts:TagSession", role, values)
    if source_identity:
        trust.check(ctx, caller, "sts:SetSourceIdentity", role, values)
    chained = caller.kind == "assumed-role"
    answer = open_session(
        ctx,
        req,
        role,
        duration_s=checked_duration(req, role, chained=chained),
        tags=tags,
        transitive=transitive,
        source_identity=source_identity,
    )
    return answer | {"SourceIdentity": source_identity or None}


def checked_duration(req: Any, role: Role, *, chained: bool = False) -> int:
    """How long the session lasts, in seconds (ValidationError where the role does not allow it)."""
    duration_s: int = req.DurationSeconds or _DEFAULT_DURATION_S
    if chained and duration_s > sessions.CHAINED_LONGEST_S:
        raise invalid_value("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
    if duration_s > role.max_session_s:
        raise invalid_value("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
    return duration_s


def open_session(ctx: Context, req: Any, role: Role, *, duration_s: int, tags: dict[str, str], **more: Any) -> dict[str, Any]:
    """The session of a role, and what every AssumeRole operation answers about it."""
    policies = sessions.session_policies(ctx, req, role.account)
    percent = sessions.packed_percent(req.Policy, [p.arn for p in req.PolicyArns or () if p.arn], tags)
    arn = sessions.role_session_arn(role.arn, role.name, req.RoleSessionName)
    user_id = f"{role.id}:{req.RoleSessionName}"
    answer = sessions.issue(
        ctx,
        kind="assumed-role",
        account=role.account,
        owner_id=role.id,
        arn=arn,
        user_id=user_id,
        name=req.RoleSessionName,
        duration_s=duration_s,
        minimum_token_bytes=req.MinimumSessionTokenSize,
        policies=policies,
        tags=tags,
        **more,
    )
    return answer | {"AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn}, "PackedPolicySize": percent}


def _tags(caller: Principal, req: Any) -> tuple[dict[str, str], list[str]]:
    """The session's tags and those that go on to the sessions chained to it.

    What the calling session hands on cannot be overridden.
    """
    tags = sessions.session_tags(req.Tags)
    inherited: Mapping[str, str] = {k: v for k, v in caller.tags.items() if k in caller.transitive_tag_keys}
    handed_on = {k.lower() for k in inherited}
    if any(k.lower() in handed_on for k in tags):
        raise invalid_parameter(
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session."
        )
    wanted = list(req.TransitiveTagKeys or ())
    if not {k.lower() for k in wanted} <= {k.lower() for k in tags}:
        raise invalid_parameter("The specified transitive tag key must be included in the requested tags.")
    return {**inherited, **tags}, [*inherited, *(k for k in tags if k.lower() in {w.lower() for w in wanted})]


def _source_identity(caller: Principal, req: Any) -> str:
    """The source identity: once set it stays, through all chained sessions."""
    wanted = req.SourceIdentity or ""
    if caller.source_identity and wanted and wanted != caller.source_identity:
        raise trust.denied("The source identity of the calling session cannot be changed.")
    return caller.source_identity or wanted


def _condition_keys(ctx: Context, req: Any, source_identity: str) -> dict[str, Any]:
    """What policies may ask about this request."""
    tags = {t.Key: t.Value or "" for t in req.Tags or ()}
    values: dict[str, Any] = {
        "sts:externalid": req.ExternalId,
        "sts:rolesessionname": req.RoleSessionName,
        "sts:sourceidentity": source_identity or None,
        "sts:transitivetagkeys": list(req.TransitiveTagKeys or ()),
        "sts:durationseconds": req.DurationSeconds,
        "aws:requesttag/": tags,
        "aws:tagkeys": list(tags),
    }
    if req.SerialNumber is not None or req.TokenCode is not None:
        mfa.check_code(ctx, req.SerialNumber, req.TokenCode)
        values |= {"aws:multifactorauthpresent": True, "aws:multifactorauthage": 0}
    return values
