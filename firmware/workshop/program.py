"""A release's modules as one program: what every name in them stands for.

What cannot be decided is a BuildError that names module and line; nothing is guessed.
"""

import ast
import builtins
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware.workshop import constants
from firmware.workshop.scopes import SCOPES, bound, inside, parts, stripped

_UNKNOWN = (ast.Global, ast.Match)
# They ask for the module itself, which a room does not have.
_OF_A_MODULE = ("__name__", "__file__", "globals", "locals", "vars", "eval", "exec", "dir")
_VIPER = ("uint", "ptr", "ptr8", "ptr16", "ptr32")
_CONST_SHIMS = ("from micropython import const", "from micropython import const as const")


class BuildError(Exception):
    """The sources make no release; the message says where and why."""


@dataclass(frozen=True)
class Symbol:
    """`name` of a module, or the module itself where name is "". own: the module is one of ours."""

    module: str
    name: str
    own: bool


@dataclass
class Source:
    """A module of the tree. defined: names that it binds itself; imported: those of imports at its top."""

    name: str
    tree: ast.Module
    defined: set[str] = field(default_factory=set)
    imported: dict[str, Symbol] = field(default_factory=dict)

    def refused(self, node: ast.AST, why: str) -> BuildError:
        return BuildError(f"{self.name}, line {getattr(node, 'lineno', '?')}: {why}")


@dataclass
class Reference:
    """node: a Name or Attribute. around: the local names there. statement: of the module, by its place."""

    node: ast.expr
    symbol: Symbol
    around: set[str]
    statement: int


@dataclass
class Import:
    """An import that is not simply at the top of its module, and what it names."""

    node: ast.ImportFrom
    named: list[tuple[ast.alias, Symbol]]
    statement: int
    local: bool


@dataclass
class _Scope:
    """bound: its own names. aliases: those that an import in it gives something known at build time."""

    bound: set[str]
    aliases: dict[str, Symbol]
    is_class: bool


_Scopes = tuple[_Scope, ...]


