"""Every capture in tests/vectors/captures plays as it did when it was made.

Drop a file of `meethub-gateway capture --with-values` there: it is a test. Where it shows a fault, put what is
right into the closing line of the visit. How: docs/capture.md.
"""

import json
import os

from gateway.drivers import driver_named
from gateway.wire.items import Frame

FOLDER = (__file__.rsplit("/", 2)[0] if __file__.count("/") > 1 else "tests") + "/vectors/captures"


def visits(name):
    """(driver, rows, result) of each visit in a file."""
    found = {}
    with open(FOLDER + "/" + name) as file:  # noqa: PTH123 (MicroPython has no pathlib)
        for line in file:
            row = json.loads(line)
            if "driver" in row:
                found[row["visit"]] = (row["driver"], [], {})
            elif "closed" in row:
                found[row["visit"]][2].update(row)
            else:
                found[row["visit"]][1].append(row)
    return [found[number] for number in sorted(found)]


def played(name, rows):
    driver = driver_named(name)()
    records = []
    for row in rows:
        if "hex" in row:
            source = row["from"] if "from" in row else ">" + row["to"]
            records += driver.received(Frame(source, row["t"], bytes.fromhex(row["hex"])))
    return records + driver.finish()


def test_every_capture_plays_as_it_did():
    names = [name for name in sorted(os.listdir(FOLDER)) if name.endswith(".jsonl")]  # noqa: PTH208
    assert names
    for name in names:
        found = visits(name)
        assert found, name
        for driver, rows, result in found:
            records = played(driver, rows)
            readings = [record.reading.json() for record in records if record.reading is not None]
            assert readings == result["readings"], name
            errors = [record.error.code for record in records if record.error is not None]
            assert errors == result["errors"], name
