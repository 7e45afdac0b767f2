"""AWS X-Ray: traces of what happens in the cloud.

Every call through the door that is followed is a segment by itself (`gateway.tracing` decides, by the Default sampling rule or the
caller's header); applications add theirs. Read in this order: `state` (the model of the data), `segments` and `spans` (what comes in),
`traces` (a trace as a whole), `summaries` and `filters` (finding traces), `graph` (the map), `sampling`, `groups`, `insights` and
`looking` (when services fail far more than before), `encryption`, `tasks`.

What is not here: transaction search (indexing rules, retrieval, segments in CloudWatch Logs), resource policies (no service of ours
sends segments by an account's leave).
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.xray import encryption, graph, groups, insights, looking, sampling, segments, summaries, tasks

SERVICE = Service(
    "xray",
    modules=[segments, summaries, graph, sampling, groups, encryption, insights, looking, tasks],
    resources=[
        Resource("group", arn=groups.arn_of_request, tags=groups.tags_of),
        Resource("sampling-rule", arn=sampling.arn_of_request, tags=groups.tags_of),
    ],
    gather=segments.gather,
    resolve=segments.before_reading,
    fresh=True,
    rates=sampling.rates,
)
