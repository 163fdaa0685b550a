"""What holds for all drivers together: the table, what they may send, what they may say."""

import ast
import re
from pathlib import Path

import pytest

from gateway.drivers import all_drivers, decode_record, driver_named
from gateway.drivers.base import CommandError, Driver, Known
from gateway.drivers.nonin_serial import _DAMAGE
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "gateway" / "drivers"


def source(name: str) -> ast.Module:
    return ast.parse((ROOM / f"{name}.py").read_text())


def files() -> list[str]:
    """All files of the room, as paths in it without their ending."""
    return sorted(str(path.relative_to(ROOM).with_suffix("")) for path in ROOM.rglob("*.py"))


def test_every_driver_file_is_in_the_table():
    with_a_driver = {
        name
        for name in files()
        for node in ast.walk(source(name))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(line).startswith("name = ") for line in node.body)
    }
    assert {driver.__module__.rsplit(".", 1)[1] for driver in all_drivers()} == with_a_driver - {"base"}


def test_names_are_unique_and_found():
    names = [driver.name for driver in all_drivers()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) for name in names)
    assert [driver_named(name) for name in names] == list(all_drivers())
    assert driver_named("no-such-driver") is None


def test_no_record_is_decoded_by_an_unknown_driver():
    with pytest.raises(DecodeError) as caught:
        decode_record("no-such-driver", [Frame("2a35", 0, b"")])
    assert caught.value.code == "driver-unknown"


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
def test_a_driver_hears_a_radio_or_a_cable(driver: type[Driver]):
    assert bool(driver.subscribe) == bool(driver.services) or driver.adverts
    assert driver.services or driver.serial
    assert driver.version >= 1
    assert all(
        re.fullmatch(r"[0-9a-f]{4}|[0-9a-f-]{36}", uuid)
        for uuid in driver.services + driver.subscribe + driver.reads
    )
    for baud, bits, parity, stops in (driver.serial, *driver.serial_others) if driver.serial else ():
        assert baud in {2400, 9600, 19200, 38400, 115200}
        assert (bits, parity, stops) in {(8, "N", 1), (8, "O", 1), (8, "E", 1), (7, "E", 1)}


def test_a_driver_without_code_hears_nothing():
    driver = Driver()
    with pytest.raises(NotImplementedError):
        driver.received(Frame("2a35", 0, b""))
    assert driver.start(Known()) is None
    assert (driver.silent(), driver.finish(), driver.take_sends()) == ([], [], [])


# First bytes of what erases, deletes, clears, resets, starts, stops or switches off, by channel; "" for any.
# Sources: devices.md of the research, table 3.3: each line names the protocol it was read in.
TAIDOC = (b"\x51\x52", b"\x51\x43", b"\x51\x50", b"\x51\x33")  # clear, start the cuff, off, set the clock
FORBIDDEN = {
    "2a52": (b"\x02",),  # RACP: delete stored records
    "2aac": tuple(
        bytes((code,)) for code in (1, 4, 7, 0x0A, 0x0D, 0x10, 0x13, 0x16, 0x1A, 0x1B)
    ),  # CGM setters
    "2a9f": (b"\x01", b"\x03"),  # register and delete a user
    "serial": (
        b"\x7d\x81\xae",  # Contec: erase sessions
        b"\x05\x1a",  # LifeScan Ultra Easy: erase
        b"\x03\x1a",  # LifeScan Verio: erase
        b"DMZ",  # LifeScan Ultra2: zero the log
        b"p\x02",  # Nonin: another data format
        *TAIDOC,
    ),
    "00001524-1212-efde-1523-785feabcd123": TAIDOC,
    "8b00ace7-eb0b-49b0-bbe9-9aee0a26e1a3": (b"\x16", b"\x18"),  # Viatom: configure, factory default
    "db5b55e0-aee7-11e1-965e-0002a5d5c51b": tuple(
        bytes((size + 8, 0x01, 0xC0)) for size in range(57)
    ),  # Omron: write to the memory
    "af9df7a2-e595-11e3-96b4-0002a5d5c51b": (  # OneTouch Verio: erase, set the clock
        b"\x03\x1a",
        b"\x03\x20\x01",
    ),
    "": (b"\x1a",),
}


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
def test_nothing_on_a_drivers_list_erases_or_changes_a_device(driver: type[Driver]):
    for channel, start, size in driver.may_send:
        assert 0 < len(start) <= size, start
        for forbidden in FORBIDDEN.get(channel, ()) + FORBIDDEN[""]:
            together = min(len(start), len(forbidden))
            assert start[:together] != forbidden[:together], (channel, start)


