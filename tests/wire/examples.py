"""Examples of members for any shape: deterministic by seed, within the model's constraints.

Works on botocore's shapes, not on ours, so that what the tests expect does not come from what they test.
"""

from __future__ import annotations

import random
import re
import string
from datetime import UTC, datetime
from functools import cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from typing import Any

from botocore.model import Shape

_SAFE = string.ascii_letters + string.digits
_TRICKY = _SAFE + " -_./+%&=<>\"'~:é漢"


class NoExample(Exception):
    """A constraint that the generator cannot meet."""


class Examples:
    """One stream of examples."""

    def __init__(self, seed: str, *, full: bool, constrained: bool = True, wide: bool = True) -> None:
        self.random = random.Random(seed)
        self.full = full
        self.constrained = constrained
        self.wide = wide
        self.nodes = 0

    def structure(self, shape: Shape, depth: int = 0, skip: tuple[str, ...] = ()) -> dict[str, Any]:
        """Members for a structure: all of them (to some depth and number) or only the required ones."""
        self.nodes += 1
        names = [name for name in shape.members if name not in skip]
        if shape.is_tagged_union:
            return self._union(shape, names, depth)
        out: dict[str, Any] = {}
        for name in names:
            member = shape.members[name]
            needed = name in shape.required_members
            if needed or (self.full and depth <= 3 and self.nodes < 200 and not self._left_out(member, depth)):
                try:
                    out[name] = self._member(member, depth)
                except NoExample:
                    if needed:
                        raise
        if not out and depth:
            # A form cannot say an empty structure.
            simple = [name for name in names if shape.members[name].type_name in ("string", "boolean", "integer", "timestamp")]
            for name in (simple or names)[:1]:
                out[name] = self._member(shape.members[name], depth)
        return out

    def _member(self, member: Shape, depth: int) -> Any:
        traits = member.serialization
        return self.value(member, depth + 1, located=traits.get("location"), label=bool(traits.get("hostLabel")))

    def _union(self, shape: Shape, names: list[str], depth: int) -> dict[str, Any]:
        scalars = [name for name in names if shape.members[name].type_name not in ("structure", "list", "map")]
        candidates = scalars if (depth > 2 or self.nodes > 100) and scalars else names
        self.random.shuffle(candidates)
        for name in candidates[:4]:
            try:
                return {name: self._member(shape.members[name], depth)}
            except NoExample:
                continue
        raise NoExample(shape.name)

    def _left_out(self, member: Shape, depth: int) -> bool:
        return depth > 1 and member.type_name in ("structure", "list", "map") and self.random.random() < 0.5

    def value(self, shape: Shape, depth: int = 0, *, located: str | None = None, label: bool = False) -> Any:
        """A value for a shape."""
        if depth > 12 or self.nodes > 1000:
            raise NoExample("endless")
        kind = shape.type_name
        if located == "header" and shape.serialization.get("jsonvalue"):
            return {"a": [1, "b"]}
        if kind == "structure":
            if shape.is_document_type:
                return {"any": ["thing", 1, None, True]}
            return self.structure(shape, depth)
        if kind == "list":
            count = self._count(shape)
            return [self.value(shape.member, depth + 1, located=located) for _ in range(count)]
        if kind == "map":
            return self._map(shape, depth, located)
        return self._scalar(shape, located, label)

    def _count(self, shape: Shape) -> int:
        low = int(shape.metadata.get("min") or 1) if self.constrained else 1
        high = int(shape.metadata.get("max") or low + 1) if self.constrained else 2
        if low > 50:
            raise NoExample("a long list")
        return max(1, min(high, max(low, self.random.randint(1, 2))))

    def _map(self, shape: Shape, depth: int, located: str | None) -> dict[str, Any]:
        out = {}
        for _ in range(self._count(shape)):
            key = self._scalar(shape.key, "name" if located == "headers" else located, False)
            out[key] = self.value(shape.value, depth + 1, located=located)
        return out

    def _scalar(self, shape: Shape, located: str | None, label: bool) -> Any:
        kind = shape.type_name
        if kind == "string":
            return self._string(shape, located, label)
        if kind == "boolean":
            return self.random.random() < 0.5
        if kind in ("integer", "long"):
            low, high = self._range(shape, -5, 2**31 - 1 if kind == "integer" else 2**40)
            return self.random.randint(int(low), int(high))
        if kind in ("float", "double"):
            low, high = self._range(shape, -1000, 1000)
            return round(self.random.uniform(low, high) * 8) / 8 if high - low > 1 else low
        if kind == "timestamp":
            return datetime.fromtimestamp(self.random.randint(0, 2**31), UTC)
        if kind == "blob":
            low = int(shape.metadata.get("min") or 0) if self.constrained else 0
            return bytes(self.random.randrange(256) for _ in range(max(low, 5))) if located != "payload" else b"x" * max(low, 5)
        raise NoExample(kind)

    def _range(self, shape: Shape, low: float, high: float) -> tuple[float, float]:
        if self.constrained:
            given = shape.metadata.get("min"), shape.metadata.get("max")
            low = given[0] if given[0] is not None else min(low, given[1]) if given[1] is not None else low
            high = given[1] if given[1] is not None else max(low, high)
        return low, high

    def _string(self, shape: Shape, located: str | None, label: bool) -> str:
        if shape.enum:
            return self.random.choice(shape.enum)
        low = int(shape.metadata.get("min") or 0) if self.constrained else 1
        high = int(shape.metadata.get("max", low + 12)) if self.constrained else 12
        if high == 0:
            return ""
        if low > 5000:
            raise NoExample("a long string")
        pattern = shape.metadata.get("pattern") if self.constrained else None
        if pattern:
            return self._matching(pattern, max(low, 1) if located else low, int(shape.metadata.get("max", low + 4096)), located)
        bound = located is not None or label
        alphabet = _SAFE if bound or not self.wide else _TRICKY
        size = self.random.randint(max(low, 1), max(1, min(high, max(low, 12))))
        middle = "".join(self.random.choice(alphabet) for _ in range(size))
        return middle if bound else middle.strip().ljust(max(low, 1), "x")[: max(high, 1)]

    def _matching(self, pattern: str, low: int, high: int, located: str | None) -> str:
        found = _matches(pattern, low, high, located is not None)
        if not found:
            raise NoExample(pattern)
        return self.random.choice(found)


