"""The decode contract: one line in, one line out, in order, whatever the line is."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.decode import decode_line, decode_lines
from gateway.drivers import driver_named, driver_names
from gateway.drivers.families.omron_frames import NOTIFY
from gateway.wire.measurement import Capture, Moment, RecordKey, measurement_key

ROOT = Path(__file__).parents[2]
DOSE = settings(max_examples=300 * int(os.environ.get("MEETHUB_DOSE", "1")), deadline=None)
PLAIN = "00780050005f00"
TIMED = "02780050005d00ea070304070f00"


def bp(*frames, **more):
    return {"driver": "blood-pressure", "received": [list(frame) for frame in frames], **more}


def answer(visit):
    return decode_line(json.dumps(visit))


def vectors(name: str):
    return json.loads((ROOT / "tests" / "vectors" / f"{name}.json").read_text())


def test_the_names_of_all_drivers():
    """Names are for ever: configurations and sealed readings hold them."""
    assert set(driver_names()) >= {
        "ascensia-contour",
        "ascii-scale",
        "blood-pressure",
        "contec-cms50",
        "continuous-glucose",
        "freestyle-serial",
        "glucose-meter",
        "heart-rate",
        "lifescan-serial",
        "mi-scale",
        "nonin-3230",
        "nonin-serial",
        "omron-blood-pressure",
        "onetouch-verio",
        "pulse-oximeter",
        "taidoc",
        "thermometer",
        "viatom-oximeter",
        "weight-scale",
    }


def test_every_frozen_vector_gives_its_readings_and_errors():
    for vector in vectors("blood_pressure"):
        check(vector, answer(bp([vector["characteristic"], vector["hex"]])))
    for vector in vectors("nonin_serial"):
        check(vector, answer({"driver": "nonin-serial", "stream": vector["hex"]}))


@pytest.mark.parametrize("driver", ["heart-rate", "pulse-oximeter", "thermometer", "weight-scale"])
def test_every_frozen_vector_of_other_drivers_gives_its_readings_and_errors(driver):
    """What was read of the device stands before what it sent."""
    reads = driver_named(driver).reads
    for vector in vectors(driver.replace("-", "_")):
        frames = vector.get("frames") or [[vector["characteristic"], vector["hex"]]]
        read = [frame for frame in frames if frame[0] in reads]
        told = [frame for frame in frames if frame[0] not in reads]
        check(vector, answer({"driver": driver, "reads": read, "received": told}))


def check(vector, found):
    wanted = [record["reading"] for record in vector["records"] if record["reading"]]
    given_back = (
        [{key: reading[key] for key in wanted[0]} for reading in found["readings"]]
        if wanted
        else found["readings"]
    )
    assert given_back == wanted
    codes = [record["error"] for record in vector["records"] if record["error"]]
    assert [error["code"] for error in found["errors"]] == codes
    assert (found["error"] or {}).get("code") == (codes[0] if codes and not wanted else None)


def test_a_bad_frame_takes_only_its_own_readings():
    found = answer(bp(["2a35", PLAIN], ["2a35", "1f0048"], ["2a35", TIMED]))
    assert [reading["device_time"] for reading in found["readings"]] == [None, "2026-03-04T07:15:00"]
    assert found["errors"] == [{"code": "frame-short", "message": "2 bytes missing at offset 3", "frame": 1}]
    assert found["error"] is None


def test_a_visit_that_gave_nothing_but_errors_has_one():
    found = answer(bp(["2a35", "1f0048"], ["2a35", ""]))
    assert found["error"] == {"code": "frame-short", "message": "2 bytes missing at offset 3"}
    assert [error["frame"] for error in found["errors"]] == [0, 1]


def test_what_gives_no_reading_is_no_error():
    nothing = {"readings": [], "error": None, "errors": []}
    assert answer(bp(["2a36", "00d7f000000000"])) == nothing
    assert answer(bp(["2a35", "14ff07ff07ff07ff070100"])) == nothing
    assert answer(bp()) == nothing
    assert answer({"driver": "nonin-serial", "stream": ""}) == nothing
    assert answer({"driver": "nonin-serial", "stream": "a37f7f08"}) == nothing


def test_what_the_line_tells_beside_the_bytes():
    device = {"manufacturer": "A", "model": "M", "name": "cuff", "serial": None}
    (reading,) = answer(bp(["2a35", PLAIN], device=device, at="2026-03-04T06:15:07.25Z"))["readings"]
    assert reading["driver"] == "blood-pressure"
    assert reading["received_at"] == "2026-03-04T06:15:07.25Z"
    assert reading["device"] == {
        "manufacturer": "A",
        "model": "M",
        "firmware": None,
        "serial": None,
        "system_id": None,
        "address": None,
    }
    assert "device" not in answer(bp(["2a35", PLAIN]))["readings"][0]


def test_the_measurement_key_where_the_line_suffices():
    (timed, live) = answer(bp(["2a35", TIMED], ["2a35", PLAIN], device={"identity": "cuff-1"}))["readings"]
    octets = bytes.fromhex(TIMED)
    key = RecordKey("2a35", None, octets[7:], octets[1:7])
    capture = Capture(b"anything", 1, Moment(b"whatever", 2, 3, "ntp"))
    assert timed["measurement_key"] == measurement_key("cuff-1", key, capture).hex()
    assert "measurement_key" not in live
    assert "measurement_key" not in answer(bp(["2a35", TIMED]))["readings"][0]


def test_characteristics_in_any_spelling():
    for name in ("2A35", "00002a35-0000-1000-8000-00805f9b34fb", "00002A35-0000-1000-8000-00805F9B34FB"):
        assert len(answer(bp([name, PLAIN]))["readings"]) == 1
    assert answer(bp(["ecbe3980-c9a2-11e1-b1bd-0002a5d5c51b", PLAIN]))["readings"] == []


def test_reads_come_first_and_of_a_dialogue_the_device_is_heard():
    exchange = [["sent", "2a35", PLAIN], ["received", "2a35", PLAIN]]
    visit = {"driver": "blood-pressure", "reads": [["2a49", "0000"], ["2A35", TIMED]], "exchange": exchange}
    found = answer(visit)
    assert [reading["device_time"] for reading in found["readings"]] == ["2026-03-04T07:15:00", None]
    stream = {
        "driver": "nonin-serial",
        "exchange": [["sent", "serial", "06"], ["received", "serial", "81486200"]],
    }
    assert len(answer(stream)["readings"]) == 1


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("", "line-invalid"),
        ("\n", "line-invalid"),
        ("{", "line-invalid"),
        ("[]", "line-invalid"),
        ("null", "line-invalid"),
        ("17", "line-invalid"),
        ("[" * 200000, "line-invalid"),
        ('{"a":' * 100000, "line-invalid"),
        ("9" * 10000, "line-invalid"),
        (b"\xff\xfe\x00", "line-invalid"),
        (b'{"driver": "\xff"}', "line-invalid"),
        ("\ufeff{}", "line-invalid"),
        ('{"driver": "blood-pressure"}', "line-invalid"),
        ('{"driver": "no-such", "received": []}', "driver-unknown"),
        ('{"driver": 5, "received": []}', "line-invalid"),
        ('{"driver": ["blood-pressure"], "received": []}', "line-invalid"),
        ('{"received": []}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": {}}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": ["2a35"]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [["2a35"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [["2a35", "0"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [["2a35", "zz"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [["2a35", 12]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [[12, "00"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [["2a35", "\\u0660\\u0660"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "at": "yesterday"}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "at": "2026-03-04T07:15:00"}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "at": 5}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "device": []}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "device": {"model": 1}}', "line-invalid"),
        ('{"driver": "blood-pressure", "received": [], "device": {"identity": "\\ud800"}}', "line-invalid"),
        ('{"driver": "blood-pressure", "exchange": [["heard", "2a35", "00"]]}', "line-invalid"),
        ('{"driver": "blood-pressure", "advertisement": 1}', "line-invalid"),
        ('{"driver": "blood-pressure", "advertisement": {"service_data": 1}}', "line-invalid"),
        ('{"driver": "blood-pressure", "advertisement": {"service_data": {"181d": "x"}}}', "line-invalid"),
        ('{"driver": "blood-pressure", "advertisement": {"name": "a"}}', "input-unsupported"),
        ('{"driver": "blood-pressure", "stream": "00"}', "input-unsupported"),
        ('{"driver": "nonin-serial", "received": []}', "input-unsupported"),
        ('{"driver": "heart-rate", "stream": "003c"}', "input-unsupported"),
        ('{"driver": "nonin-serial", "stream": null}', "line-invalid"),
    ],
)
def test_a_wrong_line_is_an_error_line(line, code):
    found = decode_line(line)
    assert found["readings"] == []
    assert found["errors"] == []
    assert found["error"]["code"] == code
    assert found["error"]["message"]


def test_a_broadcast_of_a_sensor_that_the_hub_connects_to():
    line = {"driver": "heart-rate", "advertisement": {"manufacturer_data": {"006B": "3b164446"}}}
    answer = decode_line(json.dumps(line))
    assert [value["value"] for reading in answer["readings"] for value in reading["values"]] == ["70"]


@pytest.mark.parametrize(
    ("driver", "name", "channel"),
    [
        ("omron-blood-pressure", "0", NOTIFY[0]),
        ("omron-blood-pressure", "3", NOTIFY[3]),
        ("omron-blood-pressure", "9", "9"),
        ("omron-blood-pressure", NOTIFY[1].upper(), NOTIFY[1]),
        ("omron-blood-pressure", "eeprom:HEM-7322T:1", "eeprom:HEM-7322T:1"),
        ("onetouch-verio", "notify", "af9df7a3-e595-11e3-96b4-0002a5d5c51b"),
        ("taidoc", "serial", "serial"),
        ("taidoc", "BLE", "00001524-1212-efde-1523-785feabcd123"),
        ("pulse-oximeter", "2A5F", "2a5f"),
        ("pulse-oximeter", "face", "face"),
        ("nonin-serial", "rx", "serial"),
    ],
)
def test_how_an_exchange_may_name_a_channel(monkeypatch, driver, name, channel):
    heard = []
    kind = driver_named(driver)
    assert kind is not None
    monkeypatch.setattr(kind, "received", lambda _, frame: heard.append(frame.source) or [])
    answer({"driver": driver, "exchange": [["received", name, "00"], ["sent", name, "00"]]})
    assert heard == [channel, ">" + channel]


def test_one_line_for_each_in_order_and_whether_any_failed():
    out: list[str] = []
    lines = [json.dumps(bp(["2a35", PLAIN])), "nonsense", json.dumps(bp(["2a35", TIMED]))]
    assert decode_lines(lines, out.append)
    answers = [json.loads(line) for line in out]
    assert [len(found["readings"]) for found in answers] == [1, 0, 1]
    assert answers[1]["error"]["code"] == "line-invalid"
    assert not decode_lines([lines[0], lines[2]], out.append)
    assert decode_lines([json.dumps(bp(["2a35", PLAIN], ["2a35", "00"]))], out.append)
    assert all("\n" not in line for line in out)


def test_lines_are_answered_one_by_one():
    """A line is answered before the next one is read: one can talk to it."""
    out: list[str] = []

    def lines():
        for count in range(3):
            assert len(out) == count
            yield json.dumps(bp(["2a35", PLAIN]))

    decode_lines(lines(), out.append)
    assert len(out) == 3


def test_a_long_stream_is_decoded_in_good_time():
    noise = bytes(range(256)) * 2000
    found = answer({"driver": "nonin-serial", "stream": noise.hex()})
    assert found["readings"] == [] or found["errors"] == []


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.binary(max_size=12).map(bytes.hex),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["driver", "received", "stream", "advertisement", "reads", "exchange", "device", "at", "x"]
)
PAIRS = st.lists(
    st.tuples(st.sampled_from(["2a35", "2a36", "2b34", "serial"]), st.binary(max_size=20).map(bytes.hex)),
    max_size=3,
)
VISITS = st.fixed_dictionaries(
    {"driver": st.sampled_from(["blood-pressure", "nonin-serial"]) | VALUES},
    optional={
        "received": PAIRS | VALUES,
        "stream": st.binary(max_size=200).map(bytes.hex) | VALUES,
        "advertisement": VALUES,
        "reads": PAIRS | VALUES,
        "exchange": st.lists(
            st.tuples(
                st.sampled_from(["sent", "received"]),
                st.just("serial"),
                st.binary(max_size=20).map(bytes.hex),
            )
        )
        | VALUES,
        "device": st.dictionaries(st.sampled_from(["model", "identity"]), st.text()) | VALUES,
        "at": st.datetimes(timezones=st.timezones()).map(lambda m: m.isoformat()) | VALUES,
    },
)


def well_formed(found):
    json.loads(json.dumps(found))
    assert set(found) == {"readings", "error", "errors"}
    assert found["error"] is None or (set(found["error"]) == {"code", "message"} and not found["readings"])
    assert all(set(error) == {"code", "message", "frame"} for error in found["errors"])
    for reading in found["readings"]:
        assert any(value["value"] is not None or value["absent"] for value in reading["values"])


@DOSE
@given(VISITS | st.dictionaries(KEYS, VALUES) | VALUES)
def test_any_json_gives_an_answer(visit):
    well_formed(decode_line(json.dumps(visit)))


@DOSE
@given(st.text() | st.binary())
def test_any_line_gives_an_answer(line):
    well_formed(decode_line(line))


@DOSE
@given(st.sampled_from([json.dumps(bp(["2a35", TIMED], at="2026-03-04T06:15:07Z"))]), st.data())
def test_a_good_line_with_a_few_changed_characters(line, data):
    characters = list(line)
    for _ in range(data.draw(st.integers(1, 3))):
        characters[data.draw(st.integers(0, len(line) - 1))] = data.draw(st.characters())
    well_formed(decode_line("".join(characters)))


def test_as_a_process_with_bytes_that_are_no_text():
    program = (
        "import sys; from gateway.decode import decode_lines; sys.exit(decode_lines(sys.stdin.buffer, print))"
    )
    lines = (
        json.dumps(bp(["2a35", PLAIN])).encode() + b"\n\xff\xff\n" + json.dumps(bp(["2a35", TIMED])).encode()
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, input=lines, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == b""
    answers = [json.loads(line) for line in io.BytesIO(done.stdout)]
    assert [len(found["readings"]) for found in answers] == [1, 0, 1]
