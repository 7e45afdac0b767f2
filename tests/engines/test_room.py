"""Where the engines keep what they have."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fogbank.engines import processes, room
from fogbank.engines.room import Room


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Opens a data directory where the engines' user may not go: where its databases are."""
    if processes.owner() is None:
        pytest.skip("only root has them run as another user")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(room, "_ELSEWHERE", elsewhere)
    tmp_path.chmod(0o700)

    async def open_it(name: str) -> Path:
        loop = asyncio.get_running_loop()
        one = Room(tmp_path / name / "databases", loop)
        await loop.shutdown_default_executor()
        shutil.rmtree(one.run)
        return one.root

    return lambda name: asyncio.run(open_it(name))


def test_what_stands_for_a_data_directory_goes_with_it(tmp_path: Path, made: Callable[[str], Path]) -> None:
    """Another folder stands for the engines' in the data directory: the next cloud to come sweeps it when that is gone."""
    places = [made("one"), made("two")]
    assert [place.parent for place in places] == [tmp_path / "elsewhere"] * 2
    assert made("two") == places[1]
    shutil.rmtree(tmp_path / "one")
    made("three")
    assert [place.exists() for place in places] == [False, True]


def test_a_data_directory_of_the_same_name_begins_anew(tmp_path: Path, made: Callable[[str], Path]) -> None:
    """A data directory that was removed and made again has no databases of before."""
    first = made("one")
    shutil.rmtree(tmp_path / "one")
    (tmp_path / "one" / "databases").mkdir(parents=True)
    assert made("one") != first


def test_a_data_directory_that_moves_takes_its_databases_along(tmp_path: Path, made: Callable[[str], Path]) -> None:
    """A moved data directory has the databases that it had; a copy has its own, and leaves those of the first alone."""
    first = made("one")
    shutil.copytree(tmp_path / "one", tmp_path / "copy", symlinks=True)
    copied = made("copy")
    assert copied != first
    (tmp_path / "one").rename(tmp_path / "moved")
    assert made("moved") == first
    made("another")
    assert [first.exists(), copied.exists()] == [True, True]


def test_a_link_of_the_users_own_is_followed(tmp_path: Path, made: Callable[[str], Path]) -> None:
    """Who has linked the databases' folder to another disk keeps that link, and what it leads to."""
    disk = tmp_path / "elsewhere" / "disk" / "mine"
    disk.mkdir(parents=True)
    (tmp_path / "one").mkdir()
    link = tmp_path / "one" / "databases"
    link.symlink_to(disk)
    assert made("one") == link
    assert link.readlink() == disk
