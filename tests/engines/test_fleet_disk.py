"""What a node knows of its disk: segments and copies of volumes, without a process."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fogbank.engines.fleet.about import About, Run
from fogbank.engines.fleet.forking import fork as make_fork
from fogbank.engines.fleet.replica import Replica
from fogbank.engines.fleet.segment import CHUNK, Damaged, Segment

SIZE = 4 * CHUNK


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    made = Segment(str(tmp_path / "s"), SIZE)
    made.create()
    return made


def _write(segment: Segment, *runs: tuple[int, bytes, int]) -> None:
    segment.write(list(runs))
    segment.sync()


def _again(segment: Segment) -> tuple[Segment, list[tuple[int, int, int]]]:
    segment.close()
    found = Segment(segment.path, SIZE)
    return found, found.recover()


def test_what_was_written_is_known(segment: Segment) -> None:
    """After a kill a segment knows what was written, zeros at its end included, and nothing else."""
    _write(segment, (0, b"abc", 1))
    _write(segment, (100, bytes(50), 1), (3, b"de", 2))
    found, pieces = _again(segment)
    assert sorted(pieces) == [(0, 3, 1), (3, 5, 2), (100, 150, 1)]
    _write(found, (5, b"f", 2))
    assert sorted(_again(found)[1]) == [(0, 3, 1), (3, 5, 2), (5, 6, 2), (100, 150, 1)]


def test_a_torn_batch_is_not_claimed(segment: Segment) -> None:
    """Where the last batch's record came to disk and its bytes did not, they are not claimed, and never come back."""
    _write(segment, (0, b"abc", 1))
    segment.write([(3, b"de", 1), (10, b"fgh", 1)])
    segment.close()
    with open(segment.path, "r+b") as file:
        file.seek(10)
        file.write(bytes(3))
    found, pieces = _again(segment)
    assert pieces == [(0, 5, 1)]
    _write(found, (20, b"i", 1))
    assert _again(found)[1] == [*pieces, (20, 21, 1)]


