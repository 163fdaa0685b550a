"""Bonding on request, and which devices in the air a person may choose from."""

import asyncio

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.uuids import normalize_uuid_str
from hypothesis import given
from hypothesis import strategies as st

from gateway.drivers.blood_pressure import BloodPressure
from gateway.drivers.thermometer import Thermometer
from gateway.radio import RadioError
from gateway.radio.recognise import MAX_NAME, candidate, fitting, plain
from tests.gateway.radio_fixtures import METER, House, Hub, measured, until


@pytest.fixture
async def house(tmp_path):
    made = House(tmp_path)
    yield made
    await made.close()


async def alone(house):
    """A radio that visits nobody."""
    return await house.radio(Hub(), devices=[])


async def test_an_a_and_d_is_left_at_once(house):
    meter = await house.meter(manufacturer="A&D Medical")
    meter.name = "A&D_UA-651BLE_0001"
    radio = await alone(house)
    await meter.pairing_mode()
    paired = await radio.pair(METER, BloodPressure, 20)
    assert (paired.bonded, paired.device.address) == (True, METER)
    assert paired.device.model is None, "nothing more was asked"
    await meter.truth.wait_for("disconnected", 1)


async def test_a_connection_that_fails_is_tried_again(house):
    meter, radio = await house.meter(), await alone(house)
    refused = []

    def refuse(link):
        if len(refused) < 2:
            refused.append(asyncio.ensure_future(link.disconnect()))

    meter._device.on("connection", refuse)
    await meter.pairing_mode()
    assert (await radio.pair(METER, BloodPressure, 20)).bonded
    assert len(refused) == 2


async def test_a_connection_that_never_comes_about(house):
    meter, radio = await house.meter(), await alone(house)
    meter._device.on("connection", lambda link: asyncio.ensure_future(link.disconnect()))
    await meter.pairing_mode()
    with pytest.raises(RadioError, match="connect-failed"):
        await radio.pair(METER, BloodPressure, 1)


async def test_a_device_that_may_do_without_a_bond_and_refuses_one(house):
    meter, radio = await house.meter(), await alone(house)
    await measured(meter, 1)  # it is there, and not in pairing mode
    paired = await radio.pair(METER, BloodPressure, 20, must=False)
    assert (paired.bonded, paired.device.address) == (False, METER)


async def test_a_bond_is_given_up(house):
    meter, radio = await house.meter(), await alone(house)
    await meter.pairing_mode()
    await radio.pair(METER, BloodPressure, 20)
    assert house.adapters[0].bonds
    await meter.open_window()
    await radio.forget(METER, 20)
    assert not house.adapters[0].bonds
    await radio.forget(METER, 20)


async def test_what_is_not_heard(house):
    radio = await alone(house)
    await until(lambda: radio.facts.scanning)
    with pytest.raises(RadioError, match="device-not-found"):
        await radio.heard(METER, 0.2)


def advertised(name=None, services=(), data=(), rssi=-60, bonded=False):
    uuids = [normalize_uuid_str(one) for one in services]
    found = BLEDevice(METER.lower(), name, {"props": {"Bonded": bonded}})
    heard = {normalize_uuid_str(one): b"" for one in data}
    return found, AdvertisementData(name, {}, heard, uuids, None, rssi, ())


def test_a_device_is_known_by_its_service():
    found = candidate(*advertised("BPM 0001", ["1810"], bonded=True))
    assert (found.address, found.name, found.drivers) == (METER, "BPM 0001", (BloodPressure,))
    assert (found.rssi, found.bonded) == (-60, True)


def test_a_device_that_only_advertises_is_known_by_its_data():
    assert "mi-scale" in [driver.name for driver in candidate(*advertised(None, data=["181b"])).drivers]


def test_a_device_that_nobody_knows_is_none():
    assert candidate(*advertised("TV", ["fe9f"])) is None
    assert candidate(*advertised()) is None


def test_name_and_service_together_speak_for_first(monkeypatch):
    monkeypatch.setattr(Thermometer, "names", ("UT-201",))
    services = {normalize_uuid_str("1810"), normalize_uuid_str("1809")}
    assert fitting("UT-201BLE_1", services)[0] is Thermometer
    assert fitting("UT-201BLE_1", set()) == (Thermometer,)
    assert set(fitting("other", services)) == {BloodPressure, Thermometer}


@given(st.text())
def test_a_name_is_fit_for_a_terminal(text):
    shown = plain(text)
    assert len(shown) <= MAX_NAME
    assert shown.isprintable()


def test_control_characters_are_no_part_of_a_name():
    assert plain("\x1b[2JBPM\r\n 1\u202e") == "[2JBPM 1"
