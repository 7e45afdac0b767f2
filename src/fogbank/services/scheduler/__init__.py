"""Amazon EventBridge Scheduler: schedules in groups, each of which calls a target by the clock, as its role.

Read in this order: `state` (the model of the data), `addresses` (names and ARNs), `groups`, `schedules` (their operations), `planning`
(when a schedule comes next), `invoking` (what happens then), `universal` (any operation of any service as a target), `encryption`,
`tagging`.

What is not here: templated targets of services that do not exist yet. Quotas on the number of schedules are not imposed.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.scheduler import addresses, groups, invoking, schedules, tagging

SERVICE = Service(
    "scheduler",
    modules=[groups, schedules, invoking, tagging],
    resources=[
        Resource("schedule", arn=addresses.schedule_of_request, tags=addresses.tags_of),
        Resource("schedule-group", arn=addresses.group_of_request, tags=addresses.tags_of),
    ],
)
