"""The caller's fault, in AWS's words."""

from __future__ import annotations

from typing import Any


class ServiceException(Exception):
    """An answer that says no.

    `code` is the error shape's name as the service model spells it (`QueueDoesNotExist`), or the bare
    code where the model declares none (`InvalidArgument`). The wire looks up the code, the HTTP status
    and the sender for a declared shape; `status` is for the undeclared ones. `members` are further
    members of the error's body, by AWS's names.
    """

    def __init__(self, code: str, message: str = "", /, *, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members

    def __repr__(self) -> str:
        return f"{self.code}: {self.message}"


class NotImplementedOperation(ServiceException):
    """The one answer for everything Fogbank does not do (yet): it names what is missing."""

    def __init__(self, service: str, operation: str, detail: str = "") -> None:
        message = f"Fogbank does not implement {service}:{operation}{' ' + detail if detail else ''}."
        super().__init__("NotImplemented", message, status=501)
