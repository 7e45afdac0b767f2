"""MariaDB compute nodes: an unmodified mariadbd whose disk is a cache of a volume. It serves aurora-mysql, and RDS's mysql and mariadb.

In reading order:

    programs.py     which MariaDB: the system's, or packages that were unpacked into a folder
    accounts.py     the accounts in it (`rdsadmin`, the roles of Aurora), and the master user
    images.py       data directories that do not change: the template, copies, and such as were brought forward along the log
    settings.py     what mariadbd is started with: of the house, of the cluster
    connections.py  SQL to it, over its unix socket
    replica.py      feeding a server with a volume's log, up to the end or to a position; and where it is
    instance.py     one server: started as writer or as reader, recovered to an instant, promoted, stopped, killed
    parameters.py   parameter groups as RDS describes them: pure, the service reads it too (`parameters.json` is made by `describe.py`)

`processes.owner()` owns all that MariaDB writes. A position of a volume is (timeline, bytes of its log); MariaDB's own, file and offset
of the binlog, are the volume's process's to translate (`engines.binlog`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fogbank.engines.mariadb.connections import Connection, connect
    from fogbank.engines.mariadb.images import Image, begins, copy, template
    from fogbank.engines.mariadb.instance import Instance, image
    from fogbank.engines.mariadb.programs import Binaries, binaries

__all__ = ["Binaries", "Connection", "Image", "Instance", "begins", "binaries", "connect", "copy", "image", "template"]

_HOMES = {
    "programs": ("Binaries", "binaries"),
    "connections": ("Connection", "connect"),
    "images": ("Image", "begins", "copy", "template"),
    "instance": ("Instance", "image"),
}


def __getattr__(name: str) -> Any:
    """Imported when first asked for: the service reads `parameters` on machines that have no PyMySQL."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{home}"), name)
    raise AttributeError(name)
