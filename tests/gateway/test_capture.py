"""Captures: what real radio and cables carried, in a file without names that plays again."""

import asyncio
import binascii
import json
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.__main__ import OK, PROBLEM, USAGE, main
from gateway.capture import redaction
from gateway.capture.making import HOLDS, Alone, listen_alone
from gateway.capture.recorder import CaptureFile, Recorder
from gateway.capture.recording import (
    FROM,
    MOST_ROWS,
    SILENT,
    TO,
    CaptureError,
    Row,
    Tape,
    lines_of,
    play,
    tapes_in,
)
from gateway.capture.redaction import redacted
from gateway.drivers import all_drivers
from gateway.drivers.ascensia_contour import AscensiaContour
from gateway.drivers.lifescan_serial import LifescanSerial
from gateway.drivers.taidoc import TaiDoc
from gateway.hub.visit import Visit
from gateway.radio import BluetoothDevice
from gateway.serial_port import SerialPort
from gateway.simulator.devices.contour_meter import ContourMeter
from gateway.simulator.devices.lifescan_meters import UltraEasy
from gateway.simulator.devices.taidoc_meters import TaiDocBluetooth, TaiDocCable
from gateway.simulator.virtual_adapter import VirtualAdapter
from gateway.simulator.virtual_radio import AdapterPort, Air
from gateway.wire.errors import MeethubError
from gateway.wire.measurement import Device
from tests.gateway.config_fixtures import TEXT, write
from tests.simulator.bench import QUICK_CABLE
from tests.simulator.conftest import bench  # noqa: F401 (a fixture)

KEYS = ["visit", "t", "from", "to", "hex", "size", "silent", "closed", "readings", "errors", "driver"]
ADDRESS = "F0:5A:04:00:00:01"
SCRIPT = str(Path(sys.executable).with_name("meethub-gateway"))
GLUCOSE = bytes.fromhex("51250427250da523"), bytes.fromhex("512668000040a5c4")


def glucose_tape():
    first = bytes((*GLUCOSE[0][:7], sum(GLUCOSE[0][:7]) & 0xFF))
    return Tape(
        "taidoc",
        [
            Row(0, TO, "serial", bytes.fromhex("512500000000a319")),
            Row(10, FROM, "serial", first[:5]),
            Row(12, FROM, "serial", first[5:]),
            Row(20, SILENT),
            Row(30, FROM, "serial", GLUCOSE[1]),
        ],
    )


# The form of the file.


def test_lines_and_back():
    tape = glucose_tape()
    lines = list(lines_of(tape, 1, with_values=True))
    (again,) = tapes_in(lines)
    assert again.rows == tape.rows
    assert again.result == play(tape)
    assert again.result["readings"][0]["values"][0]["value"] == "104"
    assert json.loads(lines[0]) == {"visit": 1, "driver": "taidoc", "version": 1}
    assert json.loads(lines[2]) == {"visit": 1, "t": 10, "from": "serial", "hex": tape.rows[1].data.hex()}


def test_without_values_no_bytes_stand_there():
    lines = list(lines_of(glucose_tape(), 1, with_values=False))
    assert [json.loads(line).get("size") for line in lines[1:4]] == [8, 5, 3]
    assert json.loads(lines[-1]) == {"visit": 1, "closed": True, "readings": 1, "errors": 0}
    assert "104" not in "".join(lines)
    with pytest.raises(CaptureError, match="capture-without-values"):
        tapes_in(lines)


@pytest.mark.parametrize(
    "line",
    ["x", "[]", "{}", '{"visit": 1, "t": 0}', '{"visit": 2, "t": 0, "from": "serial", "hex": "0"}', "7"],
)
def test_lines_that_are_no_capture(line):
    first = next(lines_of(glucose_tape(), 1, with_values=True))
    with pytest.raises(CaptureError, match="capture-unreadable") as error:
        tapes_in([first, line])
    assert error.value.detail == "line 2"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=8,
)


@given(st.lists(JSON.map(json.dumps) | st.text(max_size=20), max_size=6))
def test_any_lines_are_visits_or_no_capture(lines):
    with pytest.raises(CaptureError) as error:
        tapes_in([next(lines_of(glucose_tape(), 1, with_values=True)), *lines, "[" * 10_000])
    assert error.value.code in {"capture-unreadable", "capture-without-values"}


CHANNELS = sorted(
    {channel for driver in all_drivers() for channel in (*driver.subscribe, *driver.reads, "serial")}
)
ROWS = st.builds(
    Row,
    st.integers(0, 10**6),
    st.sampled_from([FROM, TO, SILENT]),
    st.sampled_from(CHANNELS),
    st.binary(max_size=40),
)


