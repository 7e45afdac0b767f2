"""JSON paths."""

from __future__ import annotations

from typing import Any

import pytest

from fogbank.languages import paths

DOCUMENT = {"detail": {"a-b": [{"id": 1}, {"id": 2}, {}], "x/y": "z", "dots.in": 3}, "id": None}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$", DOCUMENT),
        ("$.id", None),
        ("$.detail.a-b[1].id", 2),
        ("$.detail.a-b[-1]", {}),
        ("$.detail.a-b[*].id", [1, 2]),
        ("$.detail.x/y", "z"),
        ("$.detail['dots.in']", 3),
        ("$.detail.a-b[7]", paths.MISSING),
        ("$.nothing.there", paths.MISSING),
        ("$.id.there", paths.MISSING),
    ],
)
def test_finding(path: str, expected: Any) -> None:
    """A path finds what it names, or nothing."""
    assert paths.parse(path).find(DOCUMENT) is expected or paths.parse(path).find(DOCUMENT) == expected


@pytest.mark.parametrize("path", ["", "detail", "$detail", "$.", "$..a", "$.a[", "$.a[x]", "$.a[?(@.b)]"])
def test_what_is_no_path(path: str) -> None:
    """What is not supported is refused."""
    with pytest.raises(paths.InvalidPath):
        paths.parse(path)
