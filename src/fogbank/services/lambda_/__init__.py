"""AWS Lambda.

Read in this order: `state` (the model of the data), `addresses` (names and ARNs); `functions`, `updating`, `publishing`, `aliases` and
`layers` (what there is), over `checks`, `roles`, `packages`, `encryption` and `runtimes`; `permissions`, `concurrency`, `provisioned`,
`event_invokes`, `signing`, `settings` (what is said of it); `invoking`, `running` and `making` (an invocation), over `memory`, `lineage`,
`tracing`, `metrics` and `logs`; `events` (asynchronous ones); `urls`, `visits` and `exchange` (function URLs); `sources` (queues and
streams that are read); `resources` and `inline` (CloudFormation).
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.lambda_ import (
    addresses,
    aliases,
    concurrency,
    event_invokes,
    events,
    functions,
    invoking,
    layers,
    logs,
    permissions,
    provisioned,
    publishing,
    settings,
    signing,
    tasks,
    updating,
    urls,
    visits,
)
from fogbank.services.lambda_.sources import consuming, mappings

SERVICE = Service(
    "lambda",
    modules=[
        functions,
        updating,
        publishing,
        aliases,
        layers,
        permissions,
        concurrency,
        provisioned,
        event_invokes,
        signing,
        settings,
        urls,
        invoking,
        events,
        tasks,
        mappings,
        consuming,
    ],
    resources=[
        Resource("function", arn=addresses.arn_of_request, tags=addresses.tags_of, policy=permissions.policy_of),
        Resource("function alias", arn=addresses.arn_of_request, tags=addresses.tags_of),
        Resource("layer", arn=layers.layer_of_request),
        Resource("layerVersion", arn=layers.version_of_request, policy=layers.policy_of),
        Resource("eventSourceMapping", arn=mappings.arn_of_request, tags=settings.tags_of),
        Resource("code signing config", arn=settings.config_of_request, tags=settings.tags_of),
    ],
    conditions={"lambda:functionarn": mappings.function_arn},
    site=visits.site,
    origins=visits.origins,
    gather=logs.gather,
)
