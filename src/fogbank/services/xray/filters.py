"""Filter expressions: `service("api") { fault } AND responsetime > 1`, compiled to a function of a trace. Pure.

Source: "Use filter expressions" in the X-Ray Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fogbank.services.xray.traces import Node, Trace

Test = Callable[[Trace], bool]
NodeTest = Callable[[Trace, Node], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?)"""
    r"""|(?P<word>[A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)*)|(?P<sign><=|>=|!=|=|<|>|!|[(){}\[\],:]))"""
)


class Invalid(ValueError):
    """An expression that is none; the message says where."""


_BOOLEANS: dict[str, Callable[[Trace, Node], bool]] = {
    "ok": lambda t, n: not (n.fault or n.error),
    "error": lambda t, n: n.error,
    "throttle": lambda t, n: n.throttle,
    "fault": lambda t, n: n.fault,
    "partial": lambda t, n: n.end is None,
    "inferred": lambda t, n: n.inferred,
    "remote": lambda t, n: n.type == "remote",
    "root": lambda t, n: n.parent is None,
    "first": lambda t, n: n is t.nodes[0],
    "last": lambda t, n: n is t.nodes[-1],
}
_NUMBERS: dict[str, Callable[[Trace, Node], Any]] = {
    "duration": lambda t, n: n.duration,
    "responsetime": lambda t, n: n.duration,
    "http.status": lambda t, n: n.http.get("status"),
    "index": lambda t, n: t.nodes.index(n),
    "coverage": lambda t, n: n.duration / t.duration if t.duration else 0.0,
}
_TEXTS: dict[str, Callable[[Trace, Node], Any]] = {
    "http.url": lambda t, n: n.http.get("url"),
    "http.method": lambda t, n: n.http.get("method"),
    "http.useragent": lambda t, n: n.http.get("user_agent"),
    "http.clientip": lambda t, n: n.http.get("client_ip"),
    "user": lambda t, n: n.document.get("user"),
    "name": lambda t, n: n.name,
    "type": lambda t, n: n.type,
    "message": lambda t, n: [e.get("message") for e in n.exceptions],
    "availabilityzone": lambda t, n: ((n.document.get("aws") or {}).get("ec2") or {}).get("availability_zone"),
    "instance.id": lambda t, n: ((n.document.get("aws") or {}).get("ec2") or {}).get("instance_id"),
    "resource.arn": lambda t, n: (n.document.get("aws") or {}).get("resource_arn") or n.document.get("resource_arn"),
}
_WHOLE: dict[str, Callable[[Trace], Any]] = {
    "ok": lambda t: not (t.fault or t.error),
    "error": lambda t: t.error,
    "throttle": lambda t: t.throttle,
    "fault": lambda t: t.fault,
    "partial": lambda t: t.partial,
    "duration": lambda t: t.duration,
    "responsetime": lambda t: t.response_time,
    "http.status": lambda t: t.root.http.get("status"),
}
"""What these words mean of a trace as a whole; the others hold where they hold of one of its services."""


