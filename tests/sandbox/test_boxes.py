"""What a box is: its program's surroundings, how it ends, what it uses; as root and as an ordinary user."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .others import WHO, linux_only, outcomes, readable
from .scenarios import SCENARIOS

pytestmark = linux_only


@pytest.fixture(scope="module")
def outcome() -> Any:
    with readable() as folder, outcomes(folder, "scenarios.py") as told:
        yield told


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("who", WHO)
def test_scenario(who: str, scenario: str, outcome: Callable[[str], dict[str, str]]) -> None:
    """It holds, as its name says."""
    assert not outcome(who)[scenario], outcome(who)[scenario]
