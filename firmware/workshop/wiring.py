"""How a hub is wired from a development board: its parts and its wires, from the board's table.

Made from it: the picture of a board (drawing.py) and two tables in its page, hardware/boards/*.md. All anew:
python -m firmware.workshop boards. How each board has to be soldered follows from one circuit:

- an LED with a resistor at the pin of the light, where the board has no light of its own;
- a MAX3232 between the UART and a DE-9 plug that is wired as a computer's. Its second sender keeps DTR and
  RTS up, as a computer does: cables with electronics in them (Ascensia's, for example) live on those lines.
"""

from dataclasses import dataclass
from pathlib import Path

from firmware.workshop.boards import TABLES, Board, BoardError, load, names

GROUNDS = ("GND", "G")
RAIL = "ground rail"


@dataclass(frozen=True)
class Net:
    """What a wire carries. ink, wide and dash: its line, in pixels; style: the same in words."""

    carries: str
    colour: str
    ink: str
    wide: int
    dash: str
    style: str


POWER = Net("3.3 V", "red", "#d55e00", 2, "", "thin, solid")
GROUND = Net("ground", "black", "#000000", 5, "", "thick, solid")
SEND = Net("hub sends", "blue", "#0072b2", 3, "14 6", "long dashes")
RECEIVE = Net("hub hears", "green", "#009e73", 3, "3 5", "dots")
READY = Net("“I am here” (DTR, RTS)", "purple", "#aa4499", 3, "12 5 3 5", "dash and dot")
LIGHT = Net("light", "orange", "#b36b00", 3, "7 4", "short dashes")
NETS = (POWER, GROUND, SEND, RECEIVE, READY, LIGHT)


@dataclass(frozen=True)
class End:
    """Where a wire ends: a part and its pin. Of the board the pin is its number in the header."""

    part: str
    pin: str


@dataclass(frozen=True)
class Wire:
    """number: in picture and table."""

    number: int
    start: End
    end: End
    net: Net


@dataclass(frozen=True)
class Pin:
    """One pin of a header: as printed, and which GPIO it is, if it is one."""

    label: str
    gpio: int | None


@dataclass(frozen=True)
class Header:
    """One row of pins, from the antenna's end to the USB's."""

    name: str
    pins: tuple[Pin, ...]

    def of_gpio(self, gpio: int) -> int:
        """The row's number, from 1, of a GPIO. ValueError when it is not in this header."""
        return [pin.gpio for pin in self.pins].index(gpio) + 1

    def labelled(self, *labels: str) -> int:
        """The number of the last pin printed so, from 1. ValueError when there is none."""
        return max(number for number, pin in enumerate(self.pins, 1) if pin.label in labels)


def drawn() -> list[str]:
    """The boards that have a picture: another version of a board is wired as that is."""
    return [key for key in names() if "header" in (facts := load(key).facts) and "like" not in facts]


def headers(board: Board) -> tuple[Header, ...]:
    """The headers as the table tells, left one first. BoardError for what that chip cannot have."""
    rows = tuple(
        Header(row["name"], tuple(_pin(text) for text in row["pins"])) for row in board.facts["header"]
    )
    gpios = [pin.gpio for row in rows for pin in row.pins if pin.gpio is not None]
    wrong = [gpio for gpio in gpios if gpios.count(gpio) > 1 or gpio not in board.chip.pins]
    if wrong:
        raise BoardError(f"{board.key}.toml: GPIO{wrong[0]} is in the headers twice, or not on this chip")
    return rows


def _pin(text: str) -> Pin:
    label, _, gpio = text.partition(":")
    return Pin(label, int(gpio) if gpio else None)


def wires(board: Board) -> list[Wire]:
    """All of them, numbered. BoardError when a pin in use is not in the left header."""
    header = headers(board)[0]
    try:
        ends = _power(header) + _serial(board, header) + _light(board, header)
    except ValueError:
        raise BoardError(f"{board.key}.toml: 3V3, ground, UART and lamp must be in {header.name}") from None
    return [Wire(number, *one) for number, one in enumerate(ends, 1)]


Ends = list[tuple[End, End, Net]]


def _power(header: Header) -> Ends:
    supply = End("board", str([pin.label for pin in header.pins].index("3V3") + 1))
    ground = End("board", str(header.labelled(*GROUNDS)))
    return [
        (supply, End("MAX3232", "VCC"), POWER),
        (ground, End(RAIL, "1"), GROUND),
        (End(RAIL, "2"), End("MAX3232", "GND"), GROUND),
    ]


