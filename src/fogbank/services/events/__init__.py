"""Amazon EventBridge: buses, rules and their targets, archives and replays, API destinations, partner event sources.

Read in this order: `state` (the model of the data), `addresses` (names and ARNs), `buses`, `rules`, `rule_targets`; `putting`, `event`,
`routing` and `delivering` (an event's way), `inputs` (what a target gets of it), `scheduling` (rules by the clock), `forwarding` (from bus
to bus), `tasks`; `archives`, `archiving` and `replays`; `connections`, `credentials` and `destinations` (HTTP endpoints); `sources`
(partners); `permissions`, `conditions`, `encryption`, `tagging`, `metrics`.

What is not here: global endpoints (they stand on Route 53's health checks), targets of services that do not exist yet, private
connectivity, and the logging of buses (vended log delivery).
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.events import (
    addresses,
    archives,
    archiving,
    buses,
    conditions,
    connections,
    destinations,
    permissions,
    putting,
    replays,
    rule_targets,
    rules,
    scheduling,
    sources,
    tagging,
    tasks,
)
from fogbank.services.events.state import DEFAULT

SERVICE = Service(
    "events",
    modules=[
        buses,
        permissions,
        rules,
        rule_targets,
        putting,
        scheduling,
        tasks,
        archives,
        archiving,
        replays,
        connections,
        destinations,
        sources,
        tagging,
    ],
    resources=[
        Resource("event-bus", arn=addresses.bus_of_request, tags=addresses.bus_tags, policy=addresses.bus_policy),
        Resource("rule-on-default-event-bus", arn=addresses.rule_of(DEFAULT), tags=addresses.rule_tags, policy=addresses.rule_policy),
        Resource("rule-on-custom-event-bus", arn=addresses.rule_of("custom"), tags=addresses.rule_tags, policy=addresses.rule_policy),
        Resource("archive", arn=addresses.archive_of_request),
        Resource("replay", arn=addresses.named("replay", "ReplayName")),
        Resource("connection", arn=addresses.connection_of_request),
        Resource("api-destination", arn=addresses.destination_of_request),
        Resource("event-source", arn=addresses.source_of_request),
    ],
    conditions=conditions.KEYS,
)
