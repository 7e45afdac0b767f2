"""Text messages: sending them, an account's settings for them, numbers that opted out, the sandbox's numbers.

A text message goes into the outbox (`letters`). An account here is out of the SMS sandbox from the beginning, so it may write to any number
that has not opted out; destination numbers can be verified all the same, with the password that the outbox shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from fogbank.kernel import paging
from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import envelopes, letters
from fogbank.services.sns.counting import measure_message
from fogbank.services.sns.faults import invalid
from fogbank.services.sns.state import PHONES, SMS_SETTINGS, Message, Phone, SmsSettings
from fogbank.store import change
from fogbank.store.tables import At

PAGE = 100
SMS_LETTERS = 1600
PRICE_MILLICENTS = 645
"""Of one message: 0.00645 USD, AWS's price to the United States."""
OPT_IN_MS = 30 * 86_400_000
PASSWORD_MS = 15 * 60 * 1000
PHONES_LIMIT = 10
_number = re.compile(r"\+[1-9][0-9]{7,14}").fullmatch
_sender = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}").fullmatch
_SMS = "AWS.SNS.SMS."
_UNMET = ("UsageReportS3Bucket", "DeliveryStatusIAMRole", "DeliveryStatusSuccessSamplingRate")


def _checked(number: str) -> str:
    if not _number(number):
        raise invalid("PhoneNumber", f"{number} is not valid to publish to")
    return number


def publish(ctx: Context, number: str, message: Message) -> None:
    """A text message to one number. Errors: InvalidParameter, also where it has opted out or the month's limit is reached."""
    try:
        send(ctx, ctx.account, ctx.region, _checked(number), envelopes.body_for(message, "sms"), message, "")
    except ServiceException as refused:
        if refused.code != "OptedOutException":
            raise
        raise invalid("PhoneNumber", f"{number} has opted out of receiving messages") from None


def send(ctx: Context, account: str, region: str, number: str, text: str, message: Message, source_arn: str) -> None:
    """Puts a text message into the outbox. Errors: OptedOut, InvalidParameter (too long, or the monthly limit is reached)."""
    if len(text) > SMS_LETTERS:
        raise invalid("Message too long")
    settings = SMS_SETTINGS.get(ctx, account, region) or SmsSettings(account=account, region=region)
    attributes = _read(message)
    kind = attributes.get("SMSType") or settings.attributes.get("DefaultSMSType") or "Promotional"
    dimensions = (("Country", "US" if number.startswith("+1") else "unknown"), ("SMSType", kind))
    phone = PHONES.get(ctx, account, region, number)
    if phone is not None and phone.opted_out:
        measure_message(ctx, account, region, "SMSSuccessRate", 0, dimensions)
        raise ServiceException("OptedOutException", "Phone number has opted out of receiving messages")
    if _dearer(attributes.get("MaxPrice")):
        measure_message(ctx, account, region, "SMSSuccessRate", 0, dimensions)
        return
    _spend(ctx, settings)
    measure_message(ctx, account, region, "SMSSuccessRate", 1, dimensions)
    sender = attributes.get("SenderID") or settings.attributes.get("DefaultSenderID") or "NOTICE"
    letters.post(
        ctx,
        account,
        region,
        channel="sms",
        destination=number,
        sender=sender,
        message_id=message.id,
        text=text,
        subject=kind,
        source_arn=source_arn,
    )


def _read(message: Message) -> dict[str, str]:
    """What a message says of how it is to be sent. Raises InvalidParameter, NotImplemented."""
    for attribute in message.attributes:
        if attribute.name.startswith("AWS.MM.SMS."):
            raise NotImplementedOperation("sns", "Publish", f"with {attribute.name}")
    said = {a.name.removeprefix(_SMS): a.text for a in message.attributes if a.name.startswith(_SMS)}
    for name, setting in (("SenderID", "DefaultSenderID"), ("SMSType", "DefaultSMSType")):
        if name in said and not _SETTINGS[setting](said[name]):
            raise invalid(f"{_SMS}{name}")
    return said


