"""Mobile push: platform applications, apps on devices (platform endpoints), and what they are sent.

A notification goes into the outbox (`letters`) in the JSON that its platform would get.
Source: "Sending mobile push notifications" in the Developer Guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fogbank.kernel import paging
from fogbank.kernel.arn import Arn, partition_of
from fogbank.kernel.context import Acting, Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.sns import envelopes, letters
from fogbank.services.sns.addresses import PRINCIPAL
from fogbank.services.sns.counting import measure_message
from fogbank.services.sns.faults import invalid, not_found
from fogbank.services.sns.state import APPLICATIONS, BY_TOKEN, DEVICES, Application, Device, Message
from fogbank.store import change

PAGE = 100
PLATFORMS = ("ADM", "APNS", "APNS_SANDBOX", "APNS_VOIP", "APNS_VOIP_SANDBOX", "MACOS", "MACOS_SANDBOX", "BAIDU", "GCM", "WNS", "MPNS")
USER_DATA_BYTES = 2048
_CONTEXT = b"sns.applications"
_name = re.compile(r"[A-Za-z0-9_.-]{1,256}").fullmatch
_SECRETS = ("PlatformCredential", "PlatformPrincipal")
_EVENTS = ("EventEndpointCreated", "EventEndpointDeleted", "EventEndpointUpdated")
_PLAIN = ("ApplePlatformTeamID", "ApplePlatformBundleID")
_UNMET = ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn", "SuccessFeedbackSampleRate", "EventDeliveryFailure")
"""Nothing is logged of push, and what has come into the outbox does not fail later."""


# Applications


def _application_arn(application: Application) -> str:
    where = f"arn:{partition_of(application.region)}:sns:{application.region}:{application.account}"
    return f"{where}:app/{application.platform}/{application.name}"


def _place(arn: str, kind: str, count: int, parameter: str) -> tuple[str, ...]:
    """Account, region and the parts of the name that an ARN says."""
    parts = Arn.parse(arn)
    names = parts.resource.split("/") if parts is not None else []
    if parts is None or parts.service != "sns" or len(names) != count or names[0] != kind:
        reason = f"Wrong number of slashes in relative portion of the ARN {arn}" if parts else "An ARN must have at least 6 elements"
        raise invalid(parameter, reason)
    return (parts.account, parts.region, *names[1:])


def _application_at(ctx: Context, arn: str) -> Application:
    """Raises InvalidParameter, NotFound."""
    place = _place(arn, "app", 3, "PlatformApplicationArn")
    application = APPLICATIONS.get(ctx, *place) if place[:2] == (ctx.account, ctx.region) else None
    if application is None:
        raise not_found("PlatformApplication")
    return application


def _settings(ctx: Context, application: Application, given: Mapping[str, str]) -> Application:
    """The application with attributes set. Raises InvalidParameter, NotImplemented."""
    secrets = {name: given[name] for name in _SECRETS if name in given}
    kept = dict(application.attributes)
    for name, text in given.items():
        if name in _UNMET:
            raise NotImplementedOperation("sns", "SetPlatformApplicationAttributes", f"with {name}")
        if name in _EVENTS:
            arn = Arn.parse(text)
            if text and (arn is None or arn.service != "sns"):
                raise invalid("Attributes", f"{name} must be the ARN of a topic")
        elif name not in (*_SECRETS, *_PLAIN, "Enabled"):
            raise invalid("Attributes", f"{name} is not supported")
        elif name == "Enabled" and text not in ("true", "false"):
            raise invalid("Attributes", "Enabled must be true or false")
        if name not in _SECRETS:
            kept[name] = text
    application = change(application, attributes={name: text for name, text in kept.items() if text})
    if secrets:
        before = msgspec.json.decode(ctx.vault.open(application.credential, _CONTEXT)) if application.credential else {}
        application = change(application, credential=ctx.vault.seal(msgspec.json.encode(before | secrets), _CONTEXT))
    return application


@operation("CreatePlatformApplication")
def create_platform_application(ctx: Context, req: Any) -> Answer:
    """Makes a platform application; one that is there gets the attributes given. Nobody checks its credential, which is sealed.

    Errors: InvalidParameter, NotImplemented.
    """
    if not _name(req.Name):
        raise invalid("Name", f"value {req.Name} is not a valid application name")
    if req.Platform not in PLATFORMS:
        raise invalid("Platform", f"{req.Platform} is not supported")
    if not req.Attributes.get("PlatformCredential"):
        raise invalid("Attributes", "PlatformCredential attribute is required")
    if req.Platform != "GCM" and not req.Attributes.get("PlatformPrincipal"):
        raise invalid("Attributes", "PlatformPrincipal attribute is required")
    found = APPLICATIONS.get(ctx, ctx.account, ctx.region, req.Platform, req.Name)
    application = found or Application(
        account=ctx.account,
        region=ctx.region,
        platform=req.Platform,
        name=req.Name,
        attributes={"Enabled": "true"},
        created_at_ms=ctx.now,
    )
    APPLICATIONS.put(ctx, _settings(ctx, application, req.Attributes))
    return {"PlatformApplicationArn": _application_arn(application)}


@operation("SetPlatformApplicationAttributes")
def set_platform_application_attributes(ctx: Context, req: Any) -> Answer:
    """Sets attributes of an application. Errors: InvalidParameter, NotFound; NotImplemented for delivery status logs."""
    APPLICATIONS.put(ctx, _settings(ctx, _application_at(ctx, req.PlatformApplicationArn), req.Attributes))
    return None


@operation("GetPlatformApplicationAttributes")
def get_platform_application_attributes(ctx: Context, req: Any) -> Answer:
    """An application's attributes, without its credential. Errors: InvalidParameter, NotFound."""
    return {"Attributes": _application_at(ctx, req.PlatformApplicationArn).attributes}


