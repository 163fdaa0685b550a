"""How a board is wired: its table, pin table, picture and page say the same, and the circuit makes sense."""

import re
from importlib import import_module
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

import pytest

from firmware.workshop import boards, drawing, wiring
from firmware.workshop.wiring import End

BOARDS = wiring.drawn()
SVG = "{http://www.w3.org/2000/svg}"
# The circuit, written down a second time: which pins hang together. Of a board what is printed at the pin.
SERIAL = [
    {"MAX3232 T1OUT", "DE-9 3"},
    {"MAX3232 R1IN", "DE-9 2"},
    {"MAX3232 T2OUT", "DE-9 4", "DE-9 7"},
]
GROUND = {"MAX3232 GND", "MAX3232 T2IN", "DE-9 5"}
CIRCUITS = {
    "esp32_devkit": [
        {"board 3V3", "MAX3232 VCC"},
        {"board IO25", "MAX3232 T1IN"},
        {"board IO26", "MAX3232 R1OUT"},
        {"board IO27", "resistor 1"},
        {"resistor 2", "LED long leg"},
        {"board GND", "LED short leg"} | GROUND,
        *SERIAL,
    ],
    "esp32_s3_devkitc": [
        {"board 3V3", "MAX3232 VCC"},
        {"board 17", "MAX3232 T1IN"},
        {"board 18", "MAX3232 R1OUT"},
        {"board G"} | GROUND,
        *SERIAL,
    ],
}


def test_both_boards_that_the_firmware_knows_are_drawn():
    assert sorted(CIRCUITS) == BOARDS


@pytest.mark.parametrize("key", BOARDS)
def test_picture_and_page_are_up_to_date(key):
    for name, text in wiring.made(key).items():
        assert (boards.TABLES / name).read_text() == text, f"{name}: python -m firmware.workshop boards"


@pytest.mark.parametrize("key", BOARDS)
def test_the_circuit_is_the_one_that_was_meant(key):
    board = boards.load(key)
    groups: list[set[str]] = []
    for wire in wiring.wires(board):
        ends = {_name(board, wire.start), _name(board, wire.end)}
        touched = [group for group in groups if group & ends]
        groups = [group for group in groups if group not in touched] + [ends.union(*touched)]
    circuit = [group - {wiring.RAIL} for group in groups]
    assert sorted(map(sorted, circuit)) == sorted(map(sorted, CIRCUITS[key]))


def _name(board, end):
    if end.part == wiring.RAIL:
        return end.part
    label = wiring.headers(board)[0].pins[int(end.pin) - 1].label if end.part == "board" else end.pin
    return f"{end.part} {label}"


@pytest.mark.parametrize("key", BOARDS)
def test_the_wires_end_at_the_pins_that_the_firmware_uses(key):
    board, pins = boards.load(key), import_module(f"firmware.boards.{key}")
    header = wiring.headers(board)[0]
    wired = {}
    for wire in wiring.wires(board):
        for end, other in ((wire.start, wire.end), (wire.end, wire.start)):
            if end.part == "board" and header.pins[int(end.pin) - 1].gpio is not None:
                wired[other.part, other.pin] = header.pins[int(end.pin) - 1].gpio
    ((tx, rx),) = pins.UARTS.values()
    meant = {("MAX3232", "T1IN"): tx, ("MAX3232", "R1OUT"): rx}
    if pins.LIGHT[0] == "lamp":
        meant["resistor", "1"] = pins.LIGHT[1]
    assert wired == meant


@pytest.mark.parametrize("key", BOARDS)
def test_what_is_printed_at_a_pin_fits_its_gpio(key):
    for header in wiring.headers(boards.load(key)):
        for pin in header.pins:
            number = pin.label.removeprefix("IO")
            if number.isdigit():
                assert pin.gpio == int(number)
            elif pin.label in ("3V3", "5V", "EN", "RST", *wiring.GROUNDS):
                assert pin.gpio is None
            else:  # named by what the chip has there
                assert pin.gpio in boards.load(key).chip.taken | boards.load(key).chip.inputs


