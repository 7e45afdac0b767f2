"""AWS Cloud Control API: every resource type that a service declares, made and looked after in one way.

Read in this order: `state` (a request and what became of it), `types` (a type by its name, and states of its resources),
`resources` (GetResource, ListResources), `changes` (CreateResource, UpdateResource, DeleteResource), `work` (the task that carries
a request out, as its caller or its role) and `requests` (what became of requests; CancelResourceRequest).

The types themselves are `services/*/resources.py`; what AWS says of them, `wire.registry`. Types of one's own (TypeVersionId) and
resource models for listing are refused by name; there are no hooks, so no request waits for one.
"""

from fogbank.kernel.operation import Service
from fogbank.services.cloudcontrol import changes, requests, resources, work

SERVICE = Service("cloudcontrol", modules=[resources, changes, requests, work])
