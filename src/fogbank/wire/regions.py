"""Which regions there are, as botocore's data knows them."""

from __future__ import annotations

from functools import cache

import msgspec

from .model import folder


class _About(msgspec.Struct):
    description: str


class _Outputs(msgspec.Struct):
    dnsSuffix: str


class _Partition(msgspec.Struct):
    id: str
    outputs: _Outputs
    regions: dict[str, _About]


class _File(msgspec.Struct):
    partitions: list[_Partition]


class Region(msgspec.Struct, frozen=True):
    """A region: its partition's name and domain, and its own name for people ("Europe (Ireland)")."""

    partition: str
    domain: str
    long_name: str


@cache
def regions() -> dict[str, Region]:
    """Every region of every partition, by its name."""
    file = msgspec.json.decode((folder() / "partitions.json").read_bytes(), type=_File)
    return {
        name: Region(partition.id, partition.outputs.dnsSuffix, about.description)
        for partition in file.partitions
        for name, about in partition.regions.items()
        if not name.endswith("-global")  # stands for a partition as a whole
    }
