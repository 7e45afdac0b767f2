"""Boxes without a network or files of their own: what is inside has to be called by the names it has outside."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import PurePosixPath

from .box import Mount, Spec


def listening(spec: Spec, host: str = "127.0.0.1") -> tuple[socket.socket, ...]:
    """One listener for each address of the specification, on free ports."""
    made = []
    for where, _ in spec.listen:
        if where.startswith("udp:"):
            listener = socket.socket(type=socket.SOCK_DGRAM)
            listener.bind((host, 0))
        else:
            listener = socket.create_server((host, 0), backlog=128)
        listener.setblocking(False)
        made.append(listener)
    return tuple(made)


def renamed(text: str, listen: Sequence[tuple[str, int]], listeners: Sequence[socket.socket], mounts: Sequence[Mount] = ()) -> str:
    """Addresses become those that are really listened on; paths that lie in a mount become the machine's own."""
    for (where, port), listener in zip(listen, listeners, strict=True):
        host = where.removeprefix("udp:")
        real_host, real_port = listener.getsockname()[:2]
        text = re.sub(rf"(?<![\w.]){re.escape(host)}:{port}(?!\d)", f"{real_host}:{real_port}", text)
    return ":".join(_outside(part, mounts) for part in text.split(":")) if text.startswith("/") else text


def _outside(path: str, mounts: Sequence[Mount]) -> str:
    for mount in reversed(mounts):
        if PurePosixPath(path).is_relative_to(mount.at):
            return str(mount.source / PurePosixPath(path).relative_to(mount.at))
    return path
