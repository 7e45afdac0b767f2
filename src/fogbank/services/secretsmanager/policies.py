"""Resource policies of secrets. The door enforces them."""

from __future__ import annotations

from typing import Any

from fogbank.access import grammar
from fogbank.access.public import is_public
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.secretsmanager import replication
from fogbank.services.secretsmanager.addresses import arn_of, named, primary_at, secret_at
from fogbank.services.secretsmanager.rules import invalid
from fogbank.services.secretsmanager.state import SECRETS
from fogbank.store import change

DEFAULT = "default"
PUBLIC = "This resource policy grants broad access to the secret: it allows actions to principals that a wildcard stands for."
Statement = dict[str, Any]


def _read(document: str) -> list[Statement]:
    """The statements of a policy. Raises MalformedPolicyDocumentException."""
    try:
        statements: list[Statement] = grammar.read(document, "resource")["Statement"]
    except ServiceException as refused:
        raise _malformed(refused.message) from None
    for statement in statements:
        if "Resource" not in statement and "NotResource" not in statement:
            raise _malformed("Missing required field Resource")
        for action in statement.get("Action") or statement.get("NotAction") or ():
            if action != "*" and not action.lower().startswith("secretsmanager:"):
                raise _malformed(f"The action {action} is not one of Secrets Manager")
    return statements


def _malformed(why: str) -> ServiceException:
    return ServiceException("MalformedPolicyDocumentException", f"This resource policy is malformed. {why}")


def _check_name(req: Any) -> None:
    if req.PolicyName not in (None, DEFAULT):
        raise invalid(f"You can only change the policy {DEFAULT}.")


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a policy to a secret, in the place of the one it has; at most 20,480 characters.

    Errors: MalformedPolicyDocumentException, PublicPolicyException (with BlockPublicPolicy), ResourceNotFoundException,
    InvalidParameterException, InvalidRequestException. Source: API reference, PutResourcePolicy.
    """
    secret = primary_at(ctx, req.SecretId)
    _check_name(req)
    statements = _read(req.ResourcePolicy)
    if req.BlockPublicPolicy and is_public(statements):
        raise ServiceException("PublicPolicyException", PUBLIC)
    replication.put(ctx, change(secret, policy=req.ResourcePolicy, changed_at_ms=ctx.now))
    return named(secret, PolicyName=DEFAULT)


@operation("GetResourcePolicy")
def get_resource_policy(ctx: Context, req: Any) -> Answer:
    """The policy of a secret as it was put; no ResourcePolicy where there is none.

    Errors: ResourceNotFoundException, InvalidRequestException. Source: API reference, GetResourcePolicy.
    """
    secret = secret_at(ctx, req.SecretId)
    if req.PolicyName not in (None, DEFAULT):
        raise ServiceException("ResourceNotFoundException", f"Secrets Manager can't find the policy {req.PolicyName}.")
    return named(secret, ResourcePolicy=secret.policy or None, PolicyName=DEFAULT)


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a secret's policy away; also where there is none.

    Errors: ResourceNotFoundException, InvalidParameterException, InvalidRequestException. Source: API reference, DeleteResourcePolicy.
    """
    secret = primary_at(ctx, req.SecretId)
    _check_name(req)
    replication.put(ctx, change(secret, policy="", changed_at_ms=ctx.now))
    return named(secret, PolicyName=DEFAULT)


@operation("ListResourcePolicies", authorized_here=True)
def list_resource_policies(ctx: Context, req: Any) -> Answer:
    """The name of a secret's policy, where it has one.

    Errors: ResourceNotFoundException, InvalidRequestException. Source: API reference, ListResourcePolicies.
    """
    secret = secret_at(ctx, req.SecretId)
    # The authorization data does not know this action's resource yet.
    ctx.authorize("secretsmanager:ListResourcePolicies", arn_of(secret))
    return {"ResourcePolicies": [{"PolicyName": DEFAULT}] if secret.policy else []}


@operation("ValidateResourcePolicy")
def validate_resource_policy(ctx: Context, req: Any) -> Answer:
    """Whether a policy could be attached without opening the secret to everybody or locking the caller out of it.

    The caller also needs secretsmanager:PutResourcePolicy.

    Errors: MalformedPolicyDocumentException, ResourceNotFoundException, InvalidRequestException.
    Source: API reference, ValidateResourcePolicy.
    """
    secret = secret_at(ctx, req.SecretId) if req.SecretId is not None else None
    ctx.authorize("secretsmanager:PutResourcePolicy", arn_of(secret) if secret else "*")
    errors = []
    if is_public(_read(req.ResourcePolicy)):
        errors.append({"CheckName": "PublicPolicy", "ErrorMessage": PUBLIC})
    if secret is not None:
        SECRETS.put(ctx, change(secret, policy=req.ResourcePolicy))  # the door reads it from here
        if not ctx.may("secretsmanager:PutResourcePolicy", arn_of(secret)):
            message = "This resource policy would not allow you to change it again."
            errors.append({"CheckName": "LockOut", "ErrorMessage": message})
        SECRETS.put(ctx, secret)
    return {"PolicyValidationPassed": not errors, "ValidationErrors": errors}
