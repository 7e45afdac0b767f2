"""Which MariaDB there is.

The system's (`mariadb-server-core` and `mariadb-client-core` are enough: no service of the system is needed), or the same packages unpacked
into a folder, which no root is needed for: `FOGBANK_MARIADB` names it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fogbank.engines.spec import Failed

_INSTALL = "apt install mariadb-server-core mariadb-client-core, or unpack these packages into a folder and name it in FOGBANK_MARIADB"
_PLACES = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/usr/local/mysql/bin", "/opt/mariadb/bin")


class Binaries(NamedTuple):
    """MariaDB's programs. server, install: mariadbd and mariadb-install-db; prefix: where packages were unpacked, None: the system's."""

    server: Path
    install: Path
    version: str
    prefix: Path | None = None

    @property
    def options(self) -> list[str]:
        """What tells an unpacked server where its own files are."""
        if self.prefix is None:
            return []
        usr = self.prefix / "usr"
        return [f"--basedir={usr}", f"--lc-messages-dir={usr}/share/mysql", f"--plugin-dir={usr}/lib/mysql/plugin"]

    @property
    def environment(self) -> dict[str, str]:
        """So that an unpacked server finds its libraries."""
        if self.prefix is None:
            return {}
        return {"LD_LIBRARY_PATH": ":".join(str(folder) for folder in sorted(self.prefix.glob("usr/lib/*-linux-gnu")))}


def binaries(version: str = "") -> Binaries:
    """The MariaDB to use for a version: "" or one of MySQL's ("8.0.39", "8.0.mysql_aurora.3.08.0"): what there is. Failed: what to install.

    MySQL itself is not served: its versions name the dialect that an application expects, which MariaDB speaks for the most part.
    """
    if importlib.util.find_spec("pymysql") is None:
        raise Failed("MariaDB is spoken to with PyMySQL, which is not installed: pip install pymysql.")
    found = _found(os.environ.get("FOGBANK_MARIADB", ""))
    if found is None:
        raise Failed(f"There is no MariaDB on this machine: {_INSTALL}.")
    wanted = re.match(r"(1\d\.\d+)", version)
    if wanted is not None and not found.version.startswith(wanted[1] + "."):
        raise Failed(f"MariaDB {wanted[1]} is not on this machine, which has {found.version}: install it, or ask for that one.")
    return found


@lru_cache(4)
def _found(prefix: str) -> Binaries | None:
    if prefix:
        return _read(Path(prefix) / "usr/sbin/mariadbd", Path(prefix) / "usr/bin/mariadb-install-db", Path(prefix))
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    server, install = shutil.which("mariadbd", path=path), shutil.which("mariadb-install-db", path=path)
    return _read(Path(server), Path(install)) if server and install else None


def _read(server: Path, install: Path, prefix: Path | None = None) -> Binaries | None:
    if not server.exists() or not install.exists():
        return None
    found = Binaries(server, install, "", prefix)
    told = subprocess.run(
        [server, "--no-defaults", *found.options, "--version"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **found.environment},
    ).stdout
    match = re.search(r"Ver (\d+\.\d+\.\d+)-MariaDB", told)
    return found._replace(version=match[1]) if match else None
