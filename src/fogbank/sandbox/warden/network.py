"""The network of a box: its own, with nothing in it but itself and the listening sockets that are handed out."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterable

GET_FLAGS, SET_FLAGS, SET_ADDRESS, SET_NETMASK, GET_INDEX = 0x8913, 0x8914, 0x8916, 0x891C, 0x8933
UP = 1


def loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH22x", b"lo", UP))


def listeners(addresses: Iterable[tuple[str, int]]) -> list[int]:
    """A listening socket on each address ("udp:127.0.0.1": for datagrams); those that are not loopback's (169.254.169.254) are given to it
    first."""
    given = {"0.0.0.0", "::", "::1"}
    made = []
    for number, (where, port) in enumerate(addresses):
        host = where.removeprefix("udp:")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if host not in given and not host.startswith("127."):
            _add_address(family, host, number)
            given.add(host)
        listener = socket.socket(family, socket.SOCK_STREAM if host == where else socket.SOCK_DGRAM)
        listener.bind((host, port))
        if host == where:
            listener.listen(128)
        made.append(listener.detach())
    return made


def _add_address(family: int, host: str, number: int) -> None:
    with socket.socket(family) as any_socket:
        if family == socket.AF_INET6:
            index = fcntl.ioctl(any_socket, GET_INDEX, struct.pack("16si20x", b"lo", 0))
            wanted = struct.pack("16sIi", socket.inet_pton(family, host), 128, struct.unpack("16si20x", index)[1])
            fcntl.ioctl(any_socket, SET_ADDRESS, wanted)
            return
        name = b"lo:%d" % number
        for request, address in ((SET_ADDRESS, host), (SET_NETMASK, "255.255.255.255")):
            fcntl.ioctl(any_socket, request, struct.pack("16sHH4s16x", name, family, 0, socket.inet_aton(address)))