def _dearer(limit: str | None) -> bool:
    """Whether a message costs more than its MaxPrice, in USD: then it is not sent."""
    try:
        return limit is not None and Decimal(limit) * 100_000 < PRICE_MILLICENTS
    except InvalidOperation:
        raise invalid(f"{_SMS}MaxPrice") from None


def _spend(ctx: Context, settings: SmsSettings) -> None:
    """Counts a message's price in this month's bill."""
    month = envelopes.instant(ctx.now)[:7]
    spent = (settings.spent if settings.month == month else 0) + PRICE_MILLICENTS
    limit = settings.attributes.get("MonthlySpendLimit")
    if limit is not None and spent > int(limit) * 100_000:
        raise invalid("PhoneNumber", "No quota left for account")
    SMS_SETTINGS.put(ctx, change(settings, month=month, spent=spent))


# The account's settings


_SETTINGS: dict[str, Callable[[str], bool]] = {
    "MonthlySpendLimit": lambda text: text.isdecimal() and len(text) < 10,
    "DefaultSenderID": lambda text: text == "" or bool(_sender(text)),
    "DefaultSMSType": lambda text: text in ("Promotional", "Transactional"),
}


@operation("SetSMSAttributes")
def set_sms_attributes(ctx: Context, req: Any) -> Answer:
    """Sets what holds for all text messages of the account. MonthlySpendLimit is in USD: what would cost more is refused.

    Errors: InvalidParameter; NotImplemented for usage reports and for the log of deliveries.
    """
    settings = SMS_SETTINGS.get(ctx, ctx.account, ctx.region) or SmsSettings(account=ctx.account, region=ctx.region)
    for name, text in req.attributes.items():
        if name in _UNMET:
            raise NotImplementedOperation("sns", "SetSMSAttributes", f"with {name}")
        if name not in _SETTINGS or not _SETTINGS[name](text):
            raise invalid(name)
    SMS_SETTINGS.put(ctx, change(settings, attributes={**settings.attributes, **req.attributes}))
    return {}


@operation("GetSMSAttributes")
def get_sms_attributes(ctx: Context, req: Any) -> Answer:
    """The account's settings for text messages: all, or those named."""
    settings = SMS_SETTINGS.get(ctx, ctx.account, ctx.region)
    held = settings.attributes if settings else {}
    return {"attributes": {name: value for name, value in held.items() if not req.attributes or name in req.attributes}}


# Numbers that opted out


def opt_out(at: At, account: str, region: str, number: str) -> None:
    """The holder of a number answers STOP."""
    phone = PHONES.get(at, account, region, number) or Phone(account=account, region=region, number=number)
    PHONES.put(at, change(phone, opted_out=True))


@operation("CheckIfPhoneNumberIsOptedOut")
def check_if_phone_number_is_opted_out(ctx: Context, req: Any) -> Answer:
    """Whether the holder of a number has opted out. Errors: InvalidParameter."""
    phone = PHONES.get(ctx, ctx.account, ctx.region, _checked(req.phoneNumber))
    return {"isOptedOut": phone is not None and phone.opted_out}


@operation("OptInPhoneNumber")
def opt_in_phone_number(ctx: Context, req: Any) -> Answer:
    """Opts a number in again: once in 30 days. Errors: InvalidParameter."""
    phone = PHONES.get(ctx, ctx.account, ctx.region, _checked(req.phoneNumber))
    if phone is not None and phone.opted_out:
        if phone.opted_in_at_ms and phone.opted_in_at_ms + OPT_IN_MS > ctx.now:
            raise invalid("phoneNumber", "A phone number can be opted in only once every 30 days")
        PHONES.put(ctx, change(phone, opted_out=False, opted_in_at_ms=ctx.now))
    return {}


def _page(ctx: Context, token: str | None, size: int, *, opted_out: bool) -> tuple[list[Phone], str | None]:
    after = paging.place(token, lambda: invalid("NextToken"))
    scan = PHONES.scan(ctx, ctx.account, ctx.region, after=after)
    wanted = (one for one in scan if (one.opted_out if opted_out else one.status))
    found, more = paging.page(wanted, size)
    return found, paging.token(found[-1].number) if more else None


