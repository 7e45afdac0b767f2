"""Objects compressed as Firehose does it. Pure."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import Any

from fogbank.kernel.errors import NotImplementedOperation

_HADOOP_BLOCK = 256 * 1024


def _zipped(content: bytes, name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name.rpartition("/")[2].removesuffix(".zip")), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _snappy(content: bytes, name: str) -> bytes:
    """The framing format."""
    return bytes(_cramjam().snappy.compress(content))


def _hadoop(content: bytes, name: str) -> bytes:
    """Blocks, each with its length and its compressed length before it."""
    compress = _cramjam().snappy.compress_raw
    blocks = [content[at : at + _HADOOP_BLOCK] for at in range(0, len(content), _HADOOP_BLOCK)]
    pieces: list[bytes] = []
    for block in blocks:
        packed = bytes(compress(block))
        pieces += [len(block).to_bytes(4, "big"), len(packed).to_bytes(4, "big"), packed]
    return b"".join(pieces)


def _cramjam() -> Any:
    try:
        import cramjam
    except ImportError:
        raise NotImplementedOperation("firehose", "CreateDeliveryStream", "with Snappy: cramjam is not installed") from None
    return cramjam


COMPRESSED: dict[str, Callable[[bytes, str], bytes]] = {
    "UNCOMPRESSED": lambda content, name: content,
    "GZIP": lambda content, name: gzip.compress(content, 6, mtime=0),
    "ZIP": _zipped,
    "Snappy": _snappy,
    "HADOOP_SNAPPY": _hadoop,
}


def check(format: str) -> None:
    """Raises NotImplementedOperation where what it needs is not installed."""
    if format in ("Snappy", "HADOOP_SNAPPY"):
        _cramjam()
