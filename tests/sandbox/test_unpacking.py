"""Archives become folders, and nothing else becomes anything."""

from __future__ import annotations

import asyncio
import io
import json
import os
import stat
import zipfile
from pathlib import Path

import pytest

from fogbank.sandbox import unpacking
from fogbank.sandbox.function import Code
from fogbank.sandbox.unpacking import BadCode, Shelf

from .shop import Shop, archive, function, python


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


def test_the_least_recently_used_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its size the shelf lets go of what nobody holds, and makes it again when it is asked for."""
    monkeypatch.setattr(unpacking, "_FRESH_S", -1.0)
    shelf = Shelf(tmp_path / "shelf", most_bytes=2500)
    first, second, third, fourth = (archive({"a": str(number) * 1000}) for number in range(4))
    held = shelf.code(first)
    assert shelf.hold([held])
    unheld = shelf.code(second)
    shelf.code(third)
    assert sorted(path.name for path in (tmp_path / "shelf").iterdir()) == sorted([held.name, shelf.code(third).name])
    assert not shelf.hold([held, unheld])
    assert (shelf.code(second) / "a").read_text() == "1" * 1000
    shelf.let_go([held])
    shelf.code(fourth)
    assert not held.exists()


def test_what_is_run_stays_on_the_shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that an environment has mounted stays; a function whose code has gone has it unpacked again."""
    monkeypatch.setattr(unpacking, "_FRESH_S", 0.3)
    shop = Shop(folder=Shelf(tmp_path / "shelf", most_bytes=1), idle_s=0.1)
    try:
        one, two = python("def handler(event, context): return open('/var/task/app.py').read()\n"), python("def handler(e, c): return 2\n")
        source = json.loads(shop.invoke(one).payload)
        assert shop.invoke(two).payload == b"2"
        assert json.loads(shop.invoke(one).payload) == source
        shop.until(lambda: not any(shop.workshop._pools[each.key].held for each in (one, two)))
        shop.run(asyncio.sleep(0.4))
        other = python("def handler(e, c): return 3\n")
        assert shop.invoke(other).payload == b"3"
        assert len([path for path in (tmp_path / "shelf").iterdir() if path.name.startswith("code-")]) == 1
        assert json.loads(shop.invoke(one).payload) == source
    finally:
        shop.close()


def test_only_we_may_enter(shelf: Shelf) -> None:
    """Unpacked code is nobody else's to read on this machine."""
    shelf.code(archive({"a": "1"}))
    assert shelf.folder.stat().st_mode & 0o777 == 0o700


def test_links_are_not_followed_here(tmp_path: Path) -> None:
    """What is a link in an archive leads nowhere outside of a box: it is not read while an environment is prepared."""
    shop = Shop(folder=tmp_path / "shelf")
    secret = tmp_path / "secret.py"
    secret.write_text("boto")
    code = packed([("app.py", 0o100644, b"def handler(e, c): return 1"), ("x.py", stat.S_IFLNK | 0o777, str(secret).encode())])
    try:
        made = function({}, code=code)
        assert shop.invoke(made).payload == b"1"
        prepared = shop.workshop._pools[made.key].prepared
        assert prepared is not None
        assert prepared.spec.zygote is None or not any("boto" in module for module in prepared.spec.zygote.preload)
    finally:
        shop.close()
