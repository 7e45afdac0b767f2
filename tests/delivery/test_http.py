"""Requests out of the cloud."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fogbank.delivery import http


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Runs a server that does what it is told with one connection: its address."""
    sockets = []

    def start(talk: Callable[[socket.socket], None]) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)

        def run() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                try:
                    talk(connection)
                except OSError:
                    return

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for one in sockets:
        one.close()


def ask(url: str, timeout_s: float = 60) -> http.Fetched:
    return http._fetch("POST", url, {}, b"x", timeout_s)


@pytest.mark.parametrize("begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_a_slow_answer(serve: Callable[[Callable[[socket.socket], None]], str], begun: bytes) -> None:
    """An answer that comes letter by letter has the time that a whole answer has, and no more."""

    def trickle(connection: socket.socket) -> None:
        connection.sendall(begun)
        for _ in range(1000):
            connection.sendall(b"x")
            time.sleep(0.05)  # what is tested is real time

    before = time.monotonic()
    assert ask(serve(trickle), timeout_s=0.3).problem == "TimeoutError: timed out"
    assert time.monotonic() - before < 30


@pytest.mark.parametrize(
    "url", ["http://[foo", "http://x:99999/", "http://x:0/", "ftp://x/", "http://", "/x", "", "http://\u0130\u0130..com/", "http://a b/"]
)
def test_no_address(url: str) -> None:
    """What cannot be asked is a problem, not a failure of ours."""
    assert ask(url).problem


@pytest.mark.parametrize("path", ["/_fogbank/reset", "/%5ffogbank/reset", "/_localstack/state/reset", "/moto-api/reset"])
def test_not_to_who_controls_clouds(serve: Callable[[Callable[[socket.socket], None]], str], path: str) -> None:
    """What a cloud sends for its users does not reach what controls clouds."""
    url = serve(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert "is not an address" in ask(url + path).problem
    assert ask(url + "/else").status == 200
