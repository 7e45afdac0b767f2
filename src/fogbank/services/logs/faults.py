"""Refusals, in AWS's words."""

from __future__ import annotations

from fogbank.kernel.errors import NotImplementedOperation, ServiceException


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidParameterException", message)


def missing(message: str) -> ServiceException:
    return ServiceException("ResourceNotFoundException", message)


def no_group() -> ServiceException:
    return missing("The specified log group does not exist.")


def no_stream() -> ServiceException:
    return missing("The specified log stream does not exist.")


def bad_token() -> ServiceException:
    return invalid("The specified nextToken is invalid.")


def not_here(operation: str, detail: str) -> NotImplementedOperation:
    return NotImplementedOperation("logs", operation, detail)
