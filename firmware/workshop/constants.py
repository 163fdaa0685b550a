"""Values that never change: numbers, texts, bytes, rows of them. A release has them where they are used."""

import ast
import operator
from collections.abc import Callable, Iterable

# What takes more letters than this stays one object with a name.
LONGEST = 60
_MOST_NUMBERS = 64
_OPERATIONS: dict[type, Callable[..., object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}


class NoConstantError(Exception):
    """It may change, or only the running program knows it."""


def value(node: ast.expr, named: Callable[[ast.expr], object]) -> object:
    """What an expression is. named: gives the value of a name or attribute. NoConstantError from both."""
    match node:
        case ast.Constant(value=int() | str() | bytes() | None as plain):
            return plain
        case ast.Tuple(elts=elements):
            return tuple([value(one, named) for one in elements])
        case ast.Call(func=ast.Name(id="const"), args=[one], keywords=[]):
            return value(one, named)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int() as last)], keywords=[]):
            if last <= _MOST_NUMBERS:
                return tuple(range(last))
        case ast.UnaryOp(op=ast.USub(), operand=one):
            return _applied(operator.neg, value(one, named))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _applied(_OPERATIONS[type(op)], value(left, named), value(right, named))
        case ast.Name() | ast.Attribute():
            return named(node)
    raise NoConstantError


def _applied(operation: Callable[..., object], *operands: object) -> object:
    try:
        return operation(*operands)
    except (TypeError, ValueError, ArithmeticError, MemoryError):
        raise NoConstantError from None


def assigned(node: ast.stmt, named: Callable[[ast.expr], object]) -> list[tuple[ast.Name, object]]:
    """The names that an assignment gives constant values; NoConstantError for any other statement."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        raise NoConstantError
    target = node.targets[0]
    if isinstance(target, ast.Name):
        return [(target, value(node.value, named))]
    if not isinstance(target, ast.Tuple):
        raise NoConstantError
    values = value(node.value, named)
    names = [one for one in target.elts if isinstance(one, ast.Name)]
    if not isinstance(values, tuple) or not len(values) == len(names) == len(target.elts):
        raise NoConstantError
    return list(zip(names, values, strict=True))


def literal(plain: object) -> ast.expr:
    """The value as source."""
    return ast.parse(repr(plain), mode="eval").body


def compared_by_identity(trees: Iterable[ast.Module]) -> set[str]:
    """Names on a side of `is`: these stay one object."""
    found: set[str] = set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
                for side in (node.left, *node.comparators):
                    found |= {str(getattr(side, "id", "")), str(getattr(side, "attr", ""))}
    return found
