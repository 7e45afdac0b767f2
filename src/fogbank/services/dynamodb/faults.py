"""The refusals that DynamoDB's modules share."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def invalid(message: str) -> ServiceException:
    """ValidationException with AWS's sentence."""
    return ServiceException("ValidationException", message)


def invalid_values(reason: str) -> ServiceException:
    """ValidationException: "One or more parameter values were invalid: ..."."""
    return invalid(f"One or more parameter values were invalid: {reason}")


def invalid_expression(kind: str, reason: str) -> ServiceException:
    """ValidationException about one of a request's expressions, which is named by its parameter."""
    return invalid(f"Invalid {kind}: {reason}")
