"""Receipt handles, task handles, sequence numbers: opaque texts that say what they stand for."""

from __future__ import annotations

import binascii
import struct
from typing import NamedTuple
from zlib import crc32

import msgspec

from fogbank.kernel.errors import ServiceException
from fogbank.services.sqs.state import Message, Queue

_FORM = struct.Struct(">BQQQI")
_CHECK = struct.Struct(">I")
_VERSION = 1
_FIRST_SEQUENCE_NUMBER = 18_000_000_000_000_000_000


class Receipt(NamedTuple):
    """`receive_count` is the message's when it was received: a later receive makes this handle an old one."""

    queue: int
    sent_at_ms: int
    sequence: int
    receive_count: int


def receipt_handle(queue: Queue, message: Message) -> str:
    raw = _FORM.pack(_VERSION, queue.id, message.sent_at_ms, message.sequence, message.receive_count)
    return binascii.b2a_base64(raw + _CHECK.pack(crc32(raw)), newline=False).decode()


def read_receipt(queue: Queue, handle: str) -> Receipt:
    """Raises ReceiptHandleIsInvalid for what is not a handle, or is another queue's."""
    try:
        raw = binascii.a2b_base64(handle, strict_mode=True)
        body = raw[: _FORM.size]
        version, owner, sent_at_ms, sequence, receive_count = _FORM.unpack(body)
    except (ValueError, struct.error):
        version = 0
    if version != _VERSION or raw[_FORM.size :] != _CHECK.pack(crc32(body)):
        raise ServiceException("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')
    if owner != queue.id:
        raise ServiceException("ReceiptHandleIsInvalid", f'The receipt handle "{handle}" is not valid for this queue.')
    return Receipt(owner, sent_at_ms, sequence, receive_count)


def sequence_number(message_sequence: int) -> str:
    """20 digits that increase, of a message's sequence in the store."""
    return str(_FIRST_SEQUENCE_NUMBER + message_sequence)


class _Task(msgspec.Struct, rename="camel"):
    task_id: str
    source_arn: str


def task_handle(id: str, source_arn: str) -> str:
    return binascii.b2a_base64(msgspec.json.encode(_Task(id, source_arn)), newline=False).decode()


def read_task(handle: str) -> tuple[str, str] | None:
    """(task's id, source's ARN), or None for what is not a task handle."""
    try:
        task = msgspec.json.decode(binascii.a2b_base64(handle, strict_mode=True), type=_Task)
    except (ValueError, msgspec.MsgspecError):
        return None
    return task.task_id, task.source_arn
