"""What Lambda runs, and how an invocation ends: the words between the service and the workshop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple


class Code(NamedTuple):
    """A zip archive: unpacked once, under its digest (sha256, hexadecimal). `read` may take its time: it is called on a thread."""

    digest: str
    read: Callable[[], bytes]


class Credentials(NamedTuple):
    """The execution role's, for AWS_ACCESS_KEY_ID and friends."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at_ms: int


class Function(NamedTuple):
    """A function's version, ready to run. Invocations with equal `key` share warm environments.

    key         names the version and its revision: any change of code or configuration makes another key
    arn         qualified or not, as the context object shows it
    code        an archive, or a folder that is mounted as it is (hot code); None where there is an image
    environment the customer's variables, decrypted
    origin      "on-demand" (AWS_LAMBDA_INITIALIZATION_TYPE); "snap-start" is refused, and who is kept ready is "provisioned-concurrency"
    endpoint    the cloud's own endpoint, as it can be reached from inside ("http://127.0.0.1:4566")
    image       a container image; its runtime, its handler and its code are then empty
    entry_point, command, working_directory
                of ImageConfig, in place of the image's own
    application_log_level, system_log_level
                "TRACE" to "FATAL" and "DEBUG" to "WARN", of the JSON format; "" is INFO
    daemon      "address:port" for X-Ray's segments (AWS_XRAY_DAEMON_ADDRESS), "" where there is none
    """

    key: str
    arn: str
    name: str
    version: str
    account: str
    region: str
    runtime: str
    handler: str
    code: Code | Path | None
    layers: tuple[Code, ...]
    environment: Mapping[str, str]
    memory_mb: int
    timeout_ms: int
    tmp_mb: int
    log_group: str
    log_format: str = "Text"
    origin: str = "on-demand"
    endpoint: str = "http://127.0.0.1:4566"
    image: str = ""
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_directory: str = ""
    application_log_level: str = ""
    system_log_level: str = ""
    daemon: str = ""


class Invocation(NamedTuple):
    """One event for a function.

    credentials     for an environment that has to be started; one whose own end sooner than these, by a margin, is replaced
    client_context  JSON, or that in base64 as X-Amz-Client-Context has it
    piece           is given each piece of a streamed response as it comes, where the caller streams
    identity        JSON of the Cognito identity ({"cognitoIdentityId": ..., "cognitoIdentityPoolId": ...}), or ""
    began           is told the content type of a streamed response, before its first piece
    """

    request_id: str
    payload: bytes
    credentials: Credentials
    trace: str = ""
    client_context: str = ""
    arn: str = ""
    piece: Callable[[bytes], None] | None = None
    identity: str = ""
    began: Callable[[str], None] | None = None


class Outcome(NamedTuple):
    """How an invocation ended.

    payload     the answer; of a failure AWS's JSON ({"errorMessage", "errorType", ...}); of a refusal the sentence
    error       "" or "Unhandled" (X-Amz-Function-Error)
    refused     "" or why it did not run at all ("runtime": what to install; "code": why the archive cannot be unpacked; "sandbox")
    log         the invocation's lines, START to REPORT (of very many the last 256 KB)
    streamed    the answer came in pieces, all given to `Invocation.piece`; an error in the middle of them is in `payload`
    content_type  of a streamed answer "application/vnd.awslambda.http-integration-response" where it begins with a prelude
    error_type  of a failure, as REPORT has it ("Runtime.ExitError", "Sandbox.Timedout", the handler's own), else ""
    origin      how the environment was made ("on-demand", "provisioned-concurrency")
    """

    payload: bytes
    error: str = ""
    refused: str = ""
    log: bytes = b""
    log_stream: str = ""
    duration_ms: float = 0
    billed_ms: int = 0
    init_ms: float = 0
    peak_memory_mb: int = 0
    cold: bool = False
    timed_out: bool = False
    content_type: str = "application/json"
    streamed: bool = False
    error_type: str = ""
    origin: str = "on-demand"


class Lines(NamedTuple):
    """Log lines of an environment, to be told to the service ("lambda"): (machine's instant in ms, line)."""

    account: str
    region: str
    function_arn: str
    function_key: str
    log_group: str
    log_stream: str
    lines: tuple[tuple[int, str], ...]
