"""Resource policies: an advanced parameter shared with other accounts. The door enforces them.

Source: "Working with shared parameters in Parameter Store" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fogbank.access import grammar
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm import encryption
from fogbank.services.ssm.names import arn_of, get_by_arn, latest_of
from fogbank.services.ssm.state import ADVANCED, PARAMETERS, Parameter, Sharing
from fogbank.store import change

ACTIONS = frozenset({"ssm:describeparameters", "ssm:getparameter", "ssm:getparameters", "ssm:getparameterhistory"})
POLICY_BYTES = 1024


def _parameter_at(ctx: Context, req: Any) -> Parameter:
    """Raises ResourceNotFoundException, ResourcePolicyInvalidParameterException."""
    parts = Arn.parse(req.ResourceArn)
    if parts is None or parts.service != "ssm":
        raise _invalid("ResourceArn", f"{req.ResourceArn} isn't an ARN of Systems Manager.")
    if not parts.resource.startswith("parameter/"):
        raise NotImplementedOperation("ssm", ctx.operation, f"for {parts.resource.partition('/')[0]} resources")
    parameter = get_by_arn(ctx, req.ResourceArn)
    if parameter is None or (parameter.account, parameter.region) != (ctx.account, ctx.region):
        raise ServiceException("ResourceNotFoundException", f"The parameter {req.ResourceArn} could not be found.")
    return parameter


def _invalid(name: str, message: str) -> ServiceException:
    return ServiceException("ResourcePolicyInvalidParameterException", message, ParameterNames=[name])


def _check_policy(parameter: Parameter, document: str) -> None:
    """Raises MalformedResourcePolicyDocumentException, ResourcePolicyLimitExceededException."""
    if len(document.encode()) > POLICY_BYTES:
        message = f"A resource policy can't be greater than {POLICY_BYTES} bytes."
        raise ServiceException("ResourcePolicyLimitExceededException", message, Limit=POLICY_BYTES, LimitType="PolicyBytes")
    try:
        statements = grammar.read(document, "resource")["Statement"]
    except ServiceException as refused:
        raise ServiceException("MalformedResourcePolicyDocumentException", refused.message) from None
    for statement in statements:
        if statement.get("Resource") != [arn_of(parameter)]:
            message = f"The Resource of a statement must be {arn_of(parameter)}."
        elif not {action.lower() for action in statement.get("Action", ["*"])} <= ACTIONS:
            message = (
                "A parameter can be shared for the actions DescribeParameters, GetParameter, GetParameters and GetParameterHistory only."
            )
        else:
            continue
        raise ServiceException("MalformedResourcePolicyDocumentException", message)


@operation("PutResourcePolicy")
def put_resource_policy(ctx: Context, req: Any) -> Answer:
    """Attaches a policy to an advanced parameter, or with PolicyId and PolicyHash changes it. At most 1,024 bytes; one for a parameter.

    A SecureString must be under a customer managed key.

    Errors: ResourceNotFoundException, MalformedResourcePolicyDocumentException, ResourcePolicyConflictException,
    ResourcePolicyLimitExceededException, ResourcePolicyInvalidParameterException. Source: API reference, PutResourcePolicy.
    """
    parameter = _parameter_at(ctx, req)
    if parameter.tier != ADVANCED:
        raise _invalid("ResourceArn", "To share a parameter, it must be in the advanced parameter tier.")
    if parameter.type == "SecureString" and latest_of(ctx, parameter).key_id == encryption.DEFAULT_KEY:
        raise _invalid("ResourceArn", "To share a SecureString parameter, it must be encrypted with a customer managed key.")
    _check_policy(parameter, req.Policy)
    if req.PolicyId is not None or req.PolicyHash is not None:
        policy_id = _checked(parameter, req).id
    elif parameter.sharing is not None:
        message = "A parameter can have one resource policy only."
        raise ServiceException("ResourcePolicyLimitExceededException", message, Limit=1, LimitType="PoliciesPerResource")
    else:
        policy_id = ctx.random.uuid()
    sharing = Sharing(policy_id, hashlib.sha256(req.Policy.encode()).hexdigest(), req.Policy)
    PARAMETERS.put(ctx, change(parameter, sharing=sharing))
    return {"PolicyId": sharing.id, "PolicyHash": sharing.hash}


def _checked(parameter: Parameter, req: Any) -> Sharing:
    """The policy that a request means, if it knows its current version."""
    sharing = parameter.sharing
    if sharing is None or sharing.id != req.PolicyId:
        raise ServiceException("ResourcePolicyNotFoundException", f"The policy {req.PolicyId} could not be found.")
    if sharing.hash != req.PolicyHash:
        raise ServiceException("ResourcePolicyConflictException", "The hash provided in the call doesn't match the stored hash.")
    return sharing


@operation("GetResourcePolicies")
def get_resource_policies(ctx: Context, req: Any) -> Answer:
    """The policy of a parameter. Errors: ResourceNotFoundException. Source: API reference, GetResourcePolicies."""
    sharing = _parameter_at(ctx, req).sharing
    if sharing is None:
        return {"Policies": []}
    return {"Policies": [{"PolicyId": sharing.id, "PolicyHash": sharing.hash, "Policy": sharing.document}]}


@operation("DeleteResourcePolicy")
def delete_resource_policy(ctx: Context, req: Any) -> Answer:
    """Takes a parameter's policy away.

    Errors: ResourceNotFoundException, ResourcePolicyNotFoundException, ResourcePolicyConflictException.
    Source: API reference, DeleteResourcePolicy.
    """
    parameter = _parameter_at(ctx, req)
    _checked(parameter, req)
    PARAMETERS.put(ctx, change(parameter, sharing=None))
    return None
