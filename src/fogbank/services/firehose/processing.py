"""What is done to records on their way, but for functions: decompressed, taken apart, looked into, ended. Pure.

Source: developer guide, Partition streaming data in Amazon Data Firehose; Send CloudWatch Logs to Firehose.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from collections.abc import Mapping
from functools import lru_cache
from hashlib import md5
from typing import Any, NamedTuple

import msgspec

from fogbank.kernel.errors import NotImplementedOperation
from fogbank.services.firehose.faults import invalid

AGGREGATED = b"\xf3\x89\x9a\xc2"
"""What a record of the Kinesis Producer Library begins with that holds several."""
PARTS_LIMIT = 500
_decode = msgspec.json.decode


class Failed(Exception):
    """A record that cannot be processed: code and message of the error output."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Step(NamedTuple):
    """A processor with its parameters."""

    type: str
    parameters: Mapping[str, str]


@lru_cache(512)
def _steps(packed: bytes) -> tuple[Step, ...]:
    given: dict[str, Any] = _decode(packed)
    if not given.get("Enabled"):
        return ()
    return tuple(
        Step(one["Type"], {each["ParameterName"]: each["ParameterValue"] for each in one.get("Parameters") or ()})
        for one in given.get("Processors") or ()
    )


def steps(destination: Mapping[str, Any]) -> tuple[Step, ...]:
    """A destination's processors, where processing is enabled."""
    given = destination.get("ProcessingConfiguration")
    return _steps(msgspec.json.encode(given)) if given else ()


def step(destination: Mapping[str, Any], type: str) -> Step | None:
    return next((one for one in steps(destination) if one.type == type), None)


# before a function


def taken_apart(record: bytes, chain: tuple[Step, ...]) -> list[bytes]:
    """The records in a record: decompressed, without CloudWatch Logs' wrapping, deaggregated. Raises Failed."""
    found = [record]
    for one in chain:
        if one.type == "Decompression":
            found = [_decompressed(each) for each in found]
        elif one.type == "CloudWatchLogProcessing" and one.parameters.get("DataMessageExtraction", "").lower() == "true":
            found = [_messages(each) for each in found]
        elif one.type == "RecordDeAggregation":
            found = [part for each in found for part in _deaggregated(each, one.parameters)]
    return found


def _decompressed(record: bytes) -> bytes:
    try:
        return gzip.decompress(record)
    except (OSError, EOFError, zlib.error):
        raise Failed("Decompression.Failed", "The record is not in GZIP format.") from None


def _messages(record: bytes) -> bytes:
    """The messages of CloudWatch Logs' events, one a line."""
    try:
        lines = [event["message"] for event in _decode(record)["logEvents"]]
        return "".join(f"{line}\n" for line in lines).encode()
    except (msgspec.MsgspecError, KeyError, TypeError):
        raise Failed("CloudWatchLogProcessing.Failed", "The record is not in the format of CloudWatch Logs.") from None


def _deaggregated(record: bytes, parameters: Mapping[str, str]) -> list[bytes]:
    if parameters.get("SubRecordType") == "DELIMITED":
        parts = [part for part in record.split(base64.b64decode(parameters["Delimiter"])) if part]
    else:
        parts = _documents(record)
    return parts if len(parts) <= PARTS_LIMIT else [record]


def _documents(record: bytes) -> list[bytes]:
    """The JSON documents that follow each other in a record, or that are the items of its one array."""
    import json

    decoder, text, at = json.JSONDecoder(), record.decode("utf-8", "surrogateescape"), 0
    found: list[bytes] = []
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            raise Failed("DynamicPartitioning.DeAggregationFailed", "The record does not consist of JSON documents.") from None
        items = value if isinstance(value, list) else None
        found += [msgspec.json.encode(item) for item in items] if items is not None else [text[at:end].encode("utf-8", "surrogateescape")]
        at = end
    return found


def check(chain: tuple[Step, ...], *, dynamic: bool) -> None:
    """Raises InvalidArgumentException for processors that do not go together, NotImplementedOperation for what is not installed."""
    types = [one.type for one in chain]
    if len(set(types)) != len(types):
        raise invalid("A processor type can be given only once.")
    for one in chain:
        if one.type == "MetadataExtraction":
            _check_extraction(one)
        elif one.type == "RecordDeAggregation":
            _check_deaggregation(one)
        elif one.type == "Decompression" and one.parameters.get("CompressionFormat", "GZIP") != "GZIP":
            raise invalid("CompressionFormat of the Decompression processor must be GZIP.")
        elif one.type == "Lambda" and "LambdaArn" not in one.parameters:
            raise invalid("Lambda processor requires the parameter LambdaArn.")
    if "CloudWatchLogProcessing" in types and "Decompression" not in types:
        raise invalid("CloudWatchLogProcessing requires the Decompression processor.")
    if "MetadataExtraction" in types and not dynamic:
        raise invalid("MetadataExtraction processor can only be present when Dynamic Partitioning is enabled.")
    if dynamic and not {"MetadataExtraction", "Lambda"} & set(types):
        raise invalid("Dynamic partitioning requires the processor MetadataExtraction or Lambda.")


