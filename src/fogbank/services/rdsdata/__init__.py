"""The RDS Data API: SQL over HTTP, for clusters whose HTTP endpoint is enabled.

Read in this order: `state` (open transactions), `addresses` (the cluster and the secret of a request), `parameters` (from `:name` to the
engine's placeholders), `types` and `results` (from rows to Fields), `running` (the engine's part, and its errors), `statements`,
`transactions`.

A statement runs once, outside of the cloud's transaction: a request whose answer is refused for its size has changed what it changed. Its
Secrets Manager secret is read as the caller; the cluster is looked up as this service. Refused by name: ExecuteSql, which is deprecated.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.rdsdata import addresses, statements, transactions

SERVICE = Service(
    "rds-data",
    modules=[statements, transactions],
    resources=[Resource("cluster", arn=addresses.arn_of, tags=addresses.tags_of)],
)
