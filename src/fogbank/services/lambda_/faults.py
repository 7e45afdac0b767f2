"""AWS's sentences for what is wrong with a request."""

from __future__ import annotations

from typing import Any

from fogbank.kernel.errors import ServiceException


def refusal(code: str, message: str, **members: Any) -> ServiceException:
    """A refusal as all of Lambda's are: with the `Type` User."""
    return ServiceException(code, message, Type="User", **members)


def invalid(message: str) -> ServiceException:
    return refusal("InvalidParameterValueException", message)


def not_found(message: str) -> ServiceException:
    return refusal("ResourceNotFoundException", message)


def conflict(message: str) -> ServiceException:
    return refusal("ResourceConflictException", message)


def no_function(arn: str) -> ServiceException:
    return not_found(f"Function not found: {arn}")


def too_great(member: str, most: int) -> ServiceException:
    return invalid(f"'{member}' value failed to satisfy constraint: Member must have value less than or equal to {most}")


def too_long(member: str, value: str, most: int) -> ServiceException:
    return ServiceException(
        "ValidationException",
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must have length less than or "
        f"equal to {most}",
    )


def changed_meanwhile() -> ServiceException:
    return refusal(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest "
        "Revision Id",
    )
