"""Archives of code as folders: each unpacked once, under its digest, and layers laid over one another."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import stat
import tempfile
import threading
import time
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

from fogbank.sandbox.function import Code

UNZIPPED_BYTES = 262_144_000
SHELF_BYTES = 8 << 30
_FRESH_S = 10.0
"""So long nothing goes that was asked for: its user may not have taken hold of it yet."""
ENTRIES = 100_000
_NAME = "fogbank-code-"


class BadCode(ValueError):
    """This archive cannot be unpacked, with the reason."""


class _Piece:
    """A folder of the shelf."""

    __slots__ = ("holders", "size", "used_at")

    def __init__(self, size: int) -> None:
        self.size = size
        self.holders = 0
        self.used_at = time.monotonic()


class Shelf:
    """Where unpacked archives lie: a folder of its own, empty at the start and at the end. Its methods take their time.

    Of what nobody holds, the least recently used goes where there is more than `most_bytes`.
    """

    def __init__(self, folder: Path | None, most_bytes: int = SHELF_BYTES) -> None:
        self._given = folder
        self._most_bytes = most_bytes
        self._pieces: OrderedDict[str, _Piece] = OrderedDict()
        """By name, the one used last at the end."""
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    @property
    def folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                if self._given is None:
                    _sweep()
                    self._folder = Path(tempfile.mkdtemp(prefix=f"{_NAME}{os.getpid()}-"))
                else:
                    shutil.rmtree(self._given, ignore_errors=True)
                    self._given.mkdir(parents=True)
                    self._folder = self._given
                self._folder.chmod(0o700)  # a box sees what is mounted into it; nobody else on this machine has to
            return self._folder

    def code(self, code: Code) -> Path:
        """The folder with an archive's content. Raises BadCode."""
        return self.made(f"code-{code.digest}", lambda folder: _unpack(code.read(), folder))

    def layers(self, layers: tuple[Code, ...]) -> Path | None:
        """The folder with all layers merged: of files with one name, that of the last. None without layers. Raises BadCode."""
        if not layers:
            return None
        if len(layers) == 1:
            return self.code(layers[0])
        folders = [self.code(layer) for layer in layers]
        name = hashlib.sha256(" ".join(layer.digest for layer in layers).encode()).hexdigest()
        return self.made(f"layers-{name}", lambda folder: _merge(folders, folder))

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """The folder of this name; `make` fills it where there is none yet."""
        ready = self.folder / name
        with self._lock:
            lock = self._making.setdefault(name, threading.Lock())
        with lock:
            if not self._used(name):
                unready = self.folder / f"{name}.new"
                shutil.rmtree(unready, ignore_errors=True)
                unready.mkdir()
                unready.chmod(0o755)
                make(unready)
                size = _size(unready)
                unready.rename(ready)
                with self._lock:
                    self._pieces[name] = _Piece(size)
        self._make_room()
        return ready

    def _used(self, name: str) -> bool:
        """Whether it is there; if so, it was asked for just now."""
        with self._lock:
            piece = self._pieces.get(name)
            if piece is not None:
                piece.used_at = time.monotonic()
                self._pieces.move_to_end(name)
            return piece is not None

    def hold(self, folders: Iterable[Path]) -> bool:
        """Has these stay until `let_go`, each as often as it is held. False: one of them has gone, and none is held."""
        names = [folder.name for folder in folders]
        with self._lock:
            if not all(name in self._pieces for name in names):
                return False
            for name in names:
                self._pieces[name].holders += 1
            return True

    def let_go(self, folders: Iterable[Path]) -> None:
        with self._lock:
            for folder in folders:
                self._pieces[folder.name].holders -= 1
                self._pieces[folder.name].used_at = time.monotonic()

    def _make_room(self) -> None:
        going = []
        with self._lock:
            surplus = sum(piece.size for piece in self._pieces.values()) - self._most_bytes
            for name, piece in list(self._pieces.items()) if surplus > 0 else ():
                if surplus > 0 and not piece.holders and time.monotonic() - piece.used_at > _FRESH_S and self._folder is not None:
                    surplus -= piece.size
                    del self._pieces[name]
                    gone = self._folder / f"{name}.gone"
                    (self._folder / name).rename(gone)
                    going.append(gone)
        for folder in going:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _sweep() -> None:
    """Removes what processes have left that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{_NAME}*-*"):
        pid = left.name.removeprefix(_NAME).partition("-")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (ValueError, OSError):  # not ours, or alive
            pass


def _unpack(archive: bytes, folder: Path) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            entries = opened.infolist()
            if len(entries) > ENTRIES or sum(entry.file_size for entry in entries) > UNZIPPED_BYTES:
                raise BadCode(f"Unzipped size must be smaller than {UNZIPPED_BYTES} bytes")
            for entry in entries:
                _entry(opened, entry, folder)
    except (zipfile.BadZipFile, zlib.error, UnicodeError, NotImplementedError, RuntimeError, EOFError) as problem:
        raise BadCode(f"Could not unzip uploaded file. Please check your file, then try to upload again. ({problem})") from None


def _entry(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    parts = [part for part in entry.filename.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadCode(f"The archive has a name that leads out of it: {entry.filename}")
    path = folder.joinpath(*parts)
    mode = entry.external_attr >> 16
    if entry.is_dir() or not parts:
        _folder(path, folder)
        return
    _folder(path.parent, folder)
    if path.is_symlink() or path.exists():
        path.unlink()
    if stat.S_ISLNK(mode):
        path.symlink_to(opened.read(entry).decode())
        return
    with opened.open(entry) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    path.chmod(0o444 | mode & 0o555)  # everybody may read: archives made in memory often forget to say so


def _folder(path: Path, within: Path) -> None:
    """Makes a folder. No part of it may be a symbolic link: what is written through one would lie elsewhere."""
    at = within
    for part in path.relative_to(within).parts:
        at = at / part
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            raise BadCode(f"The archive has a file in the place of the folder {at.relative_to(within)}")
        if not at.exists():
            at.mkdir()
            at.chmod(0o755)


def _merge(layers: list[Path], folder: Path) -> None:
    for layer in layers:
        for place, names, files in os.walk(layer):
            target = folder / Path(place).relative_to(layer)
            links = [name for name in names if (Path(place) / name).is_symlink()]
            for name in (*files, *links):
                _lay(Path(place) / name, target / name)
            for name in set(names).difference(links):
                inner = target / name
                if inner.is_symlink() or (inner.exists() and not inner.is_dir()):
                    inner.unlink()
                inner.mkdir(exist_ok=True)
                inner.chmod(0o755)


def _lay(source: Path, target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    elif target.is_symlink() or target.exists():
        target.unlink()
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _size(folder: Path) -> int:
    """What a folder takes up."""
    return sum(os.lstat(os.path.join(place, name)).st_size for place, _, files in os.walk(folder) for name in files)
