"""Which modules of a board's software become one: what it always has loaded, and each driver with its parts.

What is imported inside functions only stays a module of its own, so that it can be forgotten.
"""

import ast
from collections.abc import Iterable, Mapping

# Loaded before the hub is, and for what comes before it: a reset that is due.
START = ("firmware.main", "firmware.files", "firmware.past")
# What a hub consists of as soon as it runs.
STEADY = ("firmware.hub", "firmware.appliance", "firmware.board", "gateway.drivers")
DRIVERS = "gateway.drivers."
FAMILIES = "gateway.drivers.families."
# Machine code, and what chooses between it and a computer's own.
APART = ("firmware.crypto.sha512", "firmware.crypto.sha512_viper")
# Named in order to be forgotten, or kept from it; what is in a room just stays.
NAMED = ("firmware.outbox.opening", "firmware.setup.wifi", "firmware.setup.credentials")


def rooms(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Modules by the name of the room's module. texts: of all modules by name."""
    needs = {name: _needs(name, texts) - set(APART) for name in texts}
    start = _closure(START, needs)
    steady = _closure(STEADY, needs) - start
    made = {START[0]: start, STEADY[0]: steady}
    drivers = {name: _closure([name], needs) - start - steady for name in texts if _is_driver(name, steady)}
    for name, inside in drivers.items():
        others = set().union(*[drivers[other] for other in drivers if other != name])
        made[name] = {name} | (inside - others)
    return {home: sorted(members) for home, members in made.items() if len(members) > 1}


def _is_driver(name: str, steady: set[str]) -> bool:
    return name.startswith(DRIVERS) and name.count(".") == DRIVERS.count(".") and name not in steady


def _closure(names: Iterable[str], needs: Mapping[str, set[str]]) -> set[str]:
    """These modules and all that they import at their top."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in needs and name not in found:
            found.add(name)
            todo += needs[name]
    return found


def _needs(name: str, texts: Mapping[str, str]) -> set[str]:
    """The modules that it imports at its top, and the packages that they are in."""
    found: set[str] = set()
    for node in ast.parse(texts[name]).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in texts else node.module)
    return found & set(texts)
