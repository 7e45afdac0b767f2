"""One workshop for many tests: its zygotes are warm after the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .shop import Shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    opened = Shop()
    yield opened
    opened.close()
