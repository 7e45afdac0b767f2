"""Engine versions: those that the programs on this machine can run, and no other.

PostgreSQL goes by the version it has. MariaDB also stands in for MySQL 8.0 and Aurora MySQL 3, whose newest version each is called by:
their description says what it really is. A major version alone stands for its newest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from fogbank.engines.kinds import kind
from fogbank.engines.postgres import programs
from fogbank.engines.spec import Failed
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation
from fogbank.kernel.operation import Answer, operation
from fogbank.services.rds import addresses, certificates, instance_classes, masters
from fogbank.services.rds.faults import ENGINES, combination, invalid

_DESCRIPTIONS = {
    "aurora-mysql": "Aurora MySQL",
    "aurora-postgresql": "Aurora (PostgreSQL)",
    "mariadb": "MariaDb Community Edition",
    "mysql": "MySQL Community Edition",
    "postgres": "PostgreSQL",
}
_STANDS_FOR = {"aurora-mysql": ("8.0.mysql_aurora.3.10.0", "8.0"), "mysql": ("8.0.42", "8.0")}
_LOGS = {
    "aurora-mysql": ["audit", "error", "general", "slowquery"],
    "aurora-postgresql": ["postgresql"],
    "mariadb": ["audit", "error", "general", "slowquery"],
    "mysql": ["audit", "error", "general", "slowquery"],
    "postgres": ["postgresql", "upgrade"],
}
LICENSES = {"aurora-postgresql": "postgresql-license", "postgres": "postgresql-license"}


class Version(NamedTuple):
    """`major`: by which its parameter group family and option groups go; `really`: the version of the program."""

    engine: str
    version: str
    major: str
    really: str

    @property
    def family(self) -> str:
        return f"{self.engine}{self.major}"

    @property
    def aurora(self) -> bool:
        return self.engine.startswith("aurora")


@lru_cache(1)
def _versions() -> dict[str, tuple[Version, ...]]:
    """Engine -> its versions, the default first; and none where its program is not on this machine."""
    found: dict[str, list[Version]] = {engine: [] for engine in ENGINES}
    for number in programs.majors():
        version = programs.binaries(str(number)).version
        for engine in ("aurora-postgresql", "postgres"):
            found[engine].append(Version(engine, version, str(number), version))
    try:
        really = kind("mariadb").engine.binaries("").version
    except Failed:
        return {engine: tuple(versions) for engine, versions in found.items()}
    found["mariadb"].append(Version("mariadb", really, ".".join(really.split(".")[:2]), really))
    for engine, (version, major) in _STANDS_FOR.items():
        found[engine].append(Version(engine, version, major, really))
    return {engine: tuple(versions) for engine, versions in found.items()}


def every() -> list[Version]:
    """All versions that there are, by engine and number."""
    return sorted(version for engine in ENGINES for version in _versions()[engine])


def engine_of(engine: str) -> str:
    """What runs an engine: "postgres" or "mariadb"."""
    return ENGINES[engine]


def really(engine: str, version: str) -> str:
    """The version of the program that runs what is described as a version; "" where there is none now."""
    found = find(engine, version)
    return version if found is None and ENGINES[engine] == "postgres" else found.really if found is not None else ""


def as_described(engine: str, running: str) -> str:
    """What a version of the program that runs is described as; "" where that is not known."""
    return next((one.version for one in _versions().get(engine, ()) if one.really == running), "")


def find(engine: str, asked: str | None) -> Version | None:
    """A version by its number or by its major version; the default one where nothing is asked for."""
    versions = _versions().get(engine, ())
    return next((one for one in versions if asked in (None, one.version, one.major)), None)


def version_at(ctx: Context, engine: str, asked: str | None) -> Version:
    """Errors: InvalidParameterCombination; NotImplemented, where the engine's program is not on this machine."""
    found = find(engine, asked)
    if found is not None:
        return found
    if not _versions()[engine]:
        try:
            kind(ENGINES[engine]).engine.binaries("")
        except Failed as failed:
            raise NotImplementedOperation("rds", ctx.operation, f"with Engine {engine} on this machine: {failed}") from None
    there = ", ".join(one.version for one in _versions()[engine])
    raise combination(f"Cannot find version {asked} for {engine}. What this machine can run: {there}")


def chosen(ctx: Context, engine: str, asked: str | None) -> str:
    """The full number of the version to be used. Errors: InvalidParameterCombination, NotImplemented."""
    return version_at(ctx, engine, asked).version


