"""Amazon Data Firehose: records gathered, transformed, and delivered to S3 and to HTTP endpoints.

Read in this order: `state` (the model of the data: lanes and parcels), `addresses`, `faults`; `streams`, `destinations`, `tags`;
`putting` and `sources` (how records come in), `ingesting`, `lanes` (buffers); `processing`, `prefixes`, `compressing` (arithmetic);
`transforming` (functions), `delivering`, `endpoints`, `logging`; `encrypting`, `metrics`, `tasks`. As CloudFormation has them:
`resources`.

Records of one delivery are one object, or one request; an object and the disappearance of its records from the buffer are one
transaction, so nothing is delivered twice to S3 or lost. Refused by name: other destinations, MSK and databases as sources, and the
conversion of formats, whose schema would be a table of Glue.
"""

from fogbank.kernel.operation import Resource, Service
from fogbank.services.firehose import addresses, delivering, lanes, putting, sources, streams, tasks

SERVICE = Service(
    "firehose",
    modules=[streams, putting, sources, lanes, delivering, tasks],
    resources=[Resource("deliverystream", arn=addresses.arn_of_request, tags=addresses.tags_of)],
)
