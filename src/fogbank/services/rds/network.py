"""The default VPC of an account in a region: there is no other one, since there is no EC2. Pure.

Its ids are the same as long as account and region are: a subnet in each of three zones, and the default security group.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

ZONES = ("a", "b", "c")


class Network(NamedTuple):
    """`subnets`: by the zone's letter."""

    vpc: str
    group: str
    subnets: dict[str, str]

    def zone_of(self, subnet: str) -> str | None:
        """The letter of a subnet's zone; None where it is none of this network."""
        return next((zone for zone, held in self.subnets.items() if held == subnet), None)


def _id(kind: str, *parts: str) -> str:
    return f"{kind}-{sha256(':'.join((kind, *parts)).encode()).hexdigest()[:17]}"


@lru_cache(1024)
def network(account: str, region: str) -> Network:
    """The default VPC."""
    subnets = {zone: _id("subnet", account, region, zone) for zone in ZONES}
    return Network(_id("vpc", account, region), _id("sg", account, region), subnets)
