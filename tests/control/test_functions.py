"""The command line and people's code: hot folders, letters, and what is said of the sandbox at the start."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from fogbank.testing import Process
from fogbank.testing.cloud import free_port

from .conftest import Fogbank, environment

RUNTIME = f"python3.{sys.version_info.minor}"


def function(server: Process, name: str) -> Any:
    """A function that answers "packed"."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("main.py", "def handler(event, context): return 'packed'")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    client = server.client("lambda")
    code = {"ZipFile": packed.getvalue()}
    client.create_function(FunctionName=name, Runtime=RUNTIME, Role=role, Handler="main.handler", Code=code, Timeout=50)
    return client


def answer(client: Any, name: str) -> Any:
    return json.loads(client.invoke(FunctionName=name)["Payload"].read())


def test_a_hot_folder(server: Process, fogbank: Fogbank, tmp_path: Path) -> None:
    """`fogbank dev FUNCTION=DIR`: the function runs from the folder, an edit is live at the next invocation, and it can be undone."""
    client = function(server, "hot")
    assert answer(client, "hot") == "packed"
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    main = tmp_path / "main.py"
    main.write_text("def handler(event, context): return 'hot'")
    done = fogbank("dev", f"hot={tmp_path}", FOGBANK_ENDPOINT=server.endpoint)
    assert (done.returncode, done.stdout) == (0, f"hot runs from {tmp_path}\n"), done.stderr
    assert answer(client, "hot") == "hot"
    main.write_text("def handler(event, context): return 'edited'")
    assert answer(client, "hot") == "edited"
    assert fogbank("dev", "hot=", FOGBANK_ENDPOINT=server.endpoint).returncode == 0
    assert answer(client, "hot") == "packed"


def test_a_hot_folder_that_cannot_be(server: Process, fogbank: Fogbank, tmp_path: Path) -> None:
    """What is not there is said in one line."""
    for mount, said in ((f"missing={tmp_path}", "no function missing"), ("hot=/no/such", "is not a folder"), ("hot", "FUNCTION=DIR")):
        done = fogbank("dev", mount, FOGBANK_ENDPOINT=server.endpoint)
        assert done.returncode != 0
        assert said in done.stderr, done.stderr


def test_letters(server: Process, fogbank: Fogbank) -> None:
    """A mail that would have left can be read."""
    sns = server.client("sns")
    topic = sns.create_topic(Name="news")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ada@example.com")
    said = fogbank("letters", FOGBANK_ENDPOINT=server.endpoint).stdout
    assert "email to ada@example.com: AWS Notification - Subscription Confirmation" in said


def test_what_does_not_hold_is_said() -> None:
    """A cloud whose sandbox is not whole says at its start which limits do not hold."""
    command = [sys.executable, "-m", "fogbank", "up", "--port", str(free_port()), "--ephemeral", "--sandbox", "bare"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        process.terminate()
    assert said.startswith("fogbank: the sandbox (bare) is not whole: ")


def test_billed_by_the_tenth_of_a_second(tmp_path: Path) -> None:
    """With --billing-ms 100 a function's report is rounded up as it was in 2014."""
    server = Process(tmp_path, "--billing-ms", "100").start()
    try:
        client = function(server, "billed")
        report = base64.b64decode(client.invoke(FunctionName="billed", LogType="Tail")["LogResult"]).decode()
    finally:
        server.stop()
    billed = re.search(r"Billed Duration: (\d+) ms", report)
    assert billed is not None, report
    assert int(billed[1]) % 100 == 0
