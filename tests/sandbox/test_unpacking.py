"""Archives become folders, and nothing else becomes anything."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from fogbank.sandbox.function import Code
from fogbank.sandbox.unpacking import BadCode, Shelf

from .shop import archive


def packed(entries: list[tuple[str, int, bytes]]) -> Code:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name, mode, content in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            opened.writestr(entry, content)
    return Code(str(hash(target.getvalue())), target.getvalue)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf")


def test_modes(shelf: Shelf) -> None:
    """Everybody may read; who may execute is as packed."""
    folder = shelf.code(packed([("a/run", 0o100700, b"1"), ("b", 0o100600, b"2"), ("c", 0, b"3")]))
    modes = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in ("a/run", "b", "c", "a")}
    assert modes == {"a/run": 0o544, "b": 0o444, "c": 0o444, "a": 0o755}


def test_links(shelf: Shelf) -> None:
    """Symbolic links are kept as links."""
    folder = shelf.code(packed([("a", 0o100644, b"1"), ("b", stat.S_IFLNK | 0o777, b"a")]))
    assert (folder / "b").read_bytes() == b"1"
    assert os.readlink(folder / "b") == "a"


@pytest.mark.parametrize(
    "entries",
    [
        [("../out", 0o100644, b"x")],
        [("a/../../out", 0o100644, b"x")],
        [("a", stat.S_IFLNK | 0o777, b"/tmp"), ("a/out", 0o100644, b"x")],
        [("a", 0o100644, b"1"), ("a/b", 0o100644, b"x")],
    ],
)
def test_ways_out(shelf: Shelf, entries: list[tuple[str, int, bytes]]) -> None:
    """Nothing is written outside of the folder."""
    with pytest.raises(BadCode):
        shelf.code(packed(entries))


def test_absolute_names(shelf: Shelf) -> None:
    """A name that begins at the root begins at the folder."""
    assert (shelf.code(packed([("/etc/x", 0o100644, b"1")])) / "etc/x").read_bytes() == b"1"


def test_no_archive(shelf: Shelf) -> None:
    """What is no archive is refused."""
    with pytest.raises(BadCode, match="Could not unzip"):
        shelf.code(Code("0", lambda: b"PK nothing"))


def test_once(shelf: Shelf) -> None:
    """An archive is read once."""
    code, reads = archive({"a": "1"}), []
    counted = Code(code.digest, lambda: reads.append(1) or code.read())  # type: ignore[func-returns-value]
    assert shelf.code(counted) == shelf.code(counted)
    assert reads == [1]


def test_merged(shelf: Shelf) -> None:
    """Of files with one name in several layers the last holds, also in the place of a folder or a link."""
    first = packed(
        [
            ("x", 0o100644, b"1"),
            ("only", 0o100644, b"1"),
            ("d/a", 0o100644, b"1"),
            ("l", stat.S_IFLNK | 0o777, b"x"),
            ("e/f", 0o100644, b"1"),
        ]
    )
    second = packed([("x", 0o100644, b"2"), ("d/b", 0o100644, b"2"), ("l/in", 0o100644, b"2"), ("e", 0o100644, b"2")])
    folder = shelf.layers((first, second))
    assert folder is not None
    assert {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        "x": b"2",
        "only": b"1",
        "d/a": b"1",
        "d/b": b"2",
        "l/in": b"2",
        "e": b"2",
    }
    assert (shelf.code(first) / "x").read_bytes() == b"1"


def test_empty_at_both_ends(tmp_path: Path) -> None:
    """What an earlier process left is removed at the start, and nothing stays at the end."""
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf" / "old").write_text("x")
    shelf = Shelf(tmp_path / "shelf")
    shelf.code(archive({"a": "1"}))
    assert not (tmp_path / "shelf" / "old").exists()
    shelf.close()
    assert not (tmp_path / "shelf").exists()
