"""DB subnet groups: where in the network a database may lie; and the security groups that may be named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, tagging
from fogbank.services.rds.faults import invalid
from fogbank.services.rds.groups_state import SUBNET_GROUPS, SubnetGroup
from fogbank.services.rds.network import network
from fogbank.services.rds.state import CLUSTERS, Cluster, members
from fogbank.store import change

DEFAULT = "default"
GROUPS_LIMIT, SUBNETS_LIMIT, ZONES_LEAST = 50, 20, 2
_name = re.compile(r"[A-Za-z][A-Za-z0-9._ -]{0,254}").fullmatch


def _arn(group: SubnetGroup) -> str:
    return addresses.arn(group.account, group.region, "subgrp", group.name)


def _missing(name: str) -> ServiceException:
    return ServiceException("DBSubnetGroupNotFoundFault", f"DB subnet group '{name}' does not exist.")


def find(ctx: Context, account: str, region: str, name: str) -> SubnetGroup | None:
    """A group; "default", which has all subnets, is always there."""
    if name == DEFAULT:
        subnets = tuple(network(account, region).subnets.values())
        return SubnetGroup(account=account, region=region, name=DEFAULT, description="default", subnets=subnets)
    return SUBNET_GROUPS.get(ctx, account, region, name)


def chosen(ctx: Context, name: str | None) -> str:
    """The name of the group that a database is to lie in. Errors: DBSubnetGroupNotFoundFault."""
    return DEFAULT if name is None else _at(ctx, name).name


def described(ctx: Context, account: str, region: str, name: str) -> dict[str, Any] | None:
    """The DBSubnetGroup structure, or None where there is no such group."""
    group = find(ctx, account, region, name)
    return None if group is None else _described(group)


def _described(group: SubnetGroup) -> dict[str, Any]:
    net = network(group.account, group.region)
    return {
        "DBSubnetGroupName": group.name,
        "DBSubnetGroupDescription": group.description,
        "VpcId": net.vpc,
        "SubnetGroupStatus": "Complete",
        "Subnets": [
            {
                "SubnetIdentifier": subnet,
                "SubnetAvailabilityZone": {"Name": f"{group.region}{net.zone_of(subnet)}"},
                "SubnetOutpost": {},
                "SubnetStatus": "Active",
            }
            for subnet in group.subnets
        ],
        "DBSubnetGroupArn": _arn(group),
        "SupportedNetworkTypes": ["IPV4"],
    }


def check_subnets(ctx: Context, given: Iterable[str]) -> tuple[str, ...]:
    """Subnets of the network, each once. Errors: InvalidSubnet."""
    subnets = tuple(dict.fromkeys(given))
    net = network(ctx.account, ctx.region)
    unknown = [subnet for subnet in subnets if net.zone_of(subnet) is None]
    if unknown or not subnets:
        raise ServiceException("InvalidSubnet", f"Some input subnets in :[{', '.join(unknown)}] are invalid.")
    return subnets


def security_groups(ctx: Context, given: Iterable[str] | None) -> tuple[str, ...]:
    """The VPC's security groups that are to guard something: the default one, the only one that there is. Errors: InvalidParameterValue."""
    group = network(ctx.account, ctx.region).group
    unknown = [one for one in given or () if one != group]
    if unknown:
        raise invalid(f"Invalid security group , groupId= {', '.join(unknown)}, groupName=.")
    return (group,)


def _covering(ctx: Context, given: Iterable[str]) -> tuple[str, ...]:
    """Errors: InvalidSubnet, DBSubnetGroupDoesNotCoverEnoughAZs, DBSubnetQuotaExceededFault."""
    subnets = check_subnets(ctx, given)
    if len(subnets) > SUBNETS_LIMIT:
        raise ServiceException("DBSubnetQuotaExceededFault", f"A DB subnet group can't have more than {SUBNETS_LIMIT} subnets.")
    if len(subnets) < ZONES_LEAST:  # each lies in a zone of its own
        raise ServiceException(
            "DBSubnetGroupDoesNotCoverEnoughAZs",
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: "
            f"{', '.join(ctx.region + str(network(ctx.account, ctx.region).zone_of(one)) for one in subnets)}. "
            f"Add subnets to cover at least {ZONES_LEAST} AZs.",
        )
    return subnets


def _at(ctx: Context, name: str) -> SubnetGroup:
    """Errors: DBSubnetGroupNotFoundFault."""
    group = find(ctx, ctx.account, ctx.region, name.lower())
    if group is None:
        raise _missing(name)
    return group


def _to_change(ctx: Context, name: str) -> SubnetGroup:
    """Errors: DBSubnetGroupNotFoundFault, InvalidDBSubnetGroupStateFault."""
    group = _at(ctx, name)
    if group.name == DEFAULT:
        raise ServiceException("InvalidDBSubnetGroupStateFault", "The default DB subnet group can't be changed or deleted.")
    return group


def _users(ctx: Context, group: SubnetGroup) -> Iterator[Cluster]:
    return (one for one in CLUSTERS.scan(ctx, group.account, group.region) if one.subnet_group == group.name)


