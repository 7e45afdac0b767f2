"""TypeScript 3: a module for each class, and `Marshaller`."""

from __future__ import annotations

import json

from fogbank.services.schemas.code.program import Class, Kind, Program, camel, names

_RESERVED = frozenset({"constructor", "FIELDS"})
_PLAIN = {"string": "string", "moment": "Date", "integer": "number", "number": "number", "boolean": "boolean", "any": "any"}

_CLASS = """\
import {{ Field }} from "./marshaller/Field";
{imports}
export class {name} {{
    /** Attribute, name in JSON, kind of value. */
    static readonly FIELDS: Field[] = [
{fields}
    ];

{attributes}
}}
"""

_FIELD = """\
/** A kind of value: its name, and what it is of. */
export interface Kind {
    name: string;
    of?: Kind;
    type?: string;
}

export interface Field {
    attribute: string;
    name: string;
    kind: Kind;
}
"""

_MARSHALLER = """\
import {{ Kind }} from "./Field";
{imports}

const CLASSES: {{ [name: string]: any }} = {{ {classes} }};

/** Between objects of these classes and what JSON.parse gives. */
export class Marshaller {{
    /** An object as plain JSON. Attributes that are undefined are left out. */
    static marshall(value: any): any {{
        if (value === null || value === undefined) {{
            return value;
        }}
        if (value instanceof Date) {{
            return value.toISOString();
        }}
        if (Array.isArray(value)) {{
            return value.map((one: any) => Marshaller.marshall(one));
        }}
        if (typeof value !== "object") {{
            return value;
        }}
        const made: {{ [name: string]: any }} = {{}};
        const fields = value.constructor.FIELDS;
        if (fields === undefined) {{
            Object.keys(value).forEach((name: string) => {{
                made[name] = Marshaller.marshall(value[name]);
            }});
            return made;
        }}
        for (const field of fields) {{
            if (value[field.attribute] !== undefined) {{
                made[field.name] = Marshaller.marshall(value[field.attribute]);
            }}
        }}
        return made;
    }}

    /** Data as an object of the class with this name. What the class does not know is left out. */
    static unmarshall(data: any, type: string): any {{
        return Marshaller.value(data, {{ name: "class", type: type }});
    }}

    private static value(data: any, kind: Kind): any {{
        if (data === null || data === undefined) {{
            return data;
        }}
        if (kind.name === "class" && typeof data === "object") {{
            const made = new CLASSES[kind.type as string]();
            for (const field of CLASSES[kind.type as string].FIELDS) {{
                if (data[field.name] !== undefined) {{
                    made[field.attribute] = Marshaller.value(data[field.name], field.kind);
                }}
            }}
            return made;
        }}
        if (kind.name === "list" && Array.isArray(data)) {{
            return data.map((one: any) => Marshaller.value(one, kind.of as Kind));
        }}
        if (kind.name === "map" && typeof data === "object") {{
            const made: {{ [name: string]: any }} = {{}};
            Object.keys(data).forEach((name: string) => {{
                made[name] = Marshaller.value(data[name], kind.of as Kind);
            }});
            return made;
        }}
        return kind.name === "moment" ? new Date(data) : data;
    }}
}}
"""


def files(program: Program) -> dict[str, str]:
    folder = "/".join(("schema", *(part.lower() for part in program.package)))
    classes = [one.name for one in program.classes]
    made = {
        f"{folder}/marshaller/Field.ts": _FIELD,
        f"{folder}/marshaller/Marshaller.ts": _MARSHALLER.format(
            imports="\n".join(f'import {{ {name} }} from "../{name}";' for name in classes), classes=", ".join(classes)
        ),
        f"{folder}/index.ts": "".join(f'export * from "./{name}";\n' for name in [*classes, "marshaller/Marshaller"]),
    }
    for one in program.classes:
        made[f"{folder}/{one.name}.ts"] = _class(one)
    return made


def _class(one: Class) -> str:
    named = names(one.fields, camel, _RESERVED)
    others = sorted({used for field in one.fields if (used := _class_of(field.kind)) and used != one.name})
    fields = [{"attribute": named[field.name], "name": field.name, "kind": _kind(field.kind)} for field in one.fields]
    return _CLASS.format(
        name=one.name,
        imports="".join(f'import {{ {other} }} from "./{other}";\n' for other in others),
        fields="\n".join(f"        {json.dumps(field)}," for field in fields),
        attributes="\n".join(f"    {named[field.name]}{'!' if field.required else '?'}: {_type(field.kind)};" for field in one.fields),
    )


def _class_of(kind: Kind) -> str:
    return kind.class_ if kind.of is None else _class_of(kind.of)


def _kind(kind: Kind) -> dict[str, object]:
    if kind.of is not None:
        return {"name": kind.name, "of": _kind(kind.of)}
    return {"name": kind.name, "type": kind.class_} if kind.class_ else {"name": kind.name}


def _type(kind: Kind) -> str:
    if kind.of is not None:
        return f"Array<{_type(kind.of)}>" if kind.name == "list" else f"{{ [name: string]: {_type(kind.of)} }}"
    return kind.class_ or _PLAIN[kind.name]