@lru_cache(500)
def compiled(expression: str) -> Test:
    """The test that an expression is. Raises Invalid."""
    parser = _Parser(expression)
    test = parser.disjunction(None)
    parser.end()
    return lambda trace: test(trace, trace.root)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        self._at = 0
        position = 0
        text = text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise Invalid(f"Invalid character at position {position}")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()

    def _peek(self, word: str = "") -> tuple[str, str]:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")
        return token if not word or token[1].lower() == word else ("", "")

    def _take(self, word: str = "") -> str:
        kind, text = self._peek()
        if kind == "end" or (word and text.lower() != word):
            raise Invalid(f"Expected {word or 'more'} at {text or 'the end'}")
        self._at += 1
        return text

    def end(self) -> None:
        if self._peek()[0] != "end":
            raise Invalid(f"Unexpected {self._peek()[1]}")

    def disjunction(self, of: str | None) -> NodeTest:
        tests = [self._conjunction(of)]
        while self._peek("or")[0]:
            self._take()
            tests.append(self._conjunction(of))
        return tests[0] if len(tests) == 1 else lambda t, n: any(test(t, n) for test in tests)

    def _conjunction(self, of: str | None) -> NodeTest:
        tests = [self._negation(of)]
        while self._peek("and")[0]:
            self._take()
            tests.append(self._negation(of))
        return tests[0] if len(tests) == 1 else lambda t, n: all(test(t, n) for test in tests)

    def _negation(self, of: str | None) -> NodeTest:
        if self._peek("not")[0] or self._peek("!")[0]:
            self._take()
            test = self._negation(of)
            return lambda t, n: not test(t, n)
        if self._peek("(")[0]:
            self._take()
            inner = self.disjunction(of)
            self._take(")")
            return inner
        return self._term(of)

    def _term(self, of: str | None) -> NodeTest:
        """A keyword, alone or compared. `of`: "service" inside the braces of one."""
        kind, word = self._peek()
        if kind != "word":
            raise Invalid(f"Expected a keyword at {word or 'the end'}")
        self._take()
        name = word.lower()
        if name == "service":
            return self._service()
        if name == "edge":
            return self._edge()
        if name.startswith("rootcause."):
            return self._rootcause(name)
        if name == "annotation" or name.startswith("annotation."):
            return self._annotation(word)
        if name in ("group.name", "group.arn"):
            raise Invalid("groups cannot be named inside expressions here")
        if name in _BOOLEANS:
            return self._boolean(name, of)
        reads = _NUMBERS.get(name) or _TEXTS.get(name)
        if reads is None:
            raise Invalid(f"Unknown keyword {word}")
        compare = self._comparison(name in _NUMBERS)
        whole = _WHOLE.get(name) if of is None else None
        if whole is not None:
            return lambda t, n: compare(whole(t))
        return self._over(lambda t, n: compare(reads(t, n)), of)

    def _boolean(self, name: str, of: str | None) -> NodeTest:
        wanted = True
        if self._peek()[1] in ("=", "!="):
            equal = self._take() == "="
            wanted = (self._take().lower() == "true") == equal
        whole = _WHOLE.get(name) if of is None else None
        if whole is not None:
            return lambda t, n: bool(whole(t)) == wanted
        test = _BOOLEANS[name]
        return self._over(lambda t, n: bool(test(t, n)) == wanted, of)

    @staticmethod
    def _over(test: NodeTest, of: str | None) -> NodeTest:
        """Of one service inside its braces; else of any in the trace."""
        return test if of is not None else lambda t, n: any(test(t, node) for node in t.nodes)

    def _comparison(self, numeric: bool) -> Callable[[Any], bool]:
        sign = self._take().lower()
        kind, text = self._peek()
        if numeric:
            if kind != "number" or sign not in ("=", "!=", "<", "<=", ">", ">="):
                raise Invalid(f"Expected a comparison with a number at {text}")
            self._take()
            return _numbers(sign, float(text))
        if kind != "text":
            raise Invalid(f"Expected a string at {text or 'the end'}")
        self._take()
        return _texts(sign, text[1:-1].replace('\\"', '"'))

    def _annotation(self, word: str) -> NodeTest:
        key = word.partition(".")[2]
        if not key:
            self._take("[")
            key = self._take().strip("\"'")
            self._take("]")
        kind, text = self._peek()
        if (kind == "sign" and text in ("=", "!=", "<", "<=", ">", ">=")) or text.lower() in ("contains", "beginswith", "endswith"):
            sign = self._take().lower()
            kind, text = self._peek()
            self._take()
            compare = (
                _numbers(sign, float(text))
                if kind == "number"
                else _truth(sign, text.lower() == "true")
                if kind == "word"
                else _texts(sign, text[1:-1])
            )
            return lambda t, n: any(key in node.annotations and compare(node.annotations[key]) for node in t.nodes)
        return lambda t, n: any(key in node.annotations for node in t.nodes)

    def _identity(self) -> Callable[[Node], bool]:
        """What says which service: "name", or id(name: "..", type: "..", account.id: "..")."""
        kind, text = self._peek()
        if kind == "text":
            self._take()
            wanted = text[1:-1]
            return lambda node: node.name == wanted
        self._take("id")
        self._take("(")
        parts: dict[str, str] = {}
        while not self._peek(")")[0]:
            name = self._take().lower()
            self._take(":")
            parts[name] = self._take()[1:-1]
            if self._peek(",")[0]:
                self._take()
        self._take(")")
        known = {"name": lambda n: n.name, "type": lambda n: n.type, "account.id": lambda n: n.account}
        if not set(parts) <= set(known):
            raise Invalid("id() takes name, type and account.id")
        return lambda node: all(known[k](node) == v for k, v in parts.items())

    def _braces(self) -> NodeTest:
        if not self._peek("{")[0]:
            return lambda t, n: True
        self._take()
        inner = self.disjunction("service")
        self._take("}")
        return inner

    def _service(self) -> NodeTest:
        self._take("(")
        which: Callable[[Node], bool] = (lambda node: True) if self._peek(")")[0] else self._identity()
        self._take(")")
        inner = self._braces()
        return lambda t, n: any(which(node) and inner(t, node) for node in t.nodes)

    def _edge(self) -> NodeTest:
        self._take("(")
        source = self._identity()
        self._take(",")
        target = self._identity()
        self._take(")")
        inner = self._braces()
        return lambda t, n: any(node.parent is not None and source(node.parent) and target(node) and inner(t, node) for node in t.nodes)

    def _rootcause(self, name: str) -> NodeTest:
        """rootcause.fault.service { .. }: of the deepest services on the way of what went wrong."""
        kind = name.split(".")[1]
        if kind not in ("fault", "error", "responsetime"):
            raise Invalid(f"Unknown keyword {name}")
        inner = self._braces()
        return lambda t, n: any(inner(t, node) for node in causes(t, kind))


