"""Service settings of the Parameter Store.

`high-throughput-enabled` cannot be turned on: quotas on calls are not imposed, so there is none to raise.
"""

from __future__ import annotations

from typing import Any

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.kernel.operation import Answer, operation
from fogbank.services.ssm.names import invalid
from fogbank.services.ssm.state import ADVANCED, INTELLIGENT, SETTINGS, STANDARD, Setting

TIER = "/ssm/parameter-store/default-parameter-tier"
HIGH_THROUGHPUT = "/ssm/parameter-store/high-throughput-enabled"
CHOICES = {
    TIER: (STANDARD, ADVANCED, INTELLIGENT),
    HIGH_THROUGHPUT: ("false", "true"),
}
"""The values of each setting; the first is what AWS sets."""
MISSING = frozenset(
    {
        "/ssm/appmanager/appmanager-enabled",
        "/ssm/automation/customer-script-log-destination",
        "/ssm/automation/customer-script-log-group-name",
        "/ssm/automation/enable-adaptive-concurrency",
        "/ssm/documents/console/public-sharing-permission",
        "/ssm/managed-instance/activation-tier",
        "/ssm/managed-instance/default-ec2-instance-management-role",
        "/ssm/opsinsights/opscenter",
    }
)


def _id(text: str) -> str:
    """A setting's id, where its ARN is given, too."""
    return text.partition(":servicesetting")[2] or text if text.startswith("arn:") else text


def arn_of_request(ctx: Context, req: Any) -> str | None:
    """What a request is about, for the door."""
    setting_id = getattr(req, "SettingId", None)
    return None if setting_id is None else ctx.arn(f"servicesetting{_id(setting_id)}", service="ssm")


def _setting_at(ctx: Context, text: str) -> str:
    setting_id = _id(text)
    if setting_id in MISSING:
        raise NotImplementedOperation("ssm", ctx.operation, f"for {setting_id}")
    if setting_id not in CHOICES:
        raise ServiceException("ServiceSettingNotFound", f"The service setting {text} was not found.")
    return setting_id


def default_tier(ctx: Context) -> str:
    """The tier of a parameter for which none is asked."""
    changed = SETTINGS.get(ctx, ctx.account, ctx.region, TIER)
    return changed.value if changed is not None else STANDARD


def _describe(ctx: Context, setting_id: str) -> Answer:
    changed = SETTINGS.get(ctx, ctx.account, ctx.region, setting_id)
    return {
        "ServiceSetting": {
            "SettingId": setting_id,
            "SettingValue": changed.value if changed else CHOICES[setting_id][0],
            "LastModifiedDate": changed.at_ms if changed else None,
            "LastModifiedUser": changed.user if changed else "System",
            "ARN": ctx.arn(f"servicesetting{setting_id}"),
            "Status": "Customized" if changed else "Default",
        }
    }


@operation("GetServiceSetting")
def get_service_setting(ctx: Context, req: Any) -> Answer:
    """A setting of the account in the region. Errors: ServiceSettingNotFound. Source: API reference, GetServiceSetting."""
    return _describe(ctx, _setting_at(ctx, req.SettingId))


@operation("UpdateServiceSetting")
def update_service_setting(ctx: Context, req: Any) -> Answer:
    """Changes a setting.

    Errors: ServiceSettingNotFound, ValidationException; NotImplemented. Source: API reference, UpdateServiceSetting.
    """
    setting_id = _setting_at(ctx, req.SettingId)
    if req.SettingValue not in CHOICES[setting_id]:
        raise invalid(f"Invalid setting value {req.SettingValue} for {setting_id}. Valid values are {', '.join(CHOICES[setting_id])}.")
    if setting_id == HIGH_THROUGHPUT and req.SettingValue == "true":
        raise NotImplementedOperation("ssm", "UpdateServiceSetting", f"with {HIGH_THROUGHPUT}=true: no quota on calls is imposed")
    changed = Setting(account=ctx.account, region=ctx.region, id=setting_id, value=req.SettingValue, at_ms=ctx.now, user=ctx.principal.arn)
    SETTINGS.put(ctx, changed)
    return None


@operation("ResetServiceSetting")
def reset_service_setting(ctx: Context, req: Any) -> Answer:
    """Takes a setting back to what AWS sets. Errors: ServiceSettingNotFound. Source: API reference, ResetServiceSetting."""
    setting_id = _setting_at(ctx, req.SettingId)
    changed = SETTINGS.get(ctx, ctx.account, ctx.region, setting_id)
    if changed is not None:
        SETTINGS.delete(ctx, changed)
    return _describe(ctx, setting_id)
