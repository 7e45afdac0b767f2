"""Hostile programs as functions of a running cloud: contained; others are served; nothing stays, also where the cloud is killed."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fogbank.sandbox.warden import gauge
from fogbank.testing.cloud import Process

from .hostile import HOSTILE, Result, environment, groups_of, nothing_done, only_tmp, sees_only_itself, unreachable
from .others import linux_only

pytestmark = [linux_only, pytest.mark.skipif(os.geteuid() != 0, reason="as root; an ordinary user's boxes are tried in test_hostile")]
RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAMS = Path(__file__).parent / "programs"
WRAPPER = """
import os, runpy, sys
import prelude
def handler(event, context):
    os.environ.update(event["environment"])
    prelude.tell = lambda **more: prelude.said.update(more)
    runpy.run_path("/var/task/" + event["name"] + ".py")
    return prelude.said
"""
SPYING = """
import http.client, json, os
def control(method, path):
    connection = http.client.HTTPConnection("127.0.0.1", 4566)
    connection.request(method, path, b"{}")
    return connection.getresponse().status
def handler(event, context):
    import boto3
    said = {path: control(method, path) for method, path in event}
    for key in ("test", "000000000000", "123456789012"):
        try:
            boto3.client("sqs", aws_access_key_id=key, aws_secret_access_key="test", aws_session_token=None).list_queues()
            said[key] = "done"
        except Exception as problem:
            said[key] = problem.response["Error"]["Code"]
    said["descriptors"] = sorted(os.listdir("/proc/self/fd"))[:-1]
    said["mounts"] = open("/proc/self/mountinfo").read()
    said["memory"] = [n for n in os.listdir("/proc") if n.isdigit() and int(n) != os.getpid() and readable("/proc/" + n)]
    return said
def readable(folder):
    for name in ("environ", "mem", "maps", "fd", "root", "cwd"):
        try:
            os.listdir(folder + "/" + name) if name in ("fd", "root", "cwd") else open(folder + "/" + name, "rb").read(1)
            return True
        except OSError:
            pass
    return False
"""
CONTROLS = [["GET", "/_fogbank/clock"], ["POST", "/_fogbank/clones"], ["POST", "/_localstack/state/reset"], ["POST", "/moto-api/reset"]]
CHECKED = {nothing_done, only_tmp, sees_only_itself, unreachable}


def packed(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


class Cloud:
    """A cloud in a process of its own."""

    def __init__(self, data: Path) -> None:
        self.process = Process(data).start()
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.role = self.process.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        self.functions = self.process.client("lambda", max_pool_connections=10)

    def make(self, name: str, source: str, **files: str) -> None:
        code = {"ZipFile": packed({"index.py": source, **files})}
        settings = {"Runtime": RUNTIME, "Handler": "index.handler", "Timeout": 8, "MemorySize": 128}
        self.functions.create_function(FunctionName=name, Role=self.role, Code=code, **settings)

    def invoke(self, name: str, event: Any = None) -> tuple[Any, str]:
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event))
        return json.loads(answer["Payload"].read()), answer.get("FunctionError", "")

    def processes(self) -> dict[int, str]:
        """All below the server, with when they were born."""
        return {pid: born for pid in gauge.below(self.process.pid) if (born := _born(pid))}


def _born(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def left(processes: dict[int, str]) -> list[int]:
    """Which are still there after a moment."""
    end = time.monotonic() + 60
    while (there := [pid for pid, born in processes.items() if _born(pid) == born]) and time.monotonic() < end:
        time.sleep(0.01)
    return there


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path / "data")
    yield made
    made.process.stop()


def test_hostile_functions(cloud: Cloud, tmp_path: Path) -> None:
    """Each does no more than a program in a box may; another function is served meanwhile and afterwards; nothing is left at the end."""
    tenant = tmp_path / "secret-of-another"
    tenant.write_text("secret")
    surroundings = environment(cloud.process.port, tenant, "nothing")
    files = {path.name: path.read_text() for path in PROGRAMS.glob("*.py")}
    cloud.make("bystander", "def handler(event, context): return event\n")
    for attack in HOSTILE:
        cloud.make(attack.name, WRAPPER, **files)
    cloud.invoke("bystander")
    mounts = Path("/proc/self/mountinfo").read_text()
    with ThreadPoolExecutor(3) as pool:
        over = {attack: pool.submit(cloud.invoke, attack.name, {"name": attack.name, "environment": surroundings}) for attack in HOSTILE}
        while not all(one.done() for one in over.values()):
            began = time.monotonic()
            assert cloud.invoke("bystander", 1) == (1, "")
            assert time.monotonic() - began < 7.5
            time.sleep(0.02)
    for attack, one in over.items():
        said, error = one.result()
        if attack.check in CHECKED and not error:
            attack.check(Result({k: v for k, v in said.items() if "MiB" not in k}, "", 0, None, "", 0, 0, 0))
        elif attack.check in CHECKED:
            pytest.fail(f"{attack.name}: {said}")
    there = cloud.processes()
    assert len(there) > 3
    cloud.process.stop()
    assert (left(there), groups_of(there)) == ([], [])
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not (tmp_path / "data" / "functions").exists()


def test_what_code_must_not_reach(cloud: Cloud) -> None:
    """Not the cloud's controls, not the keys that everybody knows, no other process, nobody else's code, no descriptor of ours."""
    cloud.make("other", "def handler(event, context): return event\n")
    cloud.invoke("other")
    cloud.functions.update_function_configuration(FunctionName="other", Environment={"Variables": {"SECRET": "of-another"}})
    cloud.invoke("other")
    cloud.make("spy", SPYING)
    cloud.functions.update_function_configuration(FunctionName="spy", Timeout=30, MemorySize=1769)
    said, error = cloud.invoke("spy", CONTROLS)
    if "No module named 'boto3'" in str(said):
        pytest.skip("boto3 is not part of the runtime here")
    assert error == "", said
    assert [said[path] for _, path in CONTROLS] == [403] * len(CONTROLS)
    assert {said[key] for key in ("test", "000000000000", "123456789012")} <= {"InvalidClientTokenId", "InvalidAccessKeyId"}
    assert said["memory"] == []
    assert len(said["descriptors"]) <= 5, said["descriptors"]
    assert said["mounts"].count("/code-") == 1


def test_a_killed_cloud_leaves_nothing(cloud: Cloud, tmp_path: Path) -> None:
    """After kill -9 its functions' processes end and their cgroups go; the next cloud finds no code of the last."""
    mounts = Path("/proc/self/mountinfo").read_text()
    cloud.make("f", "import time\ndef handler(event, context): time.sleep(event)\n")
    cloud.functions.update_function_configuration(FunctionName="f", Timeout=60)
    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(cloud.invoke, "f", 50) for _ in range(3)]
        end = time.monotonic() + 60
        while len(there := cloud.processes()) < 9 and time.monotonic() < end:  # three programs, each under its pid 1, and who made them
            time.sleep(0.02)
        assert len(there) >= 9
        cloud.process.kill()
        assert (left(there), groups_of(there)) == ([], [])
        assert all(one.exception() for one in busy)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    stale = [path.name for path in (tmp_path / "data" / "functions").glob("code-*")]
    assert len(stale) == 1
    cloud.process.start()
    cloud.make("g", "def handler(event, context): return 1\n")
    assert cloud.invoke("g") == (1, "")
    assert stale[0] not in [path.name for path in (tmp_path / "data" / "functions").iterdir()]
