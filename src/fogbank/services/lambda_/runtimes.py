"""Runtimes: those that functions can be made with, and those that AWS has put out of use."""

from __future__ import annotations

import platform
from hashlib import sha256

from fogbank.kernel.arn import partition_of
from fogbank.services.lambda_.faults import invalid

_GONE = """
nodejs nodejs4.3 nodejs4.3-edge nodejs6.10 nodejs8.10 nodejs10.x nodejs12.x nodejs14.x nodejs16.x python2.7 python3.6 python3.7 python3.8
java8 dotnetcore1.0 dotnetcore2.0 dotnetcore2.1 dotnetcore3.1 dotnet6 go1.x ruby2.5 ruby2.7 provided
"""
DEPRECATED = frozenset(_GONE.split())
MANAGED = frozenset({"custom"})
"""Runtimes of one's own, from a runtime's ARN: not here."""
MACHINE = {"aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "x86_64")
"""The only architecture whose code runs here."""
_SNAP_START = {"python": (3, 12), "java": (11, 0), "dotnet": (8, 0)}


def check(runtime: str) -> None:
    """Raises InvalidParameterValueException."""
    if runtime in DEPRECATED:
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )


def check_snap_start(runtime: str) -> None:
    """SnapStart: Python 3.12, Java 11, .NET 8 and later. Raises InvalidParameterValueException."""
    family = runtime.rstrip("0123456789.").removesuffix(".al")
    parts = [int(part) for part in runtime.removeprefix(family).split(".") if part.isdecimal()]
    if family not in _SNAP_START or (*parts, 0)[:2] < _SNAP_START[family]:
        raise invalid(f"{runtime} is not supported for SnapStart enabled functions.")


def version_arn(runtime: str, region: str) -> str:
    """The version of a runtime that functions have: there is one of each."""
    return f"arn:{partition_of(region)}:lambda:{region}::runtime:{sha256(runtime.encode()).hexdigest()}"