def drawing_of(key):
    return ET.fromstring(drawing.picture(boards.load(key)))


def wires_of(svg):
    """Number → corners of each wire as drawn, from the file alone."""
    found = {}
    for group in svg.iter(f"{SVG}g"):
        (path,) = [part for part in group.iter(f"{SVG}path") if part.get("class") == "wire"]
        corners = [tuple(map(int, pair.split())) for pair in re.split("[ML]", path.get("d"))[1:]]
        found[int(group.get("id").removeprefix("wire-"))] = corners
    return found


@pytest.mark.parametrize("key", BOARDS)
def test_every_wire_is_drawn_numbered_and_told(key):
    board, svg = boards.load(key), drawing_of(key)
    said = svg.find(f"{SVG}desc").text
    rows = wiring.wire_table(board).splitlines()[2:]
    numbers = [text.text for text in svg.iter(f"{SVG}text") if text.get("class") == "number"]
    drawn, wires = wires_of(svg), wiring.wires(board)
    assert list(drawn) == [wire.number for wire in wires] == list(range(1, len(wires) + 1))
    assert numbers == [str(wire.number) for wire in wires]
    for wire, line in zip(wires, rows, strict=True):
        start, end = wiring.told(board, wire.start), wiring.told(board, wire.end)
        assert line.startswith(f"| {wire.number} | {start} | {end} | {wire.net.carries} |")
        assert f"{wire.number}: {start} to {end}, {wire.net.carries}" in said


@pytest.mark.parametrize("key", BOARDS)
def test_each_wire_starts_and_ends_beside_the_name_of_its_pin(key):
    board, svg = boards.load(key), drawing_of(key)
    texts = [(text.text, int(text.get("x")), int(text.get("y"))) for text in svg.iter(f"{SVG}text")]
    drawn = wires_of(svg)
    for wire in wiring.wires(board):
        for end, (x, y) in ((wire.start, drawn[wire.number][0]), (wire.end, drawn[wire.number][-1])):
            if end.part not in ("board", "MAX3232", "DE-9"):
                continue
            near = [text for text, at, level in texts if abs(at - x) <= 12 and abs(level - 5 - y) <= 2]
            wanted = _name(board, end).removeprefix(end.part + " ")
            assert [text.split()[0] for text in near] == [wanted]


@pytest.mark.parametrize("key", BOARDS)
def test_wires_of_different_nets_neither_touch_nor_cross(key):
    board = boards.load(key)
    drawn = wires_of(drawing_of(key))
    for one, other in combinations(wiring.wires(board), 2):
        if one.net is not other.net:
            for leg, way in (
                (a, b) for a in pairwise(drawn[one.number]) for b in pairwise(drawn[other.number])
            ):
                assert _apart(leg, way), (one.number, other.number)


def _apart(leg, way):
    """Whether two stretches, each level or upright, have at least 6 pixels between them somewhere."""
    return any(
        max(a[axis] for a in leg) + 6 <= min(b[axis] for b in way)
        or max(b[axis] for b in way) + 6 <= min(a[axis] for a in leg)
        for axis in (0, 1)
    )


@pytest.mark.parametrize("key", BOARDS)
def test_numbers_do_not_cover_each_other_and_words_stay_on_the_sheet(key):
    svg = drawing_of(key)
    width, height = (int(size) for size in svg.get("viewBox").split()[2:])
    texts = list(svg.iter(f"{SVG}text"))
    numbers = [(int(text.get("x")), int(text.get("y"))) for text in texts if text.get("class") == "number"]
    for (ax, ay), (bx, by) in combinations(numbers, 2):
        assert (ax - bx) ** 2 + (ay - by) ** 2 >= 24**2
    for text in texts:
        size = int(text.get("font-size", 14))
        wide = len(text.text) * size * 0.7  # no letter of the font is wider, on average
        x = int(text.get("x")) - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor")]
        assert 0 <= x <= x + wide <= width, text.text
        assert 0 < int(text.get("y")) < height


