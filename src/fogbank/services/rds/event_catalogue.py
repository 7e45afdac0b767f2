"""AWS's events: their ids, by what happens to what, and the categories that they are told under. Pure.

Source: "Amazon RDS event categories and event messages" in the Amazon RDS and Aurora User Guides.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

INSTANCE, CLUSTER, GROUP = "db-instance", "db-cluster", "db-parameter-group"
SNAPSHOT, CLUSTER_SNAPSHOT, PROXY = "db-snapshot", "db-cluster-snapshot", "db-proxy"

CATEGORIES = {
    CLUSTER: (
        "configuration change",
        "creation",
        "deletion",
        "failover",
        "failure",
        "global failover",
        "maintenance",
        "migration",
        "notification",
        "serverless",
    ),
    CLUSTER_SNAPSHOT: ("backup", "notification"),
    INSTANCE: (
        "availability",
        "backtrack",
        "backup",
        "configuration change",
        "creation",
        "deletion",
        "failover",
        "failure",
        "low storage",
        "maintenance",
        "notification",
        "read replica",
        "recovery",
        "restoration",
        "security patching",
    ),
    GROUP: ("configuration change",),
    PROXY: ("configuration change", "creation", "deletion", "failure"),
    SNAPSHOT: ("creation", "deletion", "notification", "restoration"),
}
"""Type of source -> its categories."""

ARNS = {
    INSTANCE: ("db",),
    CLUSTER: ("cluster",),
    GROUP: ("pg", "cluster-pg"),
    SNAPSHOT: ("snapshot",),
    CLUSTER_SNAPSHOT: ("cluster-snapshot",),
    PROXY: ("db-proxy",),
}
"""Type of source -> what its ARNs say."""

BUS = {
    INSTANCE: ("RDS DB Instance Event", "DB_INSTANCE"),
    CLUSTER: ("RDS DB Cluster Event", "CLUSTER"),
    GROUP: ("RDS DB Parameter Group Event", "DB_PARAM"),
    SNAPSHOT: ("RDS DB Snapshot Event", "SNAPSHOT"),
    CLUSTER_SNAPSHOT: ("RDS DB Cluster Snapshot Event", "CLUSTER_SNAPSHOT"),
    PROXY: ("RDS DB Proxy Event", "DB_PROXY"),
}
"""Type of source -> the detail type and the SourceType of its events on a bus."""


class Known(NamedTuple):
    number: str
    category: str
    matches: re.Pattern[str]


_EVENTS = """
db-instance
0001 backup                backing up DB instance
0002 backup                finished DB instance backup
0003 deletion              DB instance deleted
0004 availability          DB instance shutdown
0005 creation              DB instance created
0006 availability          DB instance (restarted|rebooted)
0007 low storage           (allocated )?storage .*
0011 configuration change  updated to use DBParameterGroup .*
0012 configuration change  applying modification to .*class.*
0014 configuration change  finished applying modification to .*class.*
0013 failover              multi-AZ instance failover started
0015 failover              multi-AZ failover to standby complete.*
0049 failover              multi-AZ instance failover completed
0016 configuration change  reset master credentials
0017 configuration change  finished applying modification to allocated storage
0019 restoration           restored from DB instance .*
0020 recovery              recovery of the DB instance has started.*
0021 recovery              recovery of the DB instance is complete
0024 configuration change  applying modification to convert to a multi-AZ DB instance
0025 configuration change  finished applying modification to convert to a multi-AZ DB instance
0028 configuration change  disabled automated backups
0032 configuration change  enabled automated backups.*
0031 failure               the DB instance has failed.*
0043 restoration           restored from snapshot .*
0046 read replica          the read replica has resumed replication
0057 read replica          replication on the read replica was terminated
0062 read replica          (replication on the read replica was manually stopped|promotion of the read replica is complete)
0078 configuration change  monitoring interval changed to .*
0087 notification          DB instance stopped
0088 notification          DB instance started
0092 configuration change  finished updating DB parameter group
0154 notification          DB instance is being started due to .*
db-cluster
0016 configuration change  reset master credentials
0069 failover              cluster failover failed.*
0070 failover              promoting previous primary again.*
0071 failover              completed failover to DB instance.*
0072 failover              started same AZ failover to DB instance.*
0073 failover              started cross AZ failover to DB instance.*
0150 notification          DB cluster stopped
0151 notification          DB cluster started
0153 notification          DB cluster is being started due to .*
0170 creation              DB cluster created
0171 deletion              DB cluster deleted
0172 notification          renamed (the DB )?cluster.*
0181 global failover       global switchover .*started.*
0182 global failover       .*old primary DB cluster .*shut down.*
0185 global failover       global switchover .*finished.*
0240 global failover       global failover .*started.*
0243 global failover       global failover .*finished.*
db-parameter-group
0037 configuration change  updated parameter .*
db-snapshot
0040 creation              creating manual snapshot
0041 deletion              deleted (user |manual )?snapshot
0042 creation              manual snapshot created
0043 restoration           restored from snapshot .*
0059 notification          started copy of snapshot.*
0060 notification          finished copy of snapshot.*
0090 creation              creating automated snapshot
0091 creation              automated snapshot created
0161 notification          DB snapshot export task completed
0159 notification          DB snapshot export task failed
db-cluster-snapshot
0074 backup                creating manual cluster snapshot
0075 backup                manual cluster snapshot created
0162 notification          cluster snapshot export task failed
0164 notification          cluster snapshot export task completed
0168 backup                creating automated cluster snapshot
0169 backup                automated cluster snapshot created
db-proxy
0203 creation              RDS created DB proxy .*
0204 configuration change  RDS modified DB proxy .*
0205 deletion              RDS deleted DB proxy .*
0206 creation              RDS created endpoint .*
0207 configuration change  RDS modified the endpoint .*
0208 deletion              RDS deleted endpoint .*
0215 configuration change  RDS detected the deletion of .*
"""
_line = re.compile(r"(\d{4}) (\S+(?: \S+)?) {2,}(.*)").fullmatch


@lru_cache(1)
def _known() -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = {}
    kind = ""
    for line in _EVENTS.strip().splitlines():
        parts = _line(line)
        if parts is None:
            kind = line
            continue
        number, category, words = parts.groups()
        found.setdefault(kind, []).append(Known(f"RDS-EVENT-{number}", category.strip(), re.compile(words + r"\.?", re.IGNORECASE)))
    return found


@lru_cache(1024)
def known(kind: str, message: str) -> Known | None:
    """The event that a message tells of; None where AWS has none like it."""
    return next((one for one in _known().get(kind, ()) if one.matches.fullmatch(message)), None)
