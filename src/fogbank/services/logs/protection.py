"""Data protection: what is sensitive in events is found when they come in, and masked for all who may not unmask it.

A policy says twice which identifiers it is about: to Audit, and to Deidentify (MaskConfig). Findings are not sent anywhere here, so
a FindingsDestination that names something is refused. A group's policy and its account's add up.

Source: "Protecting sensitive log data with masking" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.context import Context
from fogbank.kernel.operation import Answer, operation
from fogbank.services.logs import identifiers, regexes
from fogbank.services.logs.faults import invalid, not_here
from fogbank.services.logs.names import group_by
from fogbank.services.logs.state import ACCOUNT_POLICIES, GROUPS, STANDARD, Group
from fogbank.store import change

POLICY = "DATA_PROTECTION_POLICY"
DOCUMENT_LIMIT = 30_720
CUSTOM_LIMIT = 10
_arn = re.compile(r"arn:aws[a-z-]*:dataprotection::aws:data-identifier/([\w-]+)").fullmatch
_custom_name = re.compile(r"[a-zA-Z0-9_-]{1,128}").fullmatch


Identifiers = tuple[identifiers.Identifier | identifiers.Custom, ...]


class Masks(NamedTuple):
    """All that is masked in a group; false where nothing is."""

    identifiers: Identifiers = ()

    def masked(self, message: str) -> str | None:
        """The message as everybody sees it, None where that is the message itself."""
        return identifiers.masked(message, self.identifiers)

    def __bool__(self) -> bool:
        return bool(self.identifiers)


NONE = Masks()


def masks_of(ctx: Context, group: Group) -> Masks:
    """What is masked of the events that come into a group now."""
    policy = ACCOUNT_POLICIES.get(ctx, group.account, group.region, POLICY)
    if policy is None and not group.protection:
        return NONE
    return _masks(group.protection, policy.document if policy is not None else "")


@lru_cache(256)
def _masks(own: str, account: str) -> Masks:
    return Masks(tuple(identifier for document in (own, account) if document for identifier in read(document)))


@lru_cache(256)
def read(document: str) -> Identifiers:
    """The identifiers of a policy. Errors: InvalidParameterException; NotImplemented, for identifiers that cannot be told here."""
    if len(document) > DOCUMENT_LIMIT:
        raise _bad(f"it is longer than {DOCUMENT_LIMIT} characters")
    try:
        policy: Any = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        raise _bad("it is not JSON") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statements, list) or len(statements) != 2 or not all(isinstance(s, dict) for s in statements):
        raise _bad("it must have an Audit statement and a Deidentify statement")
    if not isinstance(policy.get("Name"), str):
        raise _bad("it must have a Name")
    audit, mask = statements
    findings = _operation(audit, "Audit").get("FindingsDestination")
    if not isinstance(findings, dict) or _operation(mask, "Deidentify").get("MaskConfig") != {}:
        raise _bad("Audit must have a FindingsDestination, and Deidentify an empty MaskConfig")
    if findings:
        raise not_here("PutDataProtectionPolicy", f"with the findings destination {min(findings)}")
    names = audit.get("DataIdentifier")
    if not isinstance(names, list) or not names or names != mask.get("DataIdentifier"):
        raise _bad("both statements must have the same DataIdentifier list")
    return _named(names, policy.get("Configuration") or {})


def _operation(statement: dict[str, Any], name: str) -> dict[str, Any]:
    found = statement.get("Operation")
    found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise _bad(f"the operation {name} is missing")
    return found


def _named(names: list[Any], configuration: dict[str, Any]) -> Identifiers:
    custom: dict[str, identifiers.Custom] = {}
    for one in configuration.get("CustomDataIdentifier") or ():
        if not isinstance(one, dict) or not _custom_name(str(one.get("Name"))) or not 0 < len(str(one.get("Regex", ""))) <= 200:
            raise _bad("a custom data identifier has a Name and a Regex of at most 200 characters")
        try:
            custom[one["Name"]] = identifiers.Custom(regexes.searching(one["Regex"])[0])
        except regexes.Wrong:
            raise _bad(f"the Regex of {one['Name']} is not valid") from None
    if len(custom) > CUSTOM_LIMIT:
        raise _bad(f"there are more than {CUSTOM_LIMIT} custom data identifiers")
    out: list[identifiers.Identifier | identifiers.Custom] = []
    for name in names:
        managed = _arn(name) if isinstance(name, str) else None
        if managed is None and name not in custom:
            raise _bad(f"{name} is not a data identifier")
        if managed is not None and managed[1] not in identifiers.MANAGED:
            raise not_here("PutDataProtectionPolicy", f"with the data identifier {managed[1]}")
        out.append(identifiers.MANAGED[managed[1]] if managed is not None else custom[name])
    return tuple(out)


def _bad(why: str) -> Exception:
    return invalid(f"The data protection policy is not valid: {why}.")


@operation("PutDataProtectionPolicy")
def put_data_protection_policy(ctx: Context, req: Any) -> Answer:
    """Masks sensitive data in what comes into a STANDARD group from now on. What is kept is whole: logs:Unmask shows it.

    Errors: ResourceNotFoundException, InvalidParameterException, NotImplemented. Source: API reference, PutDataProtectionPolicy.
    """
    group = group_by(ctx, req.logGroupIdentifier)
    if group.log_class != STANDARD:
        raise invalid(f"Data protection is not supported for log groups of the class {group.log_class}.")
    read(req.policyDocument)
    GROUPS.put(ctx, change(group, protection=req.policyDocument, protected_at_ms=ctx.now, protection_status="ACTIVATED"))
    return {"logGroupIdentifier": req.logGroupIdentifier, "policyDocument": req.policyDocument, "lastUpdatedTime": ctx.now}


@operation("GetDataProtectionPolicy")
def get_data_protection_policy(ctx: Context, req: Any) -> Answer:
    """A group's own policy, as it was put. Errors: ResourceNotFoundException. Source: API reference, GetDataProtectionPolicy."""
    group = group_by(ctx, req.logGroupIdentifier)
    if not group.protection:
        return {"logGroupIdentifier": req.logGroupIdentifier}
    return {
        "logGroupIdentifier": req.logGroupIdentifier,
        "policyDocument": group.protection,
        "lastUpdatedTime": group.protected_at_ms,
    }


@operation("DeleteDataProtectionPolicy")
def delete_data_protection_policy(ctx: Context, req: Any) -> Answer:
    """New events are not masked any more. Errors: ResourceNotFoundException. Source: API reference, DeleteDataProtectionPolicy."""
    group = group_by(ctx, req.logGroupIdentifier)
    if group.protection:
        GROUPS.put(ctx, change(group, protection="", protected_at_ms=ctx.now, protection_status="DELETED"))
    return None
