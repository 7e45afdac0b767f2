"""What a database of RDS has by itself, beside PostgreSQL's own: RDS's parameters and rights, Aurora's functions (`engines/inside`).

Made in every database that is there, templates too: of a new volume all are, as Aurora's (`founding`). The comment on the house's own
database says what was made.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from fogbank.engines.inside import script
from fogbank.engines.postgres.connections import SUPERUSER, Pool, connect

_OTHERS = f"select array_agg(datname::text) from pg_database where datallowconn and datname <> '{SUPERUSER}'"
_MADE = f"select shobj_description(oid, 'pg_database') from pg_database where datname = '{SUPERUSER}'"
_CLOSED = "template0"


async def prepare(pool: Pool, socket: Path, *, aurora: bool) -> None:
    """Makes what is not there yet, and takes away what is Aurora's only where it is none. Raises psycopg.Error."""
    wanted = script("rds") + script("aurora" if aurora else "plain")
    mark = f"surroundings {crc32(wanted.encode()):08x}"
    async with pool.connection(SUPERUSER) as own:
        if await own.one(_MADE) == mark:
            return
        await own.one(f"alter database {_CLOSED} allow_connections true")
        for database in await own.one(_OTHERS):
            connection = await connect(socket, database=database)  # (not kept: nobody copies a template that somebody is in)
            try:
                await connection.one(wanted)
            finally:
                await connection.close()
        await own.one(f"alter database {_CLOSED} allow_connections false; comment on database {SUPERUSER} is '{mark}'")
