"""Encryption at rest: the cloud's root key, which lies beside the log and never in it, and what is sealed under it.

    vault.seal(secret, context)      AES-256-GCM under the root key
    Seal(key).seal(...)              the same under a key of one's own (a data key)
    ContentCipher(key, start)        AES-256-CTR, for large values that are read from anywhere

A root key is a file of `keys/` in the data directory, named by its first bytes' digest; a sealed value begins with that
name, so that a snapshot can bring its own keys along.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from fogbank.store.tables import At

KEY_BYTES = 32
_OPEN_LIMIT = 1000
_NONCE_BYTES = 12
_NONCES = 256
_NAME_BYTES = 4
_BLOCK_BYTES = 16


class _Nonces:
    """Random nonces, many drawn at once: a system call for each would be most of its cost. A forked process draws its own."""

    def __init__(self) -> None:
        self._drawn: list[bytes] = []
        os.register_at_fork(after_in_child=self._drawn.clear)

    def next(self) -> bytes:
        drawn = self._drawn
        if not drawn:
            pool = os.urandom(_NONCE_BYTES * _NONCES)
            drawn += [pool[at : at + _NONCE_BYTES] for at in range(0, len(pool), _NONCE_BYTES)]
        return drawn.pop()


_nonces = _Nonces()


class Seal:
    """Authenticated encryption under one key of 32 bytes: a random nonce, then what AES-256-GCM makes."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 15 ms, which a cloud without secrets need not wait for

        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, context: bytes = b"") -> bytes:
        nonce = _nonces.next()
        return nonce + self._aead.encrypt(nonce, plaintext, context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Raises ValueError for what was sealed under another key or in another context, or has been altered."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except _invalid_tag():
            raise ValueError("this was not sealed so") from None


def _invalid_tag() -> type[Exception]:
    from cryptography.exceptions import InvalidTag

    return InvalidTag


class Vault(Seal):
    """The root keys of a data directory: seals under its own, opens what any of them sealed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seals: dict[bytes, Seal] = {}

    @cached_property
    def _own(self) -> tuple[bytes, Seal]:
        """The key that seals: the one named in `own`, made when first needed."""
        mark = self.folder / "own"
        name = bytes.fromhex(mark.read_text()) if mark.exists() else self._make(mark)
        return name, self._seal_of(name)

    def _make(self, mark: Path) -> bytes:
        self.folder.mkdir(exist_ok=True, mode=0o700)
        name = self.add(os.urandom(KEY_BYTES))
        _write(mark, name.hex().encode())
        return name

    def add(self, key: bytes) -> bytes:
        """Takes a root key in (a snapshot's): its name."""
        name = sha256(key).digest()[:_NAME_BYTES]
        path = self.folder / name.hex()
        if not path.exists():
            self.folder.mkdir(exist_ok=True, mode=0o700)
            _write(path, key)
        return name

    def root_keys(self) -> list[bytes]:
        """All root keys, for a snapshot."""
        return [path.read_bytes() for path in sorted(self.folder.glob("[0-9a-f]" * (2 * _NAME_BYTES)))]

    def _seal_of(self, name: bytes) -> Seal:
        seal = self._seals.get(name)
        if seal is None:
            path = self.folder / name.hex()
            if len(name) != _NAME_BYTES or not path.exists():
                raise ValueError(f"the root key {name.hex()} is not here")
            seal = self._seals[name] = Seal(path.read_bytes())
        return seal

    def seal(self, plaintext: bytes, context: bytes = b"") -> bytes:
        name, own = self._own
        return name + own.seal(plaintext, context)

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Raises ValueError where it cannot be opened."""
        return self._seal_of(sealed[:_NAME_BYTES]).open(sealed[_NAME_BYTES:], context)


def _write(path: Path, content: bytes) -> None:
    """A file that is there whole, for its owner alone, and stays: what it locks is lost without it."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Openings:
    """Keys in the clear that were opened lately. They are the process's, and never in the log.

    Each serves only whom it was opened for, on the branch where it was: elsewhere other permissions may hold.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Hashable, tuple[Seal, int, int]] = OrderedDict()

    def seal(self, at: At, whom: Hashable, sealed: bytes, now_ms: int, kept_ms: int, opened: Callable[[], bytes]) -> Seal:
        """The seal under a key; `opened` says it again when it has served for `kept_ms`."""
        name = (at.tx.branch.number, whom, sealed)
        known = self._open.get(name)
        if known is not None and known[1] <= now_ms < known[2]:
            return known[0]
        seal = Seal(opened())
        self._open[name] = (seal, now_ms, now_ms + kept_ms)
        if len(self._open) > _OPEN_LIMIT:
            self._open.popitem(last=False)
        return seal


class ContentCipher:
    """A stream of bytes under a key that no other stream has: encryption and decryption are the same, from any offset."""

    def __init__(self, key: bytes, start: int = 0) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        counter = (start // _BLOCK_BYTES).to_bytes(_BLOCK_BYTES, "big")
        self._cipher = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
        if start % _BLOCK_BYTES:
            self._cipher.update(bytes(start % _BLOCK_BYTES))
        self._room = bytearray()

    def turn(self, chunk: bytes | memoryview) -> memoryview:
        """The next bytes of the stream, encrypted or decrypted; good until the next are asked for."""
        if len(self._room) < len(chunk) + _BLOCK_BYTES:
            self._room = bytearray(len(chunk) + _BLOCK_BYTES)
        return memoryview(self._room)[: self._cipher.update_into(chunk, self._room)]
