"""The input of a schedule lies sealed: under a data key of the schedule's KMS key, or under the root key.

Who makes the schedule needs kms:DescribeKey and kms:GenerateDataKey, who looks at it kms:Decrypt, and so does the schedule's role.
Source: "Encryption at rest in EventBridge Scheduler" in the EventBridge Scheduler User Guide.
"""

from __future__ import annotations

from fogbank.kernel.context import Context, Role
from fogbank.kernel.errors import ServiceException
from fogbank.services.scheduler.addresses import invalid, schedule_arn
from fogbank.services.scheduler.state import Schedule
from fogbank.store import change
from fogbank.store.vault import Seal


def _bound(schedule: Schedule) -> dict[str, str]:
    return {"aws:scheduler:schedule:arn": schedule_arn(schedule)}


def sealed(ctx: Context, schedule: Schedule, text: str | None) -> Schedule:
    """The schedule with an input for its target. Raises ValidationException."""
    if not schedule.kms_key:
        return change(schedule, input=b"" if text is None else ctx.vault.seal(text.encode()), data_key=b"")
    members = {"KeyId": schedule.kms_key, "KeySpec": "AES_256", "EncryptionContext": _bound(schedule)}
    try:
        made = ctx.call("kms", "GenerateDataKey", members)
    except ServiceException as refused:
        raise invalid(f"The KMS key {schedule.kms_key} cannot be used: {refused.message}") from None
    content = b"" if text is None else Seal(made["Plaintext"]).seal(text.encode())
    return change(schedule, input=content, data_key=made["CiphertextBlob"])


def opened(ctx: Context, schedule: Schedule, acting: Role | None = None) -> str | None:
    """The input, for the caller or for a role; None where there is none. Errors: those of KMS's Decrypt."""
    if not schedule.input:
        return None
    seal: Seal = ctx.vault
    if schedule.data_key:
        members = {"CiphertextBlob": schedule.data_key, "KeyId": schedule.kms_key, "EncryptionContext": _bound(schedule)}
        seal = Seal(ctx.call("kms", "Decrypt", members, acting=acting)["Plaintext"])
    return seal.open(schedule.input).decode()
