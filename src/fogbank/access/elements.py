"""The Action, Resource and Principal elements of a statement, compiled to tests.

Source: "IAM JSON policy elements reference" in the IAM User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

from fogbank.access import patterns
from fogbank.access.context import Context
from fogbank.access.principal import Principal, canonical_id

ResourceTest = Callable[[str, Context], bool]
PrincipalTest = Callable[[Principal], "Naming"]


class Naming(IntEnum):
    """How closely a resource policy names the caller; it decides which other policies still count.

    ACCOUNT hands the question to the account's identity policies. ROLE grants to the role, whose sessions its boundary and
    session policies limit. DIRECT grants to this user or session (or to everybody), and no implicit denial takes it away.
    """

    NOT = 0
    ACCOUNT = 1
    ROLE = 2
    DIRECT = 3


def action_test(names: Sequence[str], negated: bool) -> Callable[[str], bool]:
    """A test of a lower-case action (`sqs:sendmessage`)."""
    match = patterns.any_of([patterns.as_pattern(name.lower()) for name in names])
    if match is None:
        return lambda _: not negated
    return lambda action: bool(match(action)) != negated


def resource_test(names: Sequence[str], negated: bool, variables: bool) -> ResourceTest | None:
    """A test of a resource's ARN; None where every resource passes."""
    plain = [patterns.as_pattern(name) for name in names if not (variables and patterns.has_variable(name))]
    templates = [patterns.Template(name) for name in names if variables and patterns.has_variable(name)]
    match = patterns.any_of(plain)
    if match is None:
        return (lambda resource, context: False) if negated else None
    if not templates:
        if negated:
            return lambda resource, context: not match(resource)
        return lambda resource, context: bool(match(resource))

    def test(resource: str, context: Context) -> bool:
        if match(resource):
            return not negated
        filled = (template.pattern(context) for template in templates)
        return any(pattern is not None and patterns.matches(pattern, resource) for pattern in filled) != negated

    return test


_account_root = re.compile(r"(?:arn:[^:]+:iam::)?(\d{12})(?::root)?").fullmatch


class Principals:
    """The callers that a Principal element lists."""

    __slots__ = ("accounts", "any_service", "arns", "canonical", "everybody", "federated", "ids", "services")

    def __init__(self, element: str | Mapping[str, str | Sequence[str]]) -> None:
        listed = {"AWS": [element]} if isinstance(element, str) else {k: [v] if isinstance(v, str) else list(v) for k, v in element.items()}
        aws = listed.get("AWS", [])
        self.everybody = "*" in aws
        self.accounts = frozenset(found[1] for name in aws if (found := _account_root(name)))
        self.arns = frozenset(name for name in aws if name.startswith("arn:") and not _account_root(name))
        self.ids = frozenset(name for name in aws if name != "*" and not name.startswith("arn:") and not name.isdigit())
        self.services = frozenset(listed.get("Service", []))
        self.any_service = "*" in self.services
        self.federated = frozenset(listed.get("Federated", []))
        self.canonical = frozenset(listed.get("CanonicalUser", []))

    def names(self, principal: Principal) -> Naming:
        """How closely the element names this caller."""
        if self.everybody:
            return Naming.DIRECT
        kind = principal.kind
        if kind == "service":
            return Naming.DIRECT if self.any_service or principal.service in self.services else Naming.NOT
        if kind in ("web-identity", "saml"):
            return Naming.DIRECT if principal.federated_provider in self.federated or "*" in self.federated else Naming.NOT
        if kind == "anonymous":
            return Naming.NOT
        if principal.arn in self.arns or (principal.user_id and principal.user_id in self.ids):
            return Naming.DIRECT
        if (principal.issuer_arn and principal.issuer_arn in self.arns) or principal.unique_id in self.ids:
            return Naming.ROLE
        if principal.federated_provider and principal.federated_provider in self.federated:
            return Naming.DIRECT
        if principal.account in self.accounts or (self.canonical and canonical_id(principal.account) in self.canonical):
            return Naming.ACCOUNT
        return Naming.NOT

    def names_wholly(self, principal: Principal) -> bool:
        """Whether each of the caller's identities is listed (session, role and account; user and account), as NotPrincipal asks."""
        if principal.kind in ("service", "web-identity", "saml", "anonymous") or self.everybody:
            return self.names(principal) != Naming.NOT
        if principal.account not in self.accounts:
            return False
        if principal.kind == "root":
            return True
        own = principal.arn in self.arns or principal.user_id in self.ids
        if not principal.issuer_arn:
            return own
        return own and (principal.issuer_arn in self.arns or principal.unique_id in self.ids)


def principal_test(element: str | Mapping[str, str | Sequence[str]], negated: bool, deny: bool) -> PrincipalTest:
    """A test of the caller. A denial by NotPrincipal spares only those whose every identity it lists."""
    principals = Principals(element)
    if not negated:
        return principals.names
    if deny:
        return lambda principal: Naming.NOT if principals.names_wholly(principal) else Naming.DIRECT
    return lambda principal: Naming.NOT if principals.names(principal) else Naming.DIRECT
