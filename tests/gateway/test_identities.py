"""Who the configured devices are: one identity each, chosen once and kept."""

from contextlib import closing

import pytest

from gateway.config import BluetoothEntry, SerialEntry, load, make_data_directory
from gateway.hub.bookkeeping import TOLD
from gateway.identities import bluetooth_device, configured, serial_device
from gateway.outbox import Outbox, OutboxError
from tests.gateway.config_fixtures import write

CABLE = SerialEntry("/dev/serial/by-id/usb-oximeter", "nonin-serial")


@pytest.fixture
def config(tmp_path):
    config = load(write(tmp_path))
    make_data_directory(config)
    return config


@pytest.fixture
def path(config):
    return config.data / "outbox.sqlite"


def opened(config, path):
    return closing(Outbox(path, config.space_bytes))


def test_a_bluetooth_device_is_known_by_its_bonded_address():
    device = bluetooth_device(BluetoothEntry("C0:FF:EE:00:00:01", "blood-pressure"))
    assert (device.identity, device.address) == ("bluetooth-C0FFEE000001", "C0:FF:EE:00:00:01")


def test_a_port_gets_a_random_identity_and_keeps_it(config, path):
    with opened(config, path) as outbox:
        first = serial_device(CABLE, outbox)
    with opened(config, path) as outbox:
        assert serial_device(CABLE, outbox).identity == first.identity
        other = serial_device(SerialEntry("/dev/ttyUSB1", "nonin-serial"), outbox)
    assert first.identity.startswith("port-")
    assert len(first.identity) == len("port-") + 16
    assert other.identity != first.identity
    assert first.address is None, "a path says nothing about the device"


def test_the_same_port_with_another_driver_is_the_same_place(config, path):
    with opened(config, path) as outbox:
        first = serial_device(CABLE, outbox)
        assert serial_device(SerialEntry(CABLE.port, "other"), outbox).identity == first.identity


def test_the_list_is_the_same_whether_or_not_the_hub_runs(config, path):
    before = configured(config, path)
    assert [row["driver"] for row in before] == ["blood-pressure", "nonin-serial"]
    assert [row["by"] for row in before] == ["bluetooth", "serial"]
    with opened(config, path):
        assert configured(config, path) == before
    assert configured(config, path) == before


def test_beside_a_running_hub_a_port_without_identity_is_left_out(config, path):
    """The hub has only just started and will name it; the command line must not name it otherwise."""
    with opened(config, path) as outbox:
        assert [row["by"] for row in configured(config, path)] == ["bluetooth"]
        named = serial_device(config.serial[0], outbox).identity
        assert [row["identity"] for row in configured(config, path)][1:] == [named]


def test_an_outbox_that_cannot_be_opened_is_said(config, path):
    path.mkdir()
    with pytest.raises(OutboxError):
        configured(config, path)


def test_a_meter_that_told_its_serial_number_is_listed_by_it(config, path):
    with opened(config, path) as outbox:
        port = serial_device(config.serial[0], outbox)
        outbox.set_setting(TOLD + port.identity, b"nonin-serial-A1")
    assert [row["identity"] for row in configured(config, path)][1] == "nonin-serial-A1"
    with opened(config, path):
        assert [row["identity"] for row in configured(config, path)][1] == "nonin-serial-A1"