@operation("CreateDBSubnetGroup")
def create_db_subnet_group(ctx: Context, req: Any) -> Answer:
    """Makes a DB subnet group of subnets in at least two zones; at most 20 subnets, 50 groups. Names are kept in lower case.

    Errors: DBSubnetGroupAlreadyExists, DBSubnetGroupDoesNotCoverEnoughAZs, DBSubnetQuotaExceededFault, DBSubnetGroupQuotaExceeded,
    InvalidSubnet, InvalidParameterValue. Source: API reference, CreateDBSubnetGroup.
    """
    name = req.DBSubnetGroupName.lower()
    if not _name(name) or name == DEFAULT:
        raise invalid(
            "The parameter DBSubnetGroupName must contain no more than 255 letters, numbers, periods, underscores, spaces, or hyphens,"
            " must begin with a letter and must not be 'default'."
        )
    if SUBNET_GROUPS.get(ctx, ctx.account, ctx.region, name) is not None:
        raise ServiceException("DBSubnetGroupAlreadyExistsFault", f"The DB subnet group '{name}' already exists.")
    if sum(1 for _ in SUBNET_GROUPS.scan(ctx, ctx.account, ctx.region)) >= GROUPS_LIMIT:
        raise ServiceException("DBSubnetGroupQuotaExceededFault", f"You can't have more than {GROUPS_LIMIT} DB subnet groups.")
    group = SubnetGroup(
        account=ctx.account,
        region=ctx.region,
        name=name,
        description=req.DBSubnetGroupDescription,
        subnets=_covering(ctx, req.SubnetIds),
    )
    group = change(group, tags=tagging.given(ctx, req.Tags, _arn(group)))
    SUBNET_GROUPS.put(ctx, group)
    return {"DBSubnetGroup": _described(group)}


@operation("ModifyDBSubnetGroup")
def modify_db_subnet_group(ctx: Context, req: Any) -> Answer:
    """Gives a DB subnet group other subnets, or another description. A zone that one of its databases lies in cannot be left.

    Errors: DBSubnetGroupNotFoundFault, DBSubnetGroupDoesNotCoverEnoughAZs, DBSubnetQuotaExceededFault, InvalidDBSubnetGroupStateFault,
    InvalidSubnet, SubnetAlreadyInUse. Source: API reference, ModifyDBSubnetGroup.
    """
    group = _to_change(ctx, req.DBSubnetGroupName)
    subnets = _covering(ctx, req.SubnetIds)
    net = network(ctx.account, ctx.region)
    left = {net.zone_of(subnet) for subnet in group.subnets} - {net.zone_of(subnet) for subnet in subnets}
    for cluster in _users(ctx, group):
        for instance in members(ctx, cluster):
            if instance.zone[-1:] in left:
                raise ServiceException(
                    "SubnetAlreadyInUse",
                    f"The DB instance {instance.name} is in the Availability Zone of a subnet that you want to remove.",
                )
    group = change(group, subnets=subnets)
    if req.DBSubnetGroupDescription is not None:
        group = change(group, description=req.DBSubnetGroupDescription)
    SUBNET_GROUPS.put(ctx, group)
    return {"DBSubnetGroup": _described(group)}


@operation("DeleteDBSubnetGroup")
def delete_db_subnet_group(ctx: Context, req: Any) -> Answer:
    """Deletes a DB subnet group that no database lies in.

    Errors: DBSubnetGroupNotFoundFault, InvalidDBSubnetGroupStateFault. Source: API reference, DeleteDBSubnetGroup.
    """
    group = _to_change(ctx, req.DBSubnetGroupName)
    user = next(_users(ctx, group), None)
    if user is not None:
        raise ServiceException(
            "InvalidDBSubnetGroupStateFault",
            f"Cannot delete the subnet group '{group.name}' because at least one database {'instance' if user.plain else 'cluster'}:"
            f" {user.name} is still using it.",
        )
    SUBNET_GROUPS.delete(ctx, group)
    return None


@operation("DescribeDBSubnetGroups")
def describe_db_subnet_groups(ctx: Context, req: Any) -> Answer:
    """The DB subnet groups by name, "default" with them; or the one that is named.

    Errors: DBSubnetGroupNotFoundFault, InvalidParameterValue. Source: API reference, DescribeDBSubnetGroups.
    """
    addresses.filters(req, ())
    if req.DBSubnetGroupName is not None:
        return {"DBSubnetGroups": [_described(_at(ctx, req.DBSubnetGroupName))]}
    default = find(ctx, ctx.account, ctx.region, DEFAULT)
    assert default is not None
    every = sorted([default, *SUBNET_GROUPS.scan(ctx, ctx.account, ctx.region)], key=lambda group: group.name)
    found, marker = addresses.page(req, every, lambda group: group.name)
    return {"DBSubnetGroups": [_described(group) for group in found], "Marker": marker}


addresses.TAGGED["subgrp"] = addresses.Tagged(SUBNET_GROUPS.get, SUBNET_GROUPS, _missing)
