"""Environments: how they begin, are used again, are limited, and end."""

from __future__ import annotations

import asyncio
import json
import math
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from fogbank.sandbox import driver
from fogbank.sandbox.box import CannotStart, Driver
from fogbank.sandbox.function import Code, Lines
from fogbank.sandbox.pools import Counts
from fogbank.sandbox.unpacking import Shelf

from .shop import CREDENTIALS, Shop, archive, function, python

SLEEPER = "import time\ndef handler(event, context):\n  time.sleep(event)\n  return event"


@pytest.fixture
def own() -> Iterator[Shop]:
    """A workshop for one test."""
    opened = Shop()
    yield opened
    opened.close()


def test_report(shop: Shop) -> None:
    """REPORT has AWS's figures; a cold start's initialisation is shown and billed."""
    reporting = python("import time\ntime.sleep(0.05)\ndef handler(event, context): time.sleep(0.02)")
    began = time.monotonic()
    cold = shop.invoke(reporting, request_id="r")
    took_ms = (time.monotonic() - began) * 1000
    warm = shop.invoke(reporting, request_id="r")
    said = re.fullmatch(
        rb"START RequestId: r Version: \$LATEST\nEND RequestId: r\n"
        rb"REPORT RequestId: r\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 1769 MB\tMax Memory Used: (\d+) MB"
        rb"\tInit Duration: ([\d.]+) ms\n",
        cold.log,
    )
    assert said
    duration, billed, memory, init = map(float, said.groups())
    assert duration >= 20
    assert init >= 50
    assert duration + init <= took_ms + 0.01  # (they are rounded to hundredths)
    assert billed - 1.01 <= duration + init <= billed + 0.01
    assert 1 < memory < 100
    assert b"Init Duration" not in warm.log
    assert (cold.billed_ms, cold.cold, warm.cold) == (billed, True, False)
    assert 0 <= warm.billed_ms - warm.duration_ms <= 1


def test_billing_in_hundreds() -> None:
    """As announced in 2014: in units of 100 ms, without the initialisation."""
    opened = Shop(billing_ms=100)
    outcome = opened.invoke(python("import time\ntime.sleep(0.1)\ndef handler(event, context): time.sleep(0.01)"))
    opened.close()
    assert outcome.init_ms >= 100
    assert outcome.billed_ms == math.ceil(outcome.duration_ms / 100) * 100
    assert b"\tBilled Duration: %d ms\t" % outcome.billed_ms in outcome.log


def test_trace_line(shop: Shop) -> None:
    """A sampled trace is named in REPORT."""
    outcome = shop.invoke(python("def handler(event, context): pass"), trace="Root=1-5e-6f;Parent=53995c3f42cd8ad8;Sampled=1")
    assert outcome.log.endswith(b"\nXRAY TraceId: 1-5e-6f\tSegmentId: 53995c3f42cd8ad8\tSampled: true\n")


