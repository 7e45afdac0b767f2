"""Where the engines keep what they have."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from fogbank.engines import processes, room
from fogbank.engines.room import Room


def test_what_stands_for_a_data_directory_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engines' user may not go to the data directory another folder stands for it: the next one sweeps it when that is gone."""
    if processes.owner() is None:
        pytest.skip("only root has them run as another user")
    monkeypatch.setattr(room, "_ELSEWHERE", tmp_path / "elsewhere")
    tmp_path.chmod(0o700)
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()

    async def made(name: str) -> Path:
        loop = asyncio.get_running_loop()
        one = Room(tmp_path / name / "databases", loop)
        await loop.shutdown_default_executor()
        shutil.rmtree(one.run)
        return one.root

    places = [asyncio.run(made(name)) for name in ("one", "two")]
    assert [place.parent for place in places] == [tmp_path / "elsewhere"] * 2
    shutil.rmtree(tmp_path / "one")
    asyncio.run(made("three"))
    assert [place.exists() for place in places] == [False, True]
