"""Performance Insights: what the sessions of a database were doing, second by second.

Read in this order: `state` (the model of the data), `engines` (what is asked of an engine), `sampling` (tasks: `services/rds` begins and
ends them), `rolling` (minutes and hours), `sources` (what a request is about), `dimensions`; then the operations, `metrics`, `keys`,
`listing`.

What is sampled is what the engine shows of its sessions (pg_stat_activity, the processlist), its counters (pg_stat_database, status
variables), and for PostgreSQL what statements did (pg_stat_statements).

What is not here: clients' hosts (db.host: all connect from this machine), performance analysis reports and their tags, counters of the
operating system, statistics of single statements (db.sql.stats), execution plans, lock snapshots, and who blocks whom.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.pi import keys, listing, metrics, sampling, sources

SERVICE = Service(
    "pi",
    modules=[sampling, metrics, keys, listing],
    resources=[Resource("metric-resource", arn=sources.arn_of)],
    conditions={"pi:dimensions": sources.dimensions_of},
)
