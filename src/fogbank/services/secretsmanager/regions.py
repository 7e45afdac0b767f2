"""Which regions there are: those that botocore knows."""

from __future__ import annotations

from functools import cache

import botocore.loaders


@cache
def _regions() -> frozenset[str]:
    partitions = botocore.loaders.create_loader().load_data("endpoints")["partitions"]
    return frozenset(region for partition in partitions for region in partition["regions"])


def exists(region: str) -> bool:
    return region in _regions()