@operation("ListPhoneNumbersOptedOut")
def list_phone_numbers_opted_out(ctx: Context, req: Any) -> Answer:
    """Numbers that opted out, 100 a page. Errors: InvalidParameter."""
    found, token = _page(ctx, req.nextToken, PAGE, opted_out=True)
    return {"phoneNumbers": [one.number for one in found], "nextToken": token}


# The sandbox


@operation("GetSMSSandboxAccountStatus")
def get_sms_sandbox_account_status(ctx: Context, req: Any) -> Answer:
    """False: an account may write to all numbers."""
    return {"IsInSandbox": False}


@operation("CreateSMSSandboxPhoneNumber")
def create_sms_sandbox_phone_number(ctx: Context, req: Any) -> Answer:
    """Adds a destination number to be verified, and sends it a password of six digits (into the outbox), good for 15 minutes.

    At most ten numbers. Errors: InvalidParameter, OptedOut, UserError; NotImplemented for a language other than English.
    """
    if req.LanguageCode not in (None, "en-US", "en-GB"):
        raise NotImplementedOperation("sns", "CreateSMSSandboxPhoneNumber", f"with LanguageCode {req.LanguageCode}")
    number = _checked(req.PhoneNumber)
    phone = PHONES.get(ctx, ctx.account, ctx.region, number) or Phone(account=ctx.account, region=ctx.region, number=number)
    if phone.opted_out:
        raise ServiceException("OptedOutException", "Phone number has opted out of receiving messages")
    if phone.status == "Verified":
        raise ServiceException("UserErrorException", "Phone number is verified already")
    if not phone.status and len(_page(ctx, None, PHONES_LIMIT, opted_out=False)[0]) >= PHONES_LIMIT:
        raise ServiceException("UserErrorException", f"The sandbox has {PHONES_LIMIT} phone numbers already")
    password = ctx.random.text(6, "0123456789")
    PHONES.put(ctx, change(phone, status="Pending", password=password, password_at_ms=ctx.now))
    letters.post(
        ctx,
        ctx.account,
        ctx.region,
        channel="sms",
        destination=number,
        sender="AWS",
        message_id=ctx.random.uuid(),
        text=f"Your verification code is {password}. It is valid for 15 minutes.",
        subject="Transactional",
    )
    return {}


def _sandboxed(ctx: Context, number: str) -> Phone:
    phone = PHONES.get(ctx, ctx.account, ctx.region, _checked(number))
    if phone is None or not phone.status:
        raise ServiceException("ResourceNotFoundException", "Phone number does not exist in the sandbox")
    return phone


@operation("VerifySMSSandboxPhoneNumber")
def verify_sms_sandbox_phone_number(ctx: Context, req: Any) -> Answer:
    """Verifies a number with the password that it was sent. Errors: ResourceNotFound, Verification."""
    phone = _sandboxed(ctx, req.PhoneNumber)
    if phone.password != req.OneTimePassword or phone.password_at_ms + PASSWORD_MS <= ctx.now:
        raise ServiceException("VerificationException", "The one-time password is invalid or has expired", Status="INVALID")
    PHONES.put(ctx, change(phone, status="Verified", password=""))
    return {}


@operation("DeleteSMSSandboxPhoneNumber")
def delete_sms_sandbox_phone_number(ctx: Context, req: Any) -> Answer:
    """Takes a number out of the sandbox. Errors: ResourceNotFound."""
    phone = _sandboxed(ctx, req.PhoneNumber)
    PHONES.put(ctx, change(phone, status="", password=""))
    return {}


@operation("ListSMSSandboxPhoneNumbers")
def list_sms_sandbox_phone_numbers(ctx: Context, req: Any) -> Answer:
    """The sandbox's numbers and whether they are verified, up to MaxResults (100) a page. Errors: InvalidParameter."""
    size = PAGE if req.MaxResults is None else req.MaxResults
    if not 1 <= size <= PAGE:
        raise invalid("MaxResults")
    found, token = _page(ctx, req.NextToken, size, opted_out=False)
    return {"PhoneNumbers": [{"PhoneNumber": one.number, "Status": one.status} for one in found], "NextToken": token}


@operation("ListOriginationNumbers")
def list_origination_numbers(ctx: Context, req: Any) -> Answer:
    """The account's own numbers: none, since none can be had here."""
    return {"PhoneNumbers": []}
