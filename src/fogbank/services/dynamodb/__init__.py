"""Amazon DynamoDB: tables, items, indexes, queries, transactions.

Read in this order: `state` (the model of the data), `values` and `numbers` (attribute values), `schema` (a table, compiled: where
items go), `addresses` (names and ARNs), `faults` (the refusals that all share); `expressions/` (the language); `bodies`, `changes`
(how an item is written: the one way) and `items`; `reading` and `query`; `batches`, `transactions`; `partiql/`, `executing`,
`statements` (PartiQL); `capacity` (units and throttling), `collections`.
Tables: `definitions`, `tables`, `updates`, `descriptions`, `counts`, `tasks`, `limits`. Who may: `policies`, `tags`, `access`;
`encryption`. As CloudFormation has them: `resources`, `resource_parts`.

With time: `timeline` (its model), `following` (whom `changes` tells of a change); `streaming` and `streams` (a service of its own);
`expiring` and `ttl`; `replicating` and `replicas` (global tables); `copying`, `restoring`, `backups`, `recovery`;
`transfers`, `exports` and `exporting`, `imports` and `importing`; `feeding` and `destinations` (changes into Kinesis);
`insights`; `metrics` (what CloudWatch is told).

Not implemented, and so answered by the door: global tables of version 2017.11.29, auto scaling of replicas, searching vectors, bulk
operations.

An index is never behind its table, so an eventually consistent read is as good as a consistent one, and costs half.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.dynamodb import (
    access,
    addresses,
    backups,
    batches,
    counts,
    destinations,
    exporting,
    exports,
    feeding,
    importing,
    imports,
    insights,
    items,
    limits,
    policies,
    query,
    recovery,
    replicas,
    restoring,
    statements,
    streaming,
    streams,
    tables,
    tags,
    tasks,
    transactions,
    ttl,
    updates,
)

__all__ = ["DYNAMODBSTREAMS", "SERVICE"]

STREAM = Resource("stream", arn=streams.of_request, policy=streams.policy_of)

SERVICE = Service(
    "dynamodb",
    counted_by="TableName",
    modules=[
        tables,
        updates,
        items,
        query,
        batches,
        transactions,
        statements,
        tags,
        policies,
        limits,
        counts,
        tasks,
        streaming,
        ttl,
        backups,
        recovery,
        restoring,
        replicas,
        exports,
        exporting,
        imports,
        importing,
        destinations,
        feeding,
        insights,
    ],
    resources=[
        Resource("table", arn=addresses.table_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        Resource("index", arn=addresses.index_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        STREAM,
        Resource("backup", arn=addresses.member("BackupArn")),
        Resource("export", arn=addresses.member("ExportArn")),
        Resource("import", arn=addresses.member("ImportArn")),
    ],
    conditions=access.CONDITIONS,
    keeps=recovery.keeps,
)

DYNAMODBSTREAMS = Service("dynamodbstreams", modules=[streams], resources=[STREAM])
"""A service of its own over the same state."""