def check_upgrade(ctx: Context, engine: str, before: str, after: str, major_allowed: bool) -> None:
    """Raises where a cluster cannot go from one version to another. There is one minor version of each major one.

    Errors: InvalidParameterCombination, NotImplemented.
    """
    version = version_at(ctx, engine, after)
    old = find(engine, before)
    if old is not None and version.version == old.version:
        return
    if version.major == (old.major if old is not None else before.split(".")[0]):
        return  # another minor version is on the machine now than when the cluster was made
    if not major_allowed:
        raise combination("The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.")
    raise NotImplementedOperation(
        "rds", ctx.operation, f"with an upgrade from {before} to {after}: another major version needs another volume"
    )


def check_class(engine: str, version: str, klass: str) -> None:
    """Errors: InvalidParameterValue, InvalidParameterCombination."""
    if klass not in instance_classes.CLASSES:
        raise invalid(f"Invalid DB Instance class: {klass}")
    if not instance_classes.offered(engine, klass):
        raise combination(
            f"RDS does not support creating a DB instance with the following combination: DBInstanceClass={klass}, Engine={engine},"
            f" EngineVersion={version}, LicenseModel={LICENSES.get(engine, 'general-public-license')}. For supported combinations of"
            " instance class and database engine version, see the documentation."
        )


def _described(one: Version, *, characters: bool) -> dict[str, Any]:
    title = _DESCRIPTIONS[one.engine]
    said = f"{title} {one.version}" if one.version == one.really else f"{title} (served by MariaDB {one.really})"
    logs = [log for log in _LOGS[one.engine] if log == "postgresql" or one.engine != "postgres"]
    utf8 = {"CharacterSetName": "utf8mb4", "CharacterSetDescription": "UTF-8 Unicode"}
    return {
        "Engine": one.engine,
        "MajorEngineVersion": one.major,
        "EngineVersion": one.version,
        "DBParameterGroupFamily": one.family,
        "DBEngineDescription": title,
        "DBEngineVersionDescription": said,
        "ValidUpgradeTarget": [],
        "ExportableLogTypes": logs,
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": not one.aurora,
        "SupportedEngineModes": masters.modes(one.engine, one.version),
        "SupportedFeatureNames": ["Lambda", "s3Export", "s3Import"] if ENGINES[one.engine] == "postgres" else [],
        "SupportedCharacterSets": [utf8] if characters and one.engine == "mariadb" else None,
        "Status": "available",
        "SupportsParallelQuery": False,
        "SupportsGlobalDatabases": one.aurora,
        "SupportsBabelfish": False,
        "SupportsLimitlessDatabase": False,
        "SupportsLocalWriteForwarding": False,
        "SupportsIntegrations": False,
        "SupportsCertificateRotationWithoutRestart": True,
        "SupportedCACertificateIdentifiers": list(certificates.AUTHORITIES),
        "ServerlessV2FeaturesSupport": {"MinCapacity": 0, "MaxCapacity": 256} if one.aurora else None,
    }


@operation("DescribeDBEngineVersions")
def describe_db_engine_versions(ctx: Context, req: Any) -> Answer:
    """The versions that this machine's programs can run: of an engine, of a parameter group family, or only the default one.

    An engine or version that is not there is no error: there are none of it.

    Errors: InvalidParameterValue. Source: API reference, DescribeDBEngineVersions.
    """
    wanted = addresses.filters(req, ("db-parameter-group-family", "engine", "engine-mode", "engine-version", "status"))

    def passes(one: Version) -> bool:
        said = {"db-parameter-group-family": one.family, "engine": one.engine, "engine-mode": "provisioned", "status": "available"}
        return (
            req.Engine in (None, one.engine)
            and req.EngineVersion in (None, one.version, one.major)
            and req.DBParameterGroupFamily in (None, one.family)
            and (not req.DefaultOnly or one == find(one.engine, req.EngineVersion))
            and all(
                ({said.get(name), one.version, one.major} if name == "engine-version" else {said[name]}) & set(given)
                for name, given in wanted.items()
            )
        )

    found, marker = addresses.page(req, [one for one in every() if passes(one)], lambda one: f"{one.engine} {one.version}")
    characters = bool(req.ListSupportedCharacterSets)
    return {"DBEngineVersions": [_described(one, characters=characters) for one in found], "Marker": marker}


@operation("DescribeDBMajorEngineVersions")
def describe_db_major_engine_versions(ctx: Context, req: Any) -> Answer:
    """The major versions that this machine's programs can run, without lifecycles: nobody ends their support here.

    Errors: InvalidParameterValue. Source: API reference, DescribeDBMajorEngineVersions.
    """
    there = [one for one in every() if req.Engine in (None, one.engine) and req.MajorEngineVersion in (None, one.major)]
    found, marker = addresses.page(req, there, lambda one: f"{one.engine} {one.major}")
    return {"DBMajorEngineVersions": [{"Engine": one.engine, "MajorEngineVersion": one.major} for one in found], "Marker": marker}