@operation("ListPlatformApplications")
def list_platform_applications(ctx: Context, req: Any) -> Answer:
    """The caller's applications in the region, 100 a page. Errors: InvalidParameter."""
    place = paging.place(req.NextToken, lambda: invalid("NextToken"))
    after = tuple(place.split("/", 1)) if place else None
    found, more = paging.page(APPLICATIONS.scan(ctx, ctx.account, ctx.region, after=after), PAGE)
    shown = [{"PlatformApplicationArn": _application_arn(one), "Attributes": one.attributes} for one in found]
    return {"PlatformApplications": shown, "NextToken": paging.token(f"{found[-1].platform}/{found[-1].name}") if more else None}


@operation("DeletePlatformApplication")
def delete_platform_application(ctx: Context, req: Any) -> Answer:
    """Deletes an application and its endpoints; one that is not there is no error. Errors: InvalidParameter."""
    place = _place(req.PlatformApplicationArn, "app", 3, "PlatformApplicationArn")
    application = APPLICATIONS.get(ctx, *place) if place[:2] == (ctx.account, ctx.region) else None
    if application is not None:
        APPLICATIONS.delete(ctx, application)
        for device in list(DEVICES.scan(ctx, *place)):
            DEVICES.delete(ctx, device)
    return None


# Devices


def _device_arn(device: Device) -> str:
    where = f"arn:{partition_of(device.region)}:sns:{device.region}:{device.account}"
    return f"{where}:endpoint/{device.platform}/{device.application}/{device.id}"


def device_at(ctx: Context, arn: str, parameter: str = "EndpointArn") -> Device:
    """Raises InvalidParameter, NotFound."""
    device = DEVICES.get(ctx, *_place(arn, "endpoint", 4, parameter))
    if device is None:
        raise not_found("Endpoint")
    return device


def _own_device_at(ctx: Context, arn: str) -> Device:
    device = device_at(ctx, arn)
    if (device.account, device.region) != (ctx.account, ctx.region):
        raise not_found("Endpoint")
    return device


def _device_settings(device: Device, given: Mapping[str, str]) -> Device:
    for name, text in given.items():
        if name == "Enabled":
            if text.lower() not in ("true", "false"):
                raise invalid("Attributes", "Enabled must be true or false")
            device = change(device, enabled=text.lower() == "true")
        elif name == "Token":
            device = change(device, token=text)
        elif name == "CustomUserData":
            if len(text.encode()) >= USER_DATA_BYTES:
                raise invalid("CustomUserData", "must be less than 2048 bytes")
            device = change(device, user_data=text)
        else:
            raise invalid("Attributes", f"{name} is not supported")
    return device


def _attributes_of(device: Device) -> dict[str, str]:
    shown = {"Enabled": "true" if device.enabled else "false", "Token": device.token}
    return {**shown, "CustomUserData": device.user_data} if device.user_data else shown


def _tell(ctx: Context, application: Application, event: str, device: Device) -> None:
    """An application's events, to the topic that wants them, as SNS."""
    topic = application.attributes.get(event)
    if topic:
        told = {
            "EndpointArn": _device_arn(device),
            "EventType": event.removeprefix("Event"),
            "Resource": _application_arn(application),
            "Service": "SNS",
            "Time": envelopes.instant(ctx.now),
        }
        try:
            acting = Acting(PRINCIPAL, _application_arn(application), application.account)
            ctx.call("sns", "Publish", {"TopicArn": topic, "Message": msgspec.json.encode(told).decode()}, acting=acting)
        except ServiceException:
            return  # an event that cannot be told does not undo what it tells of


