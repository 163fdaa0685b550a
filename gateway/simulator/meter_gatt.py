"""What a virtual blood pressure monitor offers: services 1810, 1805, 180A and 180F, behind a bond."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from bumble import att
from bumble.core import UUID
from bumble.device import Connection, Device
from bumble.gatt import Characteristic, CharacteristicValue, Service

from gateway.simulator.meter_memory import MeterMemory, date_time
from gateway.simulator.truth import TruthLog

_PROPERTIES = Characteristic.Properties
_PERMISSIONS = Characteristic.Permissions
_CCCD = UUID.from_16_bits(0x2902)
_FEATURES = b"\x07\x00"  # movement, cuff fit and irregular pulse are told


@dataclass
class MeterOptions:
    """How this meter behaves. Times in seconds; may be changed while it runs.

    keeps_memory: sends everything at each connection and forgets nothing. window_s: how long it advertises
    after a measurement. hang_up_after_s: after the last confirmation. idle_s: without anything to send.
    pace_s: pause between indications, as on a slow link. refusal: ATT error without a bond (0F or 05).
    lose_confirmations: so many of the next confirmations never reach the meter, the link drops instead.
    """

    clock_offset_s: float = 0
    keeps_memory: bool = False
    window_s: float = 30
    hang_up_after_s: float = 0.3
    idle_s: float = 5
    pace_s: float = 0
    advertising_ms: float = 20
    refusal: int = att.ATT_INSUFFICIENT_ENCRYPTION_ERROR
    lose_confirmations: int = 0
    manufacturer: str = "Meethub"
    model: str = "BP-SIM"
    firmware: str = "1.0"
    serial: str = "0001"
    battery: int = 80


class MeterServices:
    """The attributes of one meter. Clock and subscription are refused without encryption."""

    def __init__(self, address: str, options: MeterOptions, memory: MeterMemory, truth: TruthLog) -> None:
        self.measurement = Characteristic(
            UUID.from_16_bits(0x2A35), _PROPERTIES.INDICATE, _PERMISSIONS(0), b""
        )
        self._address = address
        self._options = options
        self._memory = memory
        self._truth = truth

    def add_to(self, device: Device) -> None:
        clock: Characteristic[bytes] = Characteristic(
            UUID.from_16_bits(0x2A2B),
            _PROPERTIES.READ | _PROPERTIES.WRITE,
            _PERMISSIONS.READABLE | _PERMISSIONS.WRITEABLE,
            CharacteristicValue(read=self._read_clock, write=self._write_clock),
        )
        device.add_service(_service(0x1810, [self.measurement, _readable(0x2A49, _FEATURES)]))
        device.add_service(_service(0x1805, [clock]))
        device.add_service(_service(0x180A, self._about()))
        device.add_service(_service(0x180F, [_readable(0x2A19, bytes((self._options.battery,)))]))
        self._guard(device)

    def _about(self) -> list[Characteristic[bytes]]:
        system_id = bytes.fromhex(self._address.replace(":", ""))[::-1]
        about = {
            0x2A29: self._options.manufacturer.encode(),
            0x2A24: self._options.model.encode(),
            0x2A25: self._options.serial.encode(),
            0x2A26: self._options.firmware.encode(),
            0x2A23: system_id[:3] + b"\xfe\xff" + system_id[3:],
        }
        return [_readable(number, value) for number, value in about.items()]

    def _guard(self, device: Device) -> None:
        """Subscribing needs the bond: refused at the CCCD."""
        for attribute in device.gatt_server.attributes:
            if attribute.type == _CCCD:
                unguarded: Any = attribute.value
                attribute.value = att.AttributeValueV2(
                    read=unguarded.read, write=partial(self._guarded, unguarded.write)
                )

    def _guarded(self, write: Callable[[Any, bytes], Any], connection: Any, value: bytes) -> Any:
        self._must_be_encrypted(connection)
        return write(connection, value)

    def _must_be_encrypted(self, connection: Connection) -> None:
        if not connection.encryption:
            raise att.ATT_Error(self._options.refusal)

    def _read_clock(self, connection: Connection) -> bytes:
        self._must_be_encrypted(connection)
        now = self._memory.now()
        return date_time(now) + bytes((now.isoweekday(), now.microsecond * 256 // 1_000_000, 0))

    def _write_clock(self, connection: Connection, value: bytes) -> None:
        self._must_be_encrypted(connection)
        if len(value) != 10:
            raise att.ATT_Error(att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR)
        self._memory.set_clock(datetime(int.from_bytes(value[:2], "little"), *value[2:7]))  # noqa: DTZ001 (devices know no zone)
        self._truth.write("clock-set", hex=value.hex())


def _service(number: int, characteristics: list[Characteristic[bytes]]) -> Service:
    return Service(UUID.from_16_bits(number), characteristics)


def _readable(number: int, value: bytes) -> Characteristic[bytes]:
    return Characteristic(UUID.from_16_bits(number), _PROPERTIES.READ, _PERMISSIONS.READABLE, value)
