"""Amazon SQS: standard and FIFO queues, dead letters, redrive.

Read in this order: `state` (the model of the data), `addresses` (URLs and ARNs), `attributes` and `queues`;
`messages`, `sending`, `receiving` and `leases` (a message's life), `encrypting`, `groups` and `deduplication` (FIFO);
`permissions`, `tags`; `moves` (redrive tasks), `tasks` (what the clock does) and `metrics` (what CloudWatch is told).
`content`, `handles` and `batches` are the arithmetic: MD5s, receipt handles, the semantics of a batch.

What a queue does not do here. Throughput quotas (RequestThrottled) are not imposed. Fair queues: `MessageGroupId` of a
standard queue is kept and given back; messages are given in the order in which they became visible, whoever's they are.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.sqs import addresses, leases, metrics, moves, permissions, queues, receiving, sending, tags, tasks

SERVICE = Service(
    "sqs",
    modules=[queues, sending, receiving, leases, permissions, tags, moves, tasks, metrics],
    resources=[Resource("queue", arn=addresses.arn_of_request, tags=addresses.tags_of, policy=addresses.policy_of)],
)