@pytest.mark.parametrize("driver", all_drivers(), ids=lambda driver: driver.name)
def test_what_is_not_on_the_list_is_never_sent(driver: type[Driver]):
    one = driver()
    for channel in (*driver.subscribe, "serial", *FORBIDDEN):
        for command in FORBIDDEN.get(channel, ()) + FORBIDDEN[""]:
            for tail in (b"", b"\x01", b"\x01\x01"):
                with pytest.raises(CommandError, match="command-forbidden"):
                    one.send(channel, command + tail)
    assert one.take_sends() == []


def test_what_is_on_the_list_is_sent_once():
    one = driver_named("nonin-serial")()
    one.send("serial", b"\x06")
    assert [(frame.source, frame.data) for frame in one.take_sends()] == [("serial", b"\x06")]
    assert one.take_sends() == []


def test_only_the_base_sends():
    """No driver goes round `send`, the one place where the list is looked at."""
    for name in set(files()) - {"base"}:
        assert "_sends" not in (ROOM / f"{name}.py").read_text(), name


def test_drivers_import_only_portable_rooms():
    for name in files():
        for node in ast.walk(source(name)):
            if isinstance(node, ast.ImportFrom):
                assert node.module.startswith(("gateway.drivers", "gateway.wire")), name
            assert not isinstance(node, ast.Import), name


def notes_in_code() -> set[str]:
    """Every note that a driver can emit: the last text of the rows of tables named …NOTES, and what is appended."""
    found: set[str] = set()
    for name in files():
        for node in ast.walk(source(name)):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and node.targets[0].id.endswith("_NOTES")
            ):
                found |= {row.elts[-1].value for row in node.value.elts}
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "append"
                and ast.unparse(node.func.value) == "notes"
            ):
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found


def section(title: str) -> str:
    text = (ROOT / "docs" / "vocabulary.md").read_text()
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(title: str) -> dict[str, list[str]]:
    """The table rows of a section of docs/vocabulary.md, by the word in their first column."""
    lines = [line for line in section(title).splitlines() if line.startswith("| `")]
    return {
        cells[0].strip("`"): cells[1:]
        for cells in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    }


def test_every_note_stands_in_the_vocabulary_in_two_languages():
    listed = rows("Notes")
    assert notes_in_code() >= {"irregular-pulse", "low-perfusion", "clock-not-set", "implausible"}
    assert notes_in_code() <= set(listed)
    assert all(len(cells) >= 2 and all(cells[:2]) for cells in listed.values())


def test_every_kind_value_and_reason_of_a_driver_stands_in_the_vocabulary():
    texts = {
        node.value
        for name in files()
        for node in ast.walk(source(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    kinds, reasons = rows("Kinds and values"), rows("Absent reasons")
    assert {"blood-pressure", "oximetry", "temperature"} <= texts & set(kinds)
    for value in (
        "systolic",
        "diastolic",
        "mean-arterial",
        "pulse-rate",
        "spo2",
        "perfusion-index",
        "body-temperature",
        "heart-rate",
        "energy",
        "rr-interval",
        "bmi",
        "body-weight",
        "body-height",
        "body-fat",
        "basal-metabolism",
        "muscle-percentage",
        "muscle-mass",
        "fat-free-mass",
        "soft-lean-mass",
        "body-water-mass",
        "impedance",
    ):
        assert value in texts
        assert value in section("Kinds and values")
    used = {"not-a-number", "positive-infinity", "negative-infinity", "error", "unknown"}
    assert used <= texts & set(reasons)
    assert "device-time" in rows("Context")
    assert {"spot", "stored"} <= texts & set(rows("Origins"))


def test_every_error_code_stands_in_the_vocabulary_and_no_other():
    paths = [ROOM / f"{name}.py" for name in files()] + [ROOT / "gateway" / "decode.py"]
    text = "".join(path.read_text() for path in paths)
    raised = set(re.findall(r'DecodeError\("([a-z-]+)"', text))
    assert set(rows("Errors")) == raised | set(_DAMAGE)