def _check_extraction(one: Step) -> None:
    if one.parameters.get("JsonParsingEngine") != "JQ-1.6" or "MetadataExtractionQuery" not in one.parameters:
        raise invalid("MetadataExtraction requires JsonParsingEngine JQ-1.6 and MetadataExtractionQuery.")
    _program(one.parameters["MetadataExtractionQuery"])


def _check_deaggregation(one: Step) -> None:
    kind = one.parameters.get("SubRecordType")
    if kind not in ("JSON", "DELIMITED"):
        raise invalid("SubRecordType must be JSON or DELIMITED.")
    try:
        if kind == "DELIMITED" and not base64.b64decode(one.parameters.get("Delimiter", ""), validate=True):
            raise invalid("Delimiter must be given in base64 when SubRecordType is DELIMITED.")
    except binascii.Error:
        raise invalid("Delimiter must be in base64.") from None


# after it


@lru_cache(256)
def _program(query: str) -> Any:
    """A query, compiled. Raises InvalidArgumentException."""
    try:
        import jq
    except ImportError:
        raise NotImplementedOperation("firehose", "CreateDeliveryStream", "with MetadataExtraction: jq is not installed") from None
    try:
        return jq.compile(query)
    except ValueError as problem:
        raise invalid(f"Invalid MetadataExtractionQuery: {problem}") from None


def queried_keys(chain: tuple[Step, ...]) -> list[str]:
    """The names of the keys that a query extracts: of {name: expression, ...}, found by asking it of nothing."""
    query = next((one.parameters["MetadataExtractionQuery"] for one in chain if one.type == "MetadataExtraction"), None)
    if query is None:
        return []
    try:
        found = _program(query).input_value({}).first()
    except (ValueError, StopIteration):
        return []
    return list(found) if isinstance(found, dict) else []


def keys_of(record: bytes, query: str) -> dict[str, str]:
    """The partition keys that a query finds in a record. Raises Failed."""
    try:
        found = _program(query).input_text(record.decode()).first()
    except (ValueError, UnicodeDecodeError, StopIteration) as problem:
        raise Failed("DynamicPartitioning.MetadataExtractionFailed", f"Failed to extract partition keys: {problem}") from None
    if not isinstance(found, dict) or any(value is None or isinstance(value, (dict, list)) or value == "" for value in found.values()):
        raise Failed("DynamicPartitioning.MetadataExtractionFailed", "partitionKeys values must not be null or empty")
    return {f"partitionKeyFromQuery:{name}": value if isinstance(value, str) else _shown(value) for name, value in found.items()}


def _shown(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def ended(record: bytes, chain: tuple[Step, ...]) -> bytes:
    """A record with the delimiter that is appended."""
    one = next((one for one in chain if one.type == "AppendDelimiterToRecord"), None)
    if one is None:
        return record
    return record + one.parameters.get("Delimiter", "\\n").replace("\\n", "\n").encode()


# the Kinesis Producer Library


def unpacked(record: bytes) -> list[tuple[str, bytes]]:
    """The (partition key, data) of the user records that KPL has put into one; [] where it is an ordinary record.

    AGGREGATED | protobuf: 1 partition keys, 2 explicit hash keys, 3 records: 1 index of the key, 3 data | MD5 of the protobuf.
    """
    if not record.startswith(AGGREGATED) or len(record) < 20:
        return []
    message, digest = record[4:-16], record[-16:]
    if md5(message, usedforsecurity=False).digest() != digest:
        return []
    keys: list[str] = []
    found: list[tuple[int, bytes]] = []
    try:
        for number, value in _fields(message):
            if number == 1 and isinstance(value, bytes):
                keys.append(value.decode())
            elif number == 3 and isinstance(value, bytes):
                inner = dict(_fields(value))
                index, data = inner.get(1, 0), inner.get(3, b"")
                found.append((index if isinstance(index, int) else 0, data if isinstance(data, bytes) else b""))
        return [(keys[index], data) for index, data in found]
    except (IndexError, UnicodeDecodeError, ValueError):
        return []


def _fields(message: bytes) -> list[tuple[int, int | bytes]]:
    """A protobuf message's fields: numbers, and lengths of bytes. Raises IndexError, ValueError."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 0:
            found.append((tag >> 3, value))
        elif tag & 7 == 2:
            if at + value > len(message):
                raise ValueError("a truncated field")
            found.append((tag >> 3, message[at : at + value]))
            at += value
        else:
            raise ValueError("a field of another type")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
        shift += 7
