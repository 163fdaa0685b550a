"""The frozen vectors of the drivers: readings, errors, record keys and measurement keys.

A record key that was released never changes: a line of tests/vectors/*.json may be added, none altered.
"""

import json

from gateway.drivers import all_drivers, decode_record
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


def files():
    """(driver, file) of all: each driver has one of its name."""
    return [(driver.name, driver.name.replace("-", "_")) for driver in all_drivers()]


def test_every_driver_gives_what_its_vectors_say():
    for driver, name in files():
        check(driver, name)


def test_every_vector_has_a_name_of_its_own_and_a_source():
    for _, name in files():
        found = vectors(name)
        assert found, name
        assert len({vector["name"] for vector in found}) == len(found)
        assert all(len(vector["source"]) > 10 for vector in found)
