"""Website hosting: a bucket's configuration, and the website endpoint that obeys it.

A request whose host is `bucket.s3-website-region` (or `.region`) in front of the endpoint is a visitor's: nobody's, so policies or
lists must let everybody read. What is answered is HTML and redirections, never XML.
Source: "Hosting a static website using Amazon S3", and there "Website endpoints" and "Configuring advanced conditional redirects".
"""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import quote, unquote

from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse, Visit
from fogbank.kernel.operation import Answer, operation
from fogbank.services.s3 import checksums, reading, refusals, settings
from fogbank.services.s3.state import BUCKETS, OBJECTS, Bucket, bucket_at
from fogbank.wire.codec import codec
from fogbank.wire.writing import host_id

RULES = 50
REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    416: "Requested Range Not Satisfiable",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
Rule = dict[str, Any]


@operation("PutBucketWebsite")
def put_bucket_website(ctx: Context, req: Any) -> Answer:
    """Makes a bucket a website: an index document for folders, or a redirection of everything; at most 50 routing rules.

    Errors: InvalidArgument, InvalidRequest, MalformedXML. Source: PutBucketWebsite in the Amazon S3 API Reference.
    """
    bucket = bucket_at(ctx, req)
    checksums.check_document(ctx, required=False)
    document = settings.document(req.WebsiteConfiguration)
    everything = document.get("RedirectAllRequestsTo")
    if everything is not None:
        if len(document) > 1:
            raise _invalid("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.")
        _check_protocol(everything)
        if not everything.get("HostName"):
            raise refusals.malformed_xml()
    else:
        _check_documents(document)
    rules = document.get("RoutingRules") or []
    if len(rules) > RULES:
        raise refusals.invalid_request(f"The number of routing rules must not exceed the allowed limit of {RULES} rules.")
    for rule in rules:
        _check_rule(rule)
    settings.keep(ctx, bucket, "website", document)
    return None


def _invalid(message: str) -> ServiceException:
    return ServiceException("InvalidArgument", message, status=400)


def _check_documents(document: dict[str, Any]) -> None:
    index = document.get("IndexDocument")
    if index is None:
        raise _invalid("A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty")
    if not index["Suffix"] or "/" in index["Suffix"]:
        raise _invalid("The IndexDocument Suffix is not well formed")
    if "ErrorDocument" in document and not document["ErrorDocument"]["Key"]:
        raise _invalid("The ErrorDocument Key is not well formed")


def _check_protocol(redirect: dict[str, Any]) -> None:
    if redirect.get("Protocol") not in (None, "http", "https"):
        message = "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically."
        raise refusals.invalid_request(message)


