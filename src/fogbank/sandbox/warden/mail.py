"""Messages with descriptors, between the server, the warden, its zygotes and boxes: over sockets that keep them apart."""

from __future__ import annotations

import array
import marshal
import os
import socket
from collections.abc import Sequence
from typing import Any

MOST_BYTES = 1 << 17
MOST_DESCRIPTORS = 32


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def hand(end: socket.socket, text: bytes, descriptors: Sequence[int] = ()) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    end.sendmsg([text], rights)


def take(end: socket.socket, flags: int = 0) -> tuple[bytes, list[int]]:
    """(b"", []) when the other side is gone."""
    try:
        text, ancillary, _, _ = end.recvmsg(MOST_BYTES, socket.CMSG_SPACE(4 * MOST_DESCRIPTORS), flags | socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return b"", []
    descriptors = array.array("i")
    for _, _, content in ancillary:
        descriptors.frombytes(content[: len(content) - len(content) % 4])
    return text, list(descriptors)


def send(end: socket.socket, message: Any, descriptors: Sequence[int] = ()) -> None:
    hand(end, packed(message), descriptors)


def receive(end: socket.socket, flags: int = 0) -> tuple[Any, list[int]]:
    """(None, []) when the other side is gone. Only for what trusted code has sent."""
    text, descriptors = take(end, flags)
    return (marshal.loads(text) if text else None), descriptors


def packed(message: Any) -> bytes:
    # The second version of marshal's format is read by every Python 3.
    return marshal.dumps(message, 2)


def close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
