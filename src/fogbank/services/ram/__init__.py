"""AWS Resource Access Manager: resources that other accounts may use, in shares to which they are invited.

Read in this order: `state` (the model of the data), `kinds` (what can be shared, and how its service is asked for it), `addresses`
(ARNs and pages), `requests` (for the door), `tokens` (the same request twice), `associating` (what comes into a share and leaves it),
`shares`, `associations`, `invitations` (the operations), `permissions` (and the policies that come of shares).

RAM only knows who may use what; the resource's own service lets them in. It asks RAM, as itself, by ListResources and
GetResourcePolicies, and has it know by the task "ram.gone" when a resource is no more.

What is not here: organizations and their units, users, roles and services as principals; permissions that people make themselves;
resources other than Aurora clusters; events on the default bus.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.ram import associating, associations, invitations, permissions, requests, shares, tokens

SERVICE = Service(
    "ram",
    modules=[shares, associations, invitations, permissions, associating, tokens],
    resources=[
        Resource("resource-share", arn=requests.named("resourceShareArn"), tags=requests.tags_of, grants=requests.invited),
        Resource("resource-share-invitation", arn=requests.named("resourceShareInvitationArn"), grants=requests.invited),
        Resource("permission", arn=requests.named("permissionArn"), owner=lambda ctx, arn: ctx.account),
    ],
    conditions=requests.CONDITIONS,
)
