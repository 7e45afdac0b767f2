"""Refusals, in AWS's words."""

from __future__ import annotations

from fogbank.kernel.errors import ServiceException


def bad(message: str) -> ServiceException:
    return ServiceException("BadRequestException", message)


def invalid(message: str) -> ServiceException:
    return ServiceException("ValidationException", message)


def no_transaction(transaction: str) -> ServiceException:
    return ServiceException("TransactionNotFoundException", f"Transaction {transaction} is not found")
