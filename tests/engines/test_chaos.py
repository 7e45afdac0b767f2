"""A bank whose storage nodes, zones, volume process and writer are killed, paused and cut off at random, under a seed.

What must hold: no transfer that was acknowledged is lost, money is conserved in every read, on the writer and the reader, and it goes on.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pymysql
import pytest

from fogbank.engines.spec import Endpoint, Failed, Node

from .house import Engines, cluster

ACCOUNTS, EACH, CLIENTS = 20, 1000, 4
ENDPOINTS = {engine: (Endpoint(0, port, "writer"), Endpoint(1, port, "reader")) for engine, port in (("postgres", 5432), ("mariadb", 3306))}
WORD = "correct horse"


class Bank:
    """Clients that move money, and readers that count it, until they are told to stop."""

    engine = "postgres"
    problems: tuple[type[Exception], ...] = (psycopg.Error,)
    numbers = f"generate_series(0, {ACCOUNTS - 1}) numbers(n)"

    def __init__(self, host: str, reader: str, seed: int) -> None:
        self.host, self.reader, self.seed = host, reader, seed
        self.acknowledged: list[str] = []
        self.wrong: list[str] = []
        self.sums = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._move, args=(number,)) for number in range(CLIENTS)]
        self.threads += [threading.Thread(target=self._count, args=(place,)) for place in (host, reader)]

    def connect(self, host: str) -> Any:
        return psycopg.connect(host=host, user="ada", password=WORD, dbname="app", connect_timeout=10)

    def _move(self, number: int) -> None:
        chance = random.Random(self.seed * 100 + number)
        count = 0
        while not self.over.is_set():
            with contextlib.suppress(*self.problems), self.connect(self.host) as connection:
                while not self.over.is_set():
                    count += 1
                    name, (one, other) = f"{number}-{count}", chance.sample(range(ACCOUNTS), 2)
                    amount = chance.randrange(1, 50)
                    for account, change in sorted(((one, -amount), (other, amount))):
                        connection.execute("update account set balance = balance + %s where id = %s", (change, account))
                    connection.execute("insert into transfer values (%s)", (name,))
                    connection.commit()
                    self.acknowledged.append(name)

    def _count(self, host: str) -> None:
        while not self.over.is_set():
            with contextlib.suppress(*self.problems), self.connect(host) as connection:
                while not self.over.is_set():
                    total = connection.execute("select sum(balance), count(*) from account").fetchone()
                    connection.rollback()
                    self.sums += 1
                    if total != (ACCOUNTS * EACH, ACCOUNTS):
                        self.wrong.append(f"{host}: {total}")
                    self.over.wait(0.01)


class Wire(pymysql.connections.Connection):
    """A connection of PyMySQL that one speaks with as with psycopg's."""

    def execute(self, statement: str, values: Any = None) -> Any:
        cursor = self.cursor()
        cursor.execute(statement, values)
        return cursor


class MariaBank(Bank):
    engine = "mariadb"
    problems = (pymysql.MySQLError, OSError)
    numbers = f"(select seq n from seq_0_to_{ACCOUNTS - 1}) numbers"

    def connect(self, host: str) -> Any:
        return Wire(host=host, port=3306, user="ada", password=WORD, database="app", connect_timeout=10)


