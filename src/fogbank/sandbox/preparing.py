"""What an execution environment is made of, before it is started: from a function to the specification of a box.

There is no SnapStart. A snapshot is an initialised runtime that is copied as often as it is needed, and a process can only be copied by
itself: it would have to be people's code that makes the copy's namespaces, mounts and limits, with privileges that nothing in a box may
ever have had. Forked within its own box the copies would share their /tmp, their ports, each other's memory and one limit, which no
environment on AWS does. A zygote is copied before it has seen any of the code; that is as far as it goes here.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import NamedTuple

from fogbank.sandbox.box import Limits, Mount, Spec, Zygote
from fogbank.sandbox.function import Credentials, Function
from fogbank.sandbox.runtimes import NotHere, Runtime, javas, nodes, pythons, under_system
from fogbank.sandbox.unpacking import BadCode, Shelf

RUNTIME_API = "127.0.0.1:9001"
CLOUD = ("127.0.0.1", 4566)
CORE_MB = 1769
"""The memory that comes with one core."""
SNAPSHOTS = (
    "SnapStart is not to be had here: a process that has given up its privileges to run code cannot be copied into a box of its own. "
    "Environments start in about 15 ms; provisioned concurrency keeps initialised ones ready."
)
_PROCESSES = 1024
_OPEN_FILES = 1024
_ANEW = ("PYTHON", "LD_", "MALLOC_", "OPENSSL_", "SSL_", "GLIBC_")
"""What an interpreter reads as it starts: with such a variable of the customer's own, a copy of a running one will not do."""


class BadEntry(ValueError):
    """What is to be run is not in the code."""


class Prepared(NamedTuple):
    """A function's version as far as all its environments are alike.

    spec        without the variables that are one environment's own
    version     of the runtime, for INIT_START
    watched     the folder of hot code
    extensions  the names of the external ones
    shelved     the folders of the shelf that it is made of
    """

    spec: Spec
    version: str
    watched: Path | None = None
    extensions: tuple[str, ...] = ()
    shelved: tuple[Path, ...] = ()


def prepare(function: Function, shelf: Shelf) -> Prepared:
    """May take its time. Raises BadCode, NotHere, BadEntry."""
    if function.origin == "snap-start":
        raise NotHere(SNAPSHOTS)
    if function.image:
        return _of_image(function)
    watched = function.code if isinstance(function.code, Path) else None
    if watched is not None and not watched.is_dir():
        raise BadCode(f"The folder of the function's code is not there: {watched}")
    if watched is not None and not os.geteuid() and watched.stat().st_mode & 0o005 != 0o005:
        raise BadCode(f"Functions run as a user who may not read {watched}. Let them: chmod -R a+rX {watched}")
    code = watched or shelf.code(function.code)  # type: ignore[arg-type]
    layers = shelf.layers(function.layers)
    runtime = _runtime(function, shelf, code, layers)
    mounts = [*runtime.mounts, Mount(code, "/var/task")]
    if layers is not None:
        mounts.append(Mount(layers, "/opt"))
    environment = _environment(function, runtime)
    command = runtime.command
    zygote = None if watched is None and _libraries(code, layers) else _zygote(function, runtime, code)
    wrapper = function.environment.get("AWS_LAMBDA_EXEC_WRAPPER")
    if wrapper and not function.runtime.startswith("provided"):
        command, zygote = (wrapper, *command), None
    extensions = _extensions(layers)
    if extensions:
        command, zygote = _launched(command, mounts), None
    listen, tenant = _listen(function), _tenant(function.account)
    spec = Spec(command, environment, _limits(function), tuple(mounts), "/var/task", listen, tenant, zygote)
    shelved = tuple(mount.source for mount in mounts if mount.source.parent == shelf.folder)
    return Prepared(spec, runtime.version, watched, extensions, shelved)


def _limits(function: Function) -> Limits:
    return Limits(
        memory_bytes=function.memory_mb << 20,
        cpus=function.memory_mb / CORE_MB,
        tmp_bytes=function.tmp_mb << 20,
        processes=_PROCESSES,
        open_files=_OPEN_FILES,
        cpus_at_first=max(1.0, function.memory_mb / CORE_MB),
    )


def _listen(function: Function) -> tuple[tuple[str, int], ...]:
    """The Runtime API, the cloud, and X-Ray's daemon."""
    host, _, port = RUNTIME_API.partition(":")
    listen: tuple[tuple[str, int], ...] = ((host, int(port)), CLOUD)
    if function.daemon:
        host, _, port = function.daemon.partition(":")
        listen += ((f"udp:{host}", int(port)),)
    return listen


def _of_image(function: Function) -> Prepared:
    """A container: everything but the limits, and what every function is told, is its image's."""
    spec = Spec(
        function.command,
        {**function.environment, "AWS_ENDPOINT_URL": function.endpoint, **_reserved(function)},
        _limits(function),
        working_directory=function.working_directory,
        listen=_listen(function),
        user=_tenant(function.account),
        image=function.image,
        entry_point=function.entry_point,
    )
    return Prepared(spec, "image")