@settings(deadline=None)
@given(st.sampled_from(all_drivers()), st.lists(ROWS, max_size=8), st.data())
def test_any_visit_of_any_driver_plays(driver, rows, data):
    """Also what the hub sent, whatever it was: a recorded exchange holds both sides."""
    own = st.sampled_from([*driver.subscribe, *driver.reads] or ["serial"])
    rows = [Row(row.at_ms, row.what, data.draw(own | st.just(row.channel)), row.data) for row in rows]
    result = play(Tape(driver.name, rows))
    (again,) = tapes_in(lines_of(Tape(driver.name, rows), 1, with_values=True))
    assert again.result == result


def test_a_driver_that_nobody_knows():
    with pytest.raises(CaptureError, match="capture-unreadable"):
        play(Tape("no-such-driver"))


# Names go out, and the visit plays as before.


def test_what_names_no_device_stays_as_it_is():
    tape = glucose_tape()
    assert redacted(tape, [None, "", "AB", "no-such-serial"]) == (Tape(tape.driver, tape.rows), True)


def test_a_text_is_found_across_pieces_and_its_crc_holds():
    body = b"\x02\x11\x00\x05\x06SIM0001EY\x03"
    frame = body + binascii.crc_hqx(body, 0xFFFF).to_bytes(2, "little")
    tape = Tape(
        "lifescan-serial", [Row(at, FROM, "serial", frame[at : at + 2]) for at in range(0, len(frame), 2)]
    )
    clean, _ = redacted(tape, ["SIM0001EY"])
    data = b"".join(row.data for row in clean.rows)
    assert b"SIM0001EY" not in data
    assert len(data) == len(frame)
    stand_in = redaction._stand_in(b"SIM0001EY", redaction._same_crc)
    other = frame.replace(b"SIM0001EY", stand_in)
    assert binascii.crc_hqx(other[:-2], 0xFFFF).to_bytes(2, "little") == other[-2:]
    assert (stand_in[:3].isalpha(), stand_in[3:7].isdigit()) == (True, True)


def test_sums_and_exclusive_or_hold():
    for secret in (b"7410-1611135", b"DCGT224-N2602"):
        other = redaction._stand_in(secret, redaction._same_sums)
        assert other != secret
        assert sum(other) == sum(secret)
        assert redaction._xor(other) == redaction._xor(secret)
    other = redaction._stand_in(bytes.fromhex("01a2b3c4"), redaction._same_sums)
    assert sum(other) & 255 == 0x01 + 0xA2 + 0xB3 + 0xC4 & 255


def test_an_address_goes_out_in_either_order():
    address = "F0:5A:01:02:03:04"
    octets = bytes.fromhex("F05A01020304")
    rows = [Row(0, FROM, "serial", b"\xaa" + octets + octets[::-1])]
    clean, replays = redacted(Tape("taidoc", rows), [address])
    assert octets not in clean.rows[0].data
    assert octets[::-1] not in clean.rows[0].data
    assert not replays or play(clean) == play(Tape("taidoc", rows))


def test_consent_codes_and_keys_go_out(monkeypatch):
    monkeypatch.setattr(redaction, "_TRIES", 10)
    rows = [
        Row(0, TO, "2a9f", bytes((2, 1, 0xD2, 4))),
        Row(1, TO, "2a9f", b"\x01"),
        Row(2, TO, "x", b"\x01" * 17),
    ]
    clean, _ = redacted(Tape("weight-scale", rows), [], keeps_secret=True)
    assert [row.data for row in clean.rows] == [bytes((2, 1, 0, 0)), b"\x01", b"\x01" + bytes(16)]


@pytest.mark.parametrize("checksum", [True, False])
def test_a_name_that_no_stand_in_spares_goes_out_all_the_same(monkeypatch, tmp_path, checksum):
    """Its visit plays differently then; the file says what it gives now."""
    monkeypatch.setattr(redaction, "_TRIES", 0)
    frame = b"\x021R|1|^^^Glucose|133|mg/dL^P|SER-1234567|||202603040715\r\x03"
    whole = frame + b"%02X" % (sum(frame[1:]) + (not checksum) & 255) + b"\r\n"
    tape = Tape("ascensia-contour", [Row(0, FROM, "serial", whole)])
    with closing(CaptureFile(tmp_path / "capture.jsonl", with_values=True)) as file:
        file.keep(tape, Visit(Device("port", serial="SER-1234567"), AscensiaContour))
    (kept,) = tapes_in(text_of(tmp_path).splitlines())
    assert b"SER-1234567" not in kept.rows[0].data
    assert kept.result == play(kept)


# From real radio and cables.


@pytest.fixture
def file(tmp_path):
    made = CaptureFile(tmp_path / "capture.jsonl", with_values=True)
    yield made
    made.close()


def text_of(tmp_path):
    return (tmp_path / "capture.jsonl").read_text()


