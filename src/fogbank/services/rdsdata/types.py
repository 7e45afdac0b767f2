"""Types of columns: what kind of Field a value becomes, and what `columnMetadata` says of it.

`kind`: long, double, decimal, boolean, blob or string. `number`: as java.sql.Types has it. Of PostgreSQL's types by their numbers in the
engine, and of MariaDB's by their names.
"""

from __future__ import annotations

from typing import NamedTuple

from fogbank.engines.spec import Column

ARRAY = 2003
OTHER = 1111
_TEXT = 2_147_483_647


class Type(NamedTuple):
    kind: str
    number: int
    precision: int = 0
    scale: int = 0
    cased: bool = False
    currency: bool = False

    @property
    def signed(self) -> bool:
        return self.kind in ("long", "double", "decimal")


_POSTGRES = {
    16: Type("boolean", -7, 1),
    17: Type("blob", -2, _TEXT),
    18: Type("string", 1, 1, cased=True),
    19: Type("string", 12, 63, cased=True),
    20: Type("long", -5, 19),
    21: Type("long", 5, 5),
    23: Type("long", 4, 10),
    25: Type("string", 12, _TEXT, cased=True),
    26: Type("long", -5, 10),
    700: Type("double", 7, 8, 8),
    701: Type("double", 8, 17, 17),
    790: Type("string", 8, _TEXT, currency=True),
    1042: Type("string", 1, _TEXT, cased=True),
    1043: Type("string", 12, _TEXT, cased=True),
    1082: Type("string", 91, 13),
    1083: Type("string", 92, 15, 6),
    1114: Type("string", 93, 29, 6),
    1184: Type("string", 93, 35, 6),
    1186: Type("string", OTHER, 49),
    1266: Type("string", 92, 21, 6),
    1700: Type("decimal", 2),
}
_ELEMENTS = {
    1000: 16, 1001: 17, 1002: 18, 1003: 19, 1016: 20, 1005: 21, 1007: 23, 1009: 25, 1028: 26, 1021: 700, 1022: 701, 791: 790,
    1014: 1042, 1015: 1043, 1182: 1082, 1183: 1083, 1115: 1114, 1185: 1184, 1187: 1186, 1270: 1266, 1231: 1700,
}  # fmt: skip
"""An array's type -> its elements'."""
COMPOSITES = {2249, 2287}
_LONG = {"TINY": 255, "": 65_535, "MEDIUM": 16_777_215, "LONG": _TEXT}
_MARIADB = {
    "TINYINT": Type("long", -6, 3),
    "SMALLINT": Type("long", 5, 5),
    "MEDIUMINT": Type("long", 4, 7),
    "INT": Type("long", 4, 10),
    "BIGINT": Type("long", -5, 19),
    "FLOAT": Type("double", 7, 12),
    "DOUBLE": Type("double", 8, 22),
    "DECIMAL": Type("decimal", 3),
    "BIT": Type("blob", -7),
    "DATE": Type("string", 91, 10),
    "TIME": Type("string", 92, 10),
    "DATETIME": Type("string", 93, 19),
    "TIMESTAMP": Type("string", 93, 19),
    "YEAR": Type("string", 91, 4),
    "CHAR": Type("string", 1, cased=True),
    "VARCHAR": Type("string", 12, cased=True),
    "ENUM": Type("string", 1, cased=True),
    "SET": Type("string", 1, cased=True),
    "BINARY": Type("blob", -2),
    "VARBINARY": Type("blob", -3),
    "GEOMETRY": Type("blob", -2),
    **{f"{size}TEXT": Type("string", -1, most, cased=True) for size, most in _LONG.items()},
    **{f"{size}BLOB": Type("blob", -4, most) for size, most in _LONG.items()},
}
_UNKNOWN = Type("string", OTHER, _TEXT, cased=True)
_YES_OR_NO = Type("boolean", -7, 1)


def type_of(column: Column, dialect: str) -> Type:
    """A column's type; that of its elements where it is an array."""
    if dialect == "mariadb":
        name = column.type.removesuffix(" UNSIGNED")
        return _YES_OR_NO if name in ("TINYINT", "BIT") and column.precision == 1 else _MARIADB.get(name, _UNKNOWN)
    return _POSTGRES.get(_ELEMENTS.get(column.code, column.code), _UNKNOWN)


def digits(column: Column, found: Type, dialect: str) -> tuple[int, int]:
    """A column's precision and scale. (MariaDB tells how many characters a decimal takes, and of what has no scale 39.)"""
    if found.kind == "long":
        return found.precision, 0
    precision = min(column.precision or found.precision, _TEXT)
    if dialect == "postgres":
        return precision, column.scale or found.scale
    if found.kind == "decimal":
        return precision - (column.scale > 0) - (not column.type.endswith(" UNSIGNED")), column.scale
    return precision, 0


def is_array(column: Column, dialect: str) -> bool:
    return dialect == "postgres" and (column.code in _ELEMENTS or column.type.startswith("_") or column.type.endswith("[]"))
