"""The picture of a wired board as SVG: board with all its pins, parts, and every wire with its number.

Wires run level from pin to pin or down to the ground rail, so that they meet at right angles or not at all.
Colours are Okabe and Ito's (and Tol's purple); each net has its own dashes too: it reads in black and white.
"""

from dataclasses import dataclass
from html import escape
from itertools import pairwise

from firmware.workshop.boards import Board
from firmware.workshop.wiring import NETS, RAIL, End, Header, Wire, headers, told, wires

WIDTH, TOP, STEP = 1080, 130, 26
PLUG, MODULE, BOARD = (40, 150), (330, 480), (800, 1030)  # left and right edge of each part
LANES = {"T2IN": 540, "GND": 506, "5": 180}  # where a part's ground goes down to the rail
LEAD, LAMP, RESISTOR = 580, (600, 636), (672, 726)  # the LED's short leg, the LED, the resistor
GROUND_LANE = 760


@dataclass(frozen=True)
class Place:
    """Where things of one board stand: y of the rail and of each pin, as (part, pin) → (x, y)."""

    rail: int
    pins: dict[End, tuple[int, int]]


def row(number: int) -> int:
    return TOP + STEP * number


def place(board: Board) -> Place:
    """All ends of all wires on the sheet."""
    header, (uart,) = headers(board)[0], board.facts["uart"]
    tx, rx = header.of_gpio(uart["tx"]), header.of_gpio(uart["rx"])
    first = [pin.label for pin in header.pins].index("3V3") + 1
    ground = next(int(wire.start.pin) for wire in wires(board) if wire.end == End(RAIL, "1"))
    left, right = MODULE
    pins = {End("board", str(number)): (BOARD[0], row(number)) for number in range(1, len(header.pins) + 1)}
    pins |= {
        End("MAX3232", name): (x, row(at))
        for name, x, at in (
            ("VCC", right, first),
            ("T1IN", right, tx),
            ("R1OUT", right, rx),
            ("T2IN", right, rx + 2),
            ("GND", right, rx + 3),
            ("T1OUT", left, tx),
            ("R1IN", left, rx),
            ("T2OUT", left, rx + 2),
        )
    }
    plug = (("3", tx), ("2", rx), ("4", rx + 2), ("7", rx + 3), ("5", rx + 4))
    pins |= {End("DE-9", name): (PLUG[1], row(at)) for name, at in plug}
    rail = max(ground, rx + 6)
    lanes = (("1", GROUND_LANE), ("2", LANES["GND"]), ("3", LANES["T2IN"]), ("4", LANES["5"]), ("5", LEAD))
    pins |= {End(RAIL, name): (x, row(rail)) for name, x in lanes}
    if board.facts["light"]["kind"] == "lamp":
        at = row(header.of_gpio(board.facts["light"]["pin"]))
        pins |= {End("resistor", "1"): (RESISTOR[1], at), End("resistor", "2"): (RESISTOR[0], at)}
        pins |= {End("LED", "long leg"): (LAMP[1], at), End("LED", "short leg"): (LAMP[0], at)}
    return Place(row(rail), pins)


def path(wire: Wire, where: Place) -> list[tuple[int, int]]:
    """The corners of a wire, from its start to its end."""
    start, end = where.pins[wire.start], where.pins[wire.end]
    if start[1] == end[1]:
        return [start, end]
    if RAIL in (wire.start.part, wire.end.part):
        (lane, low), (x, y) = (start, end) if wire.start.part == RAIL else (end, start)
        corners = [(x, y), (lane, y), (lane, low)]
        return corners if wire.end.part == RAIL else corners[::-1]
    bow = start[0] + 46  # between two pins of one part
    return [start, (bow, start[1]), (bow, end[1]), end]


def badge(wire: Wire, where: Place) -> tuple[int, int]:
    """Where the number of a wire stands: in the middle of its longest stretch; neighbours side by side."""
    corners = path(wire, where)
    length, (ax, ay), (bx, by) = max(
        (abs(ax - bx) + abs(ay - by), (ax, ay), (bx, by)) for (ax, ay), (bx, by) in pairwise(corners)
    )
    aside = 0 if length < 5 * STEP or ay != by else STEP if wire.number % 2 else -STEP
    return (ax + bx) // 2 + aside, (ay + by) // 2


