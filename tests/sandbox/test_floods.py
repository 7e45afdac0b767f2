"""Code in a box attacks what we listen on: we keep our memory, our time is everybody's, nothing it says reaches the loop as an error."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import Any

import pytest

from fogbank.sandbox import allowance
from fogbank.sandbox.function import Outcome

from .others import linux_only
from .shop import Shop, python

pytestmark = linux_only

PROGRAM = """
import json, os, socket, sys, time
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
ROOT = "/2018-06-01/runtime/invocation/"

def connect():
    made = socket.create_connection((HOST, int(PORT)))
    made.settimeout(0.2)
    return made

def post(path, body, headers="", method="POST"):
    return f"{method} {path} HTTP/1.1\\r\\nHost: x\\r\\n{headers}Content-Length: {len(body)}\\r\\n\\r\\n{body}".encode()

def status(path, body="", headers="", method="POST"):
    with connect() as asking:
        asking.sendall(post(path, body, headers, method))
        try:
            return int(asking.recv(4000).split()[1])
        except (OSError, IndexError):
            return 0

class Attacks:
    def slow_heads(own):
        every = [connect() for _ in range(60)]
        while True:
            for one in every:
                one.send(b"G")
            yield
    def huge_heads(own):
        with connect() as one:
            one.sendall(b"x" * 1_000_000)
        yield
    def endless_chunks(own):
        one = connect()
        one.sendall(f"POST {ROOT}{own}/response HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n".encode())
        while True:
            one.sendall(b"2\\r\\nab\\r\\n" * 2000)
            yield
    def many_connections(own):
        while True:
            kept = []
            for _ in range(100):
                kept.append(connect())
            yield
    def half_open(own):
        kept = []
        while len(kept) < 900:
            one = connect()
            one.send(b"GET " + ROOT.encode())
            one.shutdown(socket.SHUT_WR)
            kept.append(one)
            yield
    def garbage(own):
        while True:
            with connect() as one:
                one.sendall(os.urandom(1 << 16))
            yield
    def others_answers(own):
        one = connect()
        while True:
            one.sendall(post(ROOT + "request-1/response", "1") * 1000)
            yield
    def unread_answers(own):
        one = connect()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        while True:
            one.sendall(b"GET /x HTTP/1.1\\r\\n\\r\\n" * 5000)
            yield
    def asking_again(own):
        one = connect()
        while True:
            one.sendall(b"GET " + ROOT.encode() + b"next HTTP/1.1\\r\\n\\r\\n" * 1000)
            one.recv(1 << 20)
            yield
    def bodies_in_part(own):
        every = [connect() for _ in range(60)]
        for one in every:
            one.sendall(f"POST {ROOT}{own}/response HTTP/1.1\\r\\nContent-Length: 6000000\\r\\n\\r\\n".encode())
        while True:
            for one in every:
                one.sendall(b"x" * 100_000)
            yield
    def nonsense_documents(own):
        deep, long = "[" * 200_000, "9" * 5000
        for body in (deep, '{"errorType": ' + deep, '{"errorType": ' + long + "}", '{"errorType": "\\\\ud800"}', '{"events": ' + deep):
            status("/2018-06-01/runtime/init/error", body)
            status("/2020-01-01/extension/register", body, "Lambda-Extension-Name: x\\r\\n")
            status("/2022-07-01/telemetry", body, "", "PUT")
            status("/launcher/printed/x", body)
        with connect() as one:
            one.sendall(b"POST / HTTP/1.1\\r\\nContent-Length: " + long.encode() + b"\\r\\n\\r\\n")
        with connect() as one:
            one.sendall(b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n" + b"f" * 900 + b"\\r\\n")
        yield
    def printed_lines(own):
        while True:
            os.write(1, b"\\n" * 60000)
            yield
    def printed_documents(own):
        while True:
            os.write(1, b'{"level": ' + b"[" * 50_000 + b"\\n")
            yield
    def posted_lines(own):
        while True:
            status("/launcher/printed/x", "\\n" * 1_000_000)
            yield

def handler(event, context):
    end = time.monotonic() + 1.0
    try:
        for _ in getattr(Attacks, event)(context.aws_request_id):
            if time.monotonic() > end:
                break
    except (OSError, ValueError) as problem:
        return str(problem)
    return "done"
"""
NAMES = [line.split("(")[0].split()[-1] for line in PROGRAM.splitlines() if line.startswith("    def ")]


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture(scope="module")
def bystander(shop: Shop) -> Any:
    made = python("def handler(event, context): return event\n")
    shop.invoke(made)
    return made


@pytest.mark.parametrize("attack", NAMES)
def test_floods(attack: str, shop: Shop, bystander: Any) -> None:
    """Others are served meanwhile, memory stays, no error reaches the loop, and what is attacked ends in its time."""
    problems: list[Any] = []
    shop.loop.set_exception_handler(lambda loop, context: problems.append(context))
    members = {"log_format": "JSON", "application_log_level": "WARN"} if attack == "printed_documents" else {}
    attacker = python(PROGRAM, timeout_ms=12_000, **members)
    before = resident()
    delays: list[float] = []

    async def work() -> tuple[Outcome, int, float]:
        most, undisturbed = before, time.monotonic()
        for _ in range(10):
            await shop.begin_there(bystander)
        undisturbed = (time.monotonic() - undisturbed) / 10
        over = shop.begin_there(attacker, json.dumps(attack).encode())
        while not over.done():
            began = time.monotonic()
            outcome = await shop.begin_there(bystander)
            assert not outcome.error
            delays.append(time.monotonic() - began)
            most = max(most, resident())
            await asyncio.sleep(0.005)
        return over.result(), most, undisturbed

    outcome, most, undisturbed = shop.run(work())
    shop.do(lambda: shop.workshop.forget(attacker.key))
    assert problems == []
    assert not outcome.refused
    assert most - before < 80 << 20
    delays.sort()
    assert delays[len(delays) // 2] < 0.1 + 10 * undisturbed, (delays[len(delays) // 2], delays[-1])
    assert delays[-1] < 10.0 + 50 * undisturbed, delays[-5:]
    assert shop.invoke(bystander).payload == b"{}"


def test_whoever_makes_connections_without_end_is_ended(shop: Shop, monkeypatch: Any) -> None:
    """Connections cannot be kept waiting as requests can."""
    monkeypatch.setattr(allowance, "_TOO_DEEP", -2000.0)
    monkeypatch.setattr(allowance, "_MOST", 2000.0)
    source = PROGRAM + "\ndef handler(event, context):\n    while True: connect().close()\n"
    outcome = shop.invoke(python(source, timeout_ms=20_000))
    assert outcome.error_type == "Runtime.ExitError"


RACE = """
import os, socket, time
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
ROOT = b"/2018-06-01/runtime/invocation/"
kept = []

def asking():
    one = socket.create_connection((HOST, int(PORT)))
    one.settimeout(25)
    one.sendall(b"GET " + ROOT + b"next HTTP/1.1\\r\\n\\r\\n")
    kept.append(one)
    return one

def handler(event, context):
    if event == "race":
        said = asking().recv(1000).split()[1].decode()
        with socket.create_connection((HOST, int(PORT))) as other:
            own = context.aws_request_id.encode()
            other.sendall(b"POST " + ROOT + own + b"/response HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r\\n\\"mine\\"")
            first = other.recv(1000).split()[1].decode()
            other.sendall(b"POST " + ROOT + own + b"/response HTTP/1.1\\r\\nContent-Length: 6\\r\\n\\r\\n\\"more\\"")
            return [said, first, other.recv(1000).split()[1].decode()]
    return [event, kept[0].fileno()]
"""


def test_two_runtimes_race(shop: Shop) -> None:
    """An event is handed over once; the first answer counts, and a second is refused; the environment goes on."""
    racing = python(RACE)
    assert json.loads(shop.invoke(racing, b'"race"').payload) == "mine"
    again = shop.invoke(racing, b'"again"')
    assert (again.cold, json.loads(again.payload)[0]) == (False, "again")


def test_a_runtime_that_hangs_up_while_it_waits(shop: Shop, monkeypatch: Any) -> None:
    """The event waits until it asks again, or for its timeout: nobody else's loop hears of it."""
    source = """#!/usr/bin/python3
import http.client, os, select, time
silent = lambda: os.path.exists("/var/task/silent")
def ask(method, path, body=None):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    while not select.select([connection.sock], [], [], 0.01)[0]:
        if silent():
            connection.close()
            return None
    answer = connection.getresponse()
    answer.read()
    return answer.getheader("Lambda-Runtime-Aws-Request-Id")
while True:
    while silent(): time.sleep(0.01)
    at = ask("GET", "next")
    if at: ask("POST", at + "/response", "1")
"""
    from .shop import function

    monkeypatch.setattr("fogbank.sandbox.workshop._PAUSED_AFTER_S", 60.0)
    hanging = function({"bootstrap": source}, runtime="provided.al2023")
    assert shop.invoke(hanging).payload == b"1"
    silent = shop.workshop.shelf.code(hanging.code) / "silent"
    [environment] = shop.workshop._pools[hanging.key].idle
    for _ in range(3):
        silent.touch()
        shop.until(lambda: environment._runtime is None)
        waiting = shop.begin(hanging)
        shop.run(asyncio.sleep(0.1))
        assert not waiting.done()
        silent.unlink()
        outcome = shop.run(waiting)
        assert (outcome.payload, outcome.error, outcome.cold) == (b"1", "", False)


def test_an_answer_that_is_cut_off(shop: Shop) -> None:
    """A chunked answer whose connection ends before it does is a failure."""
    source = """
import os, socket
HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
def handler(event, context):
    with socket.create_connection((HOST, int(PORT))) as one:
        path = "/2018-06-01/runtime/invocation/" + context.aws_request_id + "/response"
        head = "POST " + path + " HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
        one.sendall(head.encode() + b"3\\r\\nabc\\r\\n")
    import time; time.sleep(0.2)
"""
    assert shop.invoke(python(source)).error_type == "Runtime.TruncatedResponse"
