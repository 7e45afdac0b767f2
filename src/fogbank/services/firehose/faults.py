"""AWS's sentences, where several operations say them."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidArgumentException", message)


def in_use(message: str) -> ServiceException:
    return ServiceException("ResourceInUseException", message)


def absent(account: str, name: str) -> ServiceException:
    return ServiceException("ResourceNotFoundException", f"Firehose {name} under account {account} not found.")
