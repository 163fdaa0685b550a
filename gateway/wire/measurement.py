"""Who measured what, told by the frames alone: device, capture, record key, measurement key.

protocol: the measurement key is SHA-256 over device identity and record key. Hub and bridge both
compute it from the frames; it is never sent, and a released record key never changes.
"""

import hashlib

from gateway.wire import shape
from gateway.wire.cbor import encode
from gateway.wire.errors import WireError

DOMAIN = "meethub/measurement/1"
QUALITIES = ("none", "device", "rtc", "ntp", "bridge")
KID_SIZE, BOOT_SIZE, KEY_SIZE = 8, 8, 32


class Moment:
    """A moment on the hub: boot id, milliseconds since that boot, wall clock (ms, UTC) when known."""

    def __init__(self, boot: bytes, mono_ms: int, wall_ms: int | None, quality: str) -> None:
        self.boot = boot
        self.mono_ms = mono_ms
        self.wall_ms = wall_ms
        self.quality = quality

    def wire(self) -> list[object]:
        return [self.boot, self.mono_ms, self.wall_ms, self.quality]


class Capture:
    """When and under which key the hub got a record: key id, counter within the boot, moment."""

    def __init__(self, kid: bytes, counter: int, moment: Moment) -> None:
        self.kid = kid
        self.counter = counter
        self.moment = moment

    def wire(self) -> list[object]:
        return [self.kid, self.counter, self.moment.wire()]


class Device:
    """A device as the hub knows it; `identity` is chosen at the first bind and kept."""

    def __init__(
        self,
        identity: str,
        manufacturer: str | None = None,
        model: str | None = None,
        firmware: str | None = None,
        serial: str | None = None,
        system_id: str | None = None,
        address: str | None = None,
    ) -> None:
        self.identity = identity
        self.manufacturer = manufacturer
        self.model = model
        self.firmware = firmware
        self.serial = serial
        self.system_id = system_id
        self.address = address

    def wire(self) -> list[object]:
        return [
            self.identity,
            self.manufacturer,
            self.model,
            self.firmware,
            self.serial,
            self.system_id,
            self.address,
        ]

    def json(self) -> dict[str, str | None]:
        return {
            "manufacturer": self.manufacturer,
            "model": self.model,
            "firmware": self.firmware,
            "serial": self.serial,
            "system_id": self.system_id,
            "address": self.address,
        }


class RecordKey:
    """What makes a record of a device that record and no other; cut from the frames by the driver.

    space: name of the record space, with the bank where users are numbered apart; number: the device's
    record number if it never changes; time: the raw bytes of its own uncorrected time if its clock was
    set; value: the raw bytes of the value fields. `live`: neither number nor time, so the capture is added.
    """

    def __init__(
        self, space: str, number: int | None, time: bytes | None, value: bytes, *, stored: bool = False
    ) -> None:
        self.space = space
        self.number = number
        self.time = time
        self.value = value
        self.live = number is None and time is None and not stored

    def wire(self) -> list[object]:
        return [self.space, self.number, self.time, self.value]


def measurement_key(device: str, record: RecordKey, capture: Capture) -> bytes:
    """32 bytes that name this measurement, however often and by whichever hub it is read."""
    live = [capture.kid, capture.moment.boot, capture.counter] if record.live else None
    return hashlib.sha256(encode([DOMAIN, device, record.wire(), live])).digest()


def short(key: bytes) -> str:
    """The form that people see and type: the first 12 hex digits."""
    return key[:6].hex()


def key_id(public_key: bytes) -> bytes:
    """A signing key's id: the first 8 bytes of SHA-256 over the 32-byte public key."""
    return hashlib.sha256(public_key).digest()[:KID_SIZE]


def moment_from_wire(item: object) -> Moment:
    boot, mono_ms, wall_ms, quality = shape.array(item, 4)
    if (wall_ms is None) != (quality == "none"):
        raise WireError("wire-shape", "a wall clock has a quality, no clock has none")
    return Moment(
        shape.octets(boot, BOOT_SIZE),
        shape.integer(mono_ms),
        shape.maybe_integer(wall_ms, 0, shape.MAX_WALL_MS),
        shape.one_of(quality, QUALITIES),
    )


def capture_from_wire(item: object) -> Capture:
    kid, counter, moment = shape.array(item, 3)
    return Capture(shape.octets(kid, KID_SIZE), shape.integer(counter), moment_from_wire(moment))


def device_from_wire(item: object) -> Device:
    identity, manufacturer, model, firmware, serial, system_id, address = shape.array(item, 7)
    return Device(
        shape.text(identity),
        shape.maybe_text(manufacturer),
        shape.maybe_text(model),
        shape.maybe_text(firmware),
        shape.maybe_text(serial),
        shape.maybe_text(system_id),
        shape.maybe_text(address),
    )
