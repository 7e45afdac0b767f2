"""Data protection policies: a topic that refuses, masks or redacts what carries sensitive data.

Denying and de-identifying work, inbound (for who publishes) and outbound (for who subscribed), for the identifiers below, which are
recognised by their form. Audits, and all other identifiers, are refused by name.
Source: "Message data protection" in the Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.kernel.arn import partition_of
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.languages import documents
from fogbank.services.sns.faults import forbidden, invalid
from fogbank.services.sns.rendering import Parcel
from fogbank.services.sns.state import Message, Subscription, Topic
from fogbank.store import change

BYTES_LIMIT = 30_720
VERSION = "2021-06-01"
_IDENTIFIER = re.compile(r"arn:aws[a-z-]*:dataprotection::aws:data-identifier/(.+)").fullmatch
_FORMS = {
    "AwsSecretKey": r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40}(?![A-Za-z0-9/+=])",
    "CreditCardNumber": r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)",
    "EmailAddress": r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+",
    "IpAddress": r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])",
    "PhoneNumber-US": r"(?<!\d)(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?!\d)",
    "Ssn-US": r"(?<!\d)(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!\d)",
}
"""Managed data identifiers, and how what they identify looks."""
_DIRECTIONS = ("Inbound", "Outbound")


class Rule(NamedTuple):
    """A statement. `mask`: the character to write over what was found; "" to take it away; None to refuse the message."""

    inbound: bool
    principals: tuple[str, ...]
    identifiers: tuple[str, ...]
    mask: str | None


def read(text: str) -> str:
    """A policy as it was given, checked; "" for none. Raises InvalidParameter, NotImplemented."""
    if not text.strip():
        return ""
    if len(text.encode()) > BYTES_LIMIT:
        raise invalid("DataProtectionPolicy", f"must be at most {BYTES_LIMIT} bytes")
    _rules(text)
    return text


@lru_cache(256)
def _rules(text: str) -> tuple[Rule, ...]:
    try:
        policy = documents.read_object(text)
    except documents.Malformed:
        raise invalid("DataProtectionPolicy", "failed to parse JSON.") from None
    if policy.get("Version") != VERSION or not isinstance(policy.get("Statement"), list) or not policy["Statement"]:
        raise invalid("DataProtectionPolicy", f"Name, Version {VERSION} and Statement are required")
    return tuple([_rule(statement) for statement in policy["Statement"]])


def _rule(statement: Any) -> Rule:
    if not isinstance(statement, dict) or statement.get("DataDirection") not in _DIRECTIONS:
        raise invalid("DataProtectionPolicy", f"DataDirection must be one of {' or '.join(_DIRECTIONS)}")
    principals, wanted = statement.get("Principal"), statement.get("DataIdentifier")
    if not isinstance(principals, list) or not principals or not isinstance(wanted, list) or not wanted:
        raise invalid("DataProtectionPolicy", "Principal and DataIdentifier must be lists that are not empty")
    identifiers = tuple([_identifier(one) for one in wanted])
    done = statement.get("Operation")
    if not isinstance(done, dict) or len(done) != 1:
        raise invalid("DataProtectionPolicy", "A statement has one Operation")
    if "Deny" in done:
        mask = None
    elif "Deidentify" in done:
        mask = _mask(done["Deidentify"])
    else:
        raise NotImplementedOperation("sns", "PutDataProtectionPolicy", f"with the operation {min(done)}")
    return Rule(statement["DataDirection"] == "Inbound", tuple(map(str, principals)), identifiers, mask)


def _mask(config: Any) -> str:
    """What is written over each character; "" where it is taken away."""
    mask = config.get("MaskConfig") if isinstance(config, dict) else None
    if mask is None and (not config or config == {"RedactConfig": {}}):
        return ""
    letter = mask.get("MaskWithCharacter", "*") if isinstance(mask, dict) else None
    if not isinstance(letter, str) or len(letter) != 1 or len(config) != 1:
        raise invalid("DataProtectionPolicy", "Deidentify must have either a MaskConfig, with one MaskWithCharacter, or a RedactConfig")
    return letter


def _identifier(arn: Any) -> str:
    found = _IDENTIFIER(arn) if isinstance(arn, str) else None
    if found is None:
        raise invalid("DataProtectionPolicy", f"{arn} is not a data identifier")
    if found[1] not in _FORMS:
        raise NotImplementedOperation("sns", "PutDataProtectionPolicy", f"with the data identifier {found[1]}")
    return found[1]


@lru_cache(64)
def _pattern(identifier: str) -> re.Pattern[str]:
    return re.compile(_FORMS[identifier])


def _found(text: str, identifier: str) -> Iterator[re.Match[str]]:
    for match in _pattern(identifier).finditer(text):
        if identifier != "CreditCardNumber" or _luhn([int(digit) for digit in match[0] if digit.isdigit()]):
            yield match


def _luhn(digits: list[int]) -> bool:
    doubled = [digit if index % 2 == 0 else digit * 2 - 9 * (digit > 4) for index, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _named(rule: Rule, *names: str) -> bool:
    return "*" in rule.principals or any(name in rule.principals for name in names)


def _applied(rule: Rule, text: str) -> str | None:
    """The text as the rule lets it through; None where it does not."""
    for identifier in rule.identifiers:
        matches = list(_found(text, identifier))
        if matches and rule.mask is None:
            return None
        for match in reversed(matches):
            text = text[: match.start()] + (rule.mask or "") * len(match[0]) + text[match.end() :]
    return text


def _protected(message: Message, rules: list[Rule]) -> Message | None:
    for rule in rules:
        body = _applied(rule, message.body)
        told = {name: _applied(rule, text) for name, text in (message.structure or {}).items()}
        structure = {name: text for name, text in told.items() if text is not None}
        if body is None or len(structure) < len(told):
            return None
        message = change(message, body=body, structure=None if message.structure is None else structure)
    return message


def inbound(ctx: Context, topic: Topic, message: Message) -> Message:
    """A message as it may be published. Raises AuthorizationError."""
    principal = ctx.principal
    rules = [rule for rule in _rules(topic.protection) if rule.inbound and _named(rule, principal.arn, principal.issuer_arn, ctx.account)]
    protected = _protected(message, rules)
    if protected is None:
        raise forbidden("The message contains sensitive data that the topic's data protection policy does not let in")
    return protected


def outbound(ctx: Context, parcel: Parcel, subscription: Subscription) -> Parcel:
    """A message as it may be delivered. Raises AuthorizationError."""
    owner = f"arn:{partition_of(subscription.region)}:iam::{subscription.owner}:root"
    rules = [rule for rule in _rules(parcel.topic.protection) if not rule.inbound and _named(rule, owner, subscription.owner)]
    protected = _protected(parcel.message, rules)
    if protected is None:
        raise forbidden("The message contains sensitive data that the topic's data protection policy does not let out")
    return parcel if protected == parcel.message else Parcel(ctx, parcel.topic, protected)
