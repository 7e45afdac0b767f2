"""S3's browser uploads: a form with fields, a policy and a file becomes a PutObject.

Source: "Browser-based uploads using POST" in the S3 API Reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree

from fogbank.access.chunks import Chunks
from fogbank.access.post import verify_post
from fogbank.access.principal import ANONYMOUS
from fogbank.gateway import address
from fogbank.gateway.call import Reply, report
from fogbank.kernel.errors import ServiceException
from fogbank.kernel.http import HttpRequest, HttpResponse
from fogbank.store.blobs import Blobs, Upload
from fogbank.wire.markup import escape

if TYPE_CHECKING:
    from fogbank.gateway.cloud import Cloud
    from fogbank.gateway.pipeline import Gateway

FIELDS_LIMIT_BYTES = 20_000
_BOUNDARY = re.compile(r'boundary="?([^";,]{1,70})"?')
_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OF_THE_SIGNATURE = ("x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-security-token")
_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-type", "expires")


def is_form(request: HttpRequest) -> bool:
    return request.method == "POST" and request.headers.get("content-type", "").startswith("multipart/form-data")


def _malformed(message: str) -> ServiceException:
    return ServiceException("MalformedPOSTRequest", message)


def _tagging(document: str) -> str:
    """The field `tagging`, a document, as the header has it. Errors: MalformedXML."""
    try:
        if "<!DOCTYPE" in document:
            raise ElementTree.ParseError
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ServiceException("MalformedXML", message) from None
    tags = [tag for tag in root.iter() if tag.tag.rpartition("}")[2] == "Tag"]
    found = [{child.tag.rpartition("}")[2]: child.text or "" for child in tag} for tag in tags]
    return urlencode([(tag.get("Key", ""), tag.get("Value", "")) for tag in found])


class Form:
    """The fields before the file, by lower-case name (in the order sent), and the file."""

    def __init__(self, fields: dict[str, str], upload: Upload, filename: str) -> None:
        self.fields = fields
        self.upload = upload
        self.filename = filename

    @property
    def key(self) -> str:
        return self.fields["key"].replace("${filename}", self.filename)


def read(content_type: str, body: bytes | Upload, blobs: Blobs) -> Form:
    """Takes a form apart; a large one on a thread, since its file is copied out of it. Errors: MalformedPOSTRequest, InvalidArgument."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed("The body of your POST request is not well-formed multipart/form-data.")
    delimiter = b"\r\n--" + found[1].encode()
    try:
        chunks = body.chunks() if isinstance(body, Upload) else iter((body,))
        fields, filename, rest = _fields(next(chunks, b""), delimiter)
        return Form(fields, _file(chain((rest,), chunks), delimiter, blobs), filename)
    finally:
        if isinstance(body, Upload):
            body.drop()


