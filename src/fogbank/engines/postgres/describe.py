"""Makes `parameters.json` from what servers say of their own settings: `python -m fogbank.engines.postgres.describe 18 15`."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.postgres.founding import template
from fogbank.engines.postgres.images import copy
from fogbank.engines.postgres.instance import Instance
from fogbank.engines.postgres.programs import binaries

_ASK = (
    "select name, vartype, context, coalesce(unit, ''), case when name like 'lc\\_%' then null else reset_val end, coalesce(min_val, ''),"
    " coalesce(max_val, ''), coalesce(array_to_string(enumvals, ','), ''), short_desc from pg_settings"
    " where context not in ('internal', 'backend') and name not in ('application_name', 'client_encoding') and name not like '%director%'"
    " and name not like '%\\_file' and name <> 'primary_conninfo' order by name"
)


async def told(version: str, folder: Path) -> list[list[object]]:
    """Name, type, context, unit, default, least, most, allowed words, description."""
    found = binaries(version)
    image = await template(folder, found, asyncio.get_running_loop())
    place = folder / version
    place.mkdir()
    await copy(image.folder, place / "data")
    instance = Instance(place, found, asyncio.get_running_loop())
    await instance.start({})
    try:
        async with instance.pool.connection() as connection:
            await connection.one("load 'auto_explain'")
            async with connection.raw.cursor() as cursor:
                await cursor.execute(_ASK)
                return [list(row) for row in await cursor.fetchall()]
    finally:
        await instance.stop()


async def main(versions: list[str]) -> None:
    """Asks a server of each version."""
    folder = Path(tempfile.mkdtemp(prefix="fogbank-describe-", dir="/tmp"))
    folder.chmod(0o755)
    processes.give(folder)
    try:
        majors = {version: await told(version, folder) for version in versions}
    finally:
        shutil.rmtree(folder)
    parts = []
    for version, rows in majors.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        parts.append(f'"{version}":[\n{lines}\n]')
    Path(__file__).with_name("parameters.json").write_text("{" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
