"""The parts of the binlog's volume that are pure: events, places, times, packets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from fogbank.engines.binlog import events, packets
from fogbank.engines.binlog.times import Times
from fogbank.engines.binlog.trail import Trail

_START = 4


def _event(kind: int, end: int, body: bytes = b"") -> bytes:
    return events.sealed(1_700_000_000, kind, 7, end, 0, body)


def _query(text: bytes) -> bytes:
    return bytes(8) + bytes((2,)) + bytes(2) + (3).to_bytes(2, "little") + b"abc" + b"db\0" + text


def _gtid(flags: int) -> bytes:
    return bytes(12) + bytes((flags,)) + bytes(6)


def _log(files: list[list[bool]]) -> tuple[list[bytes], list[int]]:
    """A log of such files (a transaction with a COMMIT, or a statement by itself), and where its transactions end."""
    log: list[bytes] = []
    ends: list[int] = []
    at = _START
    for number, transactions in enumerate(files, 1):
        offset = events.MAGIC_BYTES
        log.append(events.rotation(f"bin.{number:06d}", 4))
        at += len(log[-1])

        def add(kind: int, body: bytes) -> None:
            nonlocal at, offset
            length = events.HEADER_BYTES + len(body) + events.CHECKSUM_BYTES
            offset += length
            at += length
            log.append(_event(kind, offset, body))

        add(events.FORMAT, bytes(90))
        for standalone in transactions:
            add(events.GTID, _gtid(int(standalone)))
            if standalone:
                add(events.QUERY, _query(b"CREATE TABLE t (a INT)"))
            else:
                add(events.QUERY, _query(b"BEGIN"))
                add(30, b"rows" * 9)
                add(events.XID, bytes(8))
            ends.append(at)
    return log, ends


FILES = some.lists(some.lists(some.booleans(), max_size=4), min_size=1, max_size=4)


@given(FILES)
def test_trail(files: list[list[bool]]) -> None:
    """Transactions end where they do, and each place of the log has one file and offset, and back."""
    log, ends = _log(files)
    trail = Trail(_START)
    for event in log:
        trail.take(event)
    assert list(trail.ends) == ends
    assert trail.whole == (ends[-1] if ends else _START)
    assert [file.name for file in trail.files] == [f"bin.{number:06d}" for number in range(1, len(files) + 1)]
    assert all(file.whole == max([end for end in ends if end <= file.start], default=_START) for file in trail.files)
    for end in ends:
        name, offset = trail.place(end)
        assert trail.position(events.number(name), offset) == end


@given(FILES, some.data())
def test_trail_cut(files: list[list[bool]], data: some.DataObject) -> None:
    """A log that is cut at the end of a transaction and goes on in another file is as if it never had been otherwise."""
    log, ends = _log(files)
    trail = Trail(_START)
    for event in log:
        trail.take(event)
    if not ends:
        return
    where = data.draw(some.sampled_from(ends))
    trail.cut(where)
    assert trail.at == trail.whole == where
    assert all(file.start < where for file in trail.files)
    trail.timeline = 2
    assert trail.within(2, trail.at) == ("", 0)
    trail.take(events.rotation("bin.000099", 4))
    assert trail.files[-1].whole == where
    assert trail.within(2, trail.at) == ("bin.000099", 4)
    assert trail.place(where)[0] != "bin.000099"


@given(FILES, some.lists(some.integers(1, 200), min_size=1))
def test_split(files: list[list[bool]], sizes: list[int]) -> None:
    """However a log is cut into pieces, its events are put together again."""
    log, _ = _log(files)
    data, part, found, turn = b"".join(log), b"", [], 0
    while data:
        size = sizes[turn % len(sizes)]
        turn += 1
        piece, data = part + data[:size], data[size:]
        whole = [bytes(event) for event in events.split(memoryview(piece))]
        part = piece[sum(map(len, whole)) :]
        found += whole
    assert found == log


def test_boundary() -> None:
    """A log is read from the last place that is known to begin an event: a file's beginning, or a mark in it."""
    log, ends = _log([[False, True, False], [True, True]])
    trail = Trail(_START)
    for event in log:
        trail.take(event)
    first, second = trail.files
    assert trail.boundary(_START, trail.at) == (second.base, ends[2])
    assert trail.boundary(_START, second.start) == (first.base, _START)
    trail.mark(ends[1])
    assert trail.boundary(_START, second.start) == (ends[1], ends[1])
    assert trail.boundary(ends[1], second.start) == (ends[1], ends[1])
    again = Trail(_START)
    again.resume(trail.files, ends[1], second.start)
    assert (again.at, again.whole) == (ends[1], ends[1])
    assert [file.name for file in again.files] == ["bin.000001"]


def test_statements_that_end_a_transaction() -> None:
    """COMMIT and ROLLBACK end one, a savepoint's rollback does not."""
    for text, wanted in (
        (b"COMMIT", True),
        (b"rollback", True),
        (b"ROLLBACK TO `a`", False),
        (b"XA COMMIT X'61',X'',1", True),
        (b"BEGIN", False),
    ):
        assert events.ends(_event(events.QUERY, 100, _query(text))) is wanted


def test_times() -> None:
    """An instant is a place of the log while it is remembered; what follows a place has an age; both outlive a restart."""
    times = Times()
    for position, at_ms in ((100, 1000), (200, 1500), (300, 2600)):
        times.add(position, at_ms)
    assert [times.before(at_ms) for at_ms in (999, 1000, 1499, 1500, 2599, 2600)] == [None, 100, 100, 200, 200, None]
    assert [times.age_ms(position, 3000) for position in (50, 100, 250, 300)] == [2000, 1500, 400, 0]
    again = Times()
    again.restore(times.thinned(), 250)
    assert again.before(1400) == 100
    assert again.age_ms(200, 3000) == 0


@given(some.lists(some.one_of(some.none(), some.text(max_size=300)), min_size=1, max_size=5))
def test_rows(values: list[str | None]) -> None:
    """A row is read as it was written."""
    body = packets.result([str(number) for number in range(len(values))], [values])[-2]
    assert packets.row(body) == values


def test_login() -> None:
    """A password is shown to whoever knows it, by the salt of the greeting."""
    salt = bytes(range(1, 21))
    assert packets.greeted(packets.greeting("11", salt)) == salt
    assert packets.shown(packets.login("someone", "a word", salt)) == ("someone", packets.scrambled(b"a word", salt))
    assert packets.scrambled(b"a word", salt) != packets.scrambled(b"another", salt)
