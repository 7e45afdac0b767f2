"""Amazon DynamoDB: tables, items, indexes, queries, transactions.

Read in this order: `state` (the model of the data), `values` and `numbers` (attribute values), `schema` (a table, compiled: where
items go), `addresses` (names and ARNs); `expressions/` (the language); `bodies`, `changes` (how an item is written: the one way)
and `items`; `reading` and `query`; `batches`, `transactions`; `partiql/`,
`executing`, `statements` (PartiQL); `capacity` (units and throttling), `collections`.
Tables: `definitions`, `tables`, `updates`, `descriptions`, `counts`, `tasks`. Who may: `policies`, `tags`, `access`; `encryption`.

An index is never behind its table, so an eventually consistent read is as good as a consistent one, and costs half.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.dynamodb import (
    access,
    addresses,
    backups,
    batches,
    counts,
    exporting,
    exports,
    importing,
    imports,
    items,
    limits,
    policies,
    query,
    recovery,
    replicas,
    restoring,
    statements,
    streaming,
    tables,
    tags,
    tasks,
    transactions,
    ttl,
    updates,
)
from fogbank.services.dynamodb.streams_manifest import DYNAMODBSTREAMS

__all__ = ["DYNAMODBSTREAMS", "SERVICE"]

SERVICE = Service(
    "dynamodb",
    modules=[tables, updates, items, query, batches, transactions, statements, tags, policies, limits, counts, tasks, streaming, ttl, backups, recovery, restoring, replicas, exports, exporting, imports, importing],
    resources=[
        Resource("table", arn=addresses.table_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        Resource("index", arn=addresses.index_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        Resource("backup", arn=addresses.member("BackupArn")),
        Resource("export", arn=addresses.member("ExportArn")),
        Resource("import", arn=addresses.member("ImportArn")),
    ],
    conditions=access.CONDITIONS,
    keeps=recovery.keeps,
)
