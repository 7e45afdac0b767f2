"""GetRandomPassword."""

from __future__ import annotations

import string
from typing import Any

import pytest

TYPES = {
    "ExcludeLowercase": string.ascii_lowercase,
    "ExcludeUppercase": string.ascii_uppercase,
    "ExcludeNumbers": string.digits,
    "ExcludePunctuation": string.punctuation,
}


def test_the_default_has_all_types(sm: Any) -> None:
    """32 characters, one at least of each type, and never the same."""
    made = [sm.get_random_password()["RandomPassword"] for _ in range(20)]
    assert len(set(made)) == 20
    for password in made:
        assert len(password) == 32
        assert " " not in password
        for characters in TYPES.values():
            assert set(password) & set(characters)


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_left_out(sm: Any, name: str) -> None:
    """What is excluded does not come in, the other types do."""
    password = sm.get_random_password(PasswordLength=200, **{name: True})["RandomPassword"]
    for other, characters in TYPES.items():
        assert bool(set(password) & set(characters)) == (other != name)


def test_short_ones_have_each_type(sm: Any, refused: Any) -> None:
    """Four characters are enough for four types, three are not, unless not each type is required."""
    for _ in range(20):
        password = sm.get_random_password(PasswordLength=4)["RandomPassword"]
        assert all(set(password) & set(characters) for characters in TYPES.values())
    assert refused(sm.get_random_password, PasswordLength=3) == (
        "InvalidParameterException",
        "Password length is too short based on the required types.",
    )
    assert len(sm.get_random_password(PasswordLength=1, RequireEachIncludedType=False)["RandomPassword"]) == 1


def test_characters_are_left_out(sm: Any, refused: Any) -> None:
    """ExcludeCharacters holds, IncludeSpace lets a space in, and nothing can be made of nothing."""
    password = sm.get_random_password(PasswordLength=4096, ExcludeCharacters='"@/\\aeiou', IncludeSpace=True)["RandomPassword"]
    assert not set(password) & set('"@/\\aeiou')
    assert " " in password
    assert refused(sm.get_random_password, **dict.fromkeys(TYPES, True))[0] == "InvalidParameterException"
