"""DB instance classes: which there are for an engine, with their processors and memory. Pure.

All compute nodes share the machine. A class is what values of parameters are computed from (`families.given`), and what is described.
"""

from __future__ import annotations

from typing import NamedTuple

GIB = 1 << 30
SERVERLESS = "db.serverless"
_USUAL = "db.r6g.large"
"""What formulas are checked with."""
_SIZES = {
    "large": 2,
    "xlarge": 4,
    "2xlarge": 8,
    "4xlarge": 16,
    "8xlarge": 32,
    "12xlarge": 48,
    "16xlarge": 64,
    "24xlarge": 96,
    "48xlarge": 192,
}
_WIDTHS = {
    "m5": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"),
    "m6g": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    "m6i": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"),
    "m7g": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    "m7i": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    "m8g": (4, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    "r5": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"),
    "r6g": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    "r6i": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge"),
    "r7g": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
    "r7i": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    "r8g": (8, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge 24xlarge 48xlarge"),
    "x2g": (16, "large xlarge 2xlarge 4xlarge 8xlarge 12xlarge 16xlarge"),
}
"""Family -> GiB of memory for each processor, and its sizes."""
_BURSTABLE = {"micro": (2, 1), "small": (2, 2), "medium": (2, 4), "large": (2, 8), "xlarge": (4, 16), "2xlarge": (8, 32)}
_AURORA_BURSTABLE = ("db.t3.medium", "db.t3.large", "db.t4g.medium", "db.t4g.large")


class InstanceClass(NamedTuple):
    name: str
    processors: int
    memory_bytes: int


def _every() -> dict[str, InstanceClass]:
    found = [InstanceClass(SERVERLESS, 2, 2 * GIB)]
    for family in ("t3", "t4g"):
        found += [InstanceClass(f"db.{family}.{size}", cpus, gib * GIB) for size, (cpus, gib) in _BURSTABLE.items()]
    for family, (gib, sizes) in _WIDTHS.items():
        found += [InstanceClass(f"db.{family}.{size}", _SIZES[size], _SIZES[size] * gib * GIB) for size in sizes.split()]
    return {one.name: one for one in found}


CLASSES = _every()
_UNIT_BYTES = 2 * GIB
"""An Aurora capacity unit."""


def sized(klass: str, most_units: float = 0) -> InstanceClass:
    """A class, of those that are known; that of Serverless v2 with the memory of so many capacity units."""
    found = CLASSES.get(klass) or CLASSES[_USUAL]
    units = max(1.0, most_units) if klass == SERVERLESS else 0
    return found._replace(memory_bytes=int(units * _UNIT_BYTES), processors=max(2, int(units) // 4)) if units else found


def offered(engine: str, klass: str) -> bool:
    """Whether instances of an engine can be of a class."""
    if klass not in CLASSES:
        return False
    family = klass.split(".")[1]
    if engine.startswith("aurora"):
        return family[0] in "rx" or klass == SERVERLESS or klass in _AURORA_BURSTABLE
    return klass != SERVERLESS
