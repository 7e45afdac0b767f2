"""One connection's bytes, in the clear at first, within TLS from some point on if it is asked for.

Both database protocols speak in the clear before TLS begins, and MySQL's clients do not wait in between: so TLS is ours here, over two
buffers, and not the transport's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import cast

_HIGH_WATER = 1 << 20
_LONGEST_PATH = 100


class Ended(ConnectionError):
    """The other side is gone."""


class Secure:
    """TLS, as a server, between two buffers."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=True)
        self.ready = False

    @property
    def protocol(self) -> str | None:
        """What ALPN agreed on."""
        return self._object.selected_alpn_protocol()

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """What the bytes say, and what is to be sent because of them. ssl.SSLError where they are wrong."""
        self._in.write(data)
        said: list[bytes] = []
        try:
            if not self.ready:
                self._object.do_handshake()
                self.ready = True
            while self._in.pending or self._object.pending():
                piece = self._object.read(65536)
                if not piece:
                    break
                said.append(piece)
        except ssl.SSLWantReadError:
            pass
        return (said[0] if len(said) == 1 else b"".join(said)), self.pending()

    def send(self, data: bytes) -> bytes:
        self._object.write(data)
        return self._out.read()

    def end(self) -> bytes:
        """What says that no more comes."""
        if self.ready:
            with contextlib.suppress(ssl.SSLError):  # the other side's is not waited for
                self._object.unwrap()
        return self.pending()

    def pending(self) -> bytes:
        return self._out.read() if self._out.pending else b""


class Channel(asyncio.Protocol):
    """A connection: read by awaiting while its two sides greet each other, by callbacks afterwards.

    receiver  is called with what comes; None: it is kept for `exactly`
    lost      is called when the connection is gone
    ending    what it ended with, where it did not end in order
    partner   where what comes is written to: it is not read from faster than that takes it
    """

    def __init__(self, opened: Callable[[Channel], None] | None = None) -> None:
        self.receiver: Callable[[bytes], None] | None = None
        self.lost: Callable[[], None] | None = None
        self.partner: Channel | None = None
        self.closed = False
        self.ending: Exception | None = None
        self.secure: Secure | None = None
        self._opened = opened
        self._transport: asyncio.Transport
        self._kept = bytearray()
        self._waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        if self._opened is not None:
            self._opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.ending = exc or self.ending
        self._wake()
        if self.partner is not None:
            self.partner.resume()
        if self.lost is not None:
            lost, self.lost = self.lost, None
            lost()

    def data_received(self, data: bytes) -> None:
        if self.secure is not None:
            try:
                data, answer = self.secure.receive(data)
            except ssl.SSLError:
                self.send_raw(self.secure.pending())
                self.close()
                return
            if answer:
                self.send_raw(answer)
            if not data:
                self._wake()
                return
        if self.receiver is None:
            self._kept += data
            self._wake()
            if len(self._kept) > _HIGH_WATER:
                self.pause()
            return
        try:
            self.receiver(data)
        except Exception:  # what was said makes no sense, or is more than we understand
            traceback.print_exc()
            self.abort()

    def pause_writing(self) -> None:
        if self.partner is not None:
            self.partner.pause()

    def resume_writing(self) -> None:
        if self.partner is not None:
            self.partner.resume()

    def pause(self) -> None:
        if not self.closed and self._transport.is_reading():
            self._transport.pause_reading()

    def resume(self) -> None:
        if not self.closed and not self._transport.is_closing() and not self._transport.is_reading():
            self._transport.resume_reading()

    def send_raw(self, data: bytes) -> None:
        if not self.closed and data:
            self._transport.write(data)

    def write(self, data: bytes) -> None:
        if self.closed or self._transport.is_closing():
            self.ending = self.ending or BrokenPipeError()  # (it ends in this very moment: nobody reads what is said now)
            return
        self._transport.write(data if self.secure is None else self.secure.send(data))

    def close(self) -> None:
        """After what was written."""
        if not self.closed and not self._transport.is_closing():
            if self.secure is not None:
                self.send_raw(self.secure.end())
            self._transport.close()

    def abort(self) -> None:
        """At once."""
        if not self.closed:
            self._transport.abort()

    @property
    def peer(self) -> str:
        name = self._transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else "[local]"

    def pump(self, receiver: Callable[[bytes], None]) -> None:
        """From now on what comes goes there; what had come, first."""
        self.receiver = receiver
        self.resume()
        if self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            receiver(kept)

    def unread(self) -> bytes:
        """Takes what came and nobody read."""
        kept = bytes(self._kept)
        self._kept.clear()
        return kept

    async def exactly(self, count: int) -> bytes:
        """So many bytes; Ended when they do not come."""
        while len(self._kept) < count:
            await self._more()
        data = bytes(self._kept[:count])
        del self._kept[:count]
        return data

    async def first(self) -> int:
        """The first byte, left where it is."""
        while not self._kept:
            await self._more()
        return self._kept[0]

    async def begin_tls(self, context: ssl.SSLContext) -> Secure:
        """The handshake. Ended where it fails."""
        self.secure = secure = Secure(context)
        early = self.unread()
        if early:
            self.data_received(early)
        while not secure.ready:
            await self._more()
        return secure

    async def _more(self) -> None:
        if self.closed or self._transport.is_closing():
            raise Ended
        self.resume()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def reach(path: str) -> Channel:
    """A connection to a unix socket, however long its path; OSError where nobody listens."""
    folder = -1
    if len(path) > _LONGEST_PATH:
        parent, name = os.path.split(path)
        folder = os.open(parent, os.O_PATH | os.O_DIRECTORY)
        path = f"/proc/self/fd/{folder}/{name}"
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=connection)
    return channel
