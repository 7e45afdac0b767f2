"""Answers out of files: read, decrypted and sent a chunk at a time, and the event loop goes round in between."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from fogbank.store.blobs import Piece, read_piece


async def send_files(loop: asyncio.AbstractEventLoop, transport: Any, head: bytes, pieces: list[Piece]) -> None:
    """Sends a head, and then pieces of kept values. Raises OSError when the client or a file goes away."""
    while transport.get_write_buffer_size():  # an answer before this one is still on its way
        await asyncio.sleep(0.001)
    if transport.is_closing():
        raise OSError("the connection is closed")
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        await _send(loop, socket, head)
        for piece in pieces:
            sent = 0
            for chunk in read_piece(piece):
                await _send(loop, socket, chunk)
                sent += len(chunk)
                await asyncio.sleep(0)  # a fast reader must not keep the others waiting
            if not isinstance(piece, bytes) and sent < piece[2]:
                raise OSError("the file is shorter than its record says")
    finally:
        os.close(socket)


async def _writable(loop: asyncio.AbstractEventLoop, socket: int) -> None:
    ready = loop.create_future()
    loop.add_writer(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(socket)


async def _send(loop: asyncio.AbstractEventLoop, socket: int, content: bytes | memoryview) -> None:
    left = memoryview(content)
    while left:
        try:
            left = left[os.write(socket, left) :]
        except BlockingIOError:
            await _writable(loop, socket)