def causes(trace: Trace, kind: str) -> list[Node]:
    """The services where it began: those in fault (or error) none of whose children are; or the one that took longest by itself."""
    if kind == "responsetime":
        return [max(trace.nodes, key=lambda n: n.duration - sum(c.duration for c in trace.nodes if c.parent is n))]
    wrong = [n for n in trace.nodes if getattr(n, kind)]
    parents = [id(n.parent) for n in wrong if n.parent is not None]
    return [n for n in wrong if id(n) not in parents]


def _numbers(sign: str, wanted: float) -> Callable[[Any], bool]:
    tests: dict[str, Callable[[float], bool]] = {
        "=": lambda v: v == wanted,
        "!=": lambda v: v != wanted,
        "<": lambda v: v < wanted,
        "<=": lambda v: v <= wanted,
        ">": lambda v: v > wanted,
        ">=": lambda v: v >= wanted,
    }
    if sign not in tests:
        raise Invalid(f"{sign} does not compare numbers")
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and tests[sign](value)


def _truth(sign: str, wanted: bool) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, bool) and (value == wanted) == (sign == "=")


def _texts(sign: str, wanted: str) -> Callable[[Any], bool]:
    tests: dict[str, Callable[[str], bool]] = {
        "=": lambda v: v == wanted,
        "!=": lambda v: v != wanted,
        "contains": lambda v: wanted in v,
        "beginswith": lambda v: v.startswith(wanted),
        "endswith": lambda v: v.endswith(wanted),
    }
    if sign not in tests:
        raise Invalid(f"{sign} does not compare strings")
    test = tests[sign]
    return lambda value: any(test(v) for v in (value if isinstance(value, list) else [value]) if isinstance(v, str))