def _fields(content: bytes, delimiter: bytes) -> tuple[dict[str, str], str, bytes]:
    """The fields before the file, which stand in the first chunk; the file's name, and how its content begins."""
    fields: dict[str, str] = {}
    opening = delimiter[2:]
    at = len(opening) if content.startswith(opening) else -1
    while at >= 0 and content[at : at + 2] == b"\r\n":
        start = content.find(b"\r\n\r\n", at) + 4
        if start < 4:
            break
        names = {k.lower(): v for k, v in _PARAMETER.findall(content[at + 2 : start - 4].decode("utf-8", "replace"))}
        name = names.get("name", "").lower()
        if name == "file":
            _check(fields)
            return fields, names.get("filename", "").replace("\\", "/").rpartition("/")[2], content[start:]
        end = content.find(delimiter, start - 2)
        if end < 0 and len(content) - start <= FIELDS_LIMIT_BYTES:
            break
        fields[name] = content[start : end if end >= 0 else len(content)].decode("utf-8", "replace")
        if sum(map(len, fields.values())) > FIELDS_LIMIT_BYTES:
            raise ServiceException("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
        at = end + len(delimiter)
    raise _no_file()


def _no_file() -> ServiceException:
    message = "POST requires exactly one file upload per request."
    return ServiceException("InvalidArgument", message, ArgumentName="file", ArgumentValue="0")


def _check(fields: Mapping[str, str]) -> None:
    if not fields.get("key"):
        message = "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
        raise ServiceException("InvalidArgument", message, ArgumentName="key", ArgumentValue="")


def _file(chunks: Iterator[bytes], delimiter: bytes, blobs: Blobs) -> Upload:
    """The file's content, up to the delimiter: in memory where it ends with the first chunk. Errors: InvalidArgument."""
    held = next(chunks)
    end = held.find(delimiter)
    if end >= 0:
        return Upload(held[:end], None, end)
    spooled = blobs.spooled()
    for chunk in chunks:
        held += chunk
        end = held.find(delimiter)
        sure = end if end >= 0 else len(held) - len(delimiter)
        if sure > 0:
            spooled.write(held[:sure])
            held = held[sure:]
        if end >= 0:
            return spooled.upload()
    spooled.upload().drop()
    raise _no_file()


class FormCall:
    """A form on its way: like a `Call`, until it has become one."""

    def __init__(self, gateway: Gateway, cloud: Cloud, request: HttpRequest, reply: Reply, request_id: str) -> None:
        self._gateway = gateway
        self._cloud = cloud
        self.request = request
        self._reply = reply
        self._request_id = request_id
        self._gone = False

    def chunks(self) -> Chunks | None:
        return None

    def abandon(self) -> None:
        self._gone = True

    def refuse(self, problem: ServiceException) -> None:
        entry = self._gateway.entry("s3", "PutObject", "rest-xml")
        response = entry.codec.refuse(problem, self._request_id)
        self._reply(response)
        self._gateway.onlookers.note_refusal(self._cloud, entry, self.request, response, self._request_id, problem.code)

    def perform(self, body: bytes | Upload) -> None:
        content_type = self.request.headers["content-type"]
        if isinstance(body, Upload) and body.path is not None:
            future = self._gateway.blobs.pool.submit(read, content_type, body, self._gateway.blobs)
            future.add_done_callback(lambda f: self._gateway.loop.call_soon_threadsafe(self._read, f.result))
        else:
            self._read(lambda: read(content_type, body, self._gateway.blobs))

    def _read(self, result: Any) -> None:
        try:
            form: Form = result()
            if self._gone:
                form.upload.drop()
                return
            self._put(form)
        except ServiceException as problem:
            self.refuse(problem)
        except Exception:
            self.refuse(report("a form", self._request_id, self._gateway.debug))

    def _put(self, form: Form) -> None:
        """Authenticates the form's own signature, and has the file put."""
        cloud, request, fields = self._cloud, self.request, form.fields
        bucket = address.bucket(request.headers.get("host", "")) or request.path.strip("/")
        try:
            policy = verify_post(
                fields, cloud.clock.now_ms(), cloud.callers.finder(request), bucket=bucket, dated_by=cloud.callers.dated_by
            )
            if policy is not None:
                policy.check_size(form.upload.size)
        except ServiceException:
            form.upload.drop()
            raise
        headers = {n: v for n, v in fields.items() if n in _HEADERS or (n.startswith("x-amz-") and n not in _OF_THE_SIGNATURE)}
        if fields.get("tagging"):
            headers["x-amz-tagging"] = _tagging(fields["tagging"])
        if fields.get("acl"):
            headers["x-amz-acl"] = fields["acl"]
        headers |= {name: request.headers[name] for name in ("host", "referer", "user-agent") if name in request.headers}
        put = HttpRequest("POST", f"/{bucket}/{quote(form.key)}", "", headers, form.upload, request.client)
        signed = policy.signed if policy is not None else None
        call = self._gateway.form_call(
            cloud, put, {"Bucket": bucket, "Key": form.key}, signed, self._request_id, self._answer(bucket, form)
        )
        call.principal = signed.credential.principal if signed is not None else ANONYMOUS
        call.perform(form.upload)

    def _answer(self, bucket: str, form: Form) -> Reply:
        """What the form asked to be told when it is done."""

        def answer(response: HttpResponse) -> None:
            if response.status == 200:
                self._succeed(response, bucket, form)
            self._reply(response)

        return answer

    def _succeed(self, response: HttpResponse, bucket: str, form: Form) -> None:
        fields = form.fields
        etag = dict(response.headers).get("ETag", "")
        location = f"{self._cloud.endpoint}/{bucket}/{quote(form.key)}"
        target = fields.get("success_action_redirect") or fields.get("redirect")
        if target and urlsplit(target).scheme in ("http", "https"):
            told = urlencode({"bucket": bucket, "key": form.key, "etag": etag})
            response.status = 303
            response.headers = [*response.headers, ("Location", f"{target}{'&' if '?' in target else '?'}{told}")]
            return
        response.headers = [*response.headers, ("Location", location)]
        wanted = fields.get("success_action_status")
        response.status = int(wanted) if wanted in ("200", "201") else 204
        if response.status == 201:
            shown = (("Location", location), ("Bucket", bucket), ("Key", form.key), ("ETag", etag))
            inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in shown)
            response.headers.append(("Content-Type", "application/xml"))
            response.body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{inner}</PostResponse>'.encode()
