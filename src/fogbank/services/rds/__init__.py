"""Amazon RDS and Aurora: database clusters and instances that run.

Read in this order: `state` (the model of the data), `addresses` (names, ARNs, addresses), `requests` (for the door), `faults`; `wanted`
and `converging` (from rows to the engines and back), `keeping`, `volumes` and `deleting`; `making`, `clusters`, `instances`, `changing`
and `describing` (what there is), over `passwords`, `linked`, `windows` and `roles`; `failover`, `power`, `endpoints` and `scaling` (how
it runs); `snapshots`, `restoring`, `backtracks`, `backups`, `staging`, `exports` (time), `sharing` (across accounts); `repeating`,
`replicas`, `global_members` and `global_clusters` (what repeats another); `planning` and `clockwork` (what the clock does); `readings`,
`counters`, `metrics`, `proxy_metrics`, `monitoring` with `os_metrics`, `log_lines` and `log_exports` (what is measured); then
`surroundings`: parameter, option and subnet groups, events, tags, engine versions, proxies, activity streams; `inside` (calls out of SQL)
and `front`; `resources` (CloudFormation).

What is not here: Oracle, SQL Server, Db2 and RDS Custom; Multi-AZ DB clusters; Aurora Serverless v1; encryption under keys of one's own;
blue/green deployments, integrations, shard groups, reserved instances.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.rds import (
    backtracks,
    backups,
    clockwork,
    clusters,
    converging,
    endpoints,
    exports,
    failover,
    front,
    global_clusters,
    inside,
    instances,
    keeping,
    log_exports,
    metrics,
    monitoring,
    power,
    replicas,
    requests,
    restoring,
    roles,
    snapshots,
    staging,
    surroundings,
    tagging,
    volumes,
)

_GRANTS = {"cluster": requests.open_to, "cluster-snapshot": requests.shared, "snapshot": requests.shared}

SERVICE = Service(
    "rds",
    modules=[
        clusters,
        instances,
        converging,
        volumes,
        failover,
        power,
        endpoints,
        roles,
        snapshots,
        restoring,
        backtracks,
        backups,
        staging,
        exports,
        replicas,
        global_clusters,
        clockwork,
        inside,
        keeping,
        log_exports,
        metrics,
        monitoring,
        *surroundings.MODULES,
    ],
    resources=[
        *(Resource(kind, arn=find, tags=tagging.tags_of, grants=_GRANTS.get(kind)) for kind, find in requests.ARNS.items()),
        *surroundings.RESOURCES,
    ],
    conditions=requests.CONDITIONS | surroundings.CONDITIONS,
    site=front.site,
)
