"""What one environment may ask of the server, which it shares with all others: requests, connections, and memory for what came in part.

A runtime asks twice for each event and prints some lines; what floods us is read more slowly, so that nobody else is delayed. Requests
can wait in a socket. Connections cannot, so whoever makes too many of them is ended.
"""

from __future__ import annotations

import time

from fogbank.sandbox.turn import ANSWER_BYTES

CONNECTIONS = 64
"""At a time."""
HELD_BYTES = 3 * ANSWER_BYTES
"""Of requests that have not come whole, on all connections together."""
READ, MESSAGE, PIECE, CONNECTION, INVOCATION = 1.0, 1.0, 0.25, 20.0, -100.0
"""What each costs, in units of about 10 us; an invocation brings as much as a client needs that connects anew for each request."""
_RATE = 2000.0
"""Units a second: 2 % of the server's time."""
_MOST = 10_000.0
_TOO_DEEP = -40_000.0


class Allowance:
    """See the module."""

    __slots__ = ("_at", "_left", "connections", "held")

    def __init__(self) -> None:
        self._left = _MOST
        self._at = time.monotonic()
        self.connections = 0
        self.held = 0

    def spend(self, units: float) -> None:
        self._left -= units
        self._left = min(self._left, _MOST)

    def wait_s(self) -> float:
        """How long nothing more may be read; 0 where there is something left to spend."""
        if self._left > 0:
            return 0.0
        now = time.monotonic()
        self._left = min(self._left + (now - self._at) * _RATE, _MOST)
        self._at = now
        return 0.0 if self._left > 0 else max(-self._left / _RATE, 0.02)

    def spent(self) -> bool:
        """Whether it asked for so much that it must end."""
        return self._left < _TOO_DEEP and self.wait_s() > 0 and self._left < _TOO_DEEP
