"""AWS's sentences for what is wrong with a parameter."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.errors import ServiceException


def invalid(value: Any, parameter: str, reason: str) -> ServiceException:
    return ServiceException("InvalidParameterValue", f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def missing(parameter: str) -> ServiceException:
    return ServiceException("MissingParameter", f"The request must contain the parameter {parameter}.")


def within(value: int | None, parameter: str, low: int, high: int, default: int) -> int:
    """The value, or the default where it is absent. Raises InvalidParameterValue outside of [low, high]."""
    if value is None:
        return default
    if not low <= value <= high:
        span = f"between {low} and {high}" if low else f">= 0 and <= {high}"
        raise invalid(value, parameter, f"Must be {span}, if provided.")
    return value
