"""Code bindings: classes for the objects of a schema, and a marshaller between them and JSON.

Read in this order: `program` (a schema as classes, whatever the language), then `python`, `typescript`, `java`, `go`. What is made needs
nothing but the language's own library.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from fogbank.services.schemas.code import go, java, python, typescript
from fogbank.services.schemas.code.program import Program

LANGUAGES: dict[str, Callable[[Program], dict[str, str]]] = {
    "Go1": go.files,
    "Java8": java.files,
    "Python36": python.files,
    "TypeScript3": typescript.files,
}


def archive(program: Program, language: str) -> bytes:
    """A zip with the program's files; the same one every time."""
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_DEFLATED) as packed:
        for path, text in LANGUAGES[language](program).items():
            packed.writestr(ZipInfo(path, (1980, 1, 1, 0, 0, 0)), text, ZIP_DEFLATED)
    return out.getvalue()
