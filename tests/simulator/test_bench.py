"""The usual devices beside a real hub: bases, truth logs and bench fit together."""

import pytest

from gateway.drivers.blood_pressure import BloodPressure
from gateway.drivers.nonin_serial import NoninSerial
from gateway.simulator.devices.blood_pressure_monitor import BloodPressureMonitor
from gateway.simulator.devices.oximeter import Oximeter
from tests.simulator.bench import agrees, told


async def test_cuffs_and_an_oximeter_at_the_same_time(bench):
    """Several devices on one air and one cable: each reading arrives once, whoever is read first."""
    cuffs = [await bench.on_air(BloodPressureMonitor, BloodPressure) for _ in range(3)]
    oximeter = await bench.on_cable(Oximeter, NoninSerial)
    for cuff in cuffs:
        await cuff.use()
        await cuff.use()
    await bench.listen()
    oximeter.noise()
    await oximeter.use()
    await bench.reported(*cuffs, oximeter)
    assert bench.errors == []


async def test_a_lost_confirmation_gives_one_reading(bench):
    cuff = await bench.on_air(BloodPressureMonitor, BloodPressure, lose_confirmations=1)
    await cuff.use()
    await bench.listen()
    await cuff.truth.wait_for("confirmed")
    assert len(cuff.truth.of("sent")) == 2
    await bench.reported(cuff)


async def test_what_is_altered_or_missing_is_seen(bench):
    cuff = await bench.on_air(BloodPressureMonitor, BloodPressure)
    await cuff.use()
    with pytest.raises(AssertionError, match="missing: "):
        await bench.reported(cuff, within_s=0.05)
    await bench.listen()
    await bench.reported(cuff)
    bench.readings[0]["values"]["pulse-rate"] = "1"
    with pytest.raises(AssertionError, match="not measured: "):
        await bench.reported(cuff, within_s=0.05)


def test_a_reading_in_the_form_of_a_row():
    reading = {
        "kind": "glucose",
        "device_time": None,
        "user": 1,
        "values": [
            {"name": "glucose", "value": "33.3", "unit": "mmol/L", "absent": None, "comparator": ">"},
            {"name": "rr-interval", "value": "1.0", "unit": "s", "absent": None, "comparator": None},
            {"name": "rr-interval", "value": "1.1", "unit": "s", "absent": None, "comparator": None},
        ],
    }
    row = told(reading)
    assert row["values"] == {"glucose": ">33.3", "rr-interval": ["1.0", "1.1"]}
    assert agrees({"kind": "glucose", "device_time": None, "values": row["values"]}, row)
    assert agrees({**row, "units": {"glucose": "mmol/L"}}, row)
    for change in ({"units": {"glucose": "mg/dL"}}, {"user": 2}, {"values": {}}, {"kind": "ketone"}):
        assert not agrees({**row, **change}, row)