def test_timeout(shop: Shop) -> None:
    """At the timeout the environment is ended, to the millisecond, and the next invocation begins anew."""
    slow = python(SLEEPER, timeout_ms=300)
    began = time.monotonic()
    outcome = shop.invoke(slow, b"60", request_id="r")
    assert 0.3 <= time.monotonic() - began < 50
    assert outcome.timed_out
    assert json.loads(outcome.payload) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: r Error: Task timed out after 0.30 seconds",
    }
    assert re.search(rb"\d{4}-\d\d-\d\dT[\d:.]+Z r Task timed out after 0.30 seconds\n", outcome.log)
    assert b"\tDuration: 300.00 ms\t" in outcome.log
    assert b"\tStatus: timeout\n" in outcome.log
    assert shop.invoke(slow, b"0").cold


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import os; os._exit(3)", "Runtime exited with error: exit status 3"),
        ("import sys; sys.exit(1)", "Runtime exited with error: exit status 1"),
        ("import os; os._exit(0)", "Runtime exited without providing a reason"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed"),
        ("import ctypes; ctypes.string_at(0)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_crash(shop: Shop, statement: str, message: str) -> None:
    """A runtime that ends takes its invocation along, in AWS's words; the next begins anew."""
    crashing = python(f"def handler(event, context):\n  print('last words', end='')\n  if event: return 1\n  {statement}")
    outcome = shop.invoke(crashing, b"0", request_id="r")
    assert json.loads(outcome.payload) == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: r Error: {message}"}
    assert b"last words\nRequestId: r Error: " in outcome.log
    assert b"\tStatus: error\tError Type: Runtime.ExitError\n" in outcome.log
    again = shop.invoke(crashing, b"1")
    assert (again.cold, again.payload) == (True, b"1")


def test_memory(shop: Shop) -> None:
    """The function's memory is a limit that holds, for all its processes together."""
    if shop.workshop.driver.missing:
        pytest.skip(shop.workshop.driver.missing[0])
    hog = python(
        "import time\ndef handler(event, context):\n  x = bytearray(event << 20)\n  time.sleep(event // 25)\n  return len(x)", memory_mb=128
    )
    assert shop.invoke(hog, b"20").payload == str(20 << 20).encode()
    outcome = shop.invoke(hog, b"300", request_id="r")
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: r Error: Runtime exited with error: signal: killed"
    assert b"\tMemory Size: 128 MB\tMax Memory Used: 128 MB\tStatus: error\tError Type: Runtime.OutOfMemory\n" in outcome.log


def test_storage(shop: Shop) -> None:
    """/tmp is as large as was asked for, and the code cannot be written to."""
    if shop.workshop.driver.name != "namespaces":
        pytest.skip("needs isolation")
    source = """
def handler(event, context):
    try: open('/var/task/new', 'w')
    except OSError as problem: said = problem.strerror
    written = 0
    try:
        with open('/tmp/x', 'wb', buffering=0) as file:
            while True: written += file.write(bytes(1 << 20))
    except OSError as problem: return [said, problem.strerror, written >> 20]
"""
    said = json.loads(shop.invoke(python(source, tmp_mb=16)).payload)
    assert said[0] == "Read-only file system"
    assert said[1] in ("No space left on device", "File too large")
    assert 14 <= said[2] <= 16


def test_beginning_fails_twice(shop: Shop) -> None:
    """A failing initialisation is tried again with the invocation, whose answer then is what the runtime said of it."""
    failing = python("print('beginning')\nraise ValueError('no')")
    outcome = shop.invoke(failing, request_id="r")
    assert json.loads(outcome.payload)["errorMessage"] == "no"
    lines = shop.lines(failing)
    assert lines.count("beginning") == 2
    reports = [line for line in lines if line.startswith("INIT_REPORT")]
    assert re.fullmatch(r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: error\tError Type: ValueError", reports[0])
    assert re.fullmatch(r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: invoke\tStatus: error\tError Type: ValueError", reports[1])
    assert lines[-1].endswith("\tStatus: error\tError Type: ValueError")


def test_beginning_that_takes_too_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten seconds the initialisation is broken off, and tried again within the function's timeout."""
    monkeypatch.setattr("fogbank.sandbox.environment.INIT_S", 0.2)
    slow = python(
        "import time\ntime.sleep(0.4)\ndef handler(event, context): return context.get_remaining_time_in_millis()", timeout_ms=30_000
    )
    outcome = shop.invoke(slow)
    assert int(outcome.payload) < 29_650
    assert outcome.duration_ms > 400
    assert any(re.fullmatch(r"INIT_REPORT Init Duration: [\d.]+ ms\tPhase: init\tStatus: timeout", line) for line in shop.lines(slow))
    never = python("import time\ntime.sleep(9)", timeout_ms=300)
    outcome = shop.invoke(never, request_id="r")
    assert outcome.timed_out
    assert json.loads(outcome.payload)["errorMessage"] == "RequestId: r Error: Task timed out after 0.30 seconds"


def test_as_many_as_needed(own: Shop) -> None:
    """Invocations at one time have an environment each; afterwards these are used again."""
    slow = python("import os, time\ndef handler(event, context):\n  while event and not os.path.exists('/var/task/go'): time.sleep(0.01)")
    every = [own.begin(slow, b"1") for _ in range(12)]
    assert own.workshop.busy(slow.key) == 12
    own.until(lambda: own.workshop.counts()[slow.key] == Counts(busy=12))
    (own.workshop.shelf.code(slow.code) / "go").touch()
    outcomes = [own.run(one) for one in every]
    assert len({outcome.log_stream for outcome in outcomes}) == 12
    assert own.workshop.counts()[slow.key] == Counts(idle=12)
    assert own.invoke(slow, b"0").log_stream in {outcome.log_stream for outcome in outcomes}


def test_provisioned(own: Shop) -> None:
    """Provisioned environments are ready before anybody comes, say so, and are replaced when they die."""
    kept = python("import os\ndef handler(event, context):\n  if event: os._exit(1)\n  return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']")
    assert own.do(lambda: own.workshop.warm(kept, 2, CREDENTIALS)) == 0
    own.until(lambda: own.workshop.warm(kept, 2, CREDENTIALS) == 2)
    outcome = own.invoke(kept, b"0")
    assert outcome.payload == b'"provisioned-concurrency"'
    assert outcome.origin == "provisioned-concurrency"
    assert b"Init Duration" not in outcome.log
    own.invoke(kept, b"1")
    own.until(lambda: own.workshop.counts()[kept.key] == Counts(idle=2, provisioned=2))
    own.do(lambda: own.workshop.warm(kept, 0, CREDENTIALS))
    own.until(lambda: not own.workshop.counts()[kept.key].idle)


def test_provisioned_that_fails(own: Shop) -> None:
    """An initialisation that fails is not tried for ever; why can be asked."""
    failing = python("raise ValueError('no')")
    own.do(lambda: own.workshop.warm(failing, 1, CREDENTIALS))
    own.until(lambda: own.workshop.failing(failing.key))
    assert json.loads(own.workshop.failing(failing.key))["errorMessage"] == "no"
    assert own.do(lambda: own.workshop.warm(failing, 1, CREDENTIALS)) == 0


def test_forget(own: Shop) -> None:
    """A forgotten version's idle environments end at once, busy ones after their event."""
    slow = python(SLEEPER)
    own.invoke(slow, b"0")
    under_way = own.begin(slow, b"0.2")
    waiting = own.begin(slow, b"0")
    own.do(lambda: own.workshop.forget(slow.key))
    assert own.run(under_way).payload == b"0.2"
    assert own.run(waiting).payload == b"0"
    own.until(lambda: slow.key not in own.workshop.counts())


def test_idleness() -> None:
    """What is idle for long ends."""
    opened = Shop(idle_s=0.3)
    plain = python("def handler(event, context): return 1")
    opened.invoke(plain)
    opened.until(lambda: opened.workshop.counts()[plain.key] == Counts())
    assert opened.invoke(plain).cold
    opened.close()


def test_little_memory() -> None:
    """Under a budget the oldest idle environments make room for new ones."""
    opened = Shop(memory_bytes=60 << 20)
    every = [python(f"x = bytearray(20 << 20)\ndef handler(event, context): return {i}") for i in range(4)]
    for each in every:
        opened.invoke(each)
        opened.until(lambda each=each: all(e.paused for e in opened.workshop._pools[each.key].idle))
    idle = [opened.workshop.counts()[each.key].idle for each in every]
    assert idle[-1] == 1
    assert sum(idle) < 4
    assert idle == sorted(idle)
    opened.close()


def test_paused_between_invocations(own: Shop) -> None:
    """Threads do not run on while nothing is to be done."""
    source = """
import threading, time
count = 0
def forever():
    global count
    while True:
        count += 1
        time.sleep(0.01)
threading.Thread(target=forever, daemon=True).start()
def handler(event, context): return count
"""
    counting = python(source)
    own.invoke(counting)
    own.until(lambda: own.workshop._pools[counting.key].idle[0].paused)
    before, began = int(own.invoke(counting).payload), time.monotonic()
    own.until(lambda: own.workshop._pools[counting.key].idle[0].paused)
    ran_s = time.monotonic() - began
    own.run(asyncio.sleep(2))
    assert int(own.invoke(counting).payload) - before < 100 * ran_s + 100


def test_hot_code(shop: Shop, tmp_path: Path) -> None:
    """A folder is mounted as it is; after an edit the next invocation has the new code."""
    tmp_path.chmod(0o755)
    (tmp_path / "app.py").write_text("def handler(event, context): return 1")
    hot = function(tmp_path)
    assert shop.invoke(hot).payload == b"1"
    warm = shop.invoke(hot)
    assert (warm.payload, warm.cold) == (b"1", False)
    (tmp_path / "app.py").write_text("import more\ndef handler(event, context): return more.x")
    (tmp_path / "more.py").write_text("x = 22")
    assert shop.invoke(hot).payload == b"22"
    (tmp_path / "more.py").write_text("x = 33")
    assert shop.invoke(hot).payload == b"33"


def test_refusals(shop: Shop) -> None:
    """What cannot be run at all is refused with the reason."""
    broken = function({}, code=Code("0" * 64, lambda: b"no archive"))
    outcome = shop.invoke(broken)
    assert outcome.refused == "code"
    assert outcome.payload.startswith(b"Could not unzip uploaded file.")
    assert b"not there" in shop.invoke(function(Path("/nowhere/at/all"))).payload
    outcome = shop.invoke(function({}, origin="snap-start"))
    assert (outcome.refused, outcome.payload[:12]) == ("runtime", b"SnapStart is")
    outcome = shop.invoke(function({}, runtime="ruby3.3"))
    assert outcome.refused == "runtime"
    assert b"ruby3.3 is not supported" in outcome.payload


def test_lines(shop: Shop) -> None:
    """Lines are told with where they belong and when they were."""
    printing = python("print('at first')\ndef handler(event, context): print('then')")
    before_ms = time.time_ns() // 1_000_000
    outcome = shop.invoke(printing)
    told: list[Lines] = [each for each in shop.told if each.function_key == printing.key]
    assert {(each.account, each.region, each.log_group, each.log_stream) for each in told} == {
        ("123456789012", "eu-west-1", "/aws/lambda/tried", outcome.log_stream)
    }
    instants = [at_ms for each in told for at_ms, _ in each.lines]
    assert before_ms <= instants[0] <= instants[-1] <= time.time_ns() // 1_000_000
    assert [line for each in told for _, line in each.lines if not line.isupper()][1] == "at first"


def test_very_much_output(shop: Shop) -> None:
    """All of it is told; the tail is kept within bounds."""
    printing = python("def handler(event, context):\n  for i in range(30000): print('x' * 100, i)")
    outcome = shop.invoke(printing)
    lines = [line for line in shop.lines(printing) if line.startswith("xxx")]
    assert [int(line[101:]) for line in lines] == list(range(30000))
    assert outcome.log.endswith(b" MB\tInit Duration: " + outcome.log.rpartition(b"Init Duration: ")[2])
    assert len(outcome.log) < 600_000


def test_way_to_the_cloud() -> None:
    """Code that has no network reaches the cloud at its endpoint: the socket that listens there is handed out, and closed at the end."""
    opened: list[Inside] = []

    def open_one(listener: socket.socket) -> Inside:
        opened.append(Inside(listener))
        return opened[-1]

    own = Shop(api=open_one)
    source = """
import os, urllib.request, socket
def handler(event, context):
    try: socket.create_connection(("127.0.0.1", 22), 1)
    except OSError as problem: said = type(problem).__name__
    return [urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/x").read().decode(), said]
"""
    outcome = own.invoke(python(source))
    own.close()
    assert json.loads(outcome.payload) == ["the cloud", "ConnectionRefusedError"]
    assert [one.closed for one in opened] == [True]


class Inside:
    """Answers whoever connects."""

    def __init__(self, listener: socket.socket) -> None:
        self.closed = False
        self._listener = listener
        self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        self._server = await asyncio.start_server(self._answer, sock=self._listener)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nthe cloud")
        writer.close()

    def close(self) -> None:
        self.closed = True
        self._server.close()


def test_shared_driver() -> None:
    """Several workshops can share a driver and a shelf, which are their maker's to close."""
    loop = uvloop.new_event_loop()
    shared, shelf = driver("auto"), Shelf(None)
    same = python("def handler(event, context): return 1")
    for _ in range(2):
        opened = Shop(shared, loop=loop, folder=shelf)
        assert opened.invoke(same).payload == b"1"
        opened.workshop.close()
        assert shelf.folder.exists()
    loop.run_until_complete(shared.close())
    shelf.close()
    loop.close()


def test_machine_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no box can be made, invocations are refused with the reason, at once."""

    def refuse(choice: str) -> Driver:
        raise CannotStart("Not all limits hold on this machine.")

    monkeypatch.setattr("fogbank.sandbox.driver", refuse)
    opened = Shop("strict")
    outcome = opened.invoke(python("def handler(event, context): return 1"))
    opened.close()
    assert (outcome.refused, outcome.payload) == ("sandbox", b"Not all limits hold on this machine.")


def test_expected(own: Shop) -> None:
    """A function that is expected is prepared before it is invoked."""
    expected = function({"app.py": "def handler(event, context): return 1"}, layers=(archive({"a": "b"}),))
    own.do(lambda: own.workshop.expect(expected))
    own.until(lambda: own.workshop._pools[expected.key].prepared)
    assert own.invoke(expected).payload == b"1"