@pytest.mark.parametrize(
    ("kind", "driver"), [(TaiDocCable, TaiDoc), (ContourMeter, AscensiaContour), (UltraEasy, LifescanSerial)]
)
async def test_a_cable_without_a_hub(tmp_path, file, kind, driver):
    meter = kind(tmp_path / "port", tmp_path / "meter", 50, 1)
    await meter.start()
    if kind is not UltraEasy:
        meter.noise()
    await meter.use(timedelta(hours=1))
    await meter.use()
    ticks = iter(range(10**6))
    listener = Recorder(Alone(), file.keep, lambda: next(ticks))
    port = SerialPort(tmp_path / "port", driver, Device("capture"), listener, limits=QUICK_CABLE)
    running = asyncio.create_task(port.run())
    async with asyncio.timeout(20):
        while not file.visits:  # noqa: ASYNC110 (a plain number)
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await meter.stop()
    tapes = tapes_in(text_of(tmp_path).splitlines())
    assert play(tapes[0]) == tapes[0].result
    assert len(tapes[0].result["readings"]) == 2
    assert tapes[0].result["errors"] == []
    sent = b"".join(row.data for tape in tapes for row in tape.rows)
    serial = meter.serial
    assert serial.encode() not in sent
    if kind is TaiDocCable:
        assert bytes.fromhex(serial)[::-1][:4] not in sent
        assert bytes.fromhex(serial)[::-1][4:] not in sent


async def test_the_air_without_a_hub(tmp_path, file):
    air = Air()
    meter = TaiDocBluetooth(air, ADDRESS, tmp_path / "meter", TaiDocBluetooth.options_type(window_s=None))
    await meter.start()
    await meter.glucose(133)
    port = AdapterPort(air, "00:AA:03:00:00:02")
    await port.open()
    adapter = VirtualAdapter(port.port, tmp_path / "bonds.json")
    recorder = Recorder(Alone(), file.keep, lambda: 0)
    device = BluetoothDevice(ADDRESS, TaiDoc, "capture")
    running = asyncio.create_task(listen_alone(device, recorder, None, adapter.backend()))
    await meter.truth.wait_for("confirmed")
    await meter.truth.wait_for("disconnected")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await meter.stop()
    await adapter.close()
    await port.close()
    (tape,) = tapes_in(text_of(tmp_path).splitlines())
    assert [reading["values"][0]["value"] for reading in tape.result["readings"]] == ["133"]
    assert not any(word in text_of(tmp_path) for word in (ADDRESS, ADDRESS.replace(":", "").lower()))


async def test_a_hub_goes_on_as_always_while_it_is_recorded(bench, tmp_path, file):  # noqa: F811
    bench.hub.visits = Recorder(bench.hub.visits, file.keep, bench.gateway.clock.mono_ms)
    meter = await bench.on_air(TaiDocBluetooth, TaiDoc)
    cable = await bench.on_cable(ContourMeter, AscensiaContour)
    await cable.measure(133)
    await bench.listen()
    await meter.glucose(98)
    await bench.reported(meter, cable)
    recorded = lambda: tapes_in(text_of(tmp_path).splitlines())  # noqa: E731
    await bench.until(lambda: {tape.driver for tape in recorded()} == {"taidoc", "ascensia-contour"})
    tapes = recorded()
    for tape in tapes:
        assert play(tape) == tape.result
    assert meter.address.lower() not in text_of(tmp_path).lower()


async def test_nobody_answered_is_no_visit(tmp_path, file):
    recorder = Recorder(Alone(), file.keep, lambda: 0)
    visit = Visit(Device("capture"), TaiDoc)
    recorder.opened(visit)
    assert recorder.begun(visit)
    assert recorder.silent(visit)
    recorder.closed(visit)
    assert (file.visits, text_of(tmp_path)) == (0, "")


async def test_a_night_does_not_fill_the_disk(file):
    kept = []
    recorder = Recorder(Alone(), lambda tape, _: kept.append(tape), lambda: 0)
    visit = Visit(Device("capture"), TaiDoc)
    recorder.opened(visit)
    for _ in range(MOST_ROWS + 10):
        recorder.received(visit, "serial", b"\0")
    recorder.closed(visit)
    assert len(kept[0].rows) == MOST_ROWS


class Full(Alone):
    """A hub whose disk is full."""

    def received(self, *_):
        raise MeethubError("disk-full")


async def test_a_fault_of_the_hub_is_passed_on(file):
    recorder = Recorder(Full(), file.keep, lambda: 0)
    visit = Visit(Device("capture"), TaiDoc)
    recorder.opened(visit)
    with pytest.raises(MeethubError):
        recorder.received(visit, "serial", GLUCOSE[1])
    recorder.closed(visit)
    assert file.visits == 1


