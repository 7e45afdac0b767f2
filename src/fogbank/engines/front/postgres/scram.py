"""SCRAM-SHA-256 (RFC 5802, RFC 7677) from both sides, without channel binding."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import os
import stringprep
import unicodedata

MECHANISM = "SCRAM-SHA-256"
_ROUNDS = 4096


class Wrong(Exception):
    """What the other side said does not prove that it knows the password, or is not SCRAM at all."""


def _prepared(password: str) -> bytes:
    """SASLprep; a password that it forbids is taken as it is, as PostgreSQL does."""
    if password.isascii():
        return password.encode()
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in password if not stringprep.in_table_b1(c))
    normal = unicodedata.normalize("NFKC", mapped)
    forbidden = (stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c8, stringprep.in_table_a1)
    return (password if any(test(c) for c in normal for test in forbidden) else normal).encode()


@functools.lru_cache(maxsize=256)
def _salted(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, rounds)


@functools.lru_cache(maxsize=256)
def _salt(password: str) -> bytes:
    """Ours for a password, as long as we live: so that it is stretched once."""
    return os.urandom(16)


def _mac(key: bytes, words: bytes) -> bytes:
    return hmac.digest(key, words, "sha256")


def _nonce() -> bytes:
    return base64.b64encode(os.urandom(18))


def _attributes(words: bytes) -> dict[bytes, bytes]:
    return {part[:1]: part[2:] for part in words.split(b",")}


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


class Verifier:
    """The server's side."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._said = b""
        self._nonce = b""
        self._header = b""

    def first(self, words: bytes) -> bytes:
        """Answers the client's first message."""
        if words[:2] not in (b"n,", b"y,"):
            raise Wrong
        header, _, rest = words.partition(b",")
        authorization, _, bare = rest.partition(b",")
        self._header = header + b"," + authorization + b","
        theirs = _attributes(bare).get(b"r")
        if not theirs:
            raise Wrong
        self._nonce = theirs + _nonce()
        answer = b"r=" + self._nonce + b",s=" + base64.b64encode(_salt(self._password)) + b",i=%d" % _ROUNDS
        self._said = bare + b"," + answer
        return answer

    def final(self, words: bytes) -> bytes:
        """Checks the proof in the client's last message, and answers with our own."""
        bare, _, proof = words.rpartition(b",p=")
        given = _attributes(bare)
        salted = _salted(self._password, _salt(self._password), _ROUNDS)
        client_key = _mac(salted, b"Client Key")
        said = self._said + b"," + bare
        signature = _mac(hashlib.sha256(client_key).digest(), said)
        try:
            proven = _xor(base64.b64decode(proof, validate=True), signature)
            header = base64.b64decode(given.get(b"c", b""), validate=True)
        except (ValueError, binascii.Error):
            raise Wrong from None
        if given.get(b"r") != self._nonce or header != self._header or not hmac.compare_digest(proven, client_key):
            raise Wrong
        return b"v=" + base64.b64encode(_mac(_mac(salted, b"Server Key"), said))


class Prover:
    """The client's side."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._bare = b"n=,r=" + _nonce()
        self._expected = b""

    def first(self) -> bytes:
        return b"n,," + self._bare

    def final(self, challenge: bytes) -> bytes:
        given = _attributes(challenge)
        if not given.get(b"r", b"").startswith(self._bare[5:]) or b"s" not in given or b"i" not in given:
            raise Wrong
        salted = _salted(self._password, base64.b64decode(given[b"s"]), int(given[b"i"]))
        bare = b"c=biws,r=" + given[b"r"]
        said = self._bare + b"," + challenge + b"," + bare
        client_key = _mac(salted, b"Client Key")
        self._expected = b"v=" + base64.b64encode(_mac(_mac(salted, b"Server Key"), said))
        proof = _xor(client_key, _mac(hashlib.sha256(client_key).digest(), said))
        return bare + b",p=" + base64.b64encode(proof)

    def check(self, words: bytes) -> None:
        """Whether the server knows it as well."""
        if not hmac.compare_digest(words, self._expected):
            raise Wrong
