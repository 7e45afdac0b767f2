"""Where each statement stands in the text of a policy: for the simulator's matched statements."""

from __future__ import annotations

import re
from functools import lru_cache

Place = tuple[int, int]
"""Line and column, both from 1."""

_token = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:]').finditer


@lru_cache(maxsize=512)
def places(document: str) -> list[tuple[Place, Place]]:
    """The first and the last character of each statement, in order. The document has been parsed: it is JSON."""
    found: list[tuple[Place, Place]] = []
    depth, inside, begun, previous, name = 0, 0, 0, "", ""
    for token in _token(document):
        text = token[0]
        if text == ":":
            name = previous if depth == 1 else name
        elif text in "{[":
            if depth == 1 and name == '"Statement"':
                inside = depth + 1 if text == "{" else depth + 2
            depth += 1
            if depth == inside and text == "{":
                begun = token.start()
        elif text in "}]":
            if depth == inside and text == "}":
                found.append((_place(document, begun), _place(document, token.start())))
            depth -= 1
            if depth == 1:
                inside, name = 0, ""
        previous = text
    return found


def _place(document: str, offset: int) -> Place:
    return document.count("\n", 0, offset) + 1, offset - document.rfind("\n", 0, offset)
