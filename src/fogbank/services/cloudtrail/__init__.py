"""AWS CloudTrail: who called what, when, from where, and what came of it.

The door tells of every call that is over (`Context.tell`); nobody has to ask for it. Read in this order: `state` (the model of the
data), `kinds` (management and data events), `documents` (an event's JSON), `events` (what comes in, and LookupEvents), `selectors` and
`trails` (which events go where), `delivering` and `keys` (files in S3, and the digests that prove them).

What is not here: event data stores, channels, imports and dashboards (CloudTrail Lake), insights, organization trails.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.cloudtrail import delivering, events, keys, trails

SERVICE = Service(
    "cloudtrail",
    modules=[events, trails, delivering, keys],
    resources=[Resource("trail", arn=trails.arn_of_request, tags=trails.tags_of)],
    gather=events.gather,
    follows=events.follows,
    fresh=True,
)
