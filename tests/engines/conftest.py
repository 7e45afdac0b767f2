"""What the tests of the engines share: PostgreSQL's template, made once."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fogbank.engines import postgres, processes
from fogbank.engines.postgres.images import Image
from fogbank.engines.postgres.programs import Binaries

from .postgres_stage import Stage


def _quick() -> str:
    """Memory, where there is enough of it: ext4 makes files slowly where many were deleted a minute ago."""
    memory = Path("/dev/shm")
    return str(memory if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else "/tmp")


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[tuple[Path, Binaries, Image]]:
    """A short folder that PostgreSQL can come to, with the wheel's template in it."""
    folder = Path(tempfile.mkdtemp(prefix="fogbank-test-", dir=_quick()))
    folder.chmod(0o711)
    processes.give(folder)
    binaries = postgres.binaries()

    async def make() -> Image:
        return await postgres.template(folder, binaries, asyncio.get_running_loop())

    yield folder, binaries, asyncio.run(make())
    shutil.rmtree(folder)


@pytest.fixture
def stage(postgres_template: tuple[Path, Binaries, Image]) -> Iterator[Stage]:
    """Nodes for one test."""
    root, binaries, template = postgres_template
    folder = Path(tempfile.mkdtemp(prefix="t", dir=root))
    folder.chmod(0o711)
    processes.give(folder)
    yield Stage(folder, binaries, template)
    shutil.rmtree(folder)
