"""The catalogue: names, and each virtual device beside a real hub as it stands in `make run DEVICES=all`."""

from argparse import ArgumentTypeError
from datetime import timedelta

import pytest

from gateway.drivers import all_drivers, driver_named
from gateway.radio import Limits
from gateway.simulator.__main__ import main
from gateway.simulator.cable import Cable
from gateway.simulator.catalogue import BLUETOOTH, CATALOGUE, SERIAL, USUAL, entries, names_in
from gateway.simulator.compare import not_compared
from gateway.simulator.street import address_of
from tests.drivers.test_table import rows

BY_DRIVER = {entry.driver: entry for entry in CATALOGUE}


def test_names_and_short_names():
    assert names_in("cuff,oximeter") == names_in("nonin-serial, blood-pressure") == USUAL
    assert names_in("all") == tuple(BY_DRIVER)
    assert not_compared(entries(USUAL)) == []
    with pytest.raises(
        ArgumentTypeError, match=r"unknown device 'toaster'; known: all, blood-pressure \(cuff\)"
    ):
        names_in("cuff,toaster")
    with pytest.raises(ArgumentTypeError, match="unknown device ''"):
        names_in("")


def test_an_unknown_device_is_refused_with_the_list(capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", "--devices", "toaster"])
    assert end.value.code == 2
    assert "known: all, blood-pressure (cuff), " in capsys.readouterr().err


def test_every_driver_has_a_virtual_device():
    assert set(BY_DRIVER) == {driver.name for driver in all_drivers()}


def test_no_name_or_address_means_two_devices():
    names = [name for entry in CATALOGUE for name in {entry.driver, entry.alias} if name]
    assert len(names) == len(set(names))
    assert len({address_of(entry.driver) for entry in CATALOGUE}) == len(CATALOGUE)


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.driver)
async def test_each_device_is_reported_as_it_measured(bench, entry):
    """What it stored before, where it stores, and what a person measures while the hub is there."""
    driver = driver_named(entry.driver)
    kind = entry.load()
    assert driver is not None
    assert kind.driver == entry.driver
    assert entry.by == (SERIAL if issubclass(kind, Cable) else BLUETOOTH)
    assert set(entry.kinds) <= set(rows("Kinds and values"))
    device = await (bench.on_cable(kind, driver) if entry.by == SERIAL else bench.on_air(kind, driver))
    if kind.stores:
        await device.use(timedelta(hours=2))
    await bench.listen(Limits())  # as patient as it is at home
    await device.use()
    await bench.reported(device, within_s=60)
    assert {row["kind"] for row in device.truth.of("measured")} <= set(entry.kinds)
    assert device.truth.of("sent")
    assert bench.errors == []
