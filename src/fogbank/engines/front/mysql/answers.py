"""Where the answer to a command ends, and what the server says of itself there."""

from __future__ import annotations

from . import packets

QUIT, INIT_DB, QUERY, FIELD_LIST, STATISTICS, PROCESS_LIST, PING, RESET = 0x01, 0x02, 0x03, 0x04, 0x09, 0x0A, 0x0E, 0x1F
_FIRST, _COLUMNS, _COLUMNS_END, _ROWS = range(4)


class Answer:
    """Follows the packets of one answer. The bytes are not held back.

    done    the answer is whole
    status  the server's flags, as last said
    failed  it is an error
    local   the server asks for a file of the client's
    """

    def __init__(self, *, short: bool) -> None:
        """`short`: no EOF packets (CLIENT_DEPRECATE_EOF)."""
        self.done = True
        self.failed = self.local = False
        self.status = packets.AUTOCOMMIT
        self._short = short
        self._rest = b""
        self._skip = 0
        self._continues = False
        self._state = _FIRST
        self._columns = 0
        self._command = QUERY

    @property
    def whole(self) -> bool:
        """Whether all bytes so far are whole packets."""
        return not self._rest and not self._skip

    def begin(self, command: int) -> None:
        self.done = self.failed = self.local = False
        self._command = command
        self._state = _COLUMNS_END if command == FIELD_LIST else _FIRST
        self._columns = 0

    def feed(self, data: bytes) -> None:
        """What has come."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        at, size = self._skip, len(data)
        while at + 5 <= size:
            length = data[at] | data[at + 1] << 8 | data[at + 2] << 16
            end = at + 4 + length
            first = data[at + 4]
            if (self._state == _ROWS and first < packets.EOF and not self._continues) or self._continues:  # an ordinary row
                self._continues = length == packets.LONGEST
            elif end > size and length < packets.LONGEST and (self._state != _ROWS or first == packets.ERR or length < 9 or self._short):
                break
            else:
                self._packet(first, length, data[at + 4 : end])
            at = end
        if at <= size:
            self._rest, self._skip = data[at:], 0
        else:
            self._skip = at - size

    def _packet(self, first: int, length: int, content: bytes) -> None:
        if first == packets.ERR:
            self.done = self.failed = True
        elif self._command == STATISTICS:
            self.done = True
        elif self._state == _FIRST:
            self._first(first, content)
        elif self._state == _COLUMNS:
            self._columns -= 1
            if not self._columns:
                self._state = _ROWS if self._short else _COLUMNS_END
        elif first == packets.EOF and (length < 9 or (self._short and length < packets.LONGEST)):
            if self._state == _COLUMNS_END and self._command != FIELD_LIST:
                self._state = _ROWS
            else:
                self._ended(content)
        else:
            self._continues = length == packets.LONGEST

    def _first(self, first: int, content: bytes) -> None:
        if first == packets.OK:
            self._ended(content)
        elif first == packets.LOCAL_INFILE:
            self.local = True
        else:
            self._columns, _ = packets.integer(content, 0)
            self._state = _COLUMNS

    def _ended(self, content: bytes) -> None:
        """An OK or EOF packet: the end, unless another result follows."""
        if content[0] == packets.EOF and len(content) < 7:
            at = 3
        else:
            _, at = packets.integer(content, 1)
            _, at = packets.integer(content, at)
        self.status = int.from_bytes(content[at : at + 2], "little")
        self._state = _FIRST
        self.done = not self.status & packets.MORE_RESULTS
