"""AWS CloudTrail: who called what, when, from where, and what came of it.

The door tells of every call that is over (`Context.tell`); nobody has to ask for it. Read in this order: `state` (the model of the
data), `kinds` (management and data events), `event` and `documents` (an event and its JSON), `chunks` (events as they are kept),
`events` (what comes in, and LookupEvents), `destinations` (where events go), `selectors` and `trails` (which events go where),
`delivering` and `keys` (files in S3, and the digests that prove them). CloudTrail Lake: `stores` and `keeping` (event data stores),
`queries` and `lake` (their SQL).

What is not here: channels, imports, dashboards, federation and generated queries, insights, organization trails and stores.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.cloudtrail import delivering, events, keys, queries, stores, trails

SERVICE = Service(
    "cloudtrail",
    modules=[events, trails, delivering, keys, stores, queries],
    resources=[
        Resource("trail", arn=trails.arn_of_request, tags=trails.tags_of),
        Resource("eventdatastore", arn=queries.arn_of_request, tags=stores.tags_of, policy=stores.policy_of),
    ],
    gather=events.gather,
    follows=events.follows,
    fresh=True,
)
