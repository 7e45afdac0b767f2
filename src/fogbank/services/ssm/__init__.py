"""AWS Systems Manager: its Parameter Store.

Read in this order: `state` (the model of the data), `names` (names, ARNs, selectors), `values` and `encryption` (what a
parameter holds); `putting`, `reading` and `filters`, `removing`; `labels`, `tagging`, `sharing`, `settings`; `expiration` (what
the clock does), `announcing` (what EventBridge is told); `infrastructure` (public parameters) and `references` (secrets as parameters).

What is not here: all else of Systems Manager; public parameters other than the global infrastructure's (those of images, above
all). Quotas on calls are not imposed.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.ssm import announcing, expiration, filters, labels, names, putting, reading, removing, settings, sharing, tagging

SERVICE = Service(
    "ssm",
    modules=[putting, reading, removing, labels, tagging, sharing, settings, expiration, announcing],
    resources=[
        Resource("parameter", arn=names.arn_of_request, tags=names.tags_of, policy=names.policy_of),
        Resource("servicesetting", arn=settings.arn_of_request),
    ],
    conditions={
        "ssm:overwrite": lambda ctx, req: None if ctx.operation != "PutParameter" else "true" if req.Overwrite else "false",
        "ssm:policies": lambda ctx, req: getattr(req, "Policies", None),
        "ssm:recursive": filters.recursive_key,
    },
)