@operation("CreatePlatformEndpoint")
def create_platform_endpoint(ctx: Context, req: Any) -> Answer:
    """Registers an app on a device by its token. One that is registered with the same attributes is answered.

    Errors: InvalidParameter, NotFound.
    """
    application = _application_at(ctx, req.PlatformApplicationArn)
    if not req.Token:
        raise invalid("Token", "must not be empty")
    given = {**(req.Attributes or {}), **({"CustomUserData": req.CustomUserData} if req.CustomUserData is not None else {})}
    place = (application.account, application.region, application.platform, application.name)
    found = next(BY_TOKEN.scan(ctx, *place, req.Token), None)
    if found is not None:
        if _device_settings(found, given) != found or (found.user_data and "CustomUserData" not in given):
            raise invalid("Token", f"Endpoint {_device_arn(found)} already exists with the same Token, but different attributes.")
        return {"EndpointArn": _device_arn(found)}
    account, region, platform, name = place
    device = Device(account=account, region=region, platform=platform, application=name, id=ctx.random.uuid(), token=req.Token)
    device = _device_settings(device, given)
    DEVICES.put(ctx, device)
    _tell(ctx, application, "EventEndpointCreated", device)
    return {"EndpointArn": _device_arn(device)}


@operation("GetEndpointAttributes")
def get_endpoint_attributes(ctx: Context, req: Any) -> Answer:
    """Token, Enabled and CustomUserData. Errors: InvalidParameter, NotFound."""
    return {"Attributes": _attributes_of(_own_device_at(ctx, req.EndpointArn))}


@operation("SetEndpointAttributes")
def set_endpoint_attributes(ctx: Context, req: Any) -> Answer:
    """Sets Token, Enabled or CustomUserData. Errors: InvalidParameter, NotFound."""
    device = _device_settings(_own_device_at(ctx, req.EndpointArn), req.Attributes)
    DEVICES.put(ctx, device)
    application = APPLICATIONS.get(ctx, device.account, device.region, device.platform, device.application)
    if application is not None:
        _tell(ctx, application, "EventEndpointUpdated", device)
    return None


@operation("ListEndpointsByPlatformApplication")
def list_endpoints_by_platform_application(ctx: Context, req: Any) -> Answer:
    """An application's endpoints, 100 a page. Errors: InvalidParameter, NotFound."""
    application = _application_at(ctx, req.PlatformApplicationArn)
    after = paging.place(req.NextToken, lambda: invalid("NextToken"))
    place = (application.account, application.region, application.platform, application.name)
    found, more = paging.page(DEVICES.scan(ctx, *place, after=after), PAGE)
    shown = [{"EndpointArn": _device_arn(one), "Attributes": _attributes_of(one)} for one in found]
    return {"Endpoints": shown, "NextToken": paging.token(found[-1].id) if more else None}


@operation("DeleteEndpoint")
def delete_endpoint(ctx: Context, req: Any) -> Answer:
    """Deletes an endpoint; one that is not there is no error. Subscriptions of it stay, and fail. Errors: InvalidParameter."""
    device = DEVICES.get(ctx, *_place(req.EndpointArn, "endpoint", 4, "EndpointArn"))
    if device is not None and (device.account, device.region) == (ctx.account, ctx.region):
        DEVICES.delete(ctx, device)
        application = APPLICATIONS.get(ctx, device.account, device.region, device.platform, device.application)
        if application is not None:
            _tell(ctx, application, "EventEndpointDeleted", device)
    return None


# Sending


def publish(ctx: Context, arn: str, message: Message) -> None:
    """A notification to one app on one device. Errors: InvalidParameter, EndpointDisabled, PlatformApplicationDisabled."""
    place = _place(arn, "endpoint", 4, "TargetArn")
    if place[1] != ctx.region or DEVICES.get(ctx, *place) is None:
        raise invalid("TargetArn", "No endpoint found for the target arn specified")
    send(ctx, arn, message, "")


def send(ctx: Context, arn: str, message: Message, source_arn: str) -> None:
    """Puts a notification into the outbox. Errors: NotFound, EndpointDisabled, PlatformApplicationDisabled."""
    device = device_at(ctx, arn)
    application = APPLICATIONS.get(ctx, device.account, device.region, device.platform, device.application)
    if application is None:
        raise not_found("PlatformApplication")
    if application.attributes.get("Enabled") == "false":
        raise ServiceException("PlatformApplicationDisabledException", "Platform application is disabled")
    if not device.enabled:
        raise ServiceException("EndpointDisabledException", "Endpoint is disabled")
    letters.post(
        ctx,
        device.account,
        device.region,
        channel=device.platform,
        destination=device.token,
        sender=application.name,
        message_id=message.id,
        text=_payload(device.platform, message),
        source_arn=source_arn or arn,
    )
    dimensions = (("Application", application.name), ("Platform", device.platform))
    measure_message(ctx, device.account, device.region, "NumberOfNotificationsDelivered", 1, dimensions)


def _payload(platform: str, message: Message) -> str:
    """What the platform gets: the publisher's JSON for it, or what SNS makes of plain text."""
    if message.structure is not None and platform in message.structure:
        return message.structure[platform]
    text = envelopes.body_for(message, platform)
    made: Any = {"data": {"default": text}} if platform in ("ADM", "GCM") else text
    if platform.startswith(("APNS", "MACOS")):
        made = {"aps": {"alert": text}}
    return msgspec.json.encode(made).decode() if isinstance(made, dict) else text
