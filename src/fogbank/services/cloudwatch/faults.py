"""CloudWatch's refusals, in its words."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidParameterValueException", message)


def bad_value(value: object, parameter: str) -> ServiceException:
    return invalid(f"The value {value} for parameter {parameter} is invalid.")


def missing(parameter: str) -> ServiceException:
    return ServiceException("MissingRequiredParameterException", f"The parameter {parameter} is required.")


def combination(message: str) -> ServiceException:
    return ServiceException("InvalidParameterCombinationException", message)


def exclusive(one: str, other: str) -> ServiceException:
    return combination(f"The parameters {one} and {other} are mutually exclusive and you have specified both.")


def too_many(collection: str, limit: int) -> ServiceException:
    return invalid(f"The collection {collection} must not have a size greater than {limit}.")


def validation(message: str) -> ServiceException:
    """For what the API reference does not give an error of its own to."""
    return ServiceException("ValidationError", message)


def bad_token() -> ServiceException:
    return ServiceException("InvalidNextToken", "The service cannot process the token specified.")
