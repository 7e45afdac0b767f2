"""Execution environments alone, without a service before them: cold and warm invocations, many at once, and what they weigh.

python bench/functions.py [--driver auto] [--memory 128]
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import itertools
import statistics
import time
import zipfile
from typing import Any

import uvloop

from fogbank.sandbox.function import Code, Credentials, Function, Invocation, Outcome
from fogbank.sandbox.workshop import Workshop

NUMBERS = itertools.count(1)
ONE_LINE = "def handler(event, context): return event\n"
WITH_SDK = "import boto3\nclient = boto3.client('sqs')\n" + ONE_LINE
SLEEPER = "import time\ndef handler(event, context): time.sleep(event)\n"


def function(source: str, memory_mb: int, **environment: str) -> Function:
    """A Python function of which nobody has heard before."""
    number = next(NUMBERS)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", f"{source}# {number}\n")
    content = packed.getvalue()
    return Function(
        key=str(number),
        arn="arn:aws:lambda:us-east-1:000000000000:function:f",
        name="f",
        version="$LATEST",
        account="000000000000",
        region="us-east-1",
        runtime="python3.11",
        handler="app.handler",
        code=Code(hashlib.sha256(content).hexdigest(), lambda: content),
        layers=(),
        environment=environment,
        memory_mb=memory_mb,
        timeout_ms=30_000,
        tmp_mb=512,
        log_group="/aws/lambda/f",
    )


async def invoke(workshop: Workshop, of: Function, payload: bytes = b"1") -> Outcome:
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    invocation = Invocation(f"r-{next(NUMBERS)}", payload, Credentials("A", "S", "T", 1 << 50))
    workshop.invoke(of, invocation, ended.set_result)
    outcome = await ended
    if outcome.refused or outcome.error:
        raise SystemExit(outcome.payload.decode())
    return outcome


async def timed(awaited: Any) -> float:
    began = time.perf_counter()
    await awaited
    return (time.perf_counter() - began) * 1000


def shown(name: str, times: list[float]) -> None:
    ordered = sorted(times)
    print(f"{name:42} p50 {statistics.median(times):8.2f} ms   p99 {ordered[len(ordered) * 99 // 100]:8.2f} ms")


async def cold(workshop: Workshop, name: str, source: str, memory_mb: int, **environment: str) -> None:
    times = []
    for _ in range(21):
        times.append(await timed(invoke(workshop, function(source, memory_mb, **environment))))
        await asyncio.sleep(0.15)
    print(f"{name + ', the first':42}     {times[0]:8.2f} ms")
    shown(name, times[1:])


def memory_used_mb() -> int:
    with open("/proc/meminfo") as file:
        rows = {line.split(":")[0]: int(line.split()[1]) for line in file}
    return (rows["MemTotal"] - rows["MemAvailable"]) >> 10


async def measure(driver: str, memory_mb: int) -> None:
    workshop = Workshop(driver, asyncio.get_running_loop(), tell=lambda lines: None)
    await cold(workshop, "cold, one line", ONE_LINE, memory_mb)
    await cold(workshop, "cold, boto3 client", WITH_SDK, memory_mb)
    await cold(workshop, "cold, boto3 client, no zygote", WITH_SDK, memory_mb, PYTHONHASHSEED="0")
    warm = function(ONE_LINE, memory_mb)
    await invoke(workshop, warm)
    shown("warm, one caller", [await timed(invoke(workshop, warm)) for _ in range(1000)])

    async def caller(times: int) -> None:
        for _ in range(times):
            await invoke(workshop, warm)

    await asyncio.gather(*(caller(20) for _ in range(16)))
    spent = await timed(asyncio.gather(*(caller(300) for _ in range(16))))
    print(f"{'warm, 16 callers':42}     {16 * 300 / spent * 1000:8.0f} a second")
    sleeper = function(SLEEPER, memory_mb)
    await invoke(workshop, sleeper, b"0")
    before = memory_used_mb()
    spent = await timed(asyncio.gather(*(invoke(workshop, sleeper, b"4") for _ in range(200))))
    there = workshop.counts()[sleeper.key].idle
    used = memory_used_mb() - before
    print(f"{'200 at once, each of 4 s':42}     {spent:8.0f} ms, {there} environments, {used} MB, {used / there:.1f} MB each")
    workshop.close()
    await asyncio.sleep(1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", default="auto")
    parser.add_argument("--memory", type=int, default=128)
    options = parser.parse_args()
    uvloop.run(measure(options.driver, options.memory))
