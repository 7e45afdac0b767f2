"""A policy, read once and compiled: its statements as tests, found by action."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from fogbank.access import conditions, elements, grammar, patterns
from fogbank.access.context import Context
from fogbank.access.grammar import Kind

__all__ = ["Kind", "Policy", "Statement", "parse"]

_KEPT_ACTIONS = 512

Applies = Callable[[str, Context], bool]


class Condition:
    """One operator, one key, its values: `StringEquals`, `aws:RequestedRegion`, `["eu-west-1"]`."""

    __slots__ = ("key", "operator", "test", "values")

    def __init__(self, operator: str, key: str, values: list[str], variables: bool) -> None:
        parsed = conditions.operator(operator)
        assert parsed is not None, operator  # the grammar let it through
        self.operator = operator
        self.key = key
        self.values = values
        self.test = conditions.compile_condition(parsed, key.lower(), values, variables)


class Statement:
    """One statement. `index` counts from 0; an empty `sid` is none."""

    __slots__ = ("action_test", "applies", "conditions", "deny", "document", "index", "principal_test", "resource_test", "sid")

    def __init__(self, document: Mapping[str, Any], index: int, variables: bool) -> None:
        self.document = document
        self.index = index
        self.sid: str = document["Sid"]
        self.deny = document["Effect"] == "Deny"
        self.action_test = elements.action_test(document.get("Action") or document["NotAction"], "NotAction" in document)
        resources = document.get("Resource") or document.get("NotResource") or ["*"]
        self.resource_test = elements.resource_test(resources, "NotResource" in document, variables)
        self.principal_test: elements.PrincipalTest | None = None
        if "Principal" in document or "NotPrincipal" in document:
            element = document.get("Principal") or document["NotPrincipal"]
            self.principal_test = elements.principal_test(element, "NotPrincipal" in document, self.deny)
        self.conditions = tuple(
            Condition(operator, key, values, variables)
            for operator, keys in document.get("Condition", {}).items()
            for key, values in keys.items()
        )
        self.applies = _applies(self.resource_test, tuple(condition.test for condition in self.conditions))


def _applies(resource_test: elements.ResourceTest | None, tests: tuple[conditions.Test, ...]) -> Applies | None:
    """Whether a statement whose action fits holds for a resource in a context; None where it always does."""
    if not tests:
        return resource_test
    if len(tests) == 1:
        only = tests[0]
        if resource_test is None:
            return lambda resource, context: only(context)
        return lambda resource, context: resource_test(resource, context) and only(context)

    def every(resource: str, context: Context) -> bool:
        if resource_test is not None and not resource_test(resource, context):
            return False
        return all(test(context) for test in tests)

    return every


Found = tuple[tuple[Statement, ...], tuple[Statement, ...]]


class Policy:
    """A compiled policy. `document` is the text as it was given; `version` what it declares (2008-10-17 where it does not)."""

    __slots__ = ("_by_action", "document", "kind", "statements", "version")

    def __init__(self, document: str, kind: Kind) -> None:
        read = grammar.read(document, kind)
        self.document = document
        self.kind = kind
        self.version: str = read["Version"]
        variables = self.version != grammar.VERSIONS[0]
        self.statements = tuple(Statement(statement, index, variables) for index, statement in enumerate(read["Statement"]))
        self._by_action: dict[str, Found] = {}

    def on(self, action: str) -> Found:
        """The statements whose action fits, (denials, allowances): found once per action."""
        found = self._by_action.get(action)
        return self._find(action) if found is None else found

    def _find(self, action: str) -> Found:
        lower = action.lower()
        fitting = [statement for statement in self.statements if statement.action_test(lower)]
        found = (tuple(s for s in fitting if s.deny), tuple(s for s in fitting if not s.deny))
        if len(self._by_action) >= _KEPT_ACTIONS:
            self._by_action.clear()
        self._by_action[action] = found
        return found

    def positions(self) -> list[tuple[int, int]]:
        """Where each statement stands in the document: (first character, the one after the last), from 0."""
        statement = msgspec.json.decode(self.document, type=dict[str, msgspec.Raw])["Statement"]
        text = bytes(statement).decode()
        raws = [bytes(raw).decode() for raw in msgspec.json.decode(statement, type=list[msgspec.Raw])] if text[0] == "[" else [text]
        found: list[tuple[int, int]] = []
        at = self.document.index(text)
        for raw in raws:
            at = self.document.index(raw, at)
            found.append((at, at := at + len(raw)))
        return found

    def principals(self) -> Iterator[tuple[str, str]]:
        """Every (type, name) that a Principal or NotPrincipal element lists."""
        for statement in self.statements:
            listed = statement.document.get("Principal") or statement.document.get("NotPrincipal") or {}
            yield from ((kind, name) for kind, names in listed.items() for name in names)

    def condition_keys(self) -> set[str]:
        """Every condition key that the policy speaks of, as it spells them: in conditions and in variables."""
        return {condition.key for statement in self.statements for condition in statement.conditions} | set(self._variables())

    def _variables(self) -> Iterator[str]:
        if self.version == grammar.VERSIONS[0]:
            return
        for statement in self.statements:
            names = statement.document.get("Resource") or statement.document.get("NotResource") or []
            texts = [*names, *(value for condition in statement.conditions for value in condition.values)]
            for text in texts:
                yield from patterns.Template(text).keys


@lru_cache(4096)
def parse(document: str, kind: Kind) -> Policy:
    """The policy of this text, compiled; kept by (text, kind).

    Errors: `MalformedPolicyDocument` with AWS's sentence about the first thing that is wrong.
    """
    return Policy(document, kind)


class Named(msgspec.Struct, frozen=True):
    """A policy and what it is called: an ARN, or an inline policy's name."""

    name: str
    policy: Policy
