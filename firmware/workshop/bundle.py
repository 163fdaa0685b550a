"""The modules of a release: those that are loaded together become one (docs/decisions/0016-bundled-rooms.md).

A module in memory holds a dictionary of what it imported and a table of all names that it uses. In a room
they call each other directly and share one of each; what nobody calls is left out, and so are names of
constants. The tree stays as it is: for people, for the tests on both interpreters, for CPython.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware.workshop import constants
from firmware.workshop.program import BuildError, Import, Program, Source, Symbol
from firmware.workshop.scopes import DEFINITIONS, binds


@dataclass
class Unit:
    """A module of the release. members: of the tree, each behind those that it needs. names: in this module.

    needs: what it imports at its top.
    """

    home: str
    members: list[Source]
    names: dict[Symbol, str] = field(default_factory=dict)
    needs: set[Symbol] = field(default_factory=set)
    text: str = ""


def bundled(
    texts: Mapping[str, str], rooms: Mapping[str, list[str]], free: tuple[str, ...] = ()
) -> dict[str, str]:
    """The release's modules by name. texts: the tree's. rooms: what becomes the module of that name.

    free: modules in rooms that texts in the program may name although they are no modules any more.
    BuildError where a room cannot be made.
    """
    _check(texts, rooms)
    program = Program(texts, rooms)
    spoken = _spoken(program, free)
    living = _living(program, spoken)
    units: dict[str, Unit] = {}
    for name in program.order:
        home = program.home[name]
        units.setdefault(home, Unit(home, [])).members.append(program.sources[name])
    for unit in units.values():
        _name(program, unit, living, spoken)
    for unit in units.values():
        _write(program, unit, units, living)
    _check_order(program, units)
    return {home: units[home].text for home in sorted(units)}


def _check(texts: Mapping[str, str], rooms: Mapping[str, list[str]]) -> None:
    seen: set[str] = set()
    for home, members in rooms.items():
        for member in members:
            if member not in texts or member in seen:
                raise BuildError(f"{home}: {member} is {'in two rooms' if member in seen else 'no module'}")
            seen.add(member)
        if home not in members:
            raise BuildError(f"{home} is not one of its own modules")


def _spoken(program: Program, free: tuple[str, ...]) -> set[str]:
    """Modules that a text in the program names, to import or to forget them: they must exist."""
    found: set[str] = set()
    for source in program.sources.values():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.update(set(node.value.split()) & set(program.sources))
                for name in set(node.value.split()) & program.bundled - set(free):
                    if program.home[name] != name:
                        raise source.refused(
                            node, f"{name} is named in a text and in the room {program.home[name]}"
                        )
    return found


_Living = dict[str, set[int]]


def _living(program: Program, spoken: set[str]) -> _Living:
    """The statements of each module that something can reach, by their place."""
    where: dict[Symbol, list[tuple[str, int]]] = {}
    todo: list[tuple[str, int]] = []
    for source in program.sources.values():
        for at, node in enumerate(source.tree.body):
            symbols = [Symbol(source.name, name, own=True) for name in binds(node)]
            for symbol in symbols:
                where.setdefault(symbol, []).append((source.name, at))
            if _is_asked_for(program, source, node, symbols, spoken):
                todo.append((source.name, at))
    uses = _uses(program)
    living: _Living = {name: set() for name in program.sources}
    while todo:
        name, at = todo.pop()
        if at not in living[name]:
            living[name].add(at)
            for symbol in uses.get((name, at), ()):
                todo += where.get(symbol, ())
    return living


def _is_asked_for(
    program: Program, source: Source, node: ast.stmt, symbols: list[Symbol], spoken: set[str]
) -> bool:
    """Whether a statement stays though none uses it: it does something, or others ask for its name."""
    public = not all(symbol.name.startswith("_") for symbol in symbols)
    if isinstance(node, DEFINITIONS):
        return source.name not in program.bundled or (public and source.name in spoken)
    if symbols and all(symbol in program.constants for symbol in symbols):
        return source.name not in program.bundled and public
    return True


def _uses(program: Program) -> dict[tuple[str, int], list[Symbol]]:
    """What each statement needs of our modules."""
    uses: dict[tuple[str, int], list[Symbol]] = {}
    for name, references in program.references.items():
        for one in references:
            if one.symbol not in program.constants and one.symbol.own:
                uses.setdefault((name, one.statement), []).append(one.symbol)
    for name, imports in program.imports.items():
        for found in imports:
            named = [symbol for _, symbol in found.named if symbol not in program.constants and symbol.own]
            uses.setdefault((name, found.statement), []).extend(named)
    return uses


def _name(program: Program, unit: Unit, living: _Living, spoken: set[str]) -> None:
    """A name for everything that the module has or uses; where it is taken, with its module's before it."""
    around: dict[Symbol, set[str]] = {}
    taken = {"const"}
    for source in unit.members:
        taken |= program.builtins[source.name]
        for one in program.references[source.name]:
            if one.statement in living[source.name] and not _is_value(program, one.node, one.symbol):
                around.setdefault(one.symbol, set()).update(one.around)
    for symbol in _wanted(unit, living, around):
        if symbol.module == "micropython":  # words that the compiler knows
            unit.names[symbol] = symbol.name or symbol.module
            continue
        fixed = (
            symbol.own and symbol.name and (symbol.module in spoken or symbol.module not in program.bundled)
        )
        fixed = fixed and program.home[symbol.module] == unit.home and not symbol.name.startswith("_")
        for choice in _choices(symbol)[: 1 if fixed else None]:
            if choice not in taken | around.get(symbol, set()):
                unit.names[symbol] = choice
                taken.add(choice)
                break
        else:
            raise BuildError(f"{unit.home}: no name is free for {symbol.name} of {symbol.module}")


