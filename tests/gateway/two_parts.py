"""Records that devices tell in two parts: a glucose measurement and its context, a composition in two packets."""

from gateway.drivers import driver_named
from gateway.hub.visit import Visit
from gateway.wire.items import Addition, Item, ReadingItem
from gateway.wire.measurement import Device

METER = Device("bluetooth-C0FFEE000002", address="C0:FF:EE:00:00:02")
SCALE = Device("bluetooth-C0FFEE000003", address="C0:FF:EE:00:00:03")
BEFORE_MEAL, AFTER_MEAL = 1, 2
Part = tuple[str, bytes]


def _time(minute: int) -> bytes:
    return (2026).to_bytes(2, "little") + bytes([3, 4, 7, minute, 0])


def glucose(number: int = 1, *, renumbered: int | None = None) -> Part:
    """2A18: 100 mg/dL and `number`, at 07:00 and `number`; a context is announced."""
    told = number if renumbered is None else renumbered
    value = (0xB000 | 100 + number).to_bytes(2, "little")
    return "2a18", b"\x12" + told.to_bytes(2, "little") + _time(number) + value + b"\x11"


def context(number: int = 1, meal: int = BEFORE_MEAL) -> Part:
    """2A34: the meal."""
    return "2a34", b"\x02" + number.to_bytes(2, "little") + bytes([meal])


def fat(minute: int = 15) -> Part:
    """2A9C, the first of two packets: 24.0 % fat."""
    return "2a9c", b"\x02\x10" + (240).to_bytes(2, "little") + _time(minute)


def muscle(minute: int = 15) -> Part:
    """2A9C, the second packet: the same fat, and 49.6 % muscle."""
    return (
        "2a9c",
        b"\x12\x10" + (240).to_bytes(2, "little") + _time(minute) + (496).to_bytes(2, "little"),
    )


def visited(hub, *parts: Part, device: Device = METER, close: bool = True) -> Visit:
    """A meter (or scale) came, told these parts and went; close False: the power goes while it is here."""
    driver = driver_named("glucose-meter" if device is METER else "weight-scale")
    visit = Visit(device, driver)
    hub.visits.opened(visit)
    for source, data in parts:
        hub.visits.received(visit, source, data)
    if close:
        hub.visits.closed(visit)
    return visit


def told(items: list[Item]) -> list[tuple[str, list[bytes]]]:
    """Of each item that holds frames: "whole", "partial" or "addition", and the frames' bytes."""
    rows = []
    for item in items:
        if isinstance(item, ReadingItem):
            word = "undecoded" if item.reading is None else "whole" if item.reading.final else "partial"
            rows.append((word, [frame.data for frame in item.frames]))
        elif isinstance(item, Addition):
            rows.append(("addition", [frame.data for frame in item.frames]))
    return rows
