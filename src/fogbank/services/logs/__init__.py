"""Amazon CloudWatch Logs: groups, streams and events, filters and subscriptions, Logs Insights.

Read in this order: `state` (the model of the data), `names`, `groups`, `streams`, `tagging`, `keys`; `chunks` (the store of events)
and `encrypting`; `events` (they come in) and `entities`, `reading`, `records`, `pointers` (they are read), `tasks` (they expire).
`arrivals` is what follows when events come in: `metric_filters`, `emf` and `measuring`, `subscriptions` (`ways`, `forwarding`,
`destinations`), `tails`. `patterns/` is the language of filters. `protection` and `identifiers` mask; `policies`, `account_policies`.
`queries`, `query_definitions` and the language in `insights/`; `exports`. `resources` and `filter_resources` are CloudFormation's.

What is not here, and refused by name: the classes DELIVERY and ESSENTIALS, transformers, field indexes, anomaly detectors, deliveries
and integrations, findings of data protection, linked accounts, OpenSearch SQL and PPL.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.logs import (
    account_policies,
    destinations,
    events,
    exports,
    forwarding,
    groups,
    keys,
    metric_filters,
    names,
    policies,
    protection,
    queries,
    query_definitions,
    reading,
    records,
    retention,
    streams,
    subscriptions,
    tagging,
    tails,
    tasks,
)

SERVICE = Service(
    "logs",
    modules=[
        groups,
        retention,
        streams,
        keys,
        tagging,
        events,
        reading,
        metric_filters,
        subscriptions,
        forwarding,
        destinations,
        policies,
        account_policies,
        protection,
        records,
        queries,
        query_definitions,
        exports,
        tails,
        tasks,
    ],
    resources=[
        Resource("log-group", arn=names.group_of_request, tags=names.tags_of_group, policy=policies.policy_of),
        Resource("log-stream", arn=names.stream_of_request, tags=names.tags_of_group, policy=policies.policy_of),
        Resource("destination", arn=names.destination_of_request, tags=names.tags_of_destination, policy=names.policy_of_destination),
    ],
    gather=tails.gather,
)
