"""All of it works for an ordinary user as it does for root: functions in a workshop, and a whole cloud that runs them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fogbank.control import client as control
from fogbank.testing.cloud import boto, free_port

from .others import NOBODY, WHO, interpreter, linux_only, outcomes, readable

pytestmark = linux_only
RUNTIME = f"python{sys.version_info[0]}.{sys.version_info[1]}"


@cache
def node() -> str:
    """The runtime of a Node.js that everybody can run, or ""."""
    if not Path("/usr/bin/node").exists():
        return ""
    told = subprocess.run(["/usr/bin/node", "--version"], capture_output=True, text=True, check=False).stdout
    return f"nodejs{told[1:].partition('.')[0]}.x"


@pytest.fixture(scope="module")
def said() -> Iterator[Any]:
    with readable() as folder, outcomes(folder, "ordinary.py", node()) as told:
        yield told


@pytest.mark.parametrize("who", WHO)
def test_functions(who: str, said: Any) -> None:
    """Python, Node.js and programs of one's own run, warm the second time, and hold nothing open but their three descriptors."""
    rows = said(who)
    event, user, descriptors, files = json.loads(rows["python"][0])
    assert (event, descriptors[:3], len(descriptors), files) == (1, ["0", "1", "2"], 5, ["app.py"])  # a socket, and the listing itself
    assert (user != 0, rows["python"][3], rows["warm"][3]) == (True, True, False)
    assert json.loads(rows["provided"][0]) == [4]
    if rows["node"]:
        assert json.loads(rows["node"][0])[0] == 3
    assert json.loads(rows["after"][0])[0] == 5


@pytest.mark.parametrize("who", WHO)
def test_limits(who: str, said: Any) -> None:
    """Time, memory and what lies in /tmp are bounded."""
    rows = said(who)
    assert rows["timeout"][1] == "Sandbox.Timedout"
    assert rows["memory"][1] in ("Runtime.ExitError", "MemoryError", "Runtime.OutOfMemory")
    kind, written = json.loads(rows["tmp"][0])
    assert (kind, 14 <= written <= 16) == ("ENOSPC", True)


@pytest.fixture
def cloud() -> Iterator[Any]:
    """A cloud that an ordinary user has started, in a folder of theirs."""
    python = interpreter("user")
    folder = Path(tempfile.mkdtemp(prefix="ordinary"))
    port = free_port()
    own = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    os.chown(folder, NOBODY, NOBODY) if own else None
    places = [str(Path(__file__).parent.parent.parent / "src"), *(path for path in sys.path if path.endswith("site-packages"))]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": ":".join(places), "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run([python, "-c", "import fogbank.app"], env=environment, cwd="/", capture_output=True, check=False, **own).returncode:
        pytest.skip("an ordinary user cannot read what is installed here")
    command = [python, "-m", "fogbank", "up", "--port", str(port), "--data", str(folder / "data")]
    process = subprocess.Popen(command, env=environment, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **own)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while True:
            try:
                control.ask(endpoint, "GET", "/health", timeout_s=2)
                break
            except (control.Unreachable, control.Refusal):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
        yield lambda service: boto(endpoint, service)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder)


def test_a_cloud_of_an_ordinary_user(cloud: Any) -> None:
    """`fogbank up` as an ordinary user: a function runs, closed in, and calls the cloud as its role."""
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    role = cloud("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **trust}))["Role"]["Arn"]
    source = (
        "import boto3, os\n"
        "def handler(event, context):\n"
        "    return [boto3.client('sts').get_caller_identity()['Arn'], os.path.exists('/root'), os.path.exists('/etc/shadow')]\n"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    functions = cloud("lambda")
    settings = {"Runtime": RUNTIME, "Handler": "index.handler", "Timeout": 50, "MemorySize": 1769}
    functions.create_function(FunctionName="real", Role=role, Code={"ZipFile": packed.getvalue()}, **settings)
    answer = functions.invoke(FunctionName="real")
    said = json.loads(answer["Payload"].read())
    if "No module named 'boto3'" in str(said):
        pytest.skip("boto3 is not part of the runtime here")
    assert said == ["arn:aws:sts::000000000000:assumed-role/r/real", False, False]
