"""Refusals, in AWS's words."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def invalid(message: str) -> ServiceException:
    return ServiceException("InvalidArgumentException", message)
