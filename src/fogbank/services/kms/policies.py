"""Key policies. Each key has one, called `default`; without it nobody may do anything with the key, not even its account's root."""

from __future__ import annotations

from typing import Any

from fogbank.access import policy
from fogbank.access.context import Context as Conditions
from fogbank.access.evaluate import decide
from fogbank.access.policy import Named
from fogbank.access.question import Policies, Query
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.kms import documents, faults
from fogbank.services.kms.names import key_at
from fogbank.services.kms.state import KEYS
from fogbank.store import change

POLICY_BYTES = 32_768
DEFAULT = "default"
_EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


def malformed(message: str) -> ServiceException:
    return ServiceException("MalformedPolicyDocumentException", message)


def checked(document: str) -> str:
    """A policy that can be read. Errors: MalformedPolicyDocumentException, LimitExceededException."""
    if len(document.encode()) > POLICY_BYTES:
        raise ServiceException("LimitExceededException", f"Policy exceeds the limit of {POLICY_BYTES} bytes")
    try:
        compiled = documents.effective(document)
        if compiled is not None:
            policy.parse(compiled, "resource")
    except (ValueError, AttributeError, RecursionError):
        raise malformed("Syntax errors in policy.") from None
    except ServiceException as problem:
        if "principal" in problem.message:
            raise malformed("Policy contains a statement with one or more invalid principals.") from None
        raise malformed(problem.message) from None
    return document


def check_lockout(ctx: Context, req: Any, arn: str, account: str) -> None:
    """Refuses a policy that would not let the caller change it again, whatever IAM allows."""
    if req.BypassPolicyLockoutSafetyCheck:
        return
    document = documents.effective(req.Policy)
    values = {"kms:calleraccount": ctx.account, "kms:policyname": DEFAULT}
    decision = decide(
        Query(ctx.principal, "kms:PutKeyPolicy", arn, Conditions(ctx.principal, ctx.request, ctx.region, ctx.now, values)),
        Policies(
            identity=(Named("everything", policy.parse(_EVERYTHING, "identity")),),
            resource=Named(arn, policy.parse(document, "resource")) if document is not None else None,
            resource_account=account,
            resource_required=True,
        ),
    )
    if not decision.allowed:
        raise malformed("The new key policy will not allow you to update the key policy in the future.")


@operation("GetKeyPolicy")
def get_key_policy(ctx: Context, req: Any) -> Answer:
    """A key's policy; only `default` exists. Errors: NotFoundException. Source: API reference, GetKeyPolicy."""
    key = key_at(ctx, req.KeyId)
    if (req.PolicyName or DEFAULT) != DEFAULT:
        raise faults.not_found(f"No such policy exists: {req.PolicyName}")
    return {"Policy": key.policy, "PolicyName": DEFAULT}


@operation("PutKeyPolicy")
def put_key_policy(ctx: Context, req: Any) -> Answer:
    """Replaces a key's policy: at most 32,768 bytes, and it must leave the caller the right to do this again.

    BypassPolicyLockoutSafetyCheck does without the latter. Errors: MalformedPolicyDocumentException, LimitExceededException,
    NotFoundException, ValidationException. Source: API reference, PutKeyPolicy.
    """
    key = key_at(ctx, req.KeyId)
    name = req.PolicyName or DEFAULT
    if name != DEFAULT:
        raise faults.invalid(
            "The AWS_RAM policy can only be managed by the RAM service." if name == "AWS_RAM" else f"Invalid policy name: {name}"
        )
    document = checked(req.Policy)
    check_lockout(ctx, req, key.arn, key.account)
    KEYS.put(ctx, change(key, policy=document))
    return None


@operation("ListKeyPolicies")
def list_key_policies(ctx: Context, req: Any) -> Answer:
    """The names of a key's policies: `default`. Errors: NotFoundException, InvalidMarkerException.

    Source: API reference, ListKeyPolicies.
    """
    key_at(ctx, req.KeyId)
    faults.size(req, 100, 1000)
    after = faults.marker(req)
    return {"PolicyNames": [] if after else [DEFAULT], "Truncated": False}