def _wanted(unit: Unit, living: _Living, used: Mapping[Symbol, object]) -> list[Symbol]:
    """First what the module that gives the name defines, then the others in it, then what it imports."""
    wanted: list[Symbol] = []
    for source in sorted(unit.members, key=lambda source: source.name != unit.home):
        names = {name for at in living[source.name] for name in binds(source.tree.body[at])}
        wanted += [Symbol(source.name, name, own=True) for name in sorted(names)]
    rest = sorted(set(used) - set(wanted), key=lambda one: (one.own, one.module, one.name))
    return wanted + rest


def _choices(symbol: Symbol) -> list[str]:
    module = symbol.module.rpartition(".")[2]
    longer = f"{module}_{symbol.name.lstrip('_')}"
    return [symbol.name or module, longer, *[f"{longer}_{number}" for number in range(2, 10)]]


def _is_value(program: Program, node: ast.expr, symbol: Symbol) -> bool:
    return symbol in program.constants and isinstance(getattr(node, "ctx", None), ast.Load)


def _write(program: Program, unit: Unit, units: Mapping[str, Unit], living: _Living) -> None:
    renamed = _Renamed(program)
    members = {source.name for source in unit.members}
    body: list[ast.stmt] = []
    for source in unit.members:
        for one in program.references[source.name]:
            if one.statement not in living[source.name]:
                continue
            if _is_value(program, one.node, one.symbol):
                renamed.values[one.node] = constants.literal(program.constants[one.symbol])
                continue
            renamed.names[one.node] = unit.names[one.symbol]
            if one.symbol.module not in members:
                unit.needs.add(one.symbol)
        for found in program.imports[source.name]:
            if found.statement in living[source.name]:
                renamed.imports[found.node] = _imported(program, unit, units, source, found)
        for at in sorted(living[source.name]):
            node = source.tree.body[at]
            if isinstance(node, DEFINITIONS):
                node.name = unit.names[Symbol(source.name, node.name, own=True)]
            body.append(node)
    made = ast.Module(body, [])
    renamed.generic_visit(made)
    made.body[:0] = _header(program, unit, units)
    unit.text = ast.unparse(ast.fix_missing_locations(made)) + "\n"


