"""What identifies a service before its model is loaded: a small table over all of them (index.json).

`python -m fogbank.wire.index` writes the table anew from botocore's models. A service that botocore has and
the table does not (a newer botocore) is found by comparing names, and its model's head is read then.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path

import msgspec

from . import model
from .overlay import overlay

_FILE = Path(__file__).with_name("index.json")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One service."""

    signing: str
    endpoint: str
    version: str
    protocols: tuple[str, ...]
    target: str = ""
    # What every REST path of the service begins with, up to a slash.
    prefix: str = "/"


class _Head(msgspec.Struct, gc=False):
    metadata: model.Metadata


class Index:
    """Services by the marks a request carries."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries

    @cached_property
    def by_target(self) -> dict[str, tuple[str, ...]]:
        return _grouped((entry.target, name) for name, entry in self.entries.items() if entry.target)

    @cached_property
    def by_signing(self) -> dict[str, tuple[str, ...]]:
        """Services by signing name, the one with that very name first."""
        found = _grouped((signing, name) for name, entry in self.entries.items() for signing in (entry.signing, *overlay(name).signing))
        return {signing: tuple(sorted(names, key=lambda name: name != signing)) for signing, names in found.items()}

    @cached_property
    def by_version(self) -> dict[str, tuple[str, ...]]:
        """Services that speak query or ec2, by their API version."""
        spoken = ((entry.version, name) for name, entry in self.entries.items() if not {"query", "ec2"}.isdisjoint(entry.protocols))
        return _grouped(spoken)


def _grouped(pairs: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, name in pairs:  # type: ignore[attr-defined]
        found.setdefault(key, []).append(name)
    return {key: tuple(names) for key, names in found.items()}


@lru_cache(maxsize=1)
def index() -> Index:
    """The table, with the services it does not know yet, without those that botocore does not have."""
    known = msgspec.json.decode(_FILE.read_bytes(), type=dict[str, Entry]) if _FILE.exists() else {}
    entries: dict[str, Entry] = {}
    for name in model.services():
        entry = known.get(name) or _entry(name)
        if entry is not None:
            entries[name] = entry
    return Index(entries)


def _entry(name: str) -> Entry | None:
    try:
        raw = model.read(name)
    except KeyError:
        return None
    head = msgspec.json.decode(raw, type=_Head).metadata
    protocols = model.protocols_of(name, head)
    prefix = "/"
    if any(protocol.startswith("rest") for protocol in protocols):
        prefix = _common([operation.uri for operation in model.service(name).operations.values()])
        model.service.cache_clear()
    return Entry(
        signing=head.signing_name or head.endpoint_prefix,
        endpoint=head.endpoint_prefix,
        version=head.api_version,
        protocols=protocols,
        target=head.target_prefix or "",
        prefix=prefix,
    )


def _common(uris: list[str]) -> str:
    """The literal segments that all paths begin with."""
    split = [uri.partition("?")[0].split("/")[1:] for uri in uris]
    shared: list[str] = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1 or "{" in segments[0]:
            break
        shared.append(segments[0])
    if shared and any(len(segments) == len(shared) for segments in split):
        shared.pop()  # a path that ends here may come without its last slash
    return "/" + "".join(f"{segment}/" for segment in shared if segment)


def _write() -> None:
    lines = []
    for name in model.services():
        entry = _entry(name)
        if entry is not None:
            lines.append(f'"{name}":{msgspec.json.encode(entry).decode()}')
    _FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    _write()