# The command line.


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stopped:
            code = stopped.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


async def script(*words):
    process = await asyncio.create_subprocess_exec(
        SCRIPT,
        *[str(word) for word in words],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_capture_and_replay_of_one_device(tmp_path, run):
    meter = TaiDocCable(tmp_path / "port", tmp_path / "meter", 50, 1)
    await meter.start()
    await meter.glucose(133)
    path = tmp_path / "capture.jsonl"
    words = ("--driver", "taidoc", "--port", tmp_path / "port", "--not-kept", "--with-values", "--seconds", 4)
    code, out, err = await script("capture", path, *words)
    await meter.stop()
    assert code == OK, err
    assert HOLDS["en", True] in err
    assert json.loads(out) == {"file": str(path), "visits": 1}
    assert path.stat().st_mode & 0o077 == 0
    code, out, _ = run("replay", path)
    assert code == OK
    answer = json.loads(out)
    assert answer["as_recorded"] is True
    assert answer["readings"][0]["values"][0]["value"] == "133"
    path.write_text(path.read_text().replace('"value": "133"', '"value": "134"'))
    code, out, _ = run("replay", path)
    assert (code, json.loads(out)["as_recorded"]) == (PROBLEM, False)


async def test_capture_through_the_whole_hub(tmp_path):
    """No bridge is there, and the daemon runs as always: the reading waits in the outbox."""
    meter = TaiDocCable(tmp_path / "ttyOX", tmp_path / "meter", 50, 1)
    await meter.start()
    await meter.glucose(133)
    text = TEXT.replace("nonin-serial", "taidoc").replace('port = "ttyOX"', f'port = "{tmp_path / "ttyOX"}"')
    config = write(tmp_path, text)
    for name in ("ca.pem", "hub.pem"):
        (tmp_path / name).write_text("")
    path = tmp_path / "capture.jsonl"
    code, out, err = await script("capture", path, "--with-values", "--seconds", 5, "--config", config)
    await meter.stop()
    assert code == OK, err
    assert json.loads(out.splitlines()[-1])["visits"] == 1
    (tape,) = tapes_in(path.read_text().splitlines())
    assert tape.result["readings"][0]["values"][0]["value"] == "133"
    assert (tmp_path / "data" / "outbox.sqlite").exists()


def test_what_a_capture_needs(tmp_path, run):
    path = tmp_path / "capture.jsonl"
    for words in (
        ("--driver", "taidoc"),
        ("--driver", "taidoc", "--port", "x"),
        ("--driver", "taidoc", "--port", "x", "--address", "y", "--not-kept"),
    ):
        code, _, err = run("capture", path, *words)
        assert code == USAGE
        assert "--not-kept" in err
    assert not path.exists()
    for driver, where in (
        ("thermometer", "--port"),
        ("nonin-serial", "--address"),
        ("omron-blood-pressure", "--address"),
    ):
        code, _, err = run("capture", path, "--driver", driver, where, "x", "--not-kept")
        assert code == PROBLEM
        assert "capture-not-alone" in err
    assert "driver-unknown" in run("capture", path, "--driver", "toaster", "--port", "x", "--not-kept")[2]


@pytest.mark.parametrize(("driver", "cable"), [("taidoc", True), ("taidoc", False), ("mi-scale", False)])
def test_what_can_be_captured_without_a_hub(driver, cable):
    assert Alone.driver(driver, cable=cable).name == driver


def test_a_file_that_is_there_is_never_written_over(tmp_path, run):
    path = tmp_path / "capture.jsonl"
    path.write_text("mine")
    words = ("--driver", "taidoc", "--port", tmp_path / "none", "--not-kept", "--seconds", 0.1)
    assert "capture-exists" in run("capture", path, *words)[2]
    assert path.read_text() == "mine"
    assert "capture-unwritable" in run("capture", tmp_path / "no" / "where", *words)[2]
    code, out, err = run("capture", tmp_path / "new.jsonl", *words)
    assert (code, json.loads(out)["visits"]) == (PROBLEM, 0)
    assert HOLDS["en", False] in err


def test_a_replay_that_cannot_be(tmp_path, run):
    path = tmp_path / "capture.jsonl"
    path.write_text("\n".join(lines_of(glucose_tape(), 1, with_values=False)))
    assert "capture-without-values" in run("replay", path)[2]
    path.write_text("no")
    assert "capture-unreadable" in run("replay", path)[2]
    assert run("replay", tmp_path / "none")[0] == USAGE
    rows = list(lines_of(glucose_tape(), 1, with_values=True))
    path.write_text("\n".join(rows[:-1]))  # cut off before its end
    code, out, _ = run("replay", path)
    assert (code, json.loads(out)["as_recorded"]) == (OK, None)
