"""Hosts that a service serves by itself, whatever a request to them says: websites, function URLs, APIs.

`app.SITES` maps what stands in front of the endpoint to a service; the service's manifest has `site`. Such a request is a
call like any other: in a transaction, authorised inside (as nobody, until the service says who it is), told to who observes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from fogbank.access.principal import ANONYMOUS
from fogbank.gateway import address
from fogbank.gateway.call import Call, Entry, Reply
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse, Visit
from fogbank.kernel.operation import Operate, Service
from fogbank.store.blobs import Upload

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway

Found = tuple[str, dict[str, str]]


class Sites:
    """Whose a host is, or a path (a pattern that begins with `/`). The patterns' named groups are what it says besides."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        compiled = [(re.compile(pattern), service) for pattern, service in patterns.items()]
        self._paths = [one for one in compiled if one[0].pattern.startswith("/")]
        self._patterns = [one for one in compiled if one not in self._paths]
        self._known: dict[str, Found | None] = {}

    def at(self, host: str, path: str) -> Found | None:
        """The service whose site this host or path is, and the names in it."""
        for pattern, service in self._paths:
            if match := pattern.fullmatch(path):
                return service, match.groupdict("")
        return self._of_host(host)

    def _of_host(self, host: str) -> Found | None:
        known = self._known
        if host in known:
            return known[host]
        if len(known) > 1000:
            known.clear()
        front = address.front(host) or ""
        matched = ((pattern.fullmatch(front), service) for pattern, service in self._patterns)
        found = known[host] = next(((service, match.groupdict("")) for match, service in matched if match), None)
        return found


class _Plain:
    """The codec of a site: what comes and goes is HTTP itself."""

    @staticmethod
    def decode(request: HttpRequest, names: Mapping[str, str] | None) -> Visit:
        return Visit(request, names or {})

    @staticmethod
    def refuse(problem: ServiceException, request_id: str) -> HttpResponse:
        """Only what the site itself did not turn into an answer."""
        headers = [("x-amz-request-id", request_id), ("Content-Type", "text/plain")]
        return HttpResponse(problem.status, headers, f"{problem.code}: {problem.message}\n".encode())


class SiteEntry(Entry):
    """All requests to a service's sites, as one operation."""

    def __init__(self, service: str, manifest: Service) -> None:
        self.service = service
        self.operation = "site"
        self.protocol = self.dialect = self.family = "http"
        self.codec = cast("Any", _Plain)
        self.streams = True
        self.manifest = manifest
        self.function = cast(Operate, manifest.site)
        self.authorized_here = True
        self.fresh = False
        self.counted_by = ""


class SiteCall(Call):
    """A request to a site."""

    __slots__ = ()

    def __init__(
        self,
        gateway: Gateway,
        cloud: Cloud,
        entry: SiteEntry,
        request: HttpRequest,
        names: Mapping[str, str],
        reply: Reply,
        request_id: str,
    ) -> None:
        super().__init__(gateway, cloud, entry, request, names, None, ANONYMOUS, reply, request_id)

    def as_signer(self, ctx: Context) -> Context:
        """See `Context.as_signer`."""
        request, upload = self.request, self.request.body
        try:
            request.body = upload.read() if isinstance(upload, Upload) else upload
            _, principal = self.cloud.callers.authenticate(request, "json", None)
        finally:
            request.body = upload
        carried = self._context(ctx, self, principal, ctx.service, ctx.operation, self.region, ())
        carried.request = request
        return carried

    def answer(self, answer: Any) -> HttpResponse:
        """What the service's function returns is the answer; a body that it did not keep goes."""
        self._forget_body()
        response: HttpResponse = answer
        return response
