"""The facts about single services that botocore's models lack, as data (overlay.json).

Everything else in this room is true of all services; what AWS does differently in one of them stands in
the overlay under its name, so that the code need not know it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec


class Refusal(msgspec.Struct, frozen=True):
    """The code and the sentence with which a service refuses one kind of request."""

    code: str
    message: str = ""
    status: int = 400


class Overlay(msgspec.Struct, frozen=True):
    """What one service does differently."""

    # Protocols that the service still speaks though the model no longer says so.
    protocols: tuple[str, ...] = ()
    # Further names that callers sign for.
    signing: tuple[str, ...] = ()
    # False: lengths, ranges, patterns and enums are the service's own business; only types and required members are checked here.
    constraints: bool = True
    # How a violated constraint, a missing member, a malformed body, a missing body, a malformed argument or path are refused.
    violation: Refusal | None = None
    missing: Refusal | None = None
    malformed: Refusal | None = None
    bodiless: Refusal | None = None
    misfit: Refusal | None = None
    path: Refusal | None = None
    # Sentences for a violated pattern, by the pattern.
    patterns: dict[str, str] = {}
    # What comes before the shape's name in the `__type` of a JSON error.
    type_prefix: str = ""
    xml_namespace: str | None = None
    # Shapes as the query protocol names them, merged into the model's.
    query_shapes: dict[str, dict[str, Any]] = {}
    # Structures that JSON carries as they came, as plain values: decoded into dicts (blobs stay base64), and answered with
    # the same, or with `msgspec.Raw` in place of a member that consists of them.
    verbatim: tuple[str, ...] = ()
    # What the content of a body that is a blob is called, where nothing else says so.
    blob_type: str = "application/octet-stream"
    # The member that a form may leave to the path of the request.
    path_member: str | None = None
    # Error traits the model lacks.
    errors: dict[str, dict[str, Any]] = {}
    # Operations that need no signature, where the model does not say so.
    unsigned: tuple[str, ...] = ()
    # Root elements of XML answers, by operation.
    roots: dict[str, str] = {}
    # Operations whose XML answer is the text of one member, without structure.
    unwrapped: dict[str, str] = {}
    # "s3": errors are one bare <Error>; two request id headers.
    dialect: str = ""
    # Always write the milliseconds of an instant in XML, also when they are zero.
    milliseconds: bool = False


@lru_cache(maxsize=1)
def _all() -> dict[str, Overlay]:
    return msgspec.json.decode((Path(__file__).with_name("overlay.json")).read_bytes(), type=dict[str, Overlay])


def overlay(service: str) -> Overlay:
    """What the named service does differently; nothing, for most."""
    return _all().get(service, _NOTHING)


_NOTHING = Overlay()