def test_nets_differ_in_black_and_white_and_are_seen_on_paper():
    assert len({(net.wide, net.dash) for net in wiring.NETS}) == len(wiring.NETS)
    assert len({net.style for net in wiring.NETS}) == len({net.colour for net in wiring.NETS}) == 6
    for net in wiring.NETS:
        red, green, blue = (_linear(int(net.ink[at : at + 2], 16) / 255) for at in (1, 3, 5))
        assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 3, net.colour


def _linear(value):
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@pytest.mark.parametrize("key", BOARDS)
def test_the_picture_speaks_to_who_does_not_see_it(key):
    svg = drawing_of(key)
    assert svg.get("role") == "img"
    ids = {part.get("id"): part.tag for part in svg.iter()}
    assert [ids[name] for name in svg.get("aria-labelledby").split()] == [f"{SVG}title", f"{SVG}desc"]
    assert boards.load(key).facts["name"] in svg.find(f"{SVG}title").text


@pytest.fixture
def changed(tmp_path, monkeypatch):
    """A board with its table changed here and there."""

    def change(key, *changes):
        text = (boards.TABLES / f"{key}.toml").read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / f"{key}.toml").write_text(text)
        monkeypatch.setattr(boards, "TABLES", tmp_path)
        return boards.load(key)

    return change


def test_a_pin_that_moves_in_the_table_moves_everywhere(changed):
    board = changed("esp32_devkit", ("tx = 25", "tx = 33"))
    assert "UARTS = {2: (33, 26)}" in boards.pin_table(board)
    assert "| J2 pin 8 (IO33) | MAX3232 T1IN |" in wiring.wire_table(board)
    where = drawing.place(board)
    assert where.pins[End("MAX3232", "T1IN")][1] == where.pins[End("board", "8")][1]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("pin = 27", "pin = 23", "must be in J2"),
        ("tx = 25", "tx = 22", "must be in J2"),
        ('"3V3"', '"VDD"', "must be in J2"),
        ("IO14:14", "IO14:27", "twice"),
        ("IO14:14", "IO24:24", "not on this chip"),
    ],
)
def test_headers_that_cannot_be_are_refused(changed, old, new, why):
    board = changed("esp32_devkit", (old, new))
    with pytest.raises(boards.BoardError, match=why):
        wiring.wires(board)


def test_a_page_without_its_marks_is_refused():
    with pytest.raises(boards.BoardError, match="no place for wires"):
        wiring.filled("# A board\n", "wires", "| |")


def test_the_two_versions_of_the_s3_board_differ_in_the_light_only():
    newer, older = boards.load("esp32_s3_devkitc"), boards.load("esp32_s3_devkitc_v1_0")
    assert older.facts["light"]["pin"] != newer.facts["light"]["pin"]
    assert older.hardware == newer.hardware
    alike = [name for name in newer.facts if name not in ("light", "name")]
    assert [older.facts[name] for name in alike] == [newer.facts[name] for name in alike]


def test_every_part_with_a_wire_is_on_the_list():
    for key in BOARDS:
        board = boards.load(key)
        listed = " ".join(what for _, what, _ in wiring.parts(board))
        used = {end.part for wire in wiring.wires(board) for end in (wire.start, wire.end)}
        for part in used - {"board", wiring.RAIL}:
            assert part in listed


WAYS = {"Bluetooth": 2, "RS-232": 3, "USB": 4}


def test_the_list_of_devices_names_every_driver_and_only_ways_that_it_has():
    from gateway.drivers import all_drivers

    lines = (boards.ROOT / "hardware" / "README.md").read_text().splitlines()
    rows = {}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = cells
    assert sorted(rows) == sorted(driver.name for driver in all_drivers())
    for driver in all_drivers():
        row = rows[driver.name]
        assert bool(row[WAYS["Bluetooth"]]) == bool(driver.services or driver.adverts), driver.name
        assert bool(row[WAYS["RS-232"]] or row[WAYS["USB"]]) == bool(driver.serial), driver.name
