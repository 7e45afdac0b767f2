"""Python 3.6: a package with a module for each class, and `Marshaller`."""

from __future__ import annotations

import keyword

from fogbank.services.schemas.code.program import Class, Kind, Program, names, snake

_RESERVED = frozenset({*keyword.kwlist, "self", "FIELDS", "to_dict"})

_CLASS = '''\
class {name}(object):
    """{name} of the schema."""

    # (attribute, name in JSON, kind of value)
    FIELDS = (
{fields}
    )

    def __init__(self{parameters}):
{assignments}

    def to_dict(self):
        """The attributes that have a value, by name."""
        found = ((attribute, getattr(self, attribute)) for attribute, _, _ in self.FIELDS)
        return {{attribute: value for attribute, value in found if value is not None}}

    def __eq__(self, other):
        return isinstance(other, {name}) and self.to_dict() == other.to_dict()

    def __ne__(self, other):
        return not self == other

    __hash__ = None

    def __repr__(self):
        return "{name}(%s)" % ", ".join("%s=%r" % one for one in self.to_dict().items())
'''

_MARSHALLER = '''\
from datetime import datetime, timedelta, timezone
import re

{imports}

_CLASSES = {{one.__name__: one for one in ({classes},)}}
_MOMENT = re.compile(r"(\\d+)-(\\d+)-(\\d+)[Tt ](\\d+):(\\d+):(\\d+)(?:\\.(\\d+))?(?:[Zz]|([+-])(\\d\\d):?(\\d\\d))$")


class Marshaller(object):
    """Between objects of these classes and what json.loads gives."""

    @classmethod
    def marshall(cls, value):
        """An object as dicts, lists and plain values. Attributes that are None are left out."""
        if isinstance(value, datetime):
            return value.isoformat().replace("+00:00", "Z")
        if isinstance(value, (list, tuple)):
            return [cls.marshall(one) for one in value]
        if isinstance(value, dict):
            return {{name: cls.marshall(one) for name, one in value.items()}}
        if type(value).__name__ in _CLASSES:
            found = ((name, getattr(value, attribute)) for attribute, name, _ in value.FIELDS)
            return {{name: cls.marshall(one) for name, one in found if one is not None}}
        return value

    @classmethod
    def unmarshall(cls, data, kind):
        """Data as an object of a class. What the class does not know is left out."""
        return cls._value(data, ("class", kind.__name__))

    @classmethod
    def _value(cls, data, kind):
        name, of = kind
        if data is None:
            return None
        if name == "class" and isinstance(data, dict):
            made = _CLASSES[of]()
            for attribute, key, inner in made.FIELDS:
                if key in data:
                    setattr(made, attribute, cls._value(data[key], inner))
            return made
        if name == "list" and isinstance(data, list):
            return [cls._value(one, of) for one in data]
        if name == "map" and isinstance(data, dict):
            return {{key: cls._value(one, of) for key, one in data.items()}}
        if name == "moment" and isinstance(data, str):
            return _moment(data)
        return data


def _moment(text):
    """The instant; the text itself where it is none."""
    found = _MOMENT.match(text)
    if found is None:
        return text
    parts = [int(part) for part in found.groups()[:6]]
    fraction, sign, hours, minutes = found.groups()[6:]
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone.utc if not offset else timezone(-offset if sign == "-" else offset)
    return datetime(*parts, microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=zone)
'''


def files(program: Program) -> dict[str, str]:
    parts = [snake(part) for part in program.package]
    parts = [f"{part}_" if keyword.iskeyword(part) else part for part in parts]
    folder = "/".join(("schema", *parts))
    made = {f"{'/'.join(('schema', *parts)[:depth])}/__init__.py": "" for depth in range(1, len(parts) + 1)}
    imports = "\n".join(f"from .{snake(one.name)} import {one.name}" for one in program.classes)
    made[f"{folder}/__init__.py"] = f"{imports}\nfrom .marshaller import Marshaller\n"
    made[f"{folder}/marshaller.py"] = _MARSHALLER.format(imports=imports, classes=", ".join(one.name for one in program.classes))
    for one in program.classes:
        made[f"{folder}/{snake(one.name)}.py"] = _class(one)
    return made


def _class(one: Class) -> str:
    named = names(one.fields, snake, _RESERVED)
    return _CLASS.format(
        name=one.name,
        fields="\n".join(f"        ({named[f.name]!r}, {f.name!r}, {_kind(f.kind)!r})," for f in one.fields) or "        # none",
        parameters="".join(f", {name}=None" for name in named.values()),
        assignments="\n".join(f"        self.{name} = {name}" for name in named.values()) or "        pass",
    )


def _kind(kind: Kind) -> tuple[str, object]:
    return kind.name, _kind(kind.of) if kind.of is not None else kind.class_ or None
