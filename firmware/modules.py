"""Modules that are needed once in a long while make room again: their code is in flash all the time."""

import gc
import sys


def forget(*names: str) -> None:
    """These modules are loaded anew when somebody imports them; whoever holds something of them keeps it."""
    for name in names:
        sys.modules.pop(name, None)
        room, _, last = name.rpartition(".")
        if room in sys.modules and hasattr(sys.modules[room], last):
            delattr(sys.modules[room], last)
    gc.collect()


def loaded(room: str) -> list[str]:
    """The modules in this room that are loaded."""
    return [name for name in sys.modules if name.startswith(room + ".")]
