"""Filter criteria of event source mappings and pipes: patterns over records, that see into what the producer sent.

Content that is JSON is matched by an object, other content by a list; the wrong one matches nothing.
Source: "Control which events Lambda sends to your function" in the Lambda Developer Guide; "Amazon EventBridge Pipes filtering".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from fogbank.languages import documents, patterns

Event = dict[str, Any]


class Filter:
    """One filter; `content` names the field that holds what the producer sent ("body", "data"; "" where there is none)."""

    def __init__(self, content: str, text: str) -> None:
        self._pattern = patterns.compile(text)
        self._content = content
        wanted = msgspec.json.decode(text)
        self._parsed = isinstance(wanted.get(content), dict)
        self._asks = content in wanted

    def matches(self, event: Event) -> bool:
        if not self._asks:
            return self._pattern.matches(event)
        content = event[self._content]
        parsed = parsed_content(content)
        if self._parsed:
            return isinstance(parsed, dict) and self._pattern.matches({**event, self._content: parsed})
        return not isinstance(parsed, dict) and self._pattern.matches(event)


def parsed_content(content: str) -> Any:
    """The content as JSON; None where it is none."""
    try:
        return documents.read(content)
    except documents.Malformed:
        return None


@lru_cache(1024)
def compiled(content: str, texts: tuple[str, ...]) -> tuple[Filter, ...]:
    """Raises InvalidPattern."""
    try:
        return tuple(Filter(content, text) for text in texts)
    except (msgspec.DecodeError, AttributeError, TypeError) as wrong:
        raise patterns.InvalidPattern(str(wrong)) from None


def wanted(content: str, texts: tuple[str, ...], event: Event) -> bool:
    """Whether any filter matches; without filters everything is wanted."""
    return not texts or any(one.matches(event) for one in compiled(content, texts))
