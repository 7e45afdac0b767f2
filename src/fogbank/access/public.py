"""Whether a resource's policy is public: whether it allows anything to an open set of callers.

Source: "The meaning of 'public'" in "Blocking public access to your Amazon S3 storage", Amazon S3 User Guide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_network
from typing import Any

Statement = dict[str, Any]

_FIXED_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourceorgpaths",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
    }
)
_FIXING = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})


def is_public(statements: Iterable[Statement], fixed_keys: frozenset[str] = frozenset()) -> bool:
    """Whether one of the statements, as `grammar.read` gives them, lets in whoever it may be.

    `fixed_keys` are the service's own condition keys that fix who calls, in lower case.
    """
    return any(statement["Effect"] == "Allow" and _is_open(statement, fixed_keys) for statement in statements)


def _is_open(statement: Statement, fixed_keys: frozenset[str]) -> bool:
    """Everybody, with no condition that narrows that down."""
    if "NotPrincipal" not in statement and "*" not in statement["Principal"].get("AWS", ()):
        return False
    keys = _FIXED_KEYS | fixed_keys
    return not any(_narrows(operator, key, values, keys) for operator, key, values in _conditions(statement))


def _conditions(statement: Statement) -> Iterator[tuple[str, str, list[str]]]:
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield operator.lower().removeprefix("foranyvalue:"), key.lower(), values


def _narrows(operator: str, key: str, values: list[str], fixed_keys: frozenset[str]) -> bool:
    """Whether a condition leaves only a fixed set of callers or networks."""
    if operator == "ipaddress" and key == "aws:sourceip":
        return all(_is_narrow(value) for value in values)
    return operator in _FIXING and key in fixed_keys and not any("*" in value or "?" in value or "${" in value for value in values)


def _is_narrow(cidr: str) -> bool:
    """Networks wider than /8 (IPv6: /32) are as good as everybody, private ones excepted."""
    network = ip_network(cidr, strict=False)
    return network.prefixlen >= (8 if network.version == 4 else 32) or (network.is_private and network.prefixlen > 0)