class Program:
    """texts: of all modules by name. rooms: modules by the name of the module that they become.

    order: the modules, each behind those that it imports. home: of each module, the module that it is in.
    bundled: those that are in a room. constants: values of symbols that never change.
    """

    def __init__(self, texts: Mapping[str, str], rooms: Mapping[str, list[str]]) -> None:
        self.sources = {name: Source(name, _parsed(name, texts[name])) for name in sorted(texts)}
        self.bundled = {member for members in rooms.values() for member in members}
        self.home = {name: name for name in self.sources}
        for home, members in rooms.items():
            self.home.update(dict.fromkeys(members, home))
        for source in self.sources.values():
            self._bind(source)
        self.order = self._ordered()
        self.constants: dict[Symbol, object] = {}
        same = constants.compared_by_identity([source.tree for source in self.sources.values()])
        for name in self.order:
            self._take_constants(self.sources[name], same)
        self.references: dict[str, list[Reference]] = {}
        self.imports: dict[str, list[Import]] = {}
        self.builtins: dict[str, set[str]] = {}
        for source in self.sources.values():
            self._refer(source)

    def origin(self, symbol: Symbol, source: Source, node: ast.AST) -> Symbol:
        """Where it is defined, whoever passes it on. source and node: who asks."""
        while symbol.own and symbol.name:
            there = self.sources[symbol.module]
            if symbol.name in there.defined:
                return symbol
            if symbol.name not in there.imported:
                raise source.refused(node, f"{symbol.module} has no {symbol.name}")
            symbol = there.imported[symbol.name]
        return symbol

    def _bind(self, source: Source) -> None:
        body = []
        for node in source.tree.body:
            if isinstance(node, ast.Import):
                self._check(source, node)
                source.imported.update(
                    {one.asname or one.name: Symbol(one.name, "", own=False) for one in node.names}
                )
            elif isinstance(node, ast.ImportFrom):
                for one in node.names:
                    source.imported[one.asname or one.name] = self._named(source, node, one.name)
            elif _is_const_shim(node):
                source.imported["const"] = Symbol("micropython", "const", own=False)
            elif not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"):
                body.append(node)
        source.tree.body = body
        source.defined = bound(source.tree)
        if twice := source.defined & set(source.imported):
            raise source.refused(source.tree, f"imported and bound: {', '.join(sorted(twice))}")

    def _check(self, source: Source, node: ast.Import) -> None:
        tops = {name.split(".")[0] for name in self.sources}
        for one in node.names:
            if "." in one.name or one.name in tops:
                raise source.refused(node, f"import {one.name}: write from … import …")

    def _named(self, source: Source, node: ast.ImportFrom, name: str) -> Symbol:
        if node.level or node.module is None or name == "*":
            raise source.refused(node, "import of a relative module or of everything")
        inner = f"{node.module}.{name}"
        if inner in self.sources:
            return Symbol(inner, "", own=True)
        return Symbol(node.module, name, own=node.module in self.sources)

    def _ordered(self) -> list[str]:
        order: list[str] = []
        under_way: list[str] = []

        def add(name: str) -> None:
            if name in under_way:
                raise BuildError(f"modules import each other: {', '.join([*under_way, name])}")
            if name not in order:
                under_way.append(name)
                for symbol in self.sources[name].imported.values():
                    if symbol.own:
                        add(symbol.module)
                order.append(under_way.pop())

        for name in self.sources:
            add(name)
        return order

    def _take_constants(self, source: Source, same: set[str]) -> None:
        """Its constants, each in a statement of its own from now on. same: names that stay one object."""
        times: dict[str, int] = {}
        for node in inside(source.tree):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                times[node.id] = times.get(node.id, 0) + 1

        def named(node: ast.expr) -> object:
            return self._constant(source, node)

        body: list[ast.stmt] = []
        for node in source.tree.body:
            try:
                found = constants.assigned(node, named)
            except constants.NoConstantError:
                found = []
            if not found or any(times[name.id] > 1 for name, _ in found):
                body.append(node)
                continue
            for name, plain in found:
                body.append(ast.copy_location(ast.Assign([name], constants.literal(plain)), node))
                small = name.id not in same and len(repr(plain)) <= constants.LONGEST
                if small or plain is None or isinstance(plain, bool):
                    self.constants[Symbol(source.name, name.id, own=True)] = plain
        source.tree.body = [ast.fix_missing_locations(node) for node in body]

    def _constant(self, source: Source, node: ast.expr) -> object:
        symbol = None
        if isinstance(node, ast.Name):
            symbol = self._of_module(source, node)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            whole = self._of_module(source, node.value)
            if whole is not None and whole.own and not whole.name:
                symbol = self.origin(Symbol(whole.module, node.attr, own=True), source, node)
        if symbol not in self.constants:
            raise constants.NoConstantError
        return self.constants[symbol]

    def _of_module(self, source: Source, node: ast.Name) -> Symbol | None:
        if node.id in source.defined:
            return Symbol(source.name, node.id, own=True)
        if node.id in source.imported:
            return self.origin(source.imported[node.id], source, node)
        return None

    def _refer(self, source: Source) -> None:
        self.references[source.name] = []
        self.imports[source.name] = []
        self.builtins[source.name] = set()
        for number, statement in enumerate(source.tree.body):
            self._walk(source, statement, (), number)

    def _walk(self, source: Source, node: ast.AST, scopes: _Scopes, at: int) -> None:
        if isinstance(node, _UNKNOWN) or (isinstance(node, ast.ExceptHandler) and node.name and not scopes):
            raise source.refused(node, f"{type(node).__name__} cannot be bundled")
        if isinstance(node, SCOPES):
            for part in parts(node, own=False):
                self._walk(source, part, scopes, at)
            around = tuple([scope for scope in scopes if not scope.is_class])
            for part in parts(node, own=True):
                self._walk(source, part, (*around, self._scope(source, node)), at)
        elif isinstance(node, ast.Import):
            self._check(source, node)
            if not scopes and source.name in self.bundled:
                raise source.refused(node, "an import under a condition: write from … import …")
        elif isinstance(node, ast.ImportFrom):
            named = [
                (one, self.origin(self._named(source, node, one.name), source, node)) for one in node.names
            ]
            self.imports[source.name].append(Import(node, named, at, bool(scopes)))
        elif not self._noted(source, node, scopes, at):
            for child in ast.iter_child_nodes(node):
                self._walk(source, child, scopes, at)

    def _noted(self, source: Source, node: ast.AST, scopes: _Scopes, at: int) -> bool:
        """Whether the node as a whole stands for something."""
        symbol = None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            symbol = self._through_module(source, node, self._stands_for(source, node.value, scopes))
        elif isinstance(node, ast.Name):
            symbol = self._stands_for(source, node, scopes)
            if symbol is not None and symbol.own and not symbol.name and symbol.module in self.bundled:
                raise source.refused(node, f"{node.id} is a module in a room: only its names can be used")
        if symbol is not None and isinstance(node, ast.expr):
            around = {name for scope in scopes for name in scope.bound}
            self.references[source.name].append(Reference(node, symbol, around, at))
        return symbol is not None

    def _through_module(self, source: Source, node: ast.Attribute, module: Symbol | None) -> Symbol | None:
        """What module.name stands for; None where the module stays one and has that name itself."""
        if module is None or not module.own or module.name:
            return None
        symbol = self.origin(Symbol(module.module, node.attr, own=True), source, node)
        if module.module not in self.bundled and symbol not in self.constants:
            if symbol.module != module.module:
                raise source.refused(node, f"{module.module} only passes {node.attr} on")
            return None
        if not isinstance(node.ctx, ast.Load):
            raise source.refused(node, f"sets {node.attr} of another module")
        return symbol

    def _scope(self, source: Source, node: ast.AST) -> _Scope:
        names, aliases = bound(node), {}
        within = list(inside(node))
        for one in within:
            for alias in one.names if isinstance(one, ast.ImportFrom) else ():
                symbol = self.origin(self._named(source, one, alias.name), source, one)  # type: ignore[arg-type]
                if symbol in self.constants or (symbol.own and self._is_with(source, symbol)):
                    aliases[alias.asname or alias.name] = symbol
        for one in within:
            if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load) and one.id in aliases:
                raise source.refused(one, f"{one.id} is imported and bound in one function")
        return _Scope(names - set(aliases), aliases, isinstance(node, ast.ClassDef))

    def _is_with(self, source: Source, symbol: Symbol) -> bool:
        """In the same room. Of a module in a room nobody else can have more than its names."""
        return symbol.module in self.bundled and self.home[symbol.module] == self.home[source.name]

    def _stands_for(self, source: Source, node: ast.Name, scopes: _Scopes) -> Symbol | None:
        """None: a name of the code around it, or one that the interpreter has."""
        symbol = self._of_module(source, node)
        for scope in reversed(scopes):
            if node.id in scope.aliases:
                return scope.aliases[node.id]
            if node.id in scope.bound:
                if scope.is_class and symbol is not None and isinstance(node.ctx, ast.Load):
                    raise source.refused(node, f"{node.id} is a name of the class and of the module")
                return None
        if symbol is None:
            if node.id in _OF_A_MODULE and source.name in self.bundled:
                raise source.refused(node, f"{node.id} in a room")
            if not hasattr(builtins, node.id) and node.id not in (*_OF_A_MODULE, *_VIPER):
                raise source.refused(node, f"nobody binds {node.id}")
            self.builtins[source.name].add(node.id)
        return symbol


def _parsed(name: str, text: str) -> ast.Module:
    try:
        return stripped(text)
    except SyntaxError as error:
        raise BuildError(f"{name}, line {error.lineno}: {error.msg}") from None


def _is_const_shim(node: ast.stmt) -> bool:
    """try: from micropython import const; on CPython a function of that name."""
    return isinstance(node, ast.Try) and len(node.body) == 1 and ast.unparse(node.body[0]) in _CONST_SHIMS
