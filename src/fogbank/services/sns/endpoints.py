"""Where a subscription may go: what an endpoint of each protocol looks like, whose it is, and whether it is there."""

from __future__ import annotations

import re
from urllib.parse import unquote

from fogbank.delivery import http
from fogbank.kernel.arn import Arn
from fogbank.kernel.context import Context
from fogbank.kernel.errors import ServiceException
from fogbank.services.sns import push
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import Topic

PROTOCOLS = ("http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose")
CONFIRMED_BY_HAND = ("http", "https", "email", "email-json")
RAW = ("http", "https", "sqs", "firehose")
_email = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+").fullmatch
_phone = re.compile(r"\+?[0-9](?:[0-9 ().-]*[0-9])").fullmatch
_password = re.compile(r"(?<=://)([^/?#:]*:)[^/?#]*@")
_plain_phone = re.compile(r"\+[0-9]{8,15}").fullmatch


def read(ctx: Context, topic: Topic, protocol: str, endpoint: str | None) -> tuple[str, str]:
    """The endpoint as it is kept, and its owner's account ("" where it is nobody's). Raises InvalidParameter."""
    if protocol not in PROTOCOLS:
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if not endpoint:
        raise invalid("Endpoint")
    if topic.fifo and protocol != "sqs":
        raise invalid("Endpoint", "Please use FIFO SQS queue")
    if protocol in ("http", "https"):
        parts = http.address(endpoint)
        if parts is None or parts.scheme != protocol:
            raise invalid("Endpoint must match the specified protocol")
        return endpoint, ""
    if protocol in ("email", "email-json"):
        if not _email(endpoint):
            raise invalid("Email address")
        return endpoint, ""
    if protocol == "sms":
        return phone(endpoint, f"Invalid SMS endpoint: {endpoint}"), ""
    return endpoint, _resource(ctx, topic, protocol, endpoint)


def login_of(endpoint: str) -> str:
    """user:password of an HTTP endpoint's address; "" where it has none."""
    parts = http.address(endpoint)
    return unquote(parts.netloc.rpartition("@")[0]) if parts is not None else ""


def shown(endpoint: str) -> str:
    """An endpoint as everybody may see it: without its password."""
    return _password.sub(r"\1****@", endpoint) if endpoint.startswith("http") else endpoint


def phone(text: str, refusal: str) -> str:
    """A phone number in E.164. Raises InvalidParameter with the sentence."""
    plain = re.sub(r"[ ().-]", "", text) if _phone(text) else ""
    if plain and not plain.startswith("+"):
        plain = f"+1{plain}" if len(plain) == 10 else f"+{plain}"
    if not _plain_phone(plain):
        raise invalid(refusal)
    return plain


def _resource(ctx: Context, topic: Topic, protocol: str, endpoint: str) -> str:
    """The account of an endpoint that is a resource."""
    arn = Arn.parse(endpoint)
    if protocol == "sqs":
        if arn is None or arn.service != "sqs" or not arn.region or not arn.account:
            raise invalid("SQS endpoint ARN")
        if arn.resource.endswith(".fifo") and not topic.fifo:
            raise invalid("Endpoint", "FIFO SQS Queues can not be subscribed to standard SNS topics")
    elif protocol == "lambda":
        if arn is None or arn.service != "lambda" or not arn.resource.startswith("function:"):
            raise invalid("Lambda endpoint ARN")
    elif protocol == "firehose":
        if arn is None or arn.service != "firehose" or not arn.resource.startswith("deliverystream/"):
            raise invalid("Delivery stream endpoint ARN")
    else:
        if arn is None or arn.service != "sns" or not arn.resource.startswith("endpoint/"):
            raise invalid(f"Application endpoint arn invalid:{endpoint}")
        try:
            push.device_at(ctx, endpoint)
        except ServiceException:
            raise invalid("Endpoint", f"Endpoint does not exist for endpoint arn{endpoint}") from None
    return arn.account