class _Renamed(ast.NodeTransformer):
    """names, values and imports: what becomes of these nodes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.names: dict[ast.AST, str] = {}
        self.values: dict[ast.AST, ast.expr] = {}
        self.imports: dict[ast.AST, list[ast.ImportFrom]] = {}

    def visit(self, node: ast.AST) -> ast.AST | list[ast.ImportFrom]:
        if node in self.values:
            return self.values[node]
        if node in self.names:
            return ast.Name(self.names[node], node.ctx)  # type: ignore[attr-defined]
        if node in self.imports:
            return self.imports[node]
        if isinstance(node, ast.FormattedValue) and node.value in self.values:
            return self._shown(node)
        made: ast.AST = super().visit(node)
        if isinstance(made, ast.Try) and not made.body:
            made.body = [ast.Pass()]
        if isinstance(made, (*DEFINITIONS, ast.If, ast.For, ast.With, ast.ExceptHandler)) and not made.body:
            made.body = [ast.Pass()]
        return made

    def _shown(self, node: ast.FormattedValue) -> ast.AST:
        """A constant in an f-string; a text in one would need another kind of quotes."""
        plain = ast.literal_eval(self.values[node.value])
        if node.conversion == -1 and node.format_spec is None:
            return ast.Constant(str(plain))
        if not isinstance(plain, int):
            raise BuildError(f"line {node.lineno}: a constant in an f-string with a form of its own")
        return ast.FormattedValue(self.values[node.value], node.conversion, node.format_spec)


def _header(program: Program, unit: Unit, units: Mapping[str, Unit]) -> list[ast.stmt]:
    plain: list[ast.stmt] = []
    named: dict[str, list[ast.alias]] = {}
    for symbol in sorted(unit.needs, key=lambda one: (one.own, one.module, one.name)):
        here = unit.names[symbol]
        module, name = _place(program, units, symbol)
        if name:
            named.setdefault(module, []).append(_alias(name, here))
        else:
            plain.append(ast.Import([_alias(module, here)]))
    return plain + [ast.ImportFrom(module, named[module], 0) for module in named]


def _place(program: Program, units: Mapping[str, Unit], symbol: Symbol) -> tuple[str, str]:
    """Module and name to import in the release."""
    if not symbol.own:
        return symbol.module, symbol.name
    if not symbol.name:
        return symbol.module.rpartition(".")[0], symbol.module.rpartition(".")[2]
    home = program.home[symbol.module]
    return home, units[home].names[symbol]


def _alias(name: str, here: str) -> ast.alias:
    return ast.alias(name, None if name == here else here)


def _imported(
    program: Program, unit: Unit, units: Mapping[str, Unit], source: Source, found: Import
) -> list[ast.ImportFrom]:
    """What is left of an import in a function or under a condition: what this room has needs none."""
    named: dict[str, list[ast.alias]] = {}
    for alias, symbol in found.named:
        here = alias.asname or alias.name
        within = symbol.own and symbol.module in program.bundled and program.home[symbol.module] == unit.home
        if not found.local:
            if within or symbol in program.constants:
                raise source.refused(found.node, f"{here} is imported under a condition and in the same room")
            here = unit.names[Symbol(source.name, here, own=True)]
        if within or symbol in program.constants:
            continue
        if symbol.own and not symbol.name and symbol.module in program.bundled:
            raise source.refused(found.node, f"{symbol.module} is in a room: import its names")
        module, name = _place(program, units, symbol)
        named.setdefault(module, []).append(_alias(name, here))
    return [ast.ImportFrom(module, named[module], 0) for module in named]


def _check_order(program: Program, units: Mapping[str, Unit]) -> None:
    """Rooms that need each other could not be loaded."""
    needs = {
        home: {program.home[one.module] for one in unit.needs if one.own} - {home}
        for home, unit in units.items()
    }
    while ready := [home for home in needs if not needs[home]]:
        for home in ready:
            del needs[home]
        for rest in needs.values():
            rest.difference_update(ready)
    if needs:
        raise BuildError(f"rooms need each other: {', '.join(sorted(needs))}")
