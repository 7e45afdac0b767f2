"""Amazon SNS: topics, subscriptions, messages and where they go.

Read in this order: `state` (the model of the data), `addresses`, `topic_attributes` and `topics`; `endpoints`,
`subscription_attributes`, `subscriptions` and `confirming`; `content`, `publishing` and `fanout` (a message's way), `rendering` and
`envelopes` (what targets get), `targets` (sending), `deliveries` and `retries` (what did not go at once), `replaying` (archives of FIFO
topics). `filters` and `matching` are the language of filter policies; `signing` has the key, `encrypting` what lies on disk, `protection`
data protection policies. `push` and `phones` are mobile push and text messages: they and mail go into an outbox, `letters`.
`status_logs`, `tracing` and `counting` tell of all that.

What is left out: SMS usage reports and SMS delivery logs, audits of sensitive data, push credentials that anybody checks, HTTP digest
authentication. Publishing is not throttled. Signed messages name their certificate on a host of AWS's, as verifiers want it; it is
served at that path here (`signing`).
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.sns import (
    addresses,
    confirming,
    deliveries,
    fanout,
    permissions,
    phones,
    publishing,
    push,
    replaying,
    signing,
    status_logs,
    subscriptions,
    tags,
    tasks,
    topics,
)

SERVICE = Service(
    "sns",
    modules=[
        topics,
        permissions,
        tags,
        subscriptions,
        confirming,
        publishing,
        fanout,
        deliveries,
        replaying,
        push,
        phones,
        status_logs,
        tasks,
    ],
    resources=[Resource("topic", arn=addresses.arn_of_request, tags=addresses.tags_of, standing=addresses.standing)],
    conditions={
        "aws:sourceowner": addresses.source_owner,
        "sns:endpoint": lambda ctx, req: getattr(req, "Endpoint", None),
        "sns:protocol": lambda ctx, req: getattr(req, "Protocol", None),
    },
    site=signing.certificate,
)
