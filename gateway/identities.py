"""Who the configured devices are: one identity each, chosen once and kept."""

import secrets

from gateway.config import BluetoothEntry, Config, SerialEntry
from gateway.outbox import Outbox
from gateway.wire.measurement import Device


def bluetooth_device(entry: BluetoothEntry) -> Device:
    """Known by its bonded identity address."""
    return Device("bluetooth-" + entry.address.replace(":", ""), address=entry.address)


def serial_device(entry: SerialEntry, outbox: Outbox) -> Device:
    """Nothing on the cable says who it is: a random id that this hub gives to the port and keeps."""
    name = "identity:" + entry.port
    known = outbox.setting(name)
    if known is None:
        known = secrets.token_bytes(8)
        outbox.set_setting(name, known)
    return Device("port-" + known.hex())


def configured(config: Config, outbox: Outbox) -> list[dict[str, str]]:
    """Every configured device with its identity, as the command line shows it."""
    rows = [(entry.driver, bluetooth_device(entry), "bluetooth") for entry in config.bluetooth]
    rows += [(entry.driver, serial_device(entry, outbox), "serial") for entry in config.serial]
    return [{"driver": name, "identity": device.identity, "by": by} for name, device, by in rows]
