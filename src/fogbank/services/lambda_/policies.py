"""Policies made of statements that come and go by their id: of functions, versions, aliases and layers."""

from __future__ import annotations

from typing import Any

import msgspec

from fogbank.access import grammar
from fogbank.kernel.arn import partition_of
from fogbank.kernel.errors import ServiceException
from fogbank.services.lambda_.faults import conflict, invalid, not_found, refusal

POLICY_BYTES = 20_480
_NOBODY = "The provided principal was invalid. Please check the principal and try again."
Statement = dict[str, Any]


def text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def statements(document: str) -> list[Statement]:
    found: list[Statement] = msgspec.json.decode(document)["Statement"] if document else []
    return found


def _document(kept: list[Statement]) -> str:
    return text({"Version": "2012-10-17", "Id": "default", "Statement": kept}) if kept else ""


def added(document: str, statement: Statement) -> str:
    """A policy with one statement more.

    Errors: ResourceConflictException, InvalidParameterValueException (of its principal), PolicyLengthExceededException.
    """
    kept = statements(document)
    if any(one.get("Sid") == statement["Sid"] for one in kept):
        raise conflict(
            f"The statement id ({statement['Sid']}) provided already exists. Please provide a new statement id, or remove the "
            "existing statement."
        )
    whole = _document([*kept, statement])
    try:
        grammar.read(whole, "resource")
    except ServiceException:
        raise invalid(_NOBODY) from None
    if len(whole.encode()) > POLICY_BYTES:
        raise refusal(
            "PolicyLengthExceededException",
            f"The final policy size ({len(whole.encode())}) is bigger than the limit ({POLICY_BYTES}).",
        )
    return whole


def removed(document: str, sid: str) -> str:
    """A policy without a statement; without any, it is none. Errors: ResourceNotFoundException."""
    if not document:
        raise not_found("No policy is associated with the given resource.")
    kept = statements(document)
    left = [one for one in kept if one.get("Sid") != sid]
    if len(left) == len(kept):
        raise not_found(f"Statement {sid} is not found in resource policy.")
    return _document(left)


def principal(given: str, region: str) -> Any:
    """`Principal` of a statement from the member: an account, an ARN, a service, or everybody."""
    if given == "*":
        return "*"
    if given.isdecimal() and len(given) == 12:
        return {"AWS": f"arn:{partition_of(region)}:iam::{given}:root"}
    if given.startswith("arn:"):
        return {"AWS": given}
    if given.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return {"Service": given}
    raise invalid(_NOBODY)
