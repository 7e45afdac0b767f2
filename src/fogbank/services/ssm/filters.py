"""Filters of DescribeParameters and GetParametersByPath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fogbank.kernel.context import Context
from fogbank.kernel.errors import NotImplementedOperation, ServiceException
from fogbank.services.ssm.names import check_path, invalid
from fogbank.services.ssm.state import Parameter, Version

Fits = Callable[[Parameter, Version], bool]
Text = Callable[[Parameter, Version], str]

TEXTS: dict[str, Text] = {
    "Name": lambda p, v: p.name,
    "Type": lambda p, v: p.type,
    "KeyId": lambda p, v: v.key_id,
    "Tier": lambda p, v: v.tier,
    "DataType": lambda p, v: v.data_type,
}
OPTIONS: dict[str, Callable[[str, str], bool]] = {
    "Equals": lambda text, value: text == value,
    "BeginsWith": str.startswith,
    "Contains": lambda text, value: value in text,
}
PATH_KEYS = ("Type", "KeyId", "Label")
TYPES = ("String", "StringList", "SecureString")
VALUES = {"Type": TYPES, "Tier": ("Standard", "Advanced", "Intelligent-Tiering")}


class Filter(NamedTuple):
    key: str
    option: str
    values: list[str]


def _refuse(code: str, message: str) -> ServiceException:
    return ServiceException(f"InvalidFilter{code}", message)


def read(req: Any) -> Fits:
    """What a DescribeParameters request asks for. Raises InvalidFilterKey, InvalidFilterOption, InvalidFilterValue."""
    if req.Shared:
        raise NotImplementedOperation("ssm", "DescribeParameters", "with Shared: AWS Resource Access Manager")
    if req.Filters and req.ParameterFilters:
        raise invalid("You can use either Filters or ParameterFilters in a single request.")
    given = [_given(each) for each in req.ParameterFilters or ()]
    _check_once(given)
    tests = [_described(each) for each in given]
    tests += [_old(each) for each in req.Filters or ()]
    return lambda p, v: all(test(p, v) for test in tests)


def read_for_path(listed: list[Any]) -> Fits:
    """What a GetParametersByPath request asks for, but for the label. Raises InvalidFilterKey, InvalidFilterOption, InvalidFilterValue."""
    given = [_given(each) for each in listed]
    _check_once(given)
    for each in given:
        if each.key not in PATH_KEYS:
            raise _refuse("Key", f"The following filter key is not valid: {each.key}. Valid filter keys include: [Type, KeyId, Label].")
    tests = [_by_text(each, ("Equals", "BeginsWith")) for each in given if each.key != "Label"]
    return lambda p, v: all(test(p, v) for test in tests)


def label_of(listed: list[Any]) -> str:
    """The label by which GetParametersByPath chooses versions; empty where it does not."""
    for each in map(_given, listed):
        if each.key == "Label":
            if each.option != "Equals":
                raise _option(each, ("Equals",))
            if len(each.values) != 1:
                raise _refuse("Value", "The filter Label takes one value.")
            return each.values[0]
    return ""


def _given(each: Any) -> Filter:
    return Filter(each.Key, each.Option or ("OneLevel" if each.Key == "Path" else "Equals"), each.Values or [])


def _check_once(given: list[Filter]) -> None:
    keys = [each.key for each in given]
    for key in keys:
        if keys.count(key) > 1:
            raise _refuse(
                "Key", f"The following filters are duplicated in the request: [{key}]. A request can contain only one filter of a key."
            )


def _option(each: Filter, valid: tuple[str, ...]) -> ServiceException:
    return _refuse("Option", f"The following filter option is not valid: {each.option}. Valid options include: [{', '.join(valid)}].")


def _described(each: Filter) -> Fits:
    if each.key == "Path":
        return _by_path(each)
    if each.key.startswith("tag:"):
        return _by_tag(each)
    if each.key not in TEXTS:
        raise _refuse("Key", f"The following filter key is not valid: {each.key}.")
    return _by_text(each, ("BeginsWith", "Equals", "Contains") if each.key == "Name" else ("BeginsWith", "Equals"))


def _check_values(each: Filter) -> None:
    if not each.values:
        raise _refuse("Value", f"The following filter values are missing : null for filter key {each.key}.")
    for value in each.values:
        if each.option == "Equals" and value not in VALUES.get(each.key, (value,)):
            raise _refuse("Value", f"The following filter value is not valid: {value} for filter key {each.key}.")


def _by_text(each: Filter, options: tuple[str, ...]) -> Fits:
    if each.option not in options:
        raise _option(each, options)
    _check_values(each)
    text, matches, values = TEXTS[each.key], OPTIONS[each.option], each.values
    return lambda p, v: any(matches(text(p, v), value) for value in values)


def _by_tag(each: Filter) -> Fits:
    """Parameters that have a tag, with one of the values if there are any."""
    key = each.key.removeprefix("tag:")
    if each.option not in ("Equals", "BeginsWith"):
        raise _option(each, ("BeginsWith", "Equals"))
    matches, values = OPTIONS[each.option], each.values
    return lambda p, v: key in p.tags and (not values or any(matches(p.tags[key], value) for value in values))


def _by_path(each: Filter) -> Fits:
    if each.option not in ("Recursive", "OneLevel"):
        raise _option(each, ("Recursive", "OneLevel"))
    _check_values(each)
    paths = [check_path(value) for value in each.values]
    recursive = each.option == "Recursive"
    return lambda p, v: any(_is_below(p.name, path, recursive) for path in paths)


def _is_below(name: str, path: str, recursive: bool) -> bool:
    rest = name.removeprefix("/") if path == "/" else name.removeprefix(path) if name.startswith(path) else ""
    return bool(rest) and (recursive or "/" not in rest)


def _old(each: Any) -> Fits:
    """A filter of the older kind: names by how they begin, types and keys as they are."""
    return _by_text(Filter(each.Key, "BeginsWith" if each.Key == "Name" else "Equals", each.Values), ("BeginsWith", "Equals"))


def recursive_key(ctx: Context, req: Any) -> str | None:
    """`ssm:Recursive`: whether a path is asked for with all below it."""
    return None if ctx.operation != "GetParametersByPath" else "true" if req.Recursive else "false"
