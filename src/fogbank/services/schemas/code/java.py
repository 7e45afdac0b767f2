"""Java 8: a class for each object, and `marshaller.Marshaller`, which reads and writes JSON by itself."""

from __future__ import annotations

from fogbank.services.schemas.code.java_json import JSON
from fogbank.services.schemas.code.program import Class, Kind, Program, camel, names

_PLAIN = {
    "string": "String",
    "moment": "java.time.OffsetDateTime",
    "integer": "Long",
    "number": "java.math.BigDecimal",
    "boolean": "Boolean",
    "any": "Object",
}
_READ = {
    "string": "(String) {0}",
    "moment": "java.time.OffsetDateTime.parse((String) {0})",
    "integer": "((Number) {0}).longValue()",
    "number": "new java.math.BigDecimal({0}.toString())",
    "boolean": "(Boolean) {0}",
    "any": "{0}",
}
_WORDS = """
abstract assert boolean break byte case catch char class const continue default do double else enum extends final finally float for
goto if implements import instanceof int interface long native new package private protected public return short static strictfp
super switch synchronized this throw throws transient try void volatile while true false null
"""
_RESERVED = frozenset(_WORDS.split())
_CLASS = """\
package {package};

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

public class {name} {{
{fields}

{methods}

    /** From what JSON's object has; what is not known here is left out. */
    @SuppressWarnings("unchecked")
    public static {name} fromMap(Map<String, Object> data) {{
        {name} made = new {name}();
        Object value;
{reads}
        return made;
    }}

    /** The fields that have a value, by JSON's names. */
    public Map<String, Object> toMap() {{
        Map<String, Object> made = new LinkedHashMap<>();
{writes}
        return made;
    }}

    @Override
    public boolean equals(Object other) {{
        return other instanceof {name} && toMap().equals((({name}) other).toMap());
    }}

    @Override
    public int hashCode() {{
        return Objects.hash(toMap());
    }}

    @Override
    public String toString() {{
        return "{name}" + toMap();
    }}
}}
"""
_MARSHALLER = """\
package {package}.marshaller;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
{imports}

/** Between objects of these classes and JSON. */
public class Marshaller {{
    private Marshaller() {{
    }}

    public static void marshal(OutputStream out, Object value) throws IOException {{
        out.write(marshal(value).getBytes(StandardCharsets.UTF_8));
    }}

    public static String marshal(Object value) {{
        return Json.write(plain(value));
    }}

    public static {root} unmarshalEvent(InputStream in) throws IOException {{
        return unmarshal(in, {root}.class);
    }}

    public static <T> T unmarshal(InputStream in, Class<T> type) throws IOException {{
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        byte[] part = new byte[8192];
        for (int size = in.read(part); size >= 0; size = in.read(part)) {{
            whole.write(part, 0, size);
        }}
        return unmarshal(new String(whole.toByteArray(), StandardCharsets.UTF_8), type);
    }}

    @SuppressWarnings("unchecked")
    public static <T> T unmarshal(String text, Class<T> type) {{
        Map<String, Object> data = (Map<String, Object>) Json.read(text);
{choices}
        throw new IllegalArgumentException("There is no such class in this schema: " + type.getName());
    }}

    private static Object plain(Object value) {{
{plain}
        return value;
    }}
}}
"""


def files(program: Program) -> dict[str, str]:
    parts = [f"{part}_" if part in _RESERVED else part for part in (word.lower() for word in program.package)]
    parts = [f"_{part}" if part[0].isdigit() else part for part in parts]
    package, folder = ".".join(("schema", *parts)), "/".join(("schema", *parts))
    classes = [one.name for one in program.classes]
    made = {
        f"{folder}/marshaller/Json.java": JSON.replace("PACKAGE", package),
        f"{folder}/marshaller/Marshaller.java": _MARSHALLER.format(
            package=package,
            root=program.root,
            imports="\n".join(f"import {package}.{name};" for name in classes),
            choices="\n".join(
                f"        if (type == {name}.class) {{\n            return type.cast({name}.fromMap(data));\n        }}" for name in classes
            ),
            plain="\n".join(
                f"        if (value instanceof {name}) {{\n            return (({name}) value).toMap();\n        }}" for name in classes
            ),
        ),
    }
    for one in program.classes:
        made[f"{folder}/{one.name}.java"] = _class(package, one)
    return made


def _class(package: str, one: Class) -> str:
    named = names(one.fields, camel, _RESERVED | {"class", "made", "value", "data"})
    fields, methods, reads, writes = [], [], [], []
    for field in one.fields:
        name, type_ = named[field.name], _type(field.kind)
        upper = name[0].upper() + name[1:]
        key = '"' + field.name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        fields.append(f"    private {type_} {name};")
        methods.append(f"    public {type_} get{upper}() {{\n        return {name};\n    }}\n")
        methods.append(f"    public void set{upper}({type_} {name}) {{\n        this.{name} = {name};\n    }}\n")
        reads.append(f"        value = data.get({key});\n        made.{name} = value == null ? null : {_read(field.kind, 'value', 0)};")
        write = f"            made.put({key}, {_write(field.kind, name, 0)});"
        writes.append(f"        if ({name} != null) {{\n{write}\n        }}")
    return _CLASS.format(
        package=package,
        name=one.name,
        fields="\n".join(fields),
        methods="\n".join(methods).rstrip(),
        reads="\n".join(reads),
        writes="\n".join(writes),
    )


def _type(kind: Kind) -> str:
    if kind.of is not None:
        return f"List<{_type(kind.of)}>" if kind.name == "list" else f"Map<String, {_type(kind.of)}>"
    return kind.class_ or _PLAIN[kind.name]


def _read(kind: Kind, value: str, depth: int) -> str:
    """JSON's value as the field's."""
    inner = f"one{depth}"
    if kind.of is None:
        return f"{kind.class_}.fromMap((Map<String, Object>) {value})" if kind.class_ else _READ[kind.name].format(value)
    of, read = _type(kind.of), _read(kind.of, inner, depth + 1)
    if kind.name == "list":
        return f"((List<Object>) {value}).stream().map({inner} -> {inner} == null ? ({of}) null : {read}).collect(Collectors.toList())"
    return (
        f"((Map<String, Object>) {value}).entrySet().stream().collect(LinkedHashMap<String, {of}>::new, "
        f"(map{depth}, entry{depth}) -> {{ Object {inner} = entry{depth}.getValue(); "
        f"map{depth}.put(entry{depth}.getKey(), {inner} == null ? null : {read}); }}, Map::putAll)"
    )


def _write(kind: Kind, value: str, depth: int) -> str:
    """The field's value as JSON's."""
    inner = f"one{depth}"
    if kind.of is None:
        return f"{value}.toMap()" if kind.class_ else f"{value}.toString()" if kind.name == "moment" else value
    write = _write(kind.of, inner, depth + 1)
    if write == inner:
        return value
    if kind.name == "list":
        return f"{value}.stream().map({inner} -> {inner} == null ? null : {write}).collect(Collectors.toList())"
    return (
        f"{value}.entrySet().stream().collect(LinkedHashMap<String, Object>::new, (map{depth}, entry{depth}) -> {{ "
        f"{_type(kind.of)} {inner} = entry{depth}.getValue(); map{depth}.put(entry{depth}.getKey(), {inner} == null ? null : {write}); }}, "
        "Map::putAll)"
    )
