"""Public parameters under /aws/service/global-infrastructure: which regions and services there are, as botocore knows them.

Source: "Discovering public parameters in Parameter Store" in the AWS Systems Manager User Guide.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from fogbank.wire import model
from fogbank.wire.index import index
from fogbank.wire.regions import regions

ROOT = "/aws/service/global-infrastructure"
PARTITIONS = ("aws", "aws-cn", "aws-us-gov")
Tree = dict[str, str]


class _Full(msgspec.Struct):
    serviceFullName: str


class _Named(msgspec.Struct):
    metadata: _Full


@cache
def _partitions() -> list[dict[str, Any]]:
    """Where the services of each partition are."""
    found = msgspec.json.decode((model.folder() / "endpoints.json").read_bytes())["partitions"]
    return [partition for partition in found if partition["partition"] in PARTITIONS]


@cache
def _endpoints(service: str) -> dict[str, str]:
    """The regions that a service is in, with its host name there; a global service has the same in all regions."""
    prefix = index().entries[service].endpoint
    found: dict[str, str] = {}
    for partition in _partitions():
        about = partition["services"].get(prefix)
        if about is None:
            continue
        default = about.get("defaults", {}).get("hostname") or partition["defaults"]["hostname"]
        whole = about.get("partitionEndpoint") if about.get("isRegionalized") is False else None
        for region in partition["regions"]:
            here = about["endpoints"].get(whole or region)
            if here is not None:
                host = here.get("hostname") or default
                found[region] = host.format(service=prefix, region=region, dnsSuffix=partition["dnsSuffix"])
    return found


@cache
def _services() -> tuple[str, ...]:
    return tuple([service for service in index().entries if _endpoints(service)])


@cache
def _tree() -> Tree:
    """Every parameter, in order of the names; a service's long name, which takes its model to be read, is left open."""
    found: Tree = {}
    for region, about in regions().items():
        if about.partition in PARTITIONS:
            here = f"{ROOT}/regions/{region}"
            found[here] = region
            found[f"{here}/longName"] = about.long_name
            found[f"{here}/partition"] = about.partition
            found[f"{here}/domain"] = about.domain
    for service in _services():
        there = f"{ROOT}/services/{service}"
        found[there] = service
        found[f"{there}/longName"] = ""
        for region, host in _endpoints(service).items():
            found[f"{there}/regions/{region}"] = region
            for where in (f"{there}/regions/{region}", f"{ROOT}/regions/{region}/services/{service}"):
                found[f"{where}/endpoint"] = host
                found[f"{where}/protocols"] = "HTTPS"
            found[f"{ROOT}/regions/{region}/services/{service}"] = service
    return dict(sorted(found.items()))


@cache
def names() -> tuple[str, ...]:
    return tuple(_tree())


@cache
def _long_name(service: str) -> str:
    return msgspec.json.decode(model.read(service), type=_Named).metadata.serviceFullName


def value(name: str) -> str | None:
    """The value of a public parameter, or None."""
    found = _tree().get(name)
    return _long_name(name.removesuffix("/longName").rpartition("/")[2]) if found == "" else found
