"""AWS inside SQL: extensions of PostgreSQL, and the files that they hand to services.

`extension/` has what a user installs with `create extension aws_lambda cascade`, written in SQL:

    aws_commons   the types that the others share, and the way out (`_call`): by dblink to the back door of the front
    aws_lambda    `aws_lambda.invoke`
    aws_s3        `aws_s3.table_import_from_s3`, `aws_s3.query_export_to_s3`
    aws_ml        `aws_sagemaker.invoke_endpoint`, `aws_bedrock.invoke_model`, `aws_comprehend.detect_sentiment`
    aurora_stat_utils  `aurora_list_builtins`; Aurora is known by it
    aurora_masters   one of two writers of a cluster (`engines/masters/`): for fogbank only, which makes it there
    aurora_parallel  `aurora_parallel.query`, `aurora_parallel.explain`: by the same way out, to the storage side (`engines/parallel.py`)

`rds.sql`, and `aurora.sql` or `plain.sql`, make what a database has by itself, in all databases of a cluster (`postgres/surroundings.py`).
`substitutes/` has extensions of PostgreSQL's own in SQL, as far as that goes, for servers that were built without them: `uuid-ossp` whole;
of `pgcrypto` what is random, `digest` and `hmac`.

A call is JSON, `{"feature": "Lambda", "call": {"do": "invoke", ...}}`; `services/rds/inside.py` carries it out as the cluster's role for
that feature. An answer with `refused` becomes the error that SQL sees. `files` is how an object's content passes: through a file that the
server's backend has made.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
"""For `extension_control_path` (PostgreSQL 18); what is in its `extension` can also be copied to where the server's extensions are."""
SUBSTITUTES = FOLDER / "substitutes"


def script(name: str) -> str:
    """What makes a database have what it has by itself: "rds", "aurora", "plain"."""
    return (FOLDER / f"{name}.sql").read_text()
