"""`fogbank up` and the commands that find it: starting, stopping, finding, and what is said when something is wrong."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fogbank.control import client as control
from fogbank.testing import Process
from fogbank.testing.cloud import boto, free_port

from .conftest import Fogbank, environment

UP = [sys.executable, "-m", "fogbank", "up"]


def ends(pid: int) -> bool:
    """The process is gone within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            if sys.platform == "linux" and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


# up


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_stays_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """`fogbank up` prints where it is and what to export, serves, and ends with status 0 soon after Ctrl-C."""
    port = free_port()
    process = subprocess.Popen(
        [*UP, "--port", str(port), "--data", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(6)]
    assert lines[0] == f"Fogbank is up at http://localhost:{port}"
    exported = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
    assert set(exported) == {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    answer = boto(
        exported["AWS_ENDPOINT_URL"], "sts", exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]
    ).get_caller_identity()
    assert answer["Account"] == "000000000000"
    waiting = http.client.HTTPConnection("localhost", port)  # a connection that is open must not keep it
    waiting.connect()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_up_ephemeral_keeps_nothing(tmp_path: Path) -> None:
    """`--ephemeral` writes nothing that outlives the process."""
    process = subprocess.Popen(
        [*UP, "--port", str(free_port()), "--ephemeral"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(tmp_path), XDG_DATA_HOME=str(tmp_path / "share")),
    )
    assert process.stdout is not None
    endpoint = process.stdout.readline().split()[4]
    boto(endpoint, "s3").create_bucket(Bucket="bucket")
    assert list(tmp_path.iterdir())
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert list(tmp_path.iterdir()) == []


def test_data_goes_to_the_user_s_directory(tmp_path: Path, fogbank: Fogbank) -> None:
    """Without `--data` the data is in the user's data directory."""
    port = free_port()
    assert fogbank("up", "--detach", "--port", str(port), XDG_DATA_HOME=str(tmp_path)).returncode == 0
    health = control.ask(f"http://localhost:{port}", "GET", "/health")
    assert fogbank("down", "--endpoint", f"http://localhost:{port}").returncode == 0
    assert health["data"] == str(tmp_path / "fogbank")
    assert ends(health["pid"])


def test_detach_returns_when_it_is_ready(tmp_path: Path, fogbank: Fogbank) -> None:
    """`--detach` returns once the cloud answers; the cloud outlives its parent, and what it says goes to a log file."""
    port = free_port()
    answer = fogbank("up", "--detach", "--port", str(port), "--data", tmp_path)
    where = f"http://localhost:{port}"
    health = control.ask(where, "GET", "/health")
    try:
        assert (answer.returncode, answer.stderr) == (0, "")
        assert f"export AWS_ENDPOINT_URL={where}" in answer.stdout
        assert str(health["pid"]) in answer.stdout
        outputs = {os.readlink(f"/proc/{health['pid']}/fd/{number}") for number in (1, 2)}
        assert outputs == {str(tmp_path / "fogbank.log")}
        assert os.getsid(health["pid"]) == health["pid"]
        for _ in range(50):  # more than a pipe that nobody reads would hold, were it one
            http.client.HTTPConnection("localhost", port).request("GET", "/" + "x" * 2000)
        assert control.ask(where, "GET", "/health")["pid"] == health["pid"]
        assert "Fogbank is up" in (tmp_path / "fogbank.log").read_text()
    finally:
        assert fogbank("down", FOGBANK_ENDPOINT=where).stdout == f"stopping pid {health['pid']}\n"
    assert ends(health["pid"])


def test_detach_tells_what_went_wrong(server: Process, tmp_path: Path, fogbank: Fogbank) -> None:
    """When the detached cloud cannot start, the reason is printed and the status is 1; every time the newest reason."""
    for _ in range(2):
        answer = fogbank("up", "--detach", "--port", str(server.port), "--data", tmp_path)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr == f"fogbank: port {server.port} is taken; choose another with --port\n"


# what can be wrong


def refused(answer: subprocess.CompletedProcess[str], *words: str) -> bool:
    """Status 1, nothing but one line, with these words in it."""
    assert (answer.returncode, answer.stdout) == (1, ""), answer
    assert answer.stderr.count("\n") == 1, answer.stderr
    assert answer.stderr.startswith("fogbank: ")
    assert all(word in answer.stderr for word in words), answer.stderr
    return True


def test_a_port_that_is_taken(server: Process, tmp_path: Path, fogbank: Fogbank) -> None:
    """A port that is taken: one line that says so, and how to choose another."""
    assert refused(fogbank("up", "--port", str(server.port), "--data", tmp_path), str(server.port), "taken", "--port")
    assert refused(fogbank("up", "--port", "70000", "--ephemeral"), "70000")


def test_a_data_directory_in_use(server: Process, fogbank: Fogbank) -> None:
    """A data directory that a running cloud has: one line that says so."""
    assert refused(fogbank("up", "--port", str(free_port()), "--data", server.data), str(server.data), "in use")


def test_data_newer_than_the_code(tmp_path: Path, fogbank: Fogbank) -> None:
    """Data of a newer format is not touched: one line that says so."""
    (tmp_path / "format").write_text("99\n")
    assert refused(fogbank("up", "--port", str(free_port()), "--data", tmp_path), "newer", "99")
    assert (tmp_path / "format").read_text() == "99\n"


def test_a_data_directory_that_cannot_be_written(tmp_path: Path, fogbank: Fogbank) -> None:
    """A data directory that is a file, or cannot be made: one line that names it."""
    file = tmp_path / "file"
    file.write_text("")
    assert refused(fogbank("up", "--port", str(free_port()), "--data", file), str(file))
    assert refused(fogbank("up", "--port", str(free_port()), "--data", file / "below"), str(file))
    assert refused(fogbank("up", "--detach", "--port", str(free_port()), "--data", file / "below"), str(file))


def test_a_span_that_is_none(tmp_path: Path, fogbank: Fogbank) -> None:
    """A retention that is no span of time: one line that says what one looks like."""
    assert refused(fogbank("up", "--ephemeral", "--retention", "long"), "'long'", "15m")


def test_no_cloud_there(fogbank: Fogbank) -> None:
    """No cloud at the endpoint: one line with the endpoint and how to start one. An endpoint that is none: one line too."""
    port = free_port()
    for command in (
        ["status"],
        ["reset"],
        ["down"],
        ["clone", "x"],
        ["backtrack", "--to", "@1"],
        ["clock"],
        ["explain", "x"],
        ["coverage"],
    ):
        assert refused(fogbank(*command, FOGBANK_ENDPOINT=f"http://localhost:{port}"), f"http://localhost:{port}", "fogbank up")
    assert refused(fogbank("status", "--endpoint", "http://localhost:port"), "http://localhost:port")


@pytest.fixture
def something_else() -> Iterator[str]:
    """A web server that is no cloud."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"[]" if self.path.endswith("health") else b"hello"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None: ...

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()


def test_something_else_there(something_else: str, fogbank: Fogbank) -> None:
    """Something else at the endpoint: one line that says that it is no cloud."""
    assert refused(fogbank("status", "--endpoint", something_else), something_else, "not a Fogbank cloud")
    assert refused(fogbank("coverage", "--endpoint", something_else), something_else, "not a Fogbank cloud")


# finding the cloud


def test_the_endpoint_is_found_in_order(server: Process, fogbank: Fogbank) -> None:
    """`--endpoint` (before or behind the command, with or without http://), else FOGBANK_ENDPOINT, else AWS_ENDPOINT_URL."""
    right, wrong = server.endpoint, f"http://localhost:{free_port()}"
    for arguments, variables in (
        (["--endpoint", right, "status"], {"FOGBANK_ENDPOINT": wrong, "AWS_ENDPOINT_URL": wrong}),
        (["status", "--endpoint", right], {"FOGBANK_ENDPOINT": wrong, "AWS_ENDPOINT_URL": wrong}),
        (["status", "--endpoint", right.removeprefix("http://") + "/"], {}),
        (["status"], {"FOGBANK_ENDPOINT": right, "AWS_ENDPOINT_URL": wrong}),
        (["status"], {"AWS_ENDPOINT_URL": right}),
    ):
        answer = fogbank(*arguments, **variables)
        assert (answer.returncode, str(server.pid) in answer.stdout) == (0, True), answer


def test_the_default_endpoint_is_port_4566(fogbank: Fogbank) -> None:
    """Without anything said, the cloud is at http://localhost:4566."""
    assert "export AWS_ENDPOINT_URL=http://localhost:4566;\n" in fogbank("env").stdout


def test_env_is_for_eval(server: Process) -> None:
    """`eval "$(fogbank env)"` exports what the SDKs need, with the quotes and without."""
    command = f"{sys.executable} -m fogbank env --endpoint {server.endpoint}"
    for script in (f'eval "$({command})" && env', f"eval $({command}) && env"):
        said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment(), check=True, timeout=120).stdout
        exported = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("AWS_"))
        assert exported == {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def test_status_and_coverage(server: Process, fogbank: Fogbank) -> None:
    """`status` tells the process, the data and the clouds; `coverage` counts and names the operations that are there."""
    answer = fogbank("status", FOGBANK_ENDPOINT=server.endpoint)
    assert str(server.pid) in answer.stdout
    assert str(server.data) in answer.stdout
    assert f"main: http://localhost:{server.port}" in answer.stdout
    answer = fogbank("coverage", FOGBANK_ENDPOINT=server.endpoint)
    lines = answer.stdout.splitlines()
    assert "  SendMessage" in lines
    assert "  GetCallerIdentity" in lines
    assert any(line.startswith("sqs: ") and line.endswith(" operations") for line in lines)
    piped = f"{sys.executable} -m fogbank coverage --endpoint {server.endpoint} | head -1"
    said = subprocess.run(["sh", "-c", piped], capture_output=True, text=True, env=environment(), check=True, timeout=120)
    assert (said.stdout.count("\n"), said.stderr) == (1, "")


# reset


def test_reset_and_its_aliases(server: Process, fogbank: Fogbank) -> None:
    """`reset` and the paths that other tools call empty the cloud, at once; GET does not."""
    s3 = server.client("s3")

    def call(method: str, path: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    for path in ("/_fogbank/reset", "/_localstack/state/reset", "/moto-api/reset"):
        s3.create_bucket(Bucket="bucket")
        assert call("GET", path)[0] == 405
        assert len(s3.list_buckets()["Buckets"]) == 1
        assert call("POST", path)[0] == 200
        assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="bucket")
    assert fogbank("reset", FOGBANK_ENDPOINT=server.endpoint).returncode == 0
    assert s3.list_buckets()["Buckets"] == []
    for path in ("/_fogbank/health", "/_localstack/health"):
        status, health = call("GET", path)
        assert (status, health["services"]["s3"]) == (200, "available")
    assert call("GET", "/_fogbank/nothing")[0] == 404
    assert call("POST", "/_fogbank/clock")[0] == 400


def test_bodies_that_make_no_sense(server: Process) -> None:
    """A control request whose body is no JSON, no object, too long or of the wrong types is refused with a reason, and answered."""
    for path, body in (
        ("clock", b"no json"),
        ("clock", b"[]"),
        ("clock", b'{"advance": [1]}'),
        ("clock", b'{"advance": "' + b"9" * 400 + b's"}'),
        ("clock", b'{"advance": "-5s"}'),
        ("backtrack", b'{"to": null}'),
        ("backtrack", b'{"to": "@99999999999"}'),
        ("backtrack", b'{"to": "9999-01-01T00:00:00Z"}'),
        ("backtrack", b'{"to": "2001-01-01"}'),
        ("snapshot", b'{"save": 5}'),
        ("snapshot", b'{"save": "relative"}'),
        ("snapshot", b'{"load": "/nowhere/at/all"}'),
        ("snapshot", b'{"save": "/nowhere/at/all"}'),
        ("clones", b'{"name": "../x"}'),
        ("clones", b'{"name": "main"}'),
        ("clones", b'{"name": 5}'),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", f"/_fogbank/{path}", body)
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert (response.status, list(answer)) == (400, ["error"]), (path, body, answer)
        assert answer["error"], (path, body)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/_fogbank/clock", b" " * 200_000)
    assert connection.getresponse().status == 413


# durable


def test_a_killed_cloud_comes_back_whole(tmp_path: Path) -> None:
    """After kill -9 the next start has everything that was acknowledged: objects large and small, messages, users, keys."""
    server = Process(tmp_path / "data").start()
    s3, sqs, iam = server.client("s3"), server.client("sqs"), server.client("iam")
    large = bytes(range(256)) * 4096
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="large", Body=large)
    s3.put_object(Bucket="bucket", Key="small", Body=b"small")
    url = sqs.create_queue(QueueName="queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="hello")
    iam.create_user(UserName="jane")
    key = iam.create_access_key(UserName="jane")["AccessKey"]
    server.kill()
    server.start()
    try:
        assert s3.get_object(Bucket="bucket", Key="large")["Body"].read() == large
        assert s3.get_object(Bucket="bucket", Key="small")["Body"].read() == b"small"
        assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "hello"
        jane = server.client("sts", access_key=key["AccessKeyId"], secret=key["SecretAccessKey"])
        assert jane.get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:user/jane"
    finally:
        server.stop()


# open to other machines


def test_off_loopback_only_known_keys_are_let_in(tmp_path: Path, fogbank: Fogbank) -> None:
    """`--host 0.0.0.0` refuses the key that everybody knows; the key that it prints is root's, and is the same after a restart."""
    port = free_port()
    said = fogbank("up", "--detach", "--host", "0.0.0.0", "--port", str(port), "--data", tmp_path)
    assert said.returncode == 0, said
    where = f"http://127.0.0.1:{port}"
    exported = dict(line.removeprefix("export ").split("=", 1) for line in said.stdout.splitlines() if line.startswith("export "))
    try:
        for known in ("test", "123456789012"):
            with pytest.raises(ClientError) as caught:
                boto(where, "sts", known).get_caller_identity()
            assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"
            with pytest.raises(ClientError) as caught:
                boto(where, "s3", known).list_buckets()
            assert caught.value.response["Error"]["Code"] == "InvalidAccessKeyId"
        key, secret = exported["AWS_ACCESS_KEY_ID"], exported["AWS_SECRET_ACCESS_KEY"]
        assert boto(where, "sts", key, secret).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
        with pytest.raises(ClientError):
            boto(where, "sts", key, "wrong").get_caller_identity()
        boto(where, "s3", key, secret).create_bucket(Bucket="bucket")
        assert fogbank("reset", "--endpoint", where).returncode == 0
        assert boto(where, "s3", key, secret).list_buckets()["Buckets"] == []
    finally:
        pid = control.ask(where, "POST", "/stop", {})["stopping"]
        assert ends(pid)
    again = fogbank("up", "--detach", "--host", "0.0.0.0", "--port", str(port), "--data", tmp_path)
    pid = control.ask(where, "POST", "/stop", {})["stopping"]
    assert f"export AWS_ACCESS_KEY_ID={key}" in again.stdout
    assert ends(pid)


def test_off_loopback_other_machines_do_not_control(tmp_path: Path, fogbank: Fogbank) -> None:
    """A cloud that is open to other machines answers its controls to this machine only, by any of its addresses."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing; tells this machine's own address
        own = probe.getsockname()[0]
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    port = free_port()
    assert fogbank("up", "--detach", "--host", "0.0.0.0", "--port", str(port), "--data", tmp_path).returncode == 0
    try:
        connection = http.client.HTTPConnection(own, port, timeout=60)
        connection.request("POST", "/_fogbank/reset")
        assert connection.getresponse().status == 403
    finally:
        pid = control.ask(f"http://127.0.0.1:{port}", "POST", "/stop", {})["stopping"]
        assert ends(pid)
