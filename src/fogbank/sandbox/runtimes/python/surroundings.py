"""What a handler sees around it: the context object, where modules come from, streams that are not held back, logging."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import time
from typing import Any

request_id = ""
"""Of the event that is being handled."""
_LEVELS = {"TRACE": "DEBUG", "WARN": "WARNING", "FATAL": "CRITICAL"}
_JSON = False


class Context:
    """The second argument of a handler."""

    def __init__(self, headers: dict[str, str]) -> None:
        environment = os.environ
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = environment.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = environment.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = environment.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = environment.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = environment.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.tenant_id = headers.get("Lambda-Runtime-Aws-Tenant-Id")
        client = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = _ClientContext(json.loads(client)) if client else None
        self.identity = _Identity(json.loads(headers.get("Lambda-Runtime-Cognito-Identity") or "{}"))
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        return max(self._deadline_ms - int(time.time() * 1000), 0)

    def log(self, message: Any) -> None:
        sys.stdout.write(str(message))

    def __repr__(self) -> str:
        shown = ("aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb", "function_version")
        rest = ("invoked_function_arn", "client_context", "identity", "tenant_id")
        return "LambdaContext([{}])".format(",".join(f"{name}={getattr(self, name)}" for name in shown + rest))


class _Identity:
    def __init__(self, said: dict[str, Any]) -> None:
        self.cognito_identity_id = said.get("cognitoIdentityId")
        self.cognito_identity_pool_id = said.get("cognitoIdentityPoolId")

    def __repr__(self) -> str:
        return f"CognitoIdentity([cognito_identity_id={self.cognito_identity_id},cognito_identity_pool_id={self.cognito_identity_pool_id}])"


class _Client:
    def __init__(self, said: dict[str, Any]) -> None:
        for name in ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name"):
            setattr(self, name, said.get(name))


class _ClientContext:
    def __init__(self, said: dict[str, Any]) -> None:
        self.custom = said.get("custom")
        self.env = said.get("env")
        client = said.get("client")
        self.client = _Client(client) if client else None


class _Text(logging.Formatter):
    converter = time.gmtime  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__("[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s", "%Y-%m-%dT%H:%M:%S")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            kind, problem = record.exc_info[:2]
            said["stackTrace"] = self.formatException(record.exc_info).split("\n")
            said["errorType"] = kind.__name__ if kind else None
            said["errorMessage"] = str(problem)
            said["location"] = f"{record.pathname}:{record.funcName}:{record.lineno}"
        for name, value in vars(record).items():
            if name not in _USUAL:
                said[name] = value
        if request_id:
            said["requestId"] = request_id
        return json.dumps(said, ensure_ascii=False, default=str)


_USUAL = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "aws_request_id", "taskName"}


class _Handler(logging.Handler):
    """A record is one line for whoever reads our output: line ends within it are carriage returns."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stdout.write(self.format(record).replace("\n", "\r") + "\n")
        except Exception:
            self.handleError(record)


def _name_request(record: logging.LogRecord) -> bool:
    record.aws_request_id = request_id
    return True


def prepare() -> None:
    """Makes this process the function's."""
    global _JSON
    time.tzset()
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(number, "w", closefd=False)
        setattr(sys, name, io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True))
    _paths()
    handler = _Handler()
    handler.addFilter(_name_request)
    _JSON = os.environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    handler.setFormatter(_Json() if _JSON else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
    if _JSON and level:
        root.setLevel(_LEVELS.get(level, level))


def _paths() -> None:
    """Modules come from the code, from layers, from what the runtime brings along, and from the standard library."""
    library = [path for path in sys.path if "-packages" not in path]
    task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
    layers = os.environ.get("FOGBANK_LAYERS", "/opt")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    own = [task, layers + "/python/lib/python" + version + "/site-packages", layers + "/python"]
    brought = [path for path in os.environ.pop("FOGBANK_PACKAGES", "").split(":") if path]
    wanted = [path for path in os.environ.get("PYTHONPATH", "").split(":") if path]
    sys.path[:] = dict.fromkeys([*own, *library, *wanted, *brought])
    os.environ.pop("FOGBANK_LAYERS", None)
    _make_room(own, brought)


def _make_room(own: list[str], brought: list[str]) -> None:
    """Of what was imported before, whatever the function has a copy of its own of is forgotten."""
    ready = {name.partition(".")[0] for name, module in list(sys.modules.items()) if _from(module, brought)}
    shadowed = {name for name in ready for path in own if os.path.exists(path + "/" + name) or os.path.exists(path + "/" + name + ".py")}
    if shadowed:
        for name in [name for name in sys.modules if name.partition(".")[0] in ready]:
            del sys.modules[name]


def _from(module: Any, folders: list[str]) -> bool:
    file = getattr(module, "__file__", None) or ""
    return any(file.startswith(folder + "/") for folder in folders)


def log_failure(failure: dict[str, Any]) -> None:
    if _JSON:
        said = {"timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "log_level": "ERROR"}
        sys.stdout.write(json.dumps(dict(said, **failure), ensure_ascii=False) + "\n")
        return
    lines = ["[ERROR] {}: {}".format(failure["errorType"], failure["errorMessage"])]
    if failure["stackTrace"]:
        lines += ["Traceback (most recent call last):", *failure["stackTrace"]]
    sys.stdout.write("\n".join(line.rstrip("\n") for line in lines).replace("\n", "\r") + "\n")
