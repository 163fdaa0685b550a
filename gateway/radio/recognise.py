"""Which drivers may fit what a device advertises. A help for who pairs, never a reason to trust a device."""

from dataclasses import dataclass

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.uuids import normalize_uuid_str

from gateway.drivers import all_drivers
from gateway.drivers.base import Driver
from gateway.radio.line import is_bonded

MAX_NAME = 32


@dataclass(frozen=True)
class Candidate:
    """A device in the air for which there is a driver; the likeliest driver first. rssi: dBm."""

    address: str
    name: str
    drivers: tuple[type[Driver], ...]
    rssi: int
    bonded: bool


def candidate(found: BLEDevice, data: AdvertisementData) -> Candidate | None:
    """What is advertised, if any driver knows such devices."""
    name = plain(data.local_name or found.name or "")
    drivers = fitting(name, {*data.service_uuids, *data.service_data})
    if not drivers:
        return None
    return Candidate(found.address.upper(), name, drivers, data.rssi, is_bonded(found))


def fitting(name: str, services: set[str]) -> tuple[type[Driver], ...]:
    """Drivers by service (a full UUID) or by how the name begins; those that both speak for first."""
    ranked = []
    for place, driver in enumerate(all_drivers()):
        by_name = any(name.startswith(start) for start in driver.names)
        by_service = any(normalize_uuid_str(service) in services for service in driver.services)
        if by_name or by_service:
            ranked.append((-2 * by_name - by_service, place, driver))
    return tuple(driver for _, _, driver in sorted(ranked, key=lambda row: row[:2]))


def plain(text: str) -> str:
    """A name as it may be shown in a terminal: anybody can advertise anything."""
    return "".join(letter for letter in text if letter.isprintable())[:MAX_NAME].strip()
