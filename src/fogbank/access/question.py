"""A question to the evaluator, the policies it is put to, and the answer with AWS's sentence about it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from fogbank.access.context import Context
from fogbank.access.policy import Named, Statement
from fogbank.access.principal import Principal


class Query(msgspec.Struct, frozen=True, gc=False):
    """The question. `action` is `sqs:SendMessage`; `resource` an ARN, or `*` where the action has none."""

    principal: Principal
    action: str
    resource: str
    context: Context


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Every policy that applies to one question.

    `scps` has one sequence for each level from the organization's root down to the account; each level must allow. None of them
    applies to a service's own calls. `resource_account` is the owner of the resource ("": the caller's own account).
    `resource_required`: without the resource's policy nothing is allowed, not even to the account's own users (KMS key
    policies, role trust policies). `resource` policies may be several (an access point's and its bucket's): all must agree.
    """

    identity: Sequence[Named] = ()
    boundary: Named | None = None
    session: Sequence[Named] = ()
    scps: Sequence[Sequence[Named]] = ()
    resource: Named | None = None
    endpoint: Named | None = None
    resource_account: str = ""
    resource_required: bool = False


class Layer(StrEnum):
    """Which kind of policy decided."""

    IDENTITY = "identity-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SCP = "service control policy"
    RESOURCE = "resource-based policy"
    ENDPOINT = "VPC endpoint policy"
    ROOT = "root user"


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Yes or no, and why.

    `layer` is the kind of policy that allowed, denied, or did not allow. `explicit` is true where a statement denied; then, and
    where one allowed, `policy` and `statement` name it.
    """

    allowed: bool
    layer: Layer
    explicit: bool = False
    policy: Named | None = None
    statement: Statement | None = None

    @property
    def reason(self) -> str:
        """`allowed`, `explicitDeny` or `implicitDeny`: IAM's words."""
        return "allowed" if self.allowed else "explicitDeny" if self.explicit else "implicitDeny"


# EC2 names no resource where an action has none; others say `*`.
_SILENT_ABOUT_ANY = frozenset({"ec2", "s3", "iam", "sts", "sqs", "sns"})
_LOWER_CASE = frozenset({"sqs"})  # it says `sqs:sendmessage`
_UPPER_CASE = frozenset({"sns"})  # it says `SNS:Publish`
DENIAL_CODES = {"sns": "AuthorizationErrorException"}
"""The services that refuse with a code of their own."""


def denial_message(query: Query, decision: Decision) -> str:
    """AWS's sentence: who, what, on which resource, and which kind of policy did not allow it or denied it."""
    action = query.action
    service = action.partition(":")[0].lower()
    if service in _LOWER_CASE:
        action = action.lower()
    elif service in _UPPER_CASE:
        action = service.upper() + action[len(service) :]
    where = ""
    if query.resource != "*" or service not in _SILENT_ABOUT_ANY:
        where = f' on resource: "{query.resource}"' if service == "s3" else f" on resource: {query.resource}"
    article = "an" if decision.layer == Layer.IDENTITY else "a"
    if decision.explicit:
        why = f"with an explicit deny in {article} {decision.layer}"
    else:
        why = f"because no {decision.layer} allows the {action} action"
    return f"User: {query.principal.arn or 'anonymous'} is not authorized to perform: {action}{where} {why}"