@cache
def _matches(pattern: str, low: int, high: int, located: bool) -> tuple[str, ...]:
    """A few strings that match, of the right length, fit for where they go; none if sampling finds none."""
    compiled, tree = _compiled(pattern)
    chance = random.Random(pattern)
    found: list[str] = []
    for attempt in range(48):
        try:
            text = _Sampler(
                chance, span=(0, 2, 6, 12, 30, max(0, low - attempt % 3))[attempt // 8], exact=attempt >= 40, budget=high
            ).sequence(tree)
        except NoExample:
            continue
        if not low <= len(text) <= high or any(0xD800 <= ord(char) < 0xE000 for char in text):
            continue
        if located and (text != text.strip() or not text or not text.isascii() or text in (".", "..") or "\n" in text):
            continue
        if re.search(compiled, text):
            found.append(text)
            if len(found) == 3:
                break
    return tuple(found)


@cache
def _compiled(pattern: str) -> tuple[str, Any]:
    from fogbank.wire.patterns import translate

    translated = translate(pattern)
    if translated is None:
        return r"", sre_parser.parse(r"[a-z]{1,40}")
    return translated, sre_parser.parse(translated)


class _Sampler:
    """A string that a parsed regular expression probably matches."""

    def __init__(self, chance: random.Random, span: int, exact: bool, budget: int) -> None:
        self.random = chance
        self.span = span
        self.exact = exact
        self.budget = budget + 40
        self.groups: dict[int, str] = {}

    def sequence(self, tree: Any) -> str:
        return "".join(self.one(op, argument) for op, argument in tree)

    def one(self, op: Any, argument: Any) -> str:
        self.budget -= op not in (sre.AT, sre.ASSERT, sre.ASSERT_NOT)
        if self.budget < -200:
            raise NoExample("too long")
        if op is sre.LITERAL:
            return chr(argument)
        if op is sre.NOT_LITERAL:
            return "a" if argument != ord("a") else "b"
        if op is sre.ANY:
            return self.random.choice(_SAFE)
        if op is sre.IN:
            return self._in(argument)
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            low, high, inner = argument
            most = max(int(low), min(int(high), self.span if self.exact else int(low) + self.span))
            return "".join(self.sequence(inner) for _ in range(most if self.exact else self.random.randint(int(low), most)))
        if op is sre.SUBPATTERN:
            text = self.sequence(argument[3])
            if argument[0]:
                self.groups[argument[0]] = text
            return text
        if op is sre.BRANCH:
            return self.sequence(self.random.choice(argument[1]))
        if op is sre.ATOMIC_GROUP:
            return self.sequence(argument)
        if op is sre.GROUPREF:
            return self.groups.get(argument, "")
        return ""

    def _in(self, items: list[tuple[Any, Any]]) -> str:
        if items[0][0] is sre.NEGATE:
            wanted = re.compile("(?a)" + _class_of(items[1:]))
            return self.random.choice([char for char in _SAFE + " -_.,;é" if not wanted.match(char)] or ["~"])
        plain = [each for each in items if each[0] is sre.CATEGORY or (each[1] if each[0] is sre.LITERAL else each[1][0]) < 127]
        op, argument = self.random.choice(plain or items)
        if op is sre.LITERAL:
            return chr(argument)
        if op is sre.RANGE:
            low, high = argument
            return chr(self.random.randint(max(low, 32) if high >= 32 else low, min(high, 126) if low <= 126 else high))
        return {
            sre.CATEGORY_DIGIT: "7",
            sre.CATEGORY_SPACE: " ",
            sre.CATEGORY_NOT_SPACE: "s",
            sre.CATEGORY_NOT_WORD: "-",
            sre.CATEGORY_NOT_DIGIT: "d",
        }.get(argument, self.random.choice(_SAFE))


def _class_of(items: list[tuple[Any, Any]]) -> str:
    pieces = []
    for op, argument in items:
        if op is sre.LITERAL:
            pieces.append(re.escape(chr(argument)))
        elif op is sre.RANGE:
            pieces.append(f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}")
        else:
            pieces.append(
                {sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_SPACE: r"\s", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_SPACE: r"\S"}.get(
                    argument, ""
                )
            )
    return f"[{''.join(pieces)}]"
