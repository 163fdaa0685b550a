"""Who the configured devices are: one identity each, chosen once and kept."""

import secrets
from contextlib import closing
from pathlib import Path

from gateway.config import BluetoothEntry, Config, SerialEntry
from gateway.hub.bookkeeping import TOLD
from gateway.outbox import Look, Outbox, OutboxError
from gateway.wire.measurement import Device


def bluetooth_device(entry: BluetoothEntry) -> Device:
    """Known by its bonded identity address."""
    return Device("bluetooth-" + entry.address.replace(":", ""), address=entry.address)


def serial_device(entry: SerialEntry, outbox: Outbox) -> Device:
    """Nothing on the cable says who is on it: a random id that this hub gives to the port and keeps.

    A device that tells its own serial number is known by that as soon as it has told it (bookkeeping.py).
    """
    known = outbox.setting(_name(entry))
    if known is None:
        known = secrets.token_bytes(8)
        outbox.set_setting(_name(entry), known)
    return Device("port-" + known.hex())


def configured(config: Config, path: Path) -> list[dict[str, str]]:
    """Every configured device with its identity; also while the daemon runs and owns the outbox.

    On a cable: the identity of the device that told its serial number there last, if any did.
    """
    rows = [_row(entry.driver, bluetooth_device(entry), "bluetooth") for entry in config.bluetooth]
    try:
        with closing(Outbox(path, config.space_bytes)) as outbox:
            devices = [(entry, serial_device(entry, outbox)) for entry in config.serial]
            return rows + [_row(entry.driver, _told(device, outbox), "serial") for entry, device in devices]
    except OutboxError as error:
        if error.code != "outbox-in-use":
            raise
    with closing(Outbox.look(path)) as look:
        return rows + [row for entry in config.serial for row in _known(entry, look)]


def _known(entry: SerialEntry, look: Look) -> list[dict[str, str]]:
    known = look.setting(_name(entry))
    return [] if known is None else [_row(entry.driver, _told(Device("port-" + known.hex()), look), "serial")]


def _told(port: Device, settings: Outbox | Look) -> Device:
    told = settings.setting(TOLD + port.identity)
    return port if told is None else Device(told.decode())


def _row(driver: str, device: Device, by: str) -> dict[str, str]:
    return {"driver": driver, "identity": device.identity, "by": by}


def _name(entry: SerialEntry) -> str:
    return "identity:" + entry.port
