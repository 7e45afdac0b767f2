"""Amazon EventBridge Schemas: registries of schemas, what discoverers learn of the events on buses, and code for it.

Read in this order: `state` (the model of the data), `addresses` (names and ARNs), `registries`, `schemas` over `contents` (what they say),
`published` (the registry aws.events), `finding` (search and export), `inference` (a schema of examples), `discoverers`,
`discovering`, `bindings` over `code/`, `policies`, `tagging`.

What is not here: that schemas which nobody looks at for two years go.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.schemas import addresses, bindings, discoverers, discovering, finding, policies, registries, schemas, tagging

SERVICE = Service(
    "schemas",
    modules=[registries, schemas, finding, discoverers, discovering, bindings, policies, tagging],
    resources=[
        Resource("registry", arn=addresses.registry_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        Resource("schema", arn=addresses.schema_of_request, tags=addresses.tags_of, policy=addresses.policy_of),
        Resource("discoverer", arn=addresses.discoverer_of_request, tags=addresses.tags_of),
    ],
    gather=discovering.gather,
)
