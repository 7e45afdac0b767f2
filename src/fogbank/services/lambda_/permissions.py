"""Resource policies of functions, versions and aliases: statement by statement, or whole. The door enforces them."""

from __future__ import annotations

from typing import Any

from fogbank.access import grammar
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.lambda_ import policies
from fogbank.services.lambda_.addresses import Address, address_of, address_of_arn, arn, check_qualifier
from fogbank.services.lambda_.faults import changed_meanwhile, invalid, not_found, refusal
from fogbank.services.lambda_.state import LATEST, POLICIES, Policy

_NONE = "The resource you requested does not exist."


def policy_of(ctx: Context, arn: str) -> str | None:
    """The policy of a function, version or alias, for the door."""
    where = address_of_arn(arn)
    policy = POLICIES.get(ctx, *where) if where is not None else None
    return policy.document if policy is not None else None


def _where(ctx: Context, req: Any) -> Address:
    """What a policy is, or shall be, attached to. Errors: InvalidParameterValueException, ResourceNotFoundException."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    if where.qualifier == LATEST:
        raise invalid("We currently do not support adding policies for $LATEST.")
    check_qualifier(ctx, where)
    return where


def _held(ctx: Context, where: Address, revision: str | None) -> Policy | None:
    policy = POLICIES.get(ctx, *where)
    if revision is not None and (policy is None or revision != policy.revision):
        raise changed_meanwhile()
    return policy


def _put(ctx: Context, where: Address, policy: Policy | None, document: str) -> Policy | None:
    """Keeps a policy; one without statements is none."""
    if not document:
        if policy is not None:
            POLICIES.delete(ctx, policy)
        return None
    account, region, name, qualifier = where
    revision = ctx.random.uuid()
    made = Policy(account=account, region=region, function=name, qualifier=qualifier, document=document, revision=revision)
    POLICIES.put(ctx, made)
    return made


def _conditions(req: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    equals: dict[str, Any] = {
        "AWS:SourceAccount": req.SourceAccount,
        "aws:PrincipalOrgID": req.PrincipalOrgID,
        "lambda:EventSourceToken": req.EventSourceToken,
        "lambda:FunctionUrlAuthType": req.FunctionUrlAuthType,
    }
    if equals := {key: value for key, value in equals.items() if value is not None}:
        found["StringEquals"] = equals
    if req.InvokedViaFunctionUrl is not None:
        found["Bool"] = {"lambda:InvokedViaFunctionUrl": "true" if req.InvokedViaFunctionUrl else "false"}
    if req.SourceArn is not None:
        found["ArnLike"] = {"AWS:SourceArn": req.SourceArn}
    return found


@operation("AddPermission")
def add_permission(ctx: Context, req: Any) -> Answer:
    """Lets a service, account or organization do an action with a function, version or alias.

    Errors: ResourceNotFoundException, ResourceConflictException (the StatementId is there), InvalidParameterValueException,
    PolicyLengthExceededException (20 KB), PreconditionFailedException. Source: API reference, AddPermission.
    """
    where = _where(ctx, req)
    policy = _held(ctx, where, req.RevisionId)
    if req.FunctionUrlAuthType is not None and req.Action != "lambda:InvokeFunctionUrl":
        raise invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action")
    statement: dict[str, Any] = {
        "Sid": req.StatementId,
        "Effect": "Allow",
        "Principal": policies.principal(req.Principal, ctx.region),
        "Action": req.Action,
        "Resource": arn(*where),
    }
    if conditions := _conditions(req):
        statement["Condition"] = conditions
    _put(ctx, where, policy, policies.added(policy.document if policy is not None else "", statement))
    return {"Statement": policies.text(statement)}


@operation("RemovePermission")
def remove_permission(ctx: Context, req: Any) -> Answer:
    """Takes a statement out of a policy.

    Errors: ResourceNotFoundException, PreconditionFailedException. Source: API reference, RemovePermission.
    """
    where = _where(ctx, req)
    policy = _held(ctx, where, req.RevisionId)
    _put(ctx, where, policy, policies.removed(policy.document if policy is not None else "", req.StatementId))
    return None


@operation("GetPolicy")
def get_policy(ctx: Context, req: Any) -> Answer:
    """The policy of a function, version or alias, and its revision. Errors: ResourceNotFoundException. Source: API reference, GetPolicy."""
    where = address_of(ctx, req.FunctionName, req.Qualifier)
    check_qualifier(ctx, where)
    policy = POLICIES.get(ctx, *where)
    if policy is None:
        raise not_found(_NONE)
    return {"Policy": policy.document, "RevisionId": policy.revision}


# whole policies


def _of_arn(ctx: Context, text: str) -> Address:
    where = address_of_arn(text)
    if where is None or ":function:" not in text:
        raise invalid(f"{text} is not the ARN of a function, version or alias.")
    check_qualifier(ctx, where)
    return where


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Gives a function, version or alias a policy in the place of the one it has, at most 20 KB.

    Errors: ResourceNotFoundException, InvalidParameterValueException, PolicyLengthExceededException,
    PreconditionFailedException. Source: API reference, PutResourcePolicy.
    """
    where = _of_arn(ctx, req.ResourceArn)
    policy = _held(ctx, where, req.RevisionId)
    if len(req.Policy.encode()) > policies.POLICY_BYTES:
        message = f"The final policy size ({len(req.Policy.encode())}) is bigger than the limit ({policies.POLICY_BYTES})."
        raise refusal("PolicyLengthExceededException", message)
    try:
        grammar.read(req.Policy, "resource")
    except ServiceException as malformed:
        raise invalid(f"The policy is malformed: {malformed.message}") from None
    made = _put(ctx, where, policy, req.Policy)
    return {"Policy": req.Policy, "RevisionId": made.revision if made is not None else None}


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """The policy of an ARN. Errors: ResourceNotFoundException. Source: API reference, GetResourcePolicy."""
    policy = POLICIES.get(ctx, *_of_arn(ctx, req.ResourceArn))
    if policy is None:
        raise not_found(_NONE)
    return {"Policy": policy.document, "RevisionId": policy.revision}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes the policy from an ARN. Errors: ResourceNotFoundException, PreconditionFailedException.

    Source: API reference, DeleteResourcePolicy.
    """
    where = _of_arn(ctx, req.ResourceArn)
    policy = _held(ctx, where, req.RevisionId)
    if policy is None:
        raise not_found(_NONE)
    _put(ctx, where, policy, "")
    return None