def picture(board: Board) -> str:
    """The whole file."""
    where, all_wires, rows = place(board), wires(board), headers(board)
    bottom = max(row(len(rows[0].pins)), where.rail) + 20
    body = [*_module(where), *_plug(where), *_board(board, rows, bottom), *_rail(where)]
    for wire in all_wires:
        body += _wire(board, wire, where)
    body += _lamp(board, where)
    body += [_pad(*at) for end, at in where.pins.items() if end.part in ("board", "MAX3232", "DE-9")]
    body += [line for wire in all_wires for line in _badge(wire, where)]
    body += _legend({wire.net.carries for wire in all_wires}, bottom + 50)
    return "\n".join([*_head(board, all_wires, bottom + 120), *body, "</svg>\n"])


def _head(board: Board, all_wires: list[Wire], height: int) -> list[str]:
    """What a reader sees first, and what a screen reader says."""
    name, ports = escape(board.facts["name"]), board.facts["ports"]
    said = ". ".join(_told(board, wire) for wire in all_wires)
    words = 'aria-labelledby="title desc" font-family="DejaVu Sans, Verdana, sans-serif" font-size="14"'
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" {words}>',
        f'<title id="title">How a hub on an {name} is wired</title>',
        f'<desc id="desc">The board with its antenna up. Wires: {escape(said)}.</desc>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        _words(40, 44, f"A hub on an {name}", "start", 'font-size="22" font-weight="bold"'),
        _words(40, 72, f"Antenna up, USB down. No power while you wire. USB cable into {ports}.", "start"),
    ]


def _told(board: Board, wire: Wire) -> str:
    return f"{wire.number}: {told(board, wire.start)} to {told(board, wire.end)}, {wire.net.carries}"


def _rail(where: Place) -> list[str]:
    left, right = LANES["5"] - 20, GROUND_LANE + 20
    line = f'<path class="rail" d="M{left} {where.rail}H{right}" stroke="#000" stroke-width="6"/>'
    return [line, _words(left - 10, where.rail + 24, f"{RAIL} of the breadboard (minus)", "start")]


