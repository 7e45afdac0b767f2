"""JSON that people send."""

from __future__ import annotations

import pytest

from fogbank.languages import documents


@pytest.mark.parametrize("depth", [documents.LEVELS_LIMIT + 1, 990, 100_000])
@pytest.mark.parametrize("pair", [("[", "]"), ("{'a':", "}")])
def test_too_deep(depth: int, pair: tuple[str, str]) -> None:
    """What nests deeper than anybody means is no document, however deep it is."""
    opening, closing = pair
    text = (opening * depth + "1" + closing * depth).replace("'", '"')
    with pytest.raises(documents.Malformed):
        documents.read(text)
    with pytest.raises(documents.Malformed):
        documents.read(text.encode())


def test_deep_and_wide() -> None:
    """What is wide is not deep."""
    wide = "[" + ",".join(["[{}]"] * 500) + "]"
    assert len(documents.read(wide)) == 500
    deep = "[" * documents.LEVELS_LIMIT + "]" * documents.LEVELS_LIMIT
    assert documents.read(deep) is not None


@pytest.mark.parametrize("text", ["", "{", "nope", '{"a": NaN}', "\ud800", b"\xff"])
def test_no_json(text: str | bytes) -> None:
    """What is not JSON is malformed, whatever it is instead."""
    with pytest.raises(documents.Malformed):
        documents.read(text)


def test_objects() -> None:
    """Some want an object."""
    assert documents.read_object('{"a": 1}') == {"a": 1}
    with pytest.raises(documents.Malformed):
        documents.read_object("[1]")
