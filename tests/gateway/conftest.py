"""What the tests of the door share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .people import people, refused
from .raw import Raw, ask

__all__ = ["people", "refused"]


@pytest.fixture
def raw(cloud: Any) -> Iterator[Raw]:
    """A connection to the cloud."""
    made = Raw(cloud.endpoint)
    yield made
    made.close()


@pytest.fixture
def bucket(cloud: Any) -> str:
    """A bucket named `bucket`."""
    assert ask(cloud.endpoint, "PUT", "/bucket").status == 200
    return "bucket"


@pytest.fixture
def spool(cloud: Any) -> Callable[[], list[Path]]:
    """What lies in the folder of bodies that are still coming in."""
    folder: Path = cloud.house.app.gateway.blobs.spool
    return lambda: list(folder.iterdir())
