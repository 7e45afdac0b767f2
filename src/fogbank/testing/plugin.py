"""pytest fixtures: `house` (one process-wide App) and `cloud` (a fresh cloud for each test, checked when it ends)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fogbank.testing.cloud import Cloud, House


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    made = House()
    yield made
    made.close()


@pytest.fixture
def cloud(house: House) -> Iterator[Cloud]:
    """A fresh, empty cloud whose clock stands still. After the test its indexes must equal their tables."""
    made = house.cloud()
    yield made
    wrong = made.problems()
    made.close()
    assert not wrong, wrong