def personal(function: Function, credentials: Credentials, log_stream: str, origin: str) -> dict[str, str]:
    """The variables that are one environment's own."""
    return {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": origin,
    }


def _runtime(function: Function, shelf: Shelf, code: Path, layers: Path | None) -> Runtime:
    name = function.runtime
    if name.startswith("python3."):
        return pythons.runtime(name, shelf)
    if name.startswith("nodejs"):
        return nodes.runtime(name, shelf, function.memory_mb)
    if name.startswith("java"):
        return javas.runtime(name, shelf, function.memory_mb)
    if name.startswith("provided"):
        return Runtime((_bootstrap(code, layers),), name)
    raise NotHere(
        f"The runtime {name} is not supported on this machine. There are python3.9 to python3.14, nodejs18.x to nodejs24.x and java17 to "
        "java25, as far as their interpreters are installed, and provided.al2023 for any program with a runtime client of its own."
    )


def _bootstrap(code: Path, layers: Path | None) -> str:
    for folder, inside in ((code, "/var/task/bootstrap"), (layers, "/opt/bootstrap")):
        if folder is not None and os.access(folder / "bootstrap", os.X_OK) and (folder / "bootstrap").is_file():
            return inside
    raise BadEntry("Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]")


def _environment(function: Function, runtime: Runtime) -> dict[str, str]:
    """The customer's variables go before the defaults, and what is reserved before the customer's."""
    programs = os.path.dirname(runtime.command[0])
    path = "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin"
    defaults = {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "PATH": path if under_system(programs) or programs.startswith("/var/") else f"{programs}:{path}",
        "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_ENDPOINT_URL": function.endpoint,
    }
    if function.daemon:
        host, _, port = function.daemon.partition(":")
        defaults |= {"AWS_XRAY_DAEMON_ADDRESS": function.daemon, "_AWS_XRAY_DAEMON_ADDRESS": host, "_AWS_XRAY_DAEMON_PORT": port}
    reserved = {"_HANDLER": function.handler, "LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime", **_reserved(function)}
    if not function.runtime.startswith("provided"):
        reserved["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{function.runtime}"
    return {**defaults, **runtime.environment, **function.environment, **reserved}


def _reserved(function: Function) -> dict[str, str]:
    """What every function is told, and nobody can tell it otherwise."""
    reserved = {
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_RUNTIME_API": RUNTIME_API,
        "AWS_LAMBDA_LOG_FORMAT": function.log_format,
    }
    if function.log_format == "JSON":
        reserved["AWS_LAMBDA_LOG_LEVEL"] = function.application_log_level or "INFO"
    return reserved


def _libraries(code: Path, layers: Path | None) -> bool:
    """Whether LD_LIBRARY_PATH leads to anything: the loader reads it only as a program starts."""
    folders = [code, code / "lib", *([layers / "lib"] if layers is not None else [])]
    return any(".so" in entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir())


def _zygote(function: Function, runtime: Runtime, code: Path) -> Zygote | None:
    """The interpreter to be copied: with AWS's SDK imported for code that speaks of it."""
    if not runtime.zygotes or any(name.startswith(_ANEW) and name != "PYTHONPATH" for name in function.environment):
        return None
    return runtime.zygotes[-1] if len(runtime.zygotes) > 1 and _speaks_of_sdk(code) else runtime.zygotes[0]


def _speaks_of_sdk(code: Path) -> bool:
    """Looks into the code's own modules; not into libraries, which lie deeper."""
    return any(b"boto" in _own_text(path) for path in [*code.glob("*.py"), *code.glob("*/*.py")][:200])


def _own_text(path: Path) -> bytes:
    """A small file's content; nothing where it is a link, which could lead to any of the machine's files."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(there.st_mode) and there.st_size < 1 << 20 else b""


def _extensions(layers: Path | None) -> tuple[str, ...]:
    folder = layers / "extensions" if layers is not None else None
    if folder is None or not folder.is_dir():
        return ()
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_file() and os.access(entry, os.X_OK)))


def _launched(command: tuple[str, ...], mounts: list[Mount]) -> tuple[str, ...]:
    """The command behind the launcher, which runs in the interpreter that we run in."""
    interpreter, _, prefix = pythons.find(f"{sys.version_info[0]}.{sys.version_info[1]}")
    if not under_system(prefix) and not any(str(mount.source) == prefix for mount in mounts):
        mounts.append(Mount(Path(prefix), prefix))
    mounts.append(Mount(Path(__file__).parent / "runtimes" / "launcher.py", "/var/fogbank/launcher.py"))
    return (interpreter, "-I", "-S", "/var/fogbank/launcher.py", *command)


def _tenant(account: str) -> int:
    return int(account) if account.isdigit() else 0
