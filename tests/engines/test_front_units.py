"""The front's arithmetic: messages in whatever pieces they come, SCRAM, what pins, certificates."""

from __future__ import annotations

import asyncio
import socket
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fogbank.engines.front import certificates
from fogbank.engines.front import lending as lending_module
from fogbank.engines.front.channel import Channel
from fogbank.engines.front.lending import Lending
from fogbank.engines.front.mysql import answers, packets
from fogbank.engines.front.mysql import pinning as mysql_pinning
from fogbank.engines.front.mysql.answers import Answer
from fogbank.engines.front.postgres import messages, pinning, scram
from fogbank.engines.front.postgres.messages import message
from fogbank.engines.front.postgres.relay import Relay
from fogbank.engines.front.postgres.server import Key, Server
from fogbank.engines.front.postgres.session import Session
from fogbank.engines.front.table import Endpoint
from fogbank.engines.frontage import table
from fogbank.engines.spec import Endpoint as Wanted
from fogbank.engines.spec import Node

from .house import cluster

cuts = st.lists(st.integers(1, 40), min_size=1, max_size=60)


def pieces(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at += size
        number += 1


class Wire:
    """A channel of which only what is written matters."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False
        self.secure = self.lost = self.partner = self.ending = None
        self.receiver: Callable[[bytes], None] = lambda data: None

    def write(self, data: bytes) -> None:
        self.written += data

    def pump(self, receiver: Callable[[bytes], None]) -> None:
        self.receiver = receiver

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause(self) -> None: ...

    resume = pause


class Door:
    """A door with one target."""

    def __init__(self) -> None:
        row = {"address": "127.0.0.1", "port": 1, "engine": "postgres", "cluster": "c", "targets": ["t"]}
        self.endpoint = Endpoint.of(row | {"proxy": {"users": {}, "max_connections": 2}})
        self.house = types.SimpleNamespace(keys={})

    def enter(self, conversation: Any) -> None: ...

    leave = enter


NOTICE = message(b"N", b"SWARNING\0VWARNING\0C01000\0Mcanceling wait\0Fsyncrep.c\0L301\0RSyncRepWaitForLSN\0\0")
ROWS = message(b"T", b"x" * 20) + message(b"D", b"y" * 30) * 3 + message(b"C", b"SELECT 3\0")
READY = message(b"Z", b"I")
GREETING = message(b"R", b"\0\0\0\0") + message(b"S", b"a\0b\0") + message(b"K", b"12345678") + READY


@given(cuts)
def test_relay(sizes: list[int]) -> None:
    """However the server's bytes come, all goes on; a commit that was not waited for ends it before it is acknowledged."""
    client, server, door = Wire(), Wire(), Door()
    relay = Relay(door, "t", client, server)  # type: ignore[arg-type]
    relay.begin(b"")
    for piece in pieces(GREETING + ROWS + message(b"Z", b"T"), sizes):
        server.receiver(piece)
    assert client.written == GREETING + ROWS + message(b"Z", b"T")
    assert b"12345678" in door.house.keys
    for piece in pieces(NOTICE + message(b"C", b"COMMIT\0") + READY, sizes):
        if not client.closed:
            server.receiver(piece)
    assert client.closed
    assert server.closed
    assert b"COMMIT" not in client.written


def session(door: Any) -> tuple[Session, Wire, Wire, Lending[Server]]:
    """A session with one server that lies ready."""

    async def opener(*_: Any) -> Server:
        raise AssertionError

    client, wire = Wire(), Wire()
    lending: Lending[Server] = Lending(door, opener)
    key = Key("u", "d", ())
    server = Server(key, "t", wire)  # type: ignore[arg-type]
    server.lending = lending
    lending.give(server)
    one = Session(door, lending, key, client, b"k")  # type: ignore[arg-type]
    one.begin()
    return one, client, wire, lending


@pytest.mark.parametrize("late", [False, True])
def test_what_is_said_too_late(late: bool) -> None:
    """What is said to a connection that has just ended is known not to have been read; nothing is known of what was said before."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=ours)
        ended = asyncio.Event()
        channel.lost = ended.set
        channel.write(b"before")
        theirs.recv(6)
        theirs.close()
        channel.close()
        if late:
            channel.write(b"late")
        await ended.wait()
        assert isinstance(channel.ending, ConnectionError) == late

    asyncio.run(run())


@given(cuts, cuts)
def test_session(sizes: list[int], back: list[int]) -> None:
    """However a proxy's bytes come: what each side hears is whole, our own Parse's answer is not heard, and the server is given back."""

    async def run() -> None:
        one, client, wire, lending = session(Door())
        parse = message(b"P", b"s1\0select $1\0\0\0")
        use = message(b"B", b"\0s1\0\0\0\0\0\0\0") + message(b"D", b"Ss1\0") + message(b"E", b"\0\0\0\0\0") + message(b"S")
        sent = parse + use + message(b"Q", b"select 1\0")
        for piece in pieces(sent, sizes):
            client.receiver(piece)
        assert wire.written.count(b"fogbank_1\0") == 3
        assert len(wire.written) == len(sent) + 3 * len("fogbank_1") - 3 * len("s1")
        answer = message(b"1") + message(b"2") + ROWS + READY + ROWS + READY
        for piece in pieces(answer, back):
            wire.receiver(piece)
        assert client.written == answer
        assert one.target == ""
        server = lending.take(Key("u", "d", ()))
        assert server is not None
        assert server.prepared == {1}
        server.prepared.clear()  # as if it were another connection
        lending.give(server)
        client.written = wire.written = b""
        for piece in pieces(use, sizes):
            client.receiver(piece)
        assert wire.written.startswith(message(b"P", b"fogbank_1\0select $1\0\0\0"))
        for piece in pieces(message(b"1") + message(b"2") + ROWS + READY, back):
            wire.receiver(piece)
        assert client.written == message(b"2") + ROWS + READY
        assert one.target == ""
        lending.close()

    asyncio.run(run())


class Loan:
    """A connection that is lent, and nothing else."""

    def __init__(self, key: str) -> None:
        self.key, self.target, self.closed, self.clean, self.since = key, "t", False, True, 0.0
        self.lending: Any = None

    def close(self) -> None:
        self.closed = True

    def reset(self) -> None:
        self.clean = True
        self.lending.give(self)


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.sampled_from(["give", "give", "soil", "close"])), max_size=30),
    st.integers(1, 3),
)
def test_lending(wishes: list[tuple[str, int, str]], most: int) -> None:
    """Whoever borrows is served in the end, with a clean connection of the own key, and there are never more than allowed."""

    async def run() -> None:
        open_: set[Loan] = set()

        async def opener(_: Any, key: str, __: float) -> Loan:
            await asyncio.sleep(0)
            loan = Loan(key)
            open_.add(loan)
            return loan

        door = Door()
        assert door.endpoint.proxy is not None
        door.endpoint = door.endpoint._replace(proxy=door.endpoint.proxy._replace(max_connections=most))
        lending: Lending[Any] = Lending(door, opener)  # type: ignore[arg-type]

        async def guest(key: str, turns: int, end: str) -> None:
            loan = await lending.borrow(key)
            assert loan.key == key
            assert loan.clean
            assert not loan.closed
            assert sum(not each.closed for each in open_) <= most
            for _ in range(turns):
                await asyncio.sleep(0)
            loan.clean = end != "soil"
            loan.closed = end == "close"
            lending.give(loan)

        await asyncio.wait_for(asyncio.gather(*(guest(*wish) for wish in wishes)), 60)
        counts = lending.counts()
        assert counts["DatabaseConnectionsCurrentlyBorrowed"] == 0
        assert counts["DatabaseConnections"] == sum(not each.closed for each in open_) <= most
        lending.close()

    asyncio.run(run())


def test_surplus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections beyond max_idle are closed once they have lain for a while."""
    monkeypatch.setattr(lending_module, "_TICK_S", 0.01)
    monkeypatch.setattr(lending_module, "_IDLE_S", 0.0)

    async def run() -> None:
        async def opener(_: Any, key: str, __: float) -> Loan:
            return Loan(key)

        door = Door()
        assert door.endpoint.proxy is not None
        door.endpoint = door.endpoint._replace(proxy=door.endpoint.proxy._replace(max_connections=5, max_idle=2))
        lending: Lending[Any] = Lending(door, opener)  # type: ignore[arg-type]
        loans = [await lending.borrow("a") for _ in range(5)]
        for loan in loans:
            lending.give(loan)
        assert lending.counts()["DatabaseConnections"] == 5
        while lending.counts()["DatabaseConnections"] > 2:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert sum(not loan.closed for loan in loans) == 2
        lending.close()

    asyncio.run(run())


@given(cuts, st.booleans(), st.sampled_from(["ok", "rows", "error", "two", "wide", "late"]))
def test_answers(sizes: list[int], short: bool, kind: str) -> None:
    """However a MySQL server's answer comes, its end is seen where it is, and the status it says there."""
    end = packets.packet(5, b"\xfe\0\0\x22\0\0\0" if short else b"\xfe\0\0\x22\0")
    between = b"" if short else packets.packet(3, b"\xfe\0\0\x02\0")
    columns = packets.packet(1, b"\x02") + packets.packet(2, b"\x03def" + b"c" * 30) * 2 + between
    rows = packets.packet(4, b"\x05hello\xfb") * 4 + packets.packet(4, b"\xfb\xfb")
    more = packets.packet(5, b"\xfe\0\0\x0a\0\0\0" if short else b"\xfe\0\0\x0a\0")
    wide = (
        packets.packet(4, b"\xfe" + (600).to_bytes(8, "little") + b"w" * 600)
        if not short
        else packets.packet(4, b"\xfc\x58\x02" + b"w" * 600)
    )
    said = {
        "ok": packets.packet(1, b"\0\xfc\x10\x27\x05\x22\0\0\0"),
        "rows": columns + rows + end,
        "error": packets.error(1, 1064, "42000", "syntax"),
        "two": columns + rows + more + packets.packet(1, b"\0\0\0\x22\0\0\0"),
        "wide": columns + wide + rows + end,
        "late": columns + rows + packets.error(5, 1317, "70100", "interrupted"),
    }[kind]
    answer = Answer(short=short)
    for _ in range(2):
        answer.begin(answers.QUERY)
        seen = 0
        for piece in pieces(said, sizes):
            assert not answer.done
            answer.feed(piece)
            seen += len(piece)
        assert answer.done
        assert answer.whole
        assert answer.failed == (kind in ("error", "late"))
        assert answer.failed or answer.status == 0x22


def test_scram() -> None:
    """Both sides prove the password to each other; any other password, and any altered message, fails."""
    for password in ("pencil", "pass wörd", "\u00aa\u2168", ""):
        verifier, prover = scram.Verifier(password), scram.Prover(password)
        final = prover.final(verifier.first(prover.first()))
        prover.check(verifier.final(final))
    verifier, prover = scram.Verifier("right"), scram.Prover("wrong")
    with pytest.raises(scram.Wrong):
        verifier.final(prover.final(verifier.first(prover.first())))
    verifier, prover = scram.Verifier("right"), scram.Prover("right")
    altered = prover.final(verifier.first(prover.first())).replace(b"c=biws", b"c=eSws")
    with pytest.raises(scram.Wrong):
        verifier.final(altered)


@pytest.mark.parametrize(
    ("statement", "pins"),
    [
        ("select 1", False),
        ("update t set a = 1; insert into t values (';set')", False),
        ("set local x = 1", False),
        ("SET SESSION x = 1", True),
        ("begin; reset all", True),
        ("create temporary table t (i int)", True),
        ("select * into temp t from x", True),
        ("select pg_try_advisory_lock_shared(1)", True),
        ("select pg_advisory_xact_lock(1)", False),
        ("insert into prepared values (1)", False),
        ("prepare transaction 'x'", False),
        ("-- note\nlisten x", True),
        ("select " + "x" * 17_000, True),
    ],
)
def test_pinning(statement: str, pins: bool) -> None:
    """What of PostgreSQL's pins."""
    assert bool(pinning.reason(statement.encode(), False)) == pins


@pytest.mark.parametrize(
    ("statement", "pins", "tracked"),
    [
        ("select 1", False, b""),
        ("update t set a = 1", False, b""),
        ("SET AUTOCOMMIT = 0", False, b"autocommit"),
        ("set names utf8mb4 collate utf8mb4_bin", False, b"names"),
        ("set session time_zone = '+01:00', @@sql_mode = ansi", True, b""),
        ("set session autocommit = 1, @@sql_mode = ansi", False, b"autocommit,sql_mode"),
        ("set session time_zone = '+01:00'", False, b"time_zone"),
        ("set session transaction read only", False, b"transaction"),
        ("set statement max_statement_time = 1 for select 1", False, b""),
        ("set @@session.sql_mode = 'ANSI', @a = 1", True, b""),
        ("set transaction isolation level read committed", True, b""),
        ("set global max_connections = 5", False, b""),
        ("set @a = 1", True, b""),
        ("set max_heap_table_size = 1", True, b""),
        ("select @a := 5", True, b""),
        ("lock tables t read", True, b""),
        ("use `x`", False, b""),
        ("/* app */ use x", True, b""),
        ("select sql_calc_found_rows * from t", True, b""),
        ("create temporary table t (i int)", True, b""),
    ],
)
def test_mysql_pinning(statement: str, pins: bool, tracked: bytes) -> None:
    """What of MySQL's pins, and what goes along instead."""
    assert bool(mysql_pinning.reason(statement.encode(), False)) == pins
    assert mysql_pinning.tracked(statement.encode()) == tracked


def test_certificates(tmp_path: Path) -> None:
    """The authority stays; the server's certificate is made anew when it is to cover more, and covers what it did."""
    first = certificates.make(tmp_path, ["127.0.0.1"])
    authority, chain = first.authority.read_bytes(), first.chain.read_bytes()
    certificates.make(tmp_path, ["127.0.0.1"])
    assert first.chain.read_bytes() == chain
    certificates.make(tmp_path, ["127.0.0.2"], ["a.example"])
    assert first.chain.read_bytes() != chain
    chain = first.chain.read_bytes()
    certificates.make(tmp_path, ["127.0.0.1", "127.0.0.2"])
    assert (first.authority.read_bytes(), first.chain.read_bytes()) == (authority, chain)
    assert first.key.stat().st_mode & 0o77 == 0


def test_startup_message() -> None:
    """What is put together can be taken apart; what is not a startup message is refused."""
    given = {"user": "u", "database": "d", "options": "-c x=1"}
    assert messages.parameters(messages.startup(3 << 16, given)[8:]) == given
    with pytest.raises(ValueError):
        messages.parameters(b"user\0u")


@pytest.mark.parametrize(("paused", "shown"), [(False, [2]), (True, [1, 2])])
def test_endpoints_without_nodes(paused: bool, shown: list[int]) -> None:
    """A paused cluster's endpoints hold who comes; a stopped one's are not there, but those of proxies."""
    wanted = cluster(nodes=(), paused=paused, endpoints=(Wanted(1, 5432, "writer"), Wanted(2, 5432, "proxy", proxy={})))
    runner: Any = types.SimpleNamespace(wanted=wanted, running={}, held=True, volume=None)
    found = table([runner], lambda slot: f"127.0.0.{slot}")["endpoints"]
    assert [(one["address"], one["held"]) for one in found] == [(f"127.0.0.{slot}", True) for slot in shown]


def test_readers_of_a_proxy() -> None:
    """A proxy's clients who want readers wait where none runs, and are turned away where the cluster has none; others get the writer."""
    endpoints = (Wanted(1, 5432, "reader"), Wanted(2, 5432, "reader", proxy={}))
    writer, reader = (
        types.SimpleNamespace(node=Node(id, "a"), state="running", writes=id == "w", server=types.SimpleNamespace(socket=id)) for id in "wr"
    )

    def led(nodes: str, *running: Any) -> list[tuple[list[str], bool]]:
        wanted = cluster(nodes=tuple(Node(id, "a") for id in nodes), writer="w", endpoints=endpoints)
        runner: Any = types.SimpleNamespace(wanted=wanted, running={one.node.id: one for one in running}, held=False, volume=None)
        return [(one["targets"], one["held"]) for one in table([runner], str)["endpoints"]]

    assert led("wr", writer, reader) == [(["r"], False), (["r"], False)]
    assert led("wr", writer) == [(["w"], False), ([], True)]
    assert led("w", writer) == [(["w"], False), ([], False)]
