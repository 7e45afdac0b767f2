"""Amazon EventBridge Pipes: each reads a queue or a stream, filters, enriches, and hands on to a target, as its role.

Read in this order: `state` (the model of the data), `addresses`, `pipes` (the operations, and how states change) over `checks`; `consuming`
(Pipes as a consumer of `delivery.sources`, which reads), `stages` (an execution: enrichment and target), `events` and `inputs` (records and
templates), `logs`, `metrics`, `encryption`, `tagging`.

What is not here: Apache Kafka and Amazon MQ as sources; Step Functions, API Gateway and API destinations as enrichments and targets; the
other targets of services that are not here.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.pipes import addresses, consuming, pipes, tagging

SERVICE = Service(
    "pipes",
    modules=[pipes, consuming, tagging],
    resources=[Resource("pipe", arn=addresses.arn_of_request, tags=addresses.tags_of)],
)