def test_a_torn_claim_is_not_believed(segment: Segment) -> None:
    """A claim that came to disk in part says nothing; the one before it stands."""
    _write(segment, (0, b"abc", 1))
    _write(segment, (3, b"de", 1))
    before = Path(segment.path).read_bytes()
    segment.write([(5, b"fgh", 1), (50, b"apart", 1)])
    segment.close()
    after = Path(segment.path).read_bytes()
    changed = [at for at in range(len(after)) if after[at] != before[at]]
    assert len({at // 4096 for at in changed}) == 2
    for torn in [at for at in changed if at > 100][::7]:
        for kept in (after[:torn] + before[torn:], before[:torn] + after[torn:]):
            Path(segment.path).write_bytes(kept)
            found, pieces = _again(segment)
            held = {at for start, end, _ in pieces for at in range(start, end)}
            assert set(range(5)) <= held <= {*range(8), *range(50, 55)}
            assert {5, 6, 7} & held in (set(), {5, 6, 7})
            if 7 in held:
                assert found.read(0, 8) == b"abcdefgh"
            _write(found, (100, b"i", 1))
            assert held | {100} == {at for start, end, _ in _again(found)[1] for at in range(start, end)}
            found.close()


def test_one_write_for_a_commit(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes on where the log ends is one write of one page, also after a gap; only what comes out of order needs a second."""
    calls: list[tuple[int, int]] = []
    real = os.pwrite

    def pwrite(fd: int, content: bytes, at: int) -> int:
        calls.append((at, len(content)))
        return real(fd, content, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    for at in range(0, 3000, 300):
        _write(segment, (at, bytes(300), 1))
    _write(segment, (9000, bytes(100), 1))
    assert len(calls) == 11
    assert all(at // 4096 == (at + length - 1) // 4096 for at, length in calls)
    _write(segment, (3000, bytes(10), 1))
    assert len(calls) == 13


def test_a_batch_that_failed_is_no_lie(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a batch for which the disk had no space, nothing is claimed after a kill that is not there."""
    _write(segment, (0, b"abc", 1))
    real = os.pwrite
    calls = iter(range(99))

    def pwrite(fd: int, content: bytes, at: int) -> int:
        if next(calls) == 1:
            raise OSError(28, "No space left on device")
        return real(fd, content, at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(OSError, match="No space"):
        segment.write([(3, b"d", 1), (4, b"e", 1)])
    monkeypatch.setattr(os, "pwrite", real)
    _write(segment, (7, b"h", 1))
    found, pieces = _again(segment)
    held = {at for start, end, _ in pieces for at in range(start, end)}
    assert {0, 1, 2, 7} <= held <= {0, 1, 2, 3, 7}
    assert found.read(0, 8)[: 4 if 3 in held else 3] == b"abcd"[: 4 if 3 in held else 3]


def _finished(segment: Segment) -> bytes:
    content = os.urandom(SIZE)
    _write(segment, (0, content[:1000], 1))
    _write(segment, (1000, content[1000:], 2))
    for _ in segment.finish([(0, 1000, 1), (1000, SIZE, 2)], lambda: True):
        pass
    return content


def test_finished(segment: Segment) -> None:
    """A finished segment keeps whose its bytes are, has no journal, and can be opened again to be written to."""
    content = _finished(segment)
    assert os.stat(segment.path).st_size == 4096 * -(-SIZE // 4032)
    found, pieces = _again(segment)
    assert found.finished
    assert pieces == [(0, 1000, 1), (1000, SIZE, 2)]
    assert found.read(5, SIZE) == content[5:]
    assert sum(end - start for start, end, _ in found.reopen()) == SIZE
    _write(found, (10, b"xyz", 3))
    assert _again(found)[0].read(0, SIZE) == content[:10] + b"xyz" + content[13:]


def test_finishing_is_given_up(segment: Segment) -> None:
    """A segment that was cut while its checksums were made is not finished."""
    _write(segment, (0, bytes(SIZE), 1))
    for _ in segment.finish([(0, SIZE, 1)], lambda: False):
        pass
    assert not segment.finished
    assert not _again(segment)[0].finished


@pytest.mark.parametrize("finished", [True, False])
def test_flipped_bytes_are_found(segment: Segment, finished: bool) -> None:
    """A byte that was changed on disk is found by its checksum, in what is finished and in what is not; the old content puts it right."""
    if finished:
        content = _finished(segment)
    else:
        content = os.urandom(3000)
        _write(segment, (0, content[:1000], 1))
        _write(segment, (1000, content[1000:], 1))
    with open(segment.path, "r+b") as file:
        file.seek(segment.place(2000))
        file.write(bytes([content[2000] ^ 1]))
    found = [damaged for _, damaged in segment.check() if damaged is not None]
    assert [(damaged.start, damaged.end) for damaged in found] == ([(0, CHUNK)] if finished else [(0, 3000)])
    if finished:
        with pytest.raises(Damaged):
            segment.read(100, 200)
    segment.repair(found[0].start, content[found[0].start : found[0].end])
    assert not [damaged for _, damaged in segment.check() if damaged is not None]


# Copies of volumes


def _replica(folder: Path) -> Replica:
    return Replica.create(str(folder / "v"), About(SIZE, 2 * SIZE))


def _held(replica: Replica) -> dict[int, list[tuple[int, int, int]]]:
    return {timeline: list(spans) for timeline, spans in replica.timelines.items() if spans}


def _load(replica: Replica) -> Replica:
    replica.close()
    found = Replica.load(replica.folder)
    assert found is not None
    return found


def _finish(replica: Replica, size: int = SIZE) -> None:
    for key, segment in replica.segments.items():
        pieces = replica.pieces(key)
        if sum(end - start for start, end, _ in pieces) == size and not segment.finished:
            for _ in segment.finish(pieces, lambda: True):
                pass


def test_a_cut_learned_late_spares_what_was_written_since(tmp_path: Path) -> None:
    """A cut takes what older epochs wrote, also where a newer one has written since, and also after a restart."""
    replica = _replica(tmp_path)
    replica.begin(1, 0, 1)
    replica.write([Run(1, 0, bytes(2 * SIZE), 1)])
    _finish(replica)
    replica.open(3)
    replica.write([Run(1, SIZE, b"new", 3)])
    replica.cut(1, SIZE - 10, 2)
    assert _held(replica) == {1: [(0, SIZE - 10, 1), (SIZE, SIZE + 3, 3)]}
    assert replica.allowed(1, SIZE - 20, 2 * SIZE, 1) == []
    assert replica.allowed(1, SIZE - 20, SIZE, 2) == [(SIZE - 10, SIZE)]
    assert _held(_load(replica)) == {1: [(0, SIZE - 10, 1), (SIZE, SIZE + 3, 3)]}


def test_what_is_written_again_the_same_belongs_to_the_newer_epoch(tmp_path: Path) -> None:
    """Bytes that a newer epoch wrote again survive a cut of an older one's."""
    replica = _replica(tmp_path)
    content = os.urandom(SIZE + 500)
    replica.write([Run(1, 0, content, 1)])
    _finish(replica)
    replica.write([Run(1, 100, content[100:], 3)])
    replica.cut(1, 0, 3)
    assert _held(replica) == {1: [(100, SIZE + 500, 3)]}
    found = _load(replica)
    assert _held(found) == {1: [(100, SIZE + 500, 3)]}
    assert found.read(1, 100, 2 * SIZE) == content[100:]


def test_a_cut_takes_later_timelines(tmp_path: Path) -> None:
    """What a cut timeline was followed by never happened; it can begin anew."""
    replica = _replica(tmp_path)
    replica.begin(1, 0, 1)
    replica.begin(2, 50, 1)
    replica.write([Run(1, 0, bytes(100), 1), Run(2, 50, bytes(100), 1)])
    assert replica.state()["acknowledged"] == [2, 150]
    replica.open(2)
    replica.cut(1, 40, 2)
    assert replica.state() == {"volume": "v", "epoch": 2, "spans": [[1, 0, 40]], "acknowledged": [1, 40]}
    replica.begin(2, 40, 2)
    replica.cut(1, 40, 2)
    assert _load(replica).state()["acknowledged"] == [2, 40]


def test_groups(tmp_path: Path) -> None:
    """A volume grows by groups of so many bytes; those that are forgotten go whole."""
    replica = _replica(tmp_path)
    replica.begin(1, 0, 1)
    replica.write([Run(1, 0, bytes(5 * SIZE), 1)])
    assert (replica.status()["groups"], replica.status()["segments"]) == (3, 5)
    replica.forget(1, 2 * SIZE + 10)
    for segment in replica.garbage:
        segment.delete()
    assert (replica.status()["groups"], replica.status()["segments"]) == (2, 3)
    assert replica.state()["acknowledged"] == [1, 5 * SIZE]
    assert replica.read(1, 0, 10) == b""
    assert _load(replica).state()["acknowledged"] == [1, 5 * SIZE]


def test_fork(tmp_path: Path) -> None:
    """A fork shares what is finished, copies the rest, and both go their own ways."""
    replica = _replica(tmp_path)
    content = os.urandom(3 * SIZE)
    replica.begin(1, 100, 4)
    replica.open(4)
    replica.write([Run(1, 100, content[100:], 4)])
    _finish(replica)
    for _ in make_fork(replica, str(tmp_path / "w"), [(1, 200, 2 * SIZE + 700)]):
        pass
    fork = Replica.load(str(tmp_path / "w"))
    assert fork is not None
    assert fork.state() == {"volume": "w", "epoch": 4, "spans": [[1, 200, 2 * SIZE + 700]], "acknowledged": [1, 2 * SIZE + 700]}
    assert os.stat(fork.segments[1, 1].path).st_nlink == 2
    fork.open(5)
    fork.cut(1, SIZE + 5, 5)
    fork.write([Run(1, SIZE + 5, b"other", 5)])
    shutil.rmtree(replica.folder)
    assert fork.read(1, 200, 4 * SIZE) == content[200 : SIZE + 5] + b"other"


steps = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.integers(1, 120),
        st.booleans(),
        st.sampled_from(["write", "write", "go on", "go on", "cut", "load", "finish"]),
    ),
    max_size=16,
)
MOST = 64 << 10


@settings(max_examples=50)
@given(steps, st.sampled_from([1, 41, 97]))
def test_any_order(tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[int, int, bool, str]], scale: int) -> None:
    """Whatever is written, filled, cut, finished and restarted, in whatever order: what should be there is, and of the right epoch."""
    folder = tmp_path_factory.mktemp("r")
    size = 64 * scale
    replica = Replica.create(str(folder / "v"), About(size, 2 * size))
    content, whose = bytearray(MOST), bytearray(MOST)
    epoch = 1
    for number, (place, many, fill, what) in enumerate(todo):
        start, length = place * scale, many * scale
        if what in ("write", "go on"):
            if what == "go on":
                start = len(whose.rstrip(b"\0"))
                length = min(length, MOST - start)
            new = random.Random(number).randbytes(length)
            replica.write([Run(1, start, new, epoch, fill)])
            for at in range(start, start + length):
                if not fill or not whose[at]:
                    content[at], whose[at] = new[at - start], epoch
        elif what == "cut":
            epoch += 1
            replica.open(epoch)
            replica.cut(1, start, epoch)
            content[start:], whose[start:] = bytes(MOST - start), bytes(MOST - start)
        elif what == "load":
            replica = _load(replica)
        else:
            _finish(replica, size)
        found, owners = bytearray(MOST), bytearray(MOST)
        for begin, end, owner in replica.timelines.get(1, ()):
            owners[begin:end] = bytes([owner]) * (end - begin)
            found[begin:end] = replica.read(1, begin, end - begin)
        assert owners == whose
        assert found == content
    assert not [damaged for segment in replica.segments.values() for _, damaged in segment.check() if damaged is not None]
    replica.close()
    shutil.rmtree(folder)
