"""A symmetric key's ciphertext: which material made it, then what AES-256-GCM made.

    1 byte    format
    1 byte    1 for a multi-Region key's, else 0
    5 bytes   the account
    16 bytes  the key's id
    2 bytes   the material's number
    4 bytes   CRC-32 of all this
    12 bytes  nonce
    the rest  ciphertext and tag

So Decrypt needs no KeyId, and a ciphertext made before a rotation opens after it. The head and the encryption context
are authenticated with the rest. The region is not in it: related multi-Region keys open each other's.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fogbank.kernel.chance import Chance

_HEAD = struct.Struct(">BB5s16sH")
HEAD_BYTES = _HEAD.size + 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_FORMAT = 1

_json = msgspec.json.Encoder().encode


class Maker(NamedTuple):
    """The material that made a ciphertext."""

    account: str
    key: str
    number: int


def head(account: str, key: str, number: int) -> bytes:
    related = key.startswith("mrk-")
    packed = _HEAD.pack(_FORMAT, related, int(account).to_bytes(5, "big"), bytes.fromhex(key.removeprefix("mrk-").replace("-", "")), number)
    return packed + crc32(packed).to_bytes(4, "big")


@lru_cache(4096)
def _maker(front: bytes) -> Maker | None:
    form, related, account, key, number = _HEAD.unpack_from(front)
    if form != _FORMAT or crc32(front[:-4]).to_bytes(4, "big") != front[-4:]:
        return None
    h = key.hex()
    name = f"mrk-{h}" if related else f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
    return Maker(f"{int.from_bytes(account, 'big'):012}", name, number)


def maker(ciphertext: bytes) -> Maker | None:
    """What made a ciphertext; None where we did not."""
    return _maker(ciphertext[:HEAD_BYTES]) if len(ciphertext) >= HEAD_BYTES + _NONCE_BYTES + _TAG_BYTES else None


def _bound(front: bytes, context: Mapping[str, str] | None) -> bytes:
    """What is authenticated besides: the order of the context's pairs does not count."""
    return front + _json(sorted(context.items())) if context else front


class Cipher:
    """One material of a symmetric key, ready for use."""

    __slots__ = ("_aead", "_head")

    def __init__(self, secret: bytes, account: str, key: str, number: int) -> None:
        self._aead = AESGCM(secret)
        self._head = head(account, key, number)

    def seal(self, chance: Chance, plaintext: bytes, context: Mapping[str, str] | None) -> bytes:
        nonce = chance.bytes(_NONCE_BYTES)
        front = self._head
        return front + nonce + self._aead.encrypt(nonce, plaintext, _bound(front, context))

    def open(self, ciphertext: bytes, context: Mapping[str, str] | None) -> bytes | None:
        """None for what was made otherwise, in another context, or altered since."""
        try:
            start = HEAD_BYTES + _NONCE_BYTES
            return self._aead.decrypt(ciphertext[HEAD_BYTES:start], ciphertext[start:], _bound(self._head, context))
        except InvalidTag:
            return None
