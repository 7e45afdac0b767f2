"""What counts as sensitive: managed data identifiers, and custom ones (regular expressions).

Only identifiers that can be told by their form (and, where AWS says so, by a keyword near them) are here; the others are refused by
name, because a policy that masks nothing is worse than none.

Source: "Types of data that you can protect" in the CloudWatch Logs User Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import NamedTuple

from fogbank.services.logs import regexes

NEAR = 30
"""Characters within which a keyword has to stand."""


class Identifier(NamedTuple):
    """`holds` looks at what the expression found; one of the `keywords`, where there are any, has to stand near it."""

    find: re.Pattern[str]
    holds: Callable[[str], bool] = lambda found: True
    keywords: re.Pattern[str] | None = None

    def spans(self, message: str) -> Iterator[tuple[int, int]]:
        for found in self.find.finditer(message):
            start, end = found.span()
            if not self.holds(message[start:end]):
                continue
            if self.keywords is None or self.keywords.search(message[max(0, start - NEAR) : end + NEAR]):
                yield start, end


class Custom(NamedTuple):
    """An expression of somebody's own. Where it takes too long to look, all counts as sensitive."""

    search: regexes.Search

    def spans(self, message: str) -> Iterator[tuple[int, int]]:
        at = 0
        while at <= len(message):
            try:
                found = self.search(message, pos=at)
            except TimeoutError:
                yield at, len(message)
                return
            if found is None:
                return
            yield found.span()
            at = max(found.end(), at + 1)


def _near(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)


def _luhn(found: str) -> bool:
    digits = [int(character) for character in found if character.isdecimal()]
    doubled = [d if place % 2 == 0 else (d * 2 - 9 if d > 4 else d * 2) for place, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


def _address(found: str) -> bool:
    try:
        ip_address(found)
    except ValueError:
        return False
    return True


def _private_key(kind: str) -> Identifier:
    return Identifier(re.compile(rf"-----BEGIN {kind}-----.*?(?:-----END {kind}-----|$)", re.DOTALL))


MANAGED = {
    "AwsSecretKey": Identifier(
        re.compile(r"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"),
        keywords=_near("aws_secret_access_key|credentials|secret access key|secret key|set-awscredential"),
    ),
    "CreditCardNumber": Identifier(
        re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,18}(?![\d-])"),
        _luhn,
        _near(
            "account number|american express|amex|bank card|card|cc #|cc#|ccn|check card|credit|dankort|debit|diners club|discover|electron"
            "|jcb|mastercard|mc|pan|payment|pcn|union pay|visa"
        ),
    ),
    "EmailAddress": Identifier(re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")),
    "IpAddress": Identifier(
        re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)|[0-9A-Fa-f:]*::?[0-9A-Fa-f:.]+(?![\w:]|\.\d))"), _address
    ),
    "OpenSshPrivateKey": _private_key("OPENSSH PRIVATE KEY"),
    "PgpPrivateKey": _private_key("PGP PRIVATE KEY BLOCK"),
    "PhoneNumber-US": Identifier(
        re.compile(r"(?<![\d-])(?:\+?1[ .-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[ .-]?)[2-9]\d{2}[ .-]?\d{4}(?![\d-])"),
        keywords=_near("cell|contact|fax|mobile|phone|tel"),
    ),
    "PkcsPrivateKey": _private_key("(?:RSA |EC |DSA |ENCRYPTED )?PRIVATE KEY"),
    "PuttyPrivateKey": Identifier(re.compile(r"PuTTY-User-Key-File-\d:.*?Private-MAC: [0-9a-f]+", re.DOTALL)),
    "Ssn-US": Identifier(
        re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}[- ]?(?!00)\d{2}[- ]?(?!0000)\d{4}(?![\d-])"),
        keywords=_near("ss#|ssn|social security"),
    ),
}
"""By the last part of their ARNs."""


def masked(message: str, identifiers: tuple[Identifier | Custom, ...]) -> str | None:
    """The message with asterisks in the place of what is sensitive; None where nothing is."""
    spans = sorted(span for identifier in identifiers for span in identifier.spans(message))
    if not spans:
        return None
    out: list[str] = []
    at = 0
    for start, end in spans:
        if end > at:
            start = max(start, at)
            out += [message[at:start], "*" * (end - start)]
            at = end
    return "".join(out) + message[at:]
