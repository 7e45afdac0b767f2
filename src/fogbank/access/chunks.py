"""aws-chunked: a body in signed or unsigned chunks, with trailers.

    10000;chunk-signature=<64 hex>\\r\\n <65536 bytes> \\r\\n ... 0;chunk-signature=...\\r\\n x-amz-checksum-crc32c:...\\r\\n \\r\\n

Each chunk's signature covers the one before it; the first covers the request's. Unsigned bodies have no signatures.
Source: "Signature calculations for the Authorization header: transferring payload in multiple chunks", S3 API Reference.
"""

from __future__ import annotations

import hashlib
import hmac
import re

from fogbank.access import refusals
from fogbank.access.signing import EMPTY_SHA256, Signed
from fogbank.kernel.errors import ServiceException

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
KINDS = frozenset({SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER})

_hexadecimal = re.compile(rb"[0-9A-Fa-f]{1,16}").fullmatch
_LONGEST_LINE = 16 * 1024
_WINDOW = 256
_SMALLEST_CHUNK = 8 * 1024

_HEADER, _BODY, _BODY_END, _TRAILER, _DONE = range(5)


class Chunks:
    """Decodes as the bytes come. Pieces are given out before their chunk's signature is known: use them for nothing that
    cannot be undone until `end()` has returned.

    Errors: `SignatureDoesNotMatch` (403), `IncompleteBody` (400), `InvalidChunkSizeError` (403), `MalformedTrailerError` (400).
    """

    __slots__ = (
        "_declared",
        "_digest",
        "_hash",
        "_left",
        "_line",
        "_previous",
        "_signature",
        "_signed",
        "_size",
        "_state",
        "_verified",
        "size",
        "trailers",
    )

    def __init__(self, signed: Signed, decoded_length: int | None = None) -> None:
        """`decoded_length` is the header `x-amz-decoded-content-length`."""
        if signed.payload not in KINDS:
            raise refusals.other_algorithm(signed.payload, {}, "s3")
        self._signed = signed
        self._verified = signed.payload != UNSIGNED_TRAILER and bool(signed.seed_signature)
        self._digest = signed.payload != UNSIGNED_TRAILER
        self._previous = signed.seed_signature
        self._declared = decoded_length
        self._state = _HEADER
        self._line = b""
        self._left = 0
        self._size = -1
        self._signature = ""
        self._hash = hashlib.sha256()
        self.size = 0
        self.trailers: dict[str, str] = {}

    @property
    def finished(self) -> bool:
        """The last chunk and the trailers have come, and their signatures held."""
        return self._state == _DONE

    def feed(self, data: bytes | bytearray | memoryview) -> list[memoryview]:
        """The payload in these bytes, as views of them (no copies)."""
        view = memoryview(data)
        pieces: list[memoryview] = []
        at, end = 0, len(view)
        while at < end:
            if self._state == _BODY:
                piece = view[at : at + self._left]
                at += len(piece)
                self._take(piece, pieces)
            elif self._state == _DONE:
                raise _incomplete("The request body has data after its last chunk.")
            else:
                at = self._read_line(view, at)
        return pieces

    def end(self) -> None:
        """The body is over: raises `IncompleteBody` where it is not whole."""
        if not self.finished:
            raise _incomplete("The request body terminated unexpectedly")

    def _take(self, piece: memoryview, pieces: list[memoryview]) -> None:
        pieces.append(piece)
        if self._verified:
            self._hash.update(piece)
        self._left -= len(piece)
        if not self._left:
            self._state = _BODY_END

    def _read_line(self, view: memoryview, at: int) -> int:
        """Collects a line; acts on it once whole. Gives back where the next bytes start."""
        # Lines are short: a copy of the next few bytes can be searched at once.
        window = self._line + bytes(view[at : at + _WINDOW])
        found = window.find(b"\n")
        if found < 0:
            if len(window) > _LONGEST_LINE:
                raise _incomplete("The request body's chunk header is too long.")
            self._line = window
            return at + _WINDOW
        at += found + 1 - len(self._line)
        self._line = b""
        line = window[:found].removesuffix(b"\r")
        if self._state == _HEADER:
            self._start(line)
        elif self._state == _BODY_END:
            if line:
                raise _incomplete("The request body's chunk is longer than its header says.")
            self._check_chunk()
            self._state = _HEADER
        else:
            self._trailer(line)
        return at

    def _start(self, line: bytes) -> None:
        """A chunk's header: `size` in hexadecimal, `;chunk-signature=...` where signed."""
        size_text, _, extension = line.partition(b";")
        if not _hexadecimal(size_text):
            raise _incomplete("The request body's chunk header is malformed.")
        size = int(size_text, 16)
        if self._digest:
            if 0 <= self._size < _SMALLEST_CHUNK and size:
                message = "Only the last chunk is allowed to have a size less than 8192 bytes"
                raise ServiceException("InvalidChunkSizeError", message, status=403)
            name, _, value = extension.partition(b"=")
            if self._verified and name.strip() != b"chunk-signature":
                raise _incomplete("The request body's chunk header has no signature.")
            self._signature = value.decode("latin-1")
        self._size = self._left = size
        self.size += size
        if size:
            self._state = _BODY
            return
        self._check_chunk()
        if self._declared is not None and self.size != self._declared:
            raise _incomplete("You did not provide the number of bytes specified by the x-amz-decoded-content-length HTTP header")
        self._state = _TRAILER

    def _check_chunk(self) -> None:
        if not self._verified:
            return
        signed = self._signed
        content = self._hash.hexdigest()
        self._hash = hashlib.sha256()
        to_sign = f"AWS4-HMAC-SHA256-PAYLOAD\n{signed.date}\n{signed.scope}\n{self._previous}\n{EMPTY_SHA256}\n{content}"
        self._previous = self._check(to_sign, self._signature)

    def _trailer(self, line: bytes) -> None:
        """`name:value`, or the empty line that ends the body."""
        if not line:
            if self._verified and self._signed.payload == SIGNED_TRAILER:
                self._check_trailers()
            self._state = _DONE
            return
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if not colon or self._signed.payload == SIGNED:
            message = "The request contained trailing data that was not well-formed or did not conform to our published schema."
            raise ServiceException("MalformedTrailerError", message, status=400)
        self.trailers[name.strip().lower()] = value.strip()

    def _check_trailers(self) -> None:
        signature = self.trailers.pop("x-amz-trailer-signature", "")
        text = "".join(f"{name}:{value}\n" for name, value in sorted(self.trailers.items()))
        signed = self._signed
        content = hashlib.sha256(text.encode()).hexdigest()
        self._check(f"AWS4-HMAC-SHA256-TRAILER\n{signed.date}\n{signed.scope}\n{self._previous}\n{content}", signature)

    def _check(self, to_sign: str, signature: str) -> str:
        right = hmac.digest(self._signed.signing_key, to_sign.encode(), "sha256").hex()
        if not hmac.compare_digest(right.encode(), signature.encode()):
            raise refusals.mismatch(self._signed.access_key_id, signature, "", to_sign, {}, "s3")
        return right


def _incomplete(message: str) -> ServiceException:
    return ServiceException("IncompleteBody", message, status=400)
