"""One operation in one protocol: requests to members, answers and errors to responses.

A codec is compiled when its operation is first used and kept; a part of it (reading, writing) when that
part is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any

from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse

from . import reading, refusal, writing
from .model import OperationModel, Ref, service
from .values import check

# With STRICT on while a codec is compiled, an answer with an unknown member or a value of a wrong type is a TypeError.
STRICT = False


class Codec:
    """The three directions of one operation in one protocol."""

    def __init__(self, operation: OperationModel, protocol: str) -> None:
        self.operation = operation
        self.protocol = protocol
        self._strict = STRICT

    @cached_property
    def decode(self) -> Callable[[HttpRequest, Mapping[str, str] | None], Any]:
        """`decode(request, labels)`: the members, by AWS's names as attributes; None where the operation takes none.

        Instants are int milliseconds, blobs bytes, absent members None. ServiceException where the request
        is malformed or breaks the model's constraints.
        """
        return reading.reader(self.operation, self.protocol)

    @cached_property
    def encode(self) -> Callable[[Mapping[str, Any] | None, str], HttpResponse]:
        """`encode(answer, request_id)`: the response for an answer, a dict by AWS's member names."""
        write = writing.writer(self.operation, self.protocol)
        output = self.operation.output
        if not self._strict or output is None:
            return write
        ref, shapes, verbatim = Ref(output), self.operation.service.shapes, self.operation.service.overlay.verbatim

        def checked(answer: Mapping[str, Any] | None, request_id: str) -> HttpResponse:
            check(ref, shapes, answer, verbatim)
            return write(answer, request_id)

        return checked

    def refuse(self, error: ServiceException, request_id: str) -> HttpResponse:
        """The response for an error."""
        return refusal.refuse(self.operation.service, self.protocol, error, request_id, head=self.operation.method == "HEAD")


@cache
def codec(call_service: str, operation: str, protocol: str) -> Codec:
    """The codec of an operation in a protocol. KeyError if there is no such service or operation."""
    return Codec(service(call_service).operations[operation], protocol)
