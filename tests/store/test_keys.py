"""Keys sort as the tuples they stand for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fogbank.store import keys

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
NUMBER = st.integers(min_value=-(1 << 62), max_value=(1 << 62) - 1)
PAIR = st.tuples(TEXT, NUMBER, TEXT)


def ordered(parts: tuple[str, int, str]) -> tuple[bytes, int, bytes]:
    return parts[0].encode(), parts[1], parts[2].encode()


@given(PAIR, PAIR)
def test_order(one: tuple[str, int, str], other: tuple[str, int, str]) -> None:
    """Encoded keys compare as their parts do: text by UTF-8 bytes, integers by value."""
    encode = keys.encoder((str, int, str))
    assert (encode(*one) < encode(*other)) == (ordered(one) < ordered(other))


@given(PAIR)
def test_compiled_is_general(parts: tuple[str, int, str]) -> None:
    """The compiled encoder gives what the general one gives, zeros inside texts included."""
    assert keys.encoder((str, int, str))(*parts) == keys.encode(parts)


@given(TEXT, TEXT, TEXT)
def test_prefix(first: str, second: str, other: str) -> None:
    """Everything under a prefix lies between the prefix and the prefix followed by FF, and nothing else does."""
    prefix = keys.encode((first,))
    assert prefix <= keys.encode((first, second)) < prefix + b"\xff"
    if other != first:
        assert not prefix <= keys.encode((other, second)) < prefix + b"\xff"
