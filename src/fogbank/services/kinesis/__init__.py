"""Amazon Kinesis Data Streams: streams of records, in shards, in order.

Read in this order: `state` (the model of the data); `ranges` (the hash space) and `sequences` (sequence numbers), both arithmetic;
`addresses` (names and ARNs), `faults`; `streams` and `shards`; `putting`, `scaling` (on demand); `iterators` and `reading`;
`consumers` and `subscriptions` (enhanced fan-out); `encrypting`; `settings`, `limits`; `tags`, `policies`, `access` (who may);
`metrics`; `tasks` (what the clock does). As CloudFormation has them: `resources`.

A stream's status is CREATING, UPDATING or DELETING for as long as it takes to carry out the next task. Shards throttle as AWS's do, by
the cloud's clock. Not implemented, and so answered by the
door: channels and queues.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.kinesis import (
    access,
    consumers,
    iterators,
    limits,
    policies,
    putting,
    reading,
    scaling,
    settings,
    shards,
    streams,
    subscriptions,
    tags,
    tasks,
)

SERVICE = Service(
    "kinesis",
    modules=[streams, shards, putting, scaling, iterators, reading, consumers, subscriptions, settings, limits, tags, policies, tasks],
    resources=[
        Resource("stream", arn=access.stream_of_request, tags=access.tags_of, policy=access.policy_of),
        Resource("consumer", arn=access.consumer_of_request, tags=access.tags_of, policy=access.policy_of),
    ],
)
