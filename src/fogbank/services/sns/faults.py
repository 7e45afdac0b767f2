"""AWS's sentences for what is wrong with a request."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def invalid(what: str, reason: str = "") -> ServiceException:
    """InvalidParameter: "Invalid parameter: X", or with a reason."""
    return ServiceException("InvalidParameterException", f"Invalid parameter: {what}{' Reason: ' + reason if reason else ''}")


def bad_value(sentence: str) -> ServiceException:
    """ParameterValueInvalid: what is wrong with a message attribute."""
    return ServiceException("InvalidParameterValueException", sentence)


def not_found(what: str) -> ServiceException:
    return ServiceException("NotFoundException", f"{what} does not exist")


def forbidden(sentence: str = "") -> ServiceException:
    return ServiceException("AuthorizationErrorException", sentence)
