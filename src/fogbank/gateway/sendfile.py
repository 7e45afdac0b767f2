"""Answers out of files: the kernel copies them to the socket, and the event loop waits in between."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

AT_ONCE_BYTES = 256 << 10
"""Measured: with more the reader waits for the kernel, with less the loop goes round too often."""


async def send_files(loop: asyncio.AbstractEventLoop, transport: Any, head: bytes, parts: list[tuple[Path, int, int]]) -> None:
    """Sends a head, and then (path, start, size) of each file. Raises OSError when the client or a file goes away."""
    while transport.get_write_buffer_size():  # an answer before this one is still on its way
        await asyncio.sleep(0.001)
    if transport.is_closing():
        raise OSError("the connection is closed")
    socket = os.dup(transport.get_extra_info("socket").fileno())
    try:
        await _send(loop, socket, head)
        for path, start, size in parts:
            with path.open("rb") as file:
                await _send_file(loop, socket, file.fileno(), start, size)
    finally:
        os.close(socket)


async def _writable(loop: asyncio.AbstractEventLoop, socket: int) -> None:
    ready = loop.create_future()
    loop.add_writer(socket, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(socket)


async def _send(loop: asyncio.AbstractEventLoop, socket: int, content: bytes) -> None:
    while content:
        try:
            content = content[os.write(socket, content) :]
        except BlockingIOError:
            await _writable(loop, socket)


async def _send_file(loop: asyncio.AbstractEventLoop, socket: int, file: int, start: int, size: int) -> None:
    end = start + size
    while start < end:
        try:
            sent = os.sendfile(socket, file, start, min(end - start, AT_ONCE_BYTES))
        except BlockingIOError:
            await _writable(loop, socket)
            continue
        if not sent:
            raise OSError("the file is shorter than its record says")
        start += sent
        await asyncio.sleep(0)  # a fast reader must not keep the others waiting