def _words(x: int, y: int, text: str, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {more}>{escape(text)}</text>'.replace(" >", ">")


def _box(edges: tuple[int, int], top: int, bottom: int, more: str = 'fill="#f4f4f4"') -> str:
    left, right = edges
    size = f'width="{right - left}" height="{bottom - top}"'
    return f'<rect x="{left}" y="{top}" {size} rx="6" {more} stroke="#000" stroke-width="2"/>'


def _module(where: Place) -> list[str]:
    ends = [(end, at) for end, at in where.pins.items() if end.part == "MAX3232"]
    top, bottom = min(y for _, (_, y) in ends) - 40, max(y for _, (_, y) in ends) + 20
    middle = sum(MODULE) // 2
    lines = [_box(MODULE, top, bottom), _words(middle, top + 22, "MAX3232", more='font-weight="bold"')]
    lines.append(_words(middle, row(3) + 5, "module, on 3.3 V"))
    for end, (x, y) in ends:
        inside, anchor = (x - 12, "end") if x == MODULE[1] else (x + 12, "start")
        lines.append(_words(inside, y + 5, end.pin, anchor))
    return lines


def _plug(where: Place) -> list[str]:
    ends = [(end, at) for end, at in where.pins.items() if end.part == "DE-9"]
    names = {"3": "3 sends", "2": "2 hears", "4": "4 DTR", "7": "7 RTS", "5": "5 ground"}
    top, bottom = min(y for _, (_, y) in ends) - 66, max(y for _, (_, y) in ends) + 20
    middle = sum(PLUG) // 2
    lines = [_box(PLUG, top, bottom), _words(middle, top + 22, "DE-9 plug", more='font-weight="bold"')]
    lines.append(_words(middle, top + 42, "(pins, male)"))
    return lines + [_words(x - 12, y + 5, names[end.pin], "end") for end, (x, y) in ends]


def _board(board: Board, rows: tuple[Header, ...], bottom: int) -> list[str]:
    left, right = BOARD
    middle = (left + right) // 2
    used = {int(end.pin) for wire in wires(board) for end in (wire.start, wire.end) if end.part == "board"}
    lines = [
        _box(BOARD, row(0) - 26, bottom),
        _box((left + 70, right - 70), row(0) - 50, row(0) + 4, 'fill="#ddd"'),
        _words(middle, row(0) - 18, "antenna"),
        _words(middle, row(5), "BOOT = the", more='class="note"'),
        _words(middle, row(5) + 18, "hub's button"),
        _box((left + 85, right - 85), bottom - 8, bottom + 26, 'fill="#ddd"'),
        _words(middle, bottom + 15, "USB"),
    ]
    if board.facts["light"]["kind"] == "pixel":
        lines += [_words(middle, row(8), "RGB light"), _words(middle, row(8) + 18, "on the board")]
    for x, anchor, step, header in ((left, "start", 12, rows[0]), (right, "end", -12, rows[1])):
        lines.append(_words(x + step, row(0) + 2, header.name, anchor, 'font-weight="bold"'))
        for number, pin in enumerate(header.pins, 1):
            bold = 'font-weight="bold"' if x == left and number in used else 'fill="#555"'
            lines.append(_words(x + step, row(number) + 5, pin.label, anchor, bold))
    return lines + [_pad(right, row(number)) for number in range(1, len(rows[1].pins) + 1)]


def _pad(x: int, y: int) -> str:
    return f'<circle cx="{x}" cy="{y}" r="4" fill="#fff" stroke="#000" stroke-width="1.5"/>'


def _lamp(board: Board, where: Place) -> list[str]:
    """A resistor as a box, an LED as the triangle and bar of its symbol, pointing at the short leg."""
    if board.facts["light"]["kind"] != "lamp":
        return []
    y = where.pins[End("LED", "long leg")][1]
    (left, right), (near, far) = LAMP, RESISTOR
    ink = 'stroke="#000" stroke-width="2"'
    return [
        f'<rect x="{near}" y="{y - 8}" width="{far - near}" height="16" fill="#fff" {ink}/>',
        _words((near + far) // 2, y + 26, "330 Ω"),
        f'<path d="M{right} {y - 10}V{y + 10}L{left + 8} {y}Z" fill="#fff" {ink}/>',
        f'<path d="M{left + 8} {y - 10}V{y + 10}M{left} {y}H{left + 8}" {ink}/>',
        _words(left + 6, y + 26, "LED", "start"),
        _words(left + 6, y + 44, "flat side = short leg", "start", 'font-size="12"'),
    ]


def _wire(board: Board, wire: Wire, where: Place) -> list[str]:
    corners = path(wire, where)
    d = "M" + "L".join(f"{x} {y}" for x, y in corners)
    net = wire.net
    dash = f' stroke-dasharray="{net.dash}"' if net.dash else ""
    dots = [where.pins[end] for end in (wire.start, wire.end) if end.part == RAIL]
    return [
        f'<g id="wire-{wire.number}" fill="none"><title>{escape(_told(board, wire))}</title>',
        f'<path d="{d}" stroke="#fff" stroke-width="{net.wide + 5}"/>',
        f'<path class="wire" d="{d}" stroke="{net.ink}" stroke-width="{net.wide}"{dash}/>',
        *[f'<circle cx="{x}" cy="{y}" r="6" fill="#000"/>' for x, y in dots],
        "</g>",
    ]


def _badge(wire: Wire, where: Place) -> list[str]:
    x, y = badge(wire, where)
    return [
        f'<circle cx="{x}" cy="{y}" r="11" fill="#fff" stroke="{wire.net.ink}" stroke-width="2"/>',
        _words(x, y + 5, str(wire.number), more='class="number" font-size="13"'),
    ]


def _legend(carried: set[str], y: int) -> list[str]:
    """The nets of this picture, three a line."""
    lines = []
    for index, net in enumerate(net for net in NETS if net.carries in carried):
        x, at = 40 + 340 * (index % 3), y + 28 * (index // 3)
        dash = f' stroke-dasharray="{net.dash}"' if net.dash else ""
        lines.append(f'<path d="M{x} {at}h60" stroke="{net.ink}" stroke-width="{net.wide}"{dash}/>')
        lines.append(_words(x + 70, at + 5, f"{net.carries} ({net.colour})", "start"))
    return lines
