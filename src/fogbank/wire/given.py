"""Members given by one of our own services instead of a socket: a dict by AWS's names becomes what an operation takes.

The same types and constraints as for a request from outside; a member that the model does not have is refused, and
instants are int milliseconds already. A streaming body may be an `Upload`, which is not read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from fogbank.kernel.errors import ServiceException
from fogbank.store import Upload

from .model import service
from .types import Instant, Types


def _hook(kind: type, value: Any) -> Any:
    if kind is Instant and type(value) is int:
        return value
    raise TypeError(kind)


@cache
def _types(name: str) -> Types:
    model = service(name)
    return Types(model, model.shapes, text=True, closed=True)


@cache
def _input(service_name: str, operation: str) -> Any:
    """The type of what an operation takes, or None."""
    ref = service(service_name).operations[operation].input
    return None if ref is None else _types(service_name).structure(ref)


def members(service_name: str, operation: str, given: Mapping[str, Any]) -> Any:
    """The request's members as attributes; None where the operation takes none. ValidationException where they break the model."""
    kind = _input(service_name, operation)
    if kind is None:
        return None
    streams = {name: value for name, value in given.items() if isinstance(value, Upload)}
    if streams:
        given = {**given, **dict.fromkeys(streams, b"")}
    try:
        made = msgspec.convert(given, kind, strict=False, dec_hook=_hook, builtin_types=(bytes,))
    except msgspec.ValidationError as problem:
        raise ServiceException("ValidationException", str(problem)) from None
    for name, value in streams.items():
        setattr(made, name, value)
    return made


def plain(given: Any) -> Any:
    """Members of a request as they were given: dicts by AWS's names, without those that have no value."""
    return _bare(msgspec.to_builtins(given, builtin_types=(bytes,)))


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if inner is not None}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value