def _check_rule(rule: Rule) -> None:
    redirect, condition = rule.get("Redirect"), rule.get("Condition")
    if not redirect:
        raise refusals.malformed_xml()
    _check_protocol(redirect)
    if "ReplaceKeyWith" in redirect and "ReplaceKeyPrefixWith" in redirect:
        raise refusals.invalid_request("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    code = redirect.get("HttpRedirectCode")
    if code is not None and (len(code) != 3 or not code.isdigit() or code[0] != "3" or code == "300"):
        message = f"The provided HTTP redirect code ({code}) is not valid. Valid codes are 3XX except 300."
        raise refusals.invalid_request(message)
    if condition is None:
        return
    if not condition:
        message = "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present."
        raise refusals.invalid_request(message)
    error = condition.get("HttpErrorCodeReturnedEquals")
    if error is not None and (len(error) != 3 or not error.isdigit() or error[0] not in "45"):
        raise refusals.invalid_request(f"The provided HTTP error code ({error}) is not valid. Valid codes are 4XX or 5XX.")


@operation("GetBucketWebsite")
def get_bucket_website(ctx: Context, req: Any) -> Answer:
    """The configuration as it was put. Errors: NoSuchWebsiteConfiguration."""
    return _configuration(bucket_at(ctx, req))


@operation("DeleteBucketWebsite")
def delete_bucket_website(ctx: Context, req: Any) -> Answer:
    """Ends the website; also where there is none."""
    settings.keep(ctx, bucket_at(ctx, req), "website", None)
    return None


def _configuration(bucket: Bucket) -> dict[str, Any]:
    found: dict[str, Any] | None = bucket.settings.get("website")
    if found is None:
        message = "The specified bucket does not have a website configuration"
        raise ServiceException("NoSuchWebsiteConfiguration", message, status=404, BucketName=bucket.name)
    return found


# the endpoint


def site(ctx: Context, visit: Visit) -> HttpResponse:
    """Answers a visitor: see `Service.site`."""
    try:
        return _Visitor(ctx, visit).answer()
    except ServiceException as problem:
        return _error_page(ctx, problem)


class _Visitor:
    """One request to a website. Errors: those that become an error page."""

    def __init__(self, ctx: Context, visit: Visit) -> None:
        self.ctx = ctx
        self.request = visit.request
        self.bucket = _bucket(ctx, visit)
        self.website = _configuration(self.bucket)
        self.key = unquote(self.request.path[1:])

    def answer(self) -> HttpResponse:
        if self.request.method not in ("GET", "HEAD"):
            message = "The specified method is not allowed against this resource."
            raise ServiceException("MethodNotAllowed", message, status=405, Method=self.request.method.upper(), ResourceType="OBJECT")
        everything = self.website.get("RedirectAllRequestsTo")
        if everything is not None:
            return self._redirection(everything, self.key)
        rule = self._rule(None)
        if rule is not None:
            return self._routed(rule)
        index = self.website["IndexDocument"]["Suffix"]
        try:
            return _object(self.ctx, self.bucket, self.key if self.key and self.key[-1] != "/" else self.key + index, self.request.headers)
        except ServiceException as problem:
            if problem.status == 304:
                return HttpResponse(304, [*problem.members.get("@headers", {}).items()])
            return self._failed(problem, index)

    def _failed(self, problem: ServiceException, index: str) -> HttpResponse:
        """A folder's address without its slash, a routing rule, the error document; else the problem itself."""
        key = self.key
        if key and key[-1] != "/" and problem.status in (403, 404) and self._is_folder(index):
            return HttpResponse(302, [*_identified(self.ctx), ("Location", f"/{quote(key)}/")])
        rule = self._rule(str(problem.status))
        if rule is not None:
            return self._routed(rule)
        document = self.website.get("ErrorDocument")
        if document is None:
            raise problem
        try:
            page = _object(self.ctx, self.bucket, document["Key"], {}, redirecting=False)
        except ServiceException as second:
            return _error_page(self.ctx, problem, second)
        page.status = problem.status
        return page

    def _is_folder(self, index: str) -> bool:
        """Whether there is nothing at the address, but an index document under it."""
        there = [OBJECTS.get(self.ctx, self.bucket.name, key) is not None for key in (self.key, f"{self.key}/{index}")]
        return there == [False, True]

    def _rule(self, error: str | None) -> Rule | None:
        """The first routing rule for the key: before it is read (None), or for the error that came of that."""
        for rule in self.website.get("RoutingRules") or ():
            condition = rule.get("Condition", {})
            if condition.get("HttpErrorCodeReturnedEquals") == error and self.key.startswith(condition.get("KeyPrefixEquals", "")):
                found: Rule = rule
                return found
        return None

    def _routed(self, rule: Rule) -> HttpResponse:
        redirect, key = rule["Redirect"], self.key
        if "ReplaceKeyWith" in redirect:
            key = redirect["ReplaceKeyWith"]
        elif "ReplaceKeyPrefixWith" in redirect:
            key = redirect["ReplaceKeyPrefixWith"] + key[len(rule.get("Condition", {}).get("KeyPrefixEquals", "")) :]
        return self._redirection(redirect, key)

    def _redirection(self, redirect: dict[str, Any], key: str) -> HttpResponse:
        host = redirect.get("HostName") or self.request.headers.get("host", "")
        query = f"?{self.request.query}" if self.request.query else ""
        location = f"{redirect.get('Protocol') or 'http'}://{host}/{quote(key, safe=_IN_ADDRESSES)}{query}"
        status = int(redirect.get("HttpRedirectCode") or 301)
        return HttpResponse(status, [*_identified(self.ctx), ("Location", location)])


_IN_ADDRESSES = "/#!?&=:+,;@$~*'()"


def _bucket(ctx: Context, visit: Visit) -> Bucket:
    """The website's bucket. Errors: NoSuchBucket; IncorrectEndpoint where it is in another region."""
    name, region = visit.names["bucket"], visit.names["region"]
    bucket = BUCKETS.get(ctx, name)
    if bucket is None:
        raise refusals.no_such_bucket(name)
    if "logging" in bucket.settings or "metrics" in bucket.settings:
        ctx.watch()
    if bucket.region != region:
        message = "The specified bucket exists in another region. Please direct requests to the specified endpoint."
        right = f"{name}.s3-website-{bucket.region}.amazonaws.com"
        raise ServiceException("IncorrectEndpoint", message, status=400, Endpoint=right)
    return bucket


_reader = codec("s3", "GetObject", "rest-xml")
_READING = ("range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def _object(ctx: Context, bucket: Bucket, key: str, headers: dict[str, str], *, redirecting: bool = True) -> HttpResponse:
    """An object as GetObject answers it, or where it says that its readers are to go. Errors: GetObject's."""
    asked = {name: headers[name] for name in _READING if name in headers}
    req = _reader.decode(HttpRequest("GET", "/", "", asked), {"Bucket": bucket.name, "Key": key})
    answer = reading.get_object(ctx, req)
    assert isinstance(answer, dict)
    if redirecting and (target := answer.get("WebsiteRedirectLocation")) is not None:
        return HttpResponse(301, [*_identified(ctx), ("Location", target)])
    response = _reader.encode({name: value for name, value in answer.items() if name[0] != "@"}, ctx.request_id)
    response.status = answer.get("@status", response.status)
    response.headers = [*response.headers, *answer.get("@headers", {}).items()]
    return response


def _identified(ctx: Context) -> list[tuple[str, str]]:
    return [("x-amz-request-id", ctx.request_id), ("x-amz-id-2", host_id(ctx.request_id))]


def _error_page(ctx: Context, problem: ServiceException, second: ServiceException | None = None) -> HttpResponse:
    """AWS's page about an error, and about another in fetching the website's own page about it."""
    title = f"{problem.status} {REASONS.get(problem.status, 'Error')}"
    told = {**_told(problem), "RequestId": ctx.request_id, "HostId": host_id(ctx.request_id)}
    body = f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n{_items(told)}"
    if second is not None:
        body += f"<h3>An Error Occurred While Attempting to Retrieve a Custom Error Document</h3>\n{_items(_told(second))}"
    headers = [*_identified(ctx), ("x-amz-error-code", problem.code), ("x-amz-error-message", problem.message)]
    headers += [*problem.members.get("@headers", {}).items(), ("Content-Type", "text/html; charset=utf-8")]
    return HttpResponse(problem.status, headers, f"{body}<hr/>\n</body>\n</html>\n".encode())


def _told(problem: ServiceException) -> dict[str, str]:
    more = {name: str(value) for name, value in problem.members.items() if name[0] != "@" and value is not None}
    return {"Code": problem.code, "Message": problem.message, **more}


def _items(told: dict[str, str]) -> str:
    listed = "".join(f"<li>{escape(name)}: {escape(value)}</li>\n" for name, value in told.items())
    return f"<ul>\n{listed}</ul>\n"
