"""The boards a hub can be built on: hardware/boards/*.toml, checked, and made into the firmware's pin tables.

After a change write them, the pictures and the pages anew: python -m firmware.workshop boards
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.workshop.build import ROOT

TABLES = ROOT / "hardware" / "boards"
PIN_TABLES = ROOT / "firmware" / "boards"
LIGHTS = ("pixel", "lamp")
MIB = 1024 * 1024


class BoardError(Exception):
    """A board's table cannot be built; the message names file and line of thought."""


@dataclass(frozen=True)
class Chip:
    """What a chip's pins can do.

    Sources: ESP-IDF programming guide 5.5, "GPIO & RTC GPIO" of each chip; for the straps its datasheet,
    "Boot Configurations"; for image_at esptool, BOOTLOADER_FLASH_OFFSET of each chip.

    pins: that exist. taken: by flash or PSRAM (of any module with this chip), by USB or by the console.
    inputs: cannot drive anything. straps: read at reset, so nothing that drives or pulls may hang on them (a
    BOOT button may). uarts: which are free, on any pins; 0 is the console.
    """

    architecture: str
    image_at: int
    pins: frozenset[int]
    taken: frozenset[int]
    inputs: frozenset[int]
    straps: frozenset[int]
    uarts: tuple[int, ...]


CHIPS = {
    "esp32": Chip(
        "xtensawin",
        0x1000,
        frozenset(range(40)) - {20, 24, 28, 29, 30, 31},
        frozenset({1, 3, 6, 7, 8, 9, 10, 11, 16, 17}),
        frozenset({34, 35, 36, 37, 38, 39}),
        frozenset({0, 2, 5, 12, 15}),
        (1, 2),
    ),
    "esp32s3": Chip(
        "xtensawin",
        0,
        frozenset(range(49)) - {22, 23, 24, 25},
        frozenset({19, 20, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 43, 44}),
        frozenset(),
        frozenset({0, 3, 45, 46}),
        (1, 2),
    ),
    "unix": Chip("x64", 0, frozenset(range(64)), frozenset(), frozenset(), frozenset({0}), (1, 2)),
}


@dataclass(frozen=True)
class Board:
    """One table: its file's name without ending, and what stands in it."""

    key: str
    facts: dict[str, Any]

    @property
    def chip(self) -> Chip:
        return CHIPS[self.facts["chip"]]

    @property
    def flash_bytes(self) -> int:
        return int(self.facts["flash_mib"]) * MIB

    @property
    def hardware(self) -> str:
        """What releases are made for: one for all versions of a board, each release has the tables of all."""
        return str(self.facts.get("like", self.key)).replace("_", "-")

    def wires(self) -> list[tuple[str, int, bool]]:
        """(what for, pin, whether the hub drives it) of every pin in use."""
        light, button = self.facts["light"], self.facts["button"]
        found = [("light", light["pin"], True), ("button", button["pin"], False)]
        for uart in self.facts["uart"]:
            found += [
                (f"uart {uart['number']} tx", uart["tx"], True),
                (f"uart {uart['number']} rx", uart["rx"], False),
            ]
        return found


def load(key: str) -> Board:
    """The board of that name, checked. BoardError when there is none, or it cannot work."""
    path = TABLES / f"{key}.toml"
    if not path.exists():
        raise BoardError(f"no board {key!r}; there are {', '.join(names())}")
    try:
        facts = tomllib.loads(path.read_text())
        if "like" in facts:  # another version of the same board: only what differs
            facts = load(facts["like"]).facts | facts
        board = Board(key, facts)
        _check(board)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise BoardError(f"{path.name}: {type(error).__name__} {error}") from None
    return board


def names() -> list[str]:
    return sorted(path.stem for path in TABLES.glob("*.toml"))


def _check(board: Board) -> None:
    chip, used = board.chip, set()
    for purpose, pin, drives in board.wires():
        problem = _problem(chip, pin, drives=drives)
        if pin in used:
            problem = "is used twice"
        if problem:
            raise ValueError(f"GPIO{pin} ({purpose}) {problem}")
        used.add(pin)
    if board.facts["light"]["kind"] not in LIGHTS:
        raise ValueError(f"a light is one of {', '.join(LIGHTS)}")
    if board.facts["button"]["pressed"] not in (0, 1):
        raise ValueError("a pressed button reads 0 or 1")
    numbers = [uart["number"] for uart in board.facts["uart"]]
    if len(set(numbers)) != len(numbers) or not set(numbers) <= set(chip.uarts):
        raise ValueError(f"free UARTs of this chip: {chip.uarts}, each once")


def _problem(chip: Chip, pin: int, *, drives: bool) -> str:
    if pin not in chip.pins:
        return "does not exist on this chip"
    if pin in chip.taken:
        return "belongs to flash, PSRAM, USB or the console"
    if drives and pin in chip.inputs:
        return "is an input only"
    if drives and pin in chip.straps:
        return "is read at reset and must not be driven"
    return ""


def pin_table(board: Board) -> str:
    """The firmware's module for this board."""
    light, button = board.facts["light"], board.facts["button"]
    uarts = {uart["number"]: (uart["tx"], uart["rx"]) for uart in board.facts["uart"]}
    return f'''"""Pins of {board.facts["name"]}. Made from hardware/boards/{board.key}.toml: change that."""

HARDWARE = "{board.hardware}"
LIGHT = ("{light["kind"]}", {light["pin"]})
BUTTON = ({button["pin"]}, {button["pressed"]})
UARTS = {uarts}
'''


def write_all() -> list[Path]:
    """All pin tables anew, and what else is made from the boards' tables (wiring.py); those that changed."""
    from firmware.workshop import wiring

    texts = {PIN_TABLES / f"{key}.py": pin_table(load(key)) for key in names()} | wiring.texts()
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        path.write_text(texts[path])
    return changed
