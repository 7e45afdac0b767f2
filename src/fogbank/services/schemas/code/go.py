"""Go 1: a package with a type for each class, and functions between them and JSON."""

from __future__ import annotations

from fogbank.services.schemas.code.program import Kind, Program, names, pascal, words

_PLAIN = {"string": "string", "moment": "time.Time", "integer": "int64", "number": "float64", "boolean": "bool", "any": "interface{}"}
_MARSHALLER = """\
package {package}

import "encoding/json"

// Unmarshal reads an event from its JSON.
func Unmarshal(data []byte) ({root}, error) {{
\tvar event {root}
\terr := json.Unmarshal(data, &event)
\treturn event, err
}}

// Marshal writes an event as JSON.
func Marshal(event {root}) ([]byte, error) {{
\treturn json.Marshal(event)
}}
"""


def files(program: Program) -> dict[str, str]:
    package = "".join(words(program.package[-1]))
    package = f"{package}event" if package in _KEYWORDS or package[0].isdigit() else package
    folder = "/".join(("schema", *(part.lower() for part in program.package)))
    made = {f"{folder}/marshaller.go": _MARSHALLER.format(package=package, root=program.root.lstrip("_"))}
    for one in program.classes:
        named = names(one.fields, _exported, frozenset())
        types = [_type(field.kind, optional=not field.required) for field in one.fields]
        lines = [
            f'\t{named[field.name]} {kind} `json:"{field.name}{"" if field.required else ",omitempty"}"`'
            for field, kind in zip(one.fields, types, strict=True)
        ]
        imports = 'import "time"\n\n' if any("time.Time" in kind for kind in types) else ""
        body = "\n".join(lines)
        name = one.name.lstrip("_")
        made[f"{folder}/{name.lower()}.go"] = f"package {package}\n\n{imports}type {name} struct {{\n{body}\n}}\n"
    return made


_WORDS = """
break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select
struct switch type var
"""
_KEYWORDS = frozenset(_WORDS.split())


def _exported(name: str) -> str:
    found = "".join(word.capitalize() for word in words(pascal(name)))
    return f"X{found}" if not found[:1].isalpha() else found


def _type(kind: Kind, *, optional: bool) -> str:
    if kind.of is not None:
        return ("[]" if kind.name == "list" else "map[string]") + _type(kind.of, optional=False)
    name = kind.class_.lstrip("_") or _PLAIN[kind.name]
    return f"*{name}" if optional and kind.name != "any" else name
