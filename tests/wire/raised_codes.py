"""Reads from the source, without running it, every code that an error, a hold or a refusal is given."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Not the simulator, the virtual board and the workshop: their errors are for whoever sits before them.
BESIDE = {"simulator", "virtual", "workshop"}
SOURCES = [
    path
    for folder in ("gateway", "cloud_bridge", "firmware")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not BESIDE & set(path.relative_to(ROOT).parts)
]
WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
# Calls that are given a code, by how their name ends or by their name.
MAKERS = ("Error", "Refused", "TryLater", "Unclear")
PASSERS = ("__init__", "_refuse", "refuse", "hold", "hold_item", "give_up")
# Rooms whose module constants say why something waits; what else stands there.
HOLDING = ("ledger/holds.py", "cloud_bridge/people.py")
NO_CODES = {"alone", "slots", "shared"}
# Constants and tables by name. Of a table the keys are codes, or the values hold one.
NAMED = ("UNSEALABLE", "HEAD_UNREADABLE", "ERASED", "UNREADABLE")
BY_KEY = ("_RETRY", "_DAMAGE")
BY_VALUE = ("_STATUS", "words")


def collected() -> dict[str, set[str]]:
    """code → the files in which something is given it."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        place = str(path.relative_to(ROOT))
        for code in _of(ast.parse(path.read_text(encoding="utf-8")), place):
            found.setdefault(code, set()).add(place)
    return found


def _of(tree: ast.Module, place: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.Assign):
            yield from _of_assignment(node.targets[0], node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "fault":
            yield from _texts(node, CODE)
    if place.endswith(HOLDING):
        yield from _held(tree)


def _of_call(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name.endswith(MAKERS) or name in PASSERS:
        for argument in call.args:
            yield from _texts(argument, CODE)
    if name == "Lost":
        yield from _texts(call.args[-1], WORD)
    for keyword in call.keywords:
        if keyword.arg in ("code", "reason"):
            yield from _texts(keyword.value, CODE)


def _of_assignment(target: ast.expr, value: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, part in zip(target.elts, value.elts, strict=True):
            yield from _of_assignment(one, part)
    name = getattr(target, "id", "")
    if name in ("code", *NAMED) or name.endswith("_CODE"):
        yield from _texts(value, WORD)
    if isinstance(value, ast.Dict) and name in BY_KEY + BY_VALUE:
        for part in value.keys if name in BY_KEY else value.values:
            yield from _texts(part, CODE) if part is not None else ()


def _held(tree: ast.Module) -> Iterator[str]:
    """Module constants of the rooms that say why something waits."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.Tuple):
            yield from (code for code in _texts(node.value, WORD) if code not in NO_CODES)


def _texts(node: ast.AST, form: re.Pattern[str]) -> Iterator[str]:
    """Texts of this form in an expression, whichever of its branches is taken; not those of inner calls."""
    if isinstance(node, ast.Call | ast.Compare | ast.JoinedStr):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and form.fullmatch(node.value):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from _texts(child, form)
