"""`python -m fogbank.engines.front FD`: FD is a socket to fogbank, which sends the table."""

from __future__ import annotations

import asyncio
import gc
import resource
import socket
import sys

from .front import Front


async def main(descriptor: int) -> None:
    front = Front()
    await asyncio.get_running_loop().create_unix_connection(lambda: front.link, sock=socket.socket(fileno=descriptor))
    front.link.tell({"say": "ready"})
    await front.run()


def run() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # (a conversation has two)
    gc.freeze()
    try:
        import uvloop
    except ImportError:
        asyncio.run(main(int(sys.argv[1])))
    else:
        uvloop.run(main(int(sys.argv[1])))


if __name__ == "__main__":
    run()
