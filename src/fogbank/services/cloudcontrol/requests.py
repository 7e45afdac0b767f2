"""What became of requests."""

from __future__ import annotations

from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.cloudcontrol.state import BY_AGE, REQUESTS, UNDER_WAY, Request, event
from fogbank.store import change

PAGE = 20


def _request_at(ctx: Context, token: str) -> Request:
    request = REQUESTS.get(ctx, ctx.account, ctx.region, token)
    if request is None:
        raise ServiceException("RequestTokenNotFoundException", f"Request with token {token} was not found")
    return request


@operation("GetResourceRequestStatus")
def get_resource_request_status(ctx: Context, req: Any) -> Answer:
    """How far a request is. Requests are kept for 7 days. Errors: RequestTokenNotFoundException.

    Source: API reference, GetResourceRequestStatus.
    """
    return {"ProgressEvent": event(_request_at(ctx, req.RequestToken))}


@operation("ListResourceRequests")
def list_resource_requests(ctx: Context, req: Any) -> Answer:
    """The requests of the last 7 days, the newest first, of some operations and statuses; pages of 20, at most 100.

    Errors: ValidationException. Source: API reference, ListResourceRequests.
    """
    wanted = req.ResourceRequestStatusFilter
    operations, statuses = getattr(wanted, "Operations", None), getattr(wanted, "OperationStatuses", None)
    place = paging.place(req.NextToken, lambda: ServiceException("ValidationException", "Invalid NextToken"))
    before = None if place is None else _instant_and_token(place)
    found = (
        request
        for request in BY_AGE.scan(ctx, ctx.account, ctx.region, before=before, reverse=True)
        if (not operations or request.operation in operations) and (not statuses or request.status in statuses)
    )
    page, more = paging.page(found, req.MaxResults or PAGE)
    return {
        "ResourceRequestStatusSummaries": [event(request) for request in page],
        "NextToken": paging.token(f"{page[-1].requested_at_ms} {page[-1].token}") if more else None,
    }


def _instant_and_token(place: str) -> tuple[int, str]:
    instant, _, token = place.partition(" ")
    if not instant.isdigit():
        raise ServiceException("ValidationException", "Invalid NextToken")
    return int(instant), token


@operation("CancelResourceRequest")
def cancel_resource_request(ctx: Context, req: Any) -> Answer:
    """Ends a request that is under way; what was done already stays. Cancelling it again changes nothing.

    Errors: RequestTokenNotFoundException, ConcurrentModificationException (it is over). Source: API reference, CancelResourceRequest.
    """
    request = _request_at(ctx, req.RequestToken)
    if request.status not in UNDER_WAY and request.status != "CANCEL_COMPLETE":
        raise ServiceException(
            "ConcurrentModificationException", f"Request with token {request.token} cannot be cancelled: its status is {request.status}"
        )
    if request.status in UNDER_WAY:
        request = change(request, status="CANCEL_COMPLETE", at_ms=ctx.now, states=b"")
        REQUESTS.put(ctx, request)
    return {"ProgressEvent": event(request)}
