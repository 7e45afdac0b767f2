"""The house keeps its size: budgets that are only ever tightened."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "fogbank"
FILES = sorted(SOURCE.rglob("*.py"))

ROOMS = {"access", "control", "delivery", "engines", "gateway", "kernel", "languages", "sandbox", "services", "store", "testing", "wire"}
FILE_LINES = 440
FUNCTION_LINES = 60


def test_rooms() -> None:
    """There are twelve rooms at most, and each has a tour."""
    rooms = {p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert rooms <= ROOMS
    for room in rooms - {"services"}:
        assert ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text())), f"{room} has no tour"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_sizes(path: Path) -> None:
    """A file can be read in one sitting, and a function at one glance."""
    text = path.read_text()
    assert text.count("\n") <= FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES, f"{node.name} is too long"


def test_services_do_not_name_each_other() -> None:
    """Only app.py names services."""
    for path in FILES:
        if "services" in path.parts or path.name == "app.py":
            continue
        assert "fogbank.services" not in path.read_text(), path


def test_waits_that_can_be_cancelled() -> None:
    """`asyncio.wait_for` of Python 3.11 forgets a cancellation that comes together with the result: `asyncio.timeout` does not."""
    for path in FILES:
        assert "asyncio.wait_for(" not in path.read_text(), path
