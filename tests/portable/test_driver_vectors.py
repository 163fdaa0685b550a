"""The frozen vectors of the drivers: readings, errors, record keys and measurement keys.

A record key that was released never changes: a line of tests/vectors/*.json may be added, none altered.
"""

import json

from gateway.drivers import decode_record
from gateway.wire.items import Frame
from gateway.wire.measurement import Capture, Moment, measurement_key

FOLDER = __file__.rsplit("/", 2)[0] if __file__.count("/") > 1 else "tests"
CAPTURE = Capture(bytes(range(8)), 7, Moment(bytes(range(8, 16)), 123456, None, "none"))
DEVICE = "vector-device"


def vectors(name):
    with open(FOLDER + "/vectors/" + name + ".json") as file:  # noqa: PTH123 (MicroPython has no pathlib)
        return json.loads(file.read())


def told(record):
    """What a vector holds of a record."""
    key = record.key
    return {
        "frames": [frame.data.hex() for frame in record.frames],
        "reading": record.reading and record.reading.json(),
        "error": record.error and record.error.code,
        "key": key and [key.space, key.number, key.time and key.time.hex(), key.value.hex(), key.live],
        "measurement": key and measurement_key(DEVICE, key, CAPTURE).hex(),
    }


def frames(vector):
    """One frame, or all of a visit: what was read first, and packets that are joined."""
    rows = vector.get("frames") or [[vector["characteristic"], vector["hex"]]]
    return [Frame(source, 0, bytes.fromhex(octets)) for source, octets in rows]


def check(driver, name):
    for vector in vectors(name):
        records = decode_record(driver, frames(vector))
        assert [told(record) for record in records] == vector["records"], vector["name"]
        for record in records:
            assert [told(found) for found in decode_record(driver, record.frames)] == [told(record)]


def test_ascensia_contour():
    check("ascensia-contour", "ascensia_contour")


def test_blood_pressure():
    check("blood-pressure", "blood_pressure")


def test_nonin_3230():
    check("nonin-3230", "nonin_3230")


def test_nonin_serial():
    check("nonin-serial", "nonin_serial")


def test_continuous_glucose():
    check("continuous-glucose", "continuous_glucose")


def test_glucose_meter():
    check("glucose-meter", "glucose_meter")


def test_heart_rate():
    check("heart-rate", "heart_rate")


def test_omron_blood_pressure():
    check("omron-blood-pressure", "omron_blood_pressure")


def test_mi_scale():
    check("mi-scale", "mi_scale")


def test_lifescan_serial():
    check("lifescan-serial", "lifescan_serial")


def test_onetouch_verio():
    check("onetouch-verio", "onetouch_verio")


def test_pulse_oximeter():
    check("pulse-oximeter", "pulse_oximeter")


def test_taidoc():
    check("taidoc", "taidoc")


def test_thermometer():
    check("thermometer", "thermometer")


def test_viatom_oximeter():
    check("viatom-oximeter", "viatom_oximeter")


def test_weight_scale():
    check("weight-scale", "weight_scale")


def test_ascii_scale():
    check("ascii-scale", "ascii_scale")


def test_freestyle_serial():
    check("freestyle-serial", "freestyle_serial")


def test_contec_cms50():
    check("contec-cms50", "contec_cms50")


def test_every_vector_has_a_name_of_its_own_and_a_source():
    for name in (
        "ascensia_contour",
        "ascii_scale",
        "blood_pressure",
        "contec_cms50",
        "continuous_glucose",
        "freestyle_serial",
        "glucose_meter",
        "heart_rate",
        "lifescan_serial",
        "mi_scale",
        "nonin_3230",
        "nonin_serial",
        "omron_blood_pressure",
        "onetouch_verio",
        "pulse_oximeter",
        "taidoc",
        "thermometer",
        "viatom_oximeter",
        "weight_scale",
    ):
        found = vectors(name)
        assert len({vector["name"] for vector in found}) == len(found)
        assert all(len(vector["source"]) > 10 for vector in found)
