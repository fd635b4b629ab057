"""The messages that the code can end with, read from its source: the arguments of every UserError."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIELD = "\0"
"""Stands for what is put in when the message is made."""


def messages() -> dict[str, str]:
    """The text of each `UserError(...)` in stages/ and tools/, by file and line; FIELD for what is not fixed."""
    found = {}
    for path in sorted([*(ROOT / "stages").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]):
        for call in _user_errors(ast.parse(path.read_text(encoding="utf-8"))):
            text = _text(call.args[0]) if call.args else FIELD
            found[f"{path.relative_to(ROOT).as_posix()}:{call.lineno}"] = text
    return found


def _user_errors(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "UserError":
            yield node


def _text(node: ast.expr) -> str:
    """Of a string or f-string its fixed parts; of anything else a FIELD."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return FIELD


def strings() -> list[str]:
    """Every text in the code of the stages, with FIELD for what is put in; docstrings too."""
    found = []
    for path in sorted((ROOT / "stages").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
                found.append(_text(node))
    return found