class Misfortune:
    """What can happen. Each returns how it is undone."""

    def __init__(self, engines: Engines, name: str, seed: int) -> None:
        self.engines, self.name = engines, name
        self.chance = random.Random(seed)
        self.fleet = engines.room._fleets["us-east-1"].result()

    def strike(self) -> tuple[str, Callable[[], None]]:
        what = self.chance.choice(("node", "pause", "zone", "partition", "cut_zone", "writer", "freeze", "volume", "stall", "slow"))
        return what, getattr(self, f"_{what}")()

    def _node(self) -> Callable[[], None]:
        number = self.chance.randrange(6)
        self.engines.on_loop(lambda: self.fleet.kill(number))
        return lambda: None

    def _zone(self) -> Callable[[], None]:
        for number in self.fleet.zone(self.chance.choice("abc")):
            self.engines.on_loop(lambda number=number: self.fleet.kill(number))
        return lambda: None

    def _pause(self) -> Callable[[], None]:
        number = self.chance.randrange(6)
        self.engines.on_loop(lambda: self.fleet.pause(number))
        return lambda: self.engines.on_loop(lambda: self.fleet.resume(number))

    def _partition(self) -> Callable[[], None]:
        return self._fault({"partition": True}, {"partition": False})

    def _cut_zone(self) -> Callable[[], None]:
        undo = [self._fault({"partition": True}, {"partition": False}, number) for number in self.fleet.zone(self.chance.choice("abc"))]

        def mend() -> None:
            for one in undo:
                one()

        return mend

    def _slow(self) -> Callable[[], None]:
        return self._fault({"slow": 30}, {"slow": 0})

    def _fault(self, on: dict[str, Any], off: dict[str, Any], number: int = -1) -> Callable[[], None]:
        number = self.chance.randrange(6) if number < 0 else number

        def make(what: dict[str, Any]) -> None:
            with contextlib.suppress(Exception):  # the node may be dead
                self.engines.run(self.fleet.fault(number, **what))

        make(on)
        return lambda: make(off)

    def _writer(self) -> Callable[[], None]:
        self._tell(self._pid_of_writer(), signal.SIGKILL)
        return lambda: None

    def _freeze(self) -> Callable[[], None]:
        pid = self._pid_of_writer()
        self._tell(pid, signal.SIGSTOP)
        return lambda: self._tell(pid, signal.SIGCONT)

    def _volume(self) -> Callable[[], None]:
        self._tell(self._pid_of_volume(), signal.SIGKILL)
        return lambda: None

    def _stall(self) -> Callable[[], None]:
        pid = self._pid_of_volume()
        self._tell(pid, signal.SIGSTOP)
        return lambda: self._tell(pid, signal.SIGCONT)

    def _pid_of_writer(self) -> int:
        actual = self.engines.on_loop(lambda: self.engines.databases.look(self.name))
        return next((node.pid for node in actual.nodes if node.writes), 0)

    def _pid_of_volume(self) -> int:
        volume = self.engines.on_loop(lambda: self.engines.databases._runners[self.name].volume)
        process = volume.process if volume is not None else None
        return process.pid if process is not None and process.alive else 0

    @staticmethod
    def _tell(pid: int, what: int) -> None:
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, what)


@pytest.fixture(scope="module")
def engines() -> Iterator[Engines]:
    made = Engines()
    yield made
    made.close()


@pytest.mark.parametrize("of", [Bank, MariaBank])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_a_bank_in_trouble(engines: Engines, seed: int, of: type[Bank], request: pytest.FixtureRequest) -> None:
    """Money is conserved, and nothing that was acknowledged is lost, whatever dies."""
    name = f"{of.engine}{seed}"
    try:
        engines.converge(cluster(name, engine=of.engine, endpoints=ENDPOINTS[of.engine], nodes=(Node("n1", "a"), Node("n2", "b"))))
    except Failed as why:
        pytest.skip(str(why))
    host, reader = (engines.on_loop(lambda slot=slot: engines.databases.address(slot)) for slot in (0, 1))
    bank = of(host, reader, seed)
    with bank.connect(host) as connection:
        connection.execute("create table account(id int primary key, balance int not null)")
        connection.execute("create table transfer(name varchar(40) primary key)")
        connection.execute(f"insert into account select n, {EACH} from {bank.numbers}")
        connection.commit()

    def shown() -> bool:
        with contextlib.suppress(*bank.problems), bank.connect(reader) as connection:
            found: bool = connection.execute("select count(*) from account").fetchone() == (ACCOUNTS,)
            return found
        return False

    engines.wait_for(shown)
    misfortune = Misfortune(engines, name, seed)
    for thread in bank.threads:
        thread.start()
    story: list[str] = []
    rounds = 60 if request.config.getoption("--all") else 8
    for _ in range(rounds):
        before = len(bank.acknowledged)
        engines.wait_for(lambda before=before: len(bank.acknowledged) > before + 20, 180)
        what, undo = misfortune.strike()
        story.append(what)
        bank.over.wait(misfortune.chance.random() * 0.5)
        undo()
    before = len(bank.acknowledged)
    engines.wait_for(lambda: len(bank.acknowledged) > before + 20, 180)
    bank.over.set()
    for thread in bank.threads:
        thread.join(120)
    assert bank.wrong == [], story
    assert bank.sums > rounds
    deadline = time.monotonic() + 120
    while True:
        try:
            with bank.connect(host) as connection:
                there = {row[0] for row in connection.execute("select name from transfer").fetchall()}
                assert connection.execute("select sum(balance) from account").fetchone() == (ACCOUNTS * EACH,)
            break
        except bank.problems:
            assert time.monotonic() < deadline
    lost = [name for name in bank.acknowledged if name not in there]
    assert lost == [], story
    print(f"{len(bank.acknowledged)} acknowledged, {bank.sums} sums, {story}")
    engines.do(lambda done: engines.databases.drop(name, done))
