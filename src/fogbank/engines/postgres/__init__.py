"""PostgreSQL compute nodes: an unmodified postmaster whose disk is a cache of a volume.

In reading order:

    programs.py     which PostgreSQL: the wheel's or the system's; made a place of our own, with the extensions that RDS has
    founding.py     an empty database as RDS hands it out, made once; every new volume begins as a copy of it
    roles.py        the roles in it (`rdsadmin`, `rds_superuser`, ...), who may come in how, and the master user
    surroundings.py what RDS and Aurora have in every database, made where it is not there yet
    control.py      what a data directory says of itself without being started
    images.py       data directories that do not change: copied, taken from a running writer
    coalescing.py   an image brought forward along the log
    settings.py     what postgresql.conf says: of the house, of the cluster, of how it is started
    instance.py     one postmaster: started as writer or as reader, promoted, stopped, killed
    limits.py       what a standby may not have less of than its writer
    recovery.py     a writer that repeats the log to an instant or a position first
    connections.py  SQL to it, over its unix socket
    logs.py         its log files
    parameters.py   parameter groups as RDS describes them: pure, the service reads it too (`parameters.json` is made by `describe.py`)

`processes.owner()` owns all that PostgreSQL writes: it refuses to be root. Positions are LSNs, timelines PostgreSQL's own.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fogbank.engines.postgres.coalescing import image
    from fogbank.engines.postgres.connections import Connection, connect
    from fogbank.engines.postgres.founding import template
    from fogbank.engines.postgres.images import Image, backup, begins, copy
    from fogbank.engines.postgres.instance import Instance
    from fogbank.engines.postgres.programs import Binaries, binaries

__all__ = ["Binaries", "Connection", "Image", "Instance", "backup", "begins", "binaries", "connect", "copy", "image", "template"]

_HOMES = {
    "programs": ("Binaries", "binaries"),
    "coalescing": ("image",),
    "connections": ("Connection", "connect"),
    "images": ("Image", "backup", "begins", "copy"),
    "instance": ("Instance",),
    "founding": ("template",),
}


def __getattr__(name: str) -> Any:
    """Imported when first asked for: the service reads `parameters` on machines that have no psycopg."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(name)
