"""Python's scopes as far as our sources use them: what a release leaves out, and who binds which name."""

import ast
from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SCOPES = (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def stripped(text: str) -> ast.Module:
    """A module without annotations, texts that nobody reads and `if TYPE_CHECKING`; SyntaxError."""
    tree: ast.Module = _Stripped().visit(ast.parse(text))
    return ast.fix_missing_locations(tree)


class _Stripped(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return [self.visit(one) for one in node.orelse]
        return self._filled(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if ast.unparse(node) == "TYPE_CHECKING = False" else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        # Viper code is compiled by its annotations.
        if any("micropython" in ast.unparse(decorator) for decorator in node.decorator_list):
            return node
        node.returns = None
        return self._filled(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._filled(node)

    def _filled(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        if not node.body:  # type: ignore[attr-defined]
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    visit_ClassDef = visit_For = visit_While = visit_With = visit_ExceptHandler = visit_Try = _filled  # noqa: N815 (ast's names)


def bound(scope: ast.AST) -> set[str]:
    """The names that are this scope's own."""
    names: set[str] = set()
    outer: set[str] = set()
    if isinstance(scope, FUNCTIONS):
        given = scope.args
        found = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
        names = {one.arg for one in found if one is not None}
    for node in inside(scope):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, DEFINITIONS) or (isinstance(node, ast.ExceptHandler) and node.name):
            names.add(str(node.name))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Nonlocal):
            outer.update(node.names)
    return names - outer


def binds(statement: ast.stmt) -> set[str]:
    """The names that a module has from this statement of it."""
    return bound(ast.Module([statement], []))


def inside(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are evaluated in this scope."""
    for child in parts(scope, own=True):
        yield from _down(child)


def _down(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _down(child)
        return
    for part in parts(node, own=False):
        yield from _down(part)
    if isinstance(node, COMPREHENSIONS):  # what := binds in it is the scope's around it
        yield from [inner.target for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)]


def parts(node: ast.AST, *, own: bool) -> list[ast.AST]:
    """What of a scope is evaluated in it (own), or where it stands: decorators, defaults, the first `in`."""
    if isinstance(node, COMPREHENSIONS):
        first = node.generators[0]
        rest = [child for child in ast.iter_child_nodes(node) if child is not first]
        return [*rest, first.target, *first.ifs] if own else [first.iter]
    if isinstance(node, ast.Lambda):
        inner: list[ast.AST] = [node.body]
    elif isinstance(node, (*DEFINITIONS, ast.Module)):
        inner = list(node.body)
    else:
        raise TypeError(type(node).__name__)
    if own:
        return inner
    return [child for child in _children(node) if not any(child is one for one in inner)]


def _children(node: ast.AST) -> list[ast.AST]:
    """The children, for arguments their defaults."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.arguments):
            found += [*child.defaults, *[one for one in child.kw_defaults if one is not None]]
        else:
            found.append(child)
    return found
