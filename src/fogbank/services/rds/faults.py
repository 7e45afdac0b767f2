"""AWS's refusals and their sentences."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.errors import NotImplementedOperation, ServiceException

ENGINES = {"aurora-postgresql": "postgres", "aurora-mysql": "mariadb", "postgres": "postgres", "mysql": "mariadb", "mariadb": "mariadb"}
"""AWS's name of an engine -> the engine that there is."""
_ELSEWHERE = ("oracle", "sqlserver", "db2", "custom-", "neptune", "docdb")


def invalid(message: str) -> ServiceException:
    """A value that is out of range, or that names nothing."""
    return ServiceException("InvalidParameterValue", message)


def combination(message: str) -> ServiceException:
    """Members that do not go together."""
    return ServiceException("InvalidParameterCombination", message)


def missing(message: str) -> ServiceException:
    """A member that is needed with the others."""
    return ServiceException("MissingParameter", message)


def absent(operation: str, what: str) -> NotImplementedOperation:
    """A wish that cannot be honoured: `what` names it."""
    return NotImplementedOperation("rds", operation, f"with {what}")


def refuse(operation: str, req: Any, *names: str) -> None:
    """Refuses by name what cannot be honoured. A member that asks for nothing ("", False, []) is no wish."""
    for name in names:
        if getattr(req, name, None):
            raise absent(operation, name)


def within(req: Any, name: str, low: int, high: int, default: int) -> int:
    """A number, or the default where it is left out. Errors: InvalidParameterValue."""
    value: int | None = getattr(req, name, None)
    if value is None:
        return default
    if not low <= value <= high:
        raise invalid(f"Invalid value {value} for {name}: it must be from {low} to {high}.")
    return value


def check_engine(operation: str, engine: str, *, aurora: bool | None = None) -> str:
    """The engine behind a name. `aurora`: only clusters' engines, or only those of instances that are by themselves."""
    known = engine in ENGINES
    if not known and engine.startswith(_ELSEWHERE):
        raise absent(operation, f"Engine {engine}")
    if not known or (aurora is not None and engine.startswith("aurora-") is not aurora):
        raise invalid(f"Invalid DB engine: {engine}" if not known else f"Engine {engine} is not valid here.")
    return ENGINES[engine]


def cluster_missing(name: str) -> ServiceException:
    return ServiceException("DBClusterNotFoundFault", f"DBCluster {name} not found.", status=404)


def source_missing(name: str) -> ServiceException:
    """Of a restore: it is not there, or not shared."""
    return ServiceException("DBClusterNotFoundFault", f"The source cluster could not be found or cannot be accessed: {name}", status=404)


def instance_missing(name: str) -> ServiceException:
    return ServiceException("DBInstanceNotFoundFault", f"DBInstance {name} not found.", status=404)


def cluster_state(message: str) -> ServiceException:
    return ServiceException("InvalidDBClusterStateFault", message)


def instance_state(message: str) -> ServiceException:
    return ServiceException("InvalidDBInstanceStateFault", message)