def _serial(board: Board, header: Header) -> Ends:
    (uart,) = board.facts["uart"]
    return [
        (End("board", str(header.of_gpio(uart["tx"]))), End("MAX3232", "T1IN"), SEND),
        (End("MAX3232", "R1OUT"), End("board", str(header.of_gpio(uart["rx"]))), RECEIVE),
        (End(RAIL, "3"), End("MAX3232", "T2IN"), GROUND),
        (End("MAX3232", "T1OUT"), End("DE-9", "3"), SEND),
        (End("DE-9", "2"), End("MAX3232", "R1IN"), RECEIVE),
        (End("MAX3232", "T2OUT"), End("DE-9", "4"), READY),
        (End("DE-9", "4"), End("DE-9", "7"), READY),
        (End(RAIL, "4"), End("DE-9", "5"), GROUND),
    ]


def _light(board: Board, header: Header) -> Ends:
    light = board.facts["light"]
    if light["kind"] != "lamp":
        return []
    return [
        (End("board", str(header.of_gpio(light["pin"]))), End("resistor", "1"), LIGHT),
        (End("resistor", "2"), End("LED", "long leg"), LIGHT),
        (End("LED", "short leg"), End(RAIL, "5"), GROUND),
    ]


def parts(board: Board) -> list[tuple[int, str, str]]:
    """(how many, what, its key property) of everything to have on the table."""
    found = [
        (1, board.facts["name"], board.facts["modules"]),
        (1, "USB cable to the board", f"with data lines, not for charging only; {board.facts['usb']}"),
        (1, "USB power supply", "5 V, 1 A or more; for the house, beside the PC that writes the board"),
        (1, "MAX3232 module", "runs on 3.3 V; T1, R1 and T2 on pins; without a DE-9 socket on it"),
        (1, "DE-9 plug (pins, male)", "with screw terminals: device cables end in the socket for it"),
        (1, "breadboard", "half size, with a rail for ground; or strip board and solder"),
        (len(wires(board)), "jumper wires", "male to female at the board, else male to male"),
    ]
    if board.facts["light"]["kind"] == "lamp":
        found += [(1, "LED", "5 mm; red, orange, yellow or green"), (1, "resistor", "330 Ω, ¼ W")]
    return found


def told(board: Board, end: End) -> str:
    """An end in words."""
    if end.part == "board":
        header = headers(board)[0]
        return f"{header.name} pin {end.pin} ({header.pins[int(end.pin) - 1].label})"
    return {RAIL: RAIL, "resistor": "resistor, either leg"}.get(end.part, f"{end.part} {end.pin}")


def wire_table(board: Board) -> str:
    """The wires as a table of Markdown."""
    rows = ["| No. | from | to | carries | drawn |", "|---|---|---|---|---|"]
    for wire in wires(board):
        start, end, net = told(board, wire.start), told(board, wire.end), wire.net
        rows.append(f"| {wire.number} | {start} | {end} | {net.carries} | {net.colour}, {net.style} |")
    return "\n".join(rows)


def part_table(board: Board) -> str:
    """The parts as a table of Markdown."""
    rows = ["| Number | part | what matters |", "|---|---|---|"]
    return "\n".join(rows + [f"| {count} | {what} | {how} |" for count, what, how in parts(board)])


def made(key: str) -> dict[str, str]:
    """What is made from a board's table: file name in hardware/boards, and its whole text."""
    from firmware.workshop.drawing import picture

    board = load(key)
    page = (TABLES / f"{key}.md").read_text()
    for name, table in (("parts", part_table(board)), ("wires", wire_table(board))):
        page = filled(page, name, table)
    return {f"{key}.svg": picture(board), f"{key}.md": page}


def filled(page: str, name: str, table: str) -> str:
    """The page with this table between its two marks. BoardError without the marks."""
    start, end = f"<!-- {name}: made from the table -->\n", f"<!-- {name}: end -->"
    head, found, rest = page.partition(start)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise BoardError(f"the page has no place for {name}: it wants the lines {start.strip()} and {end}")
    return f"{head}{start}{table}\n{end}{tail}"


def texts() -> dict[Path, str]:
    """Every picture and page, as it is to be."""
    return {TABLES / name: text for key in drawn() for name, text in made(key).items()}
