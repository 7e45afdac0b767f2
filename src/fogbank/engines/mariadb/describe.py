"""Makes `parameters.json` from what a server says of its own variables: `python -m fogbank.engines.mariadb.describe SOCKET`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from fogbank.engines.mariadb import settings
from fogbank.engines.mariadb.connections import Pool

_ASK = (
    "SELECT LOWER(VARIABLE_NAME), DEFAULT_VALUE, VARIABLE_TYPE, COALESCE(NUMERIC_MIN_VALUE, ''), COALESCE(NUMERIC_MAX_VALUE, ''),"
    " COALESCE(ENUM_VALUE_LIST, ''), READ_ONLY, VARIABLE_COMMENT FROM information_schema.SYSTEM_VARIABLES"
    " WHERE VARIABLE_SCOPE != 'SESSION ONLY' AND (READ_ONLY = 'NO' OR COMMAND_LINE_ARGUMENT IS NOT NULL) ORDER BY 1"
)
_PLACES = ("dir", "file", "path", "socket", "port", "address", "user", "host")
"""What ends like this is about the machine, which RDS lets nobody change."""


def rows(found: list[tuple[str, ...]]) -> list[list[object]]:
    """Name, default, type, least, most, allowed values, whether it can be set while it runs, whether at all, description."""
    made: list[list[object]] = []
    for name, default, kind, least, most, allowed, fixed, comment in found:
        modifiable = not settings.fixed(name) and not name.endswith(_PLACES)
        dynamic = fixed == "NO"
        made.append([name, default or "", kind, str(least), str(most), allowed, int(dynamic), int(modifiable), " ".join(comment.split())])
    return made


async def main(socket: Path) -> None:
    result = await Pool(socket).run(_ASK)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows(result.rows))
    Path(__file__).with_name("parameters.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
