"""What a virtual Bluetooth device offers to a hub: services, their characteristics, clock, and bond."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from bumble import att
from bumble.core import UUID
from bumble.device import Connection
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.link import LocalLink

from gateway.simulator.advertiser import Advertiser, uuid_of
from gateway.simulator.encoding import current_time, date_time, moment_of
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.peripheral_options import PeripheralOptions

Offer = Characteristic[bytes]
_PROPERTIES, _PERMISSIONS = Characteristic.Properties, Characteristic.Permissions
_CCCD = UUID.from_16_bits(0x2902)


class Attributes(Advertiser):
    """The attributes of one device. link: the hub that is connected, if any."""

    options: PeripheralOptions
    options_type: type[PeripheralOptions] = PeripheralOptions

    def __init__(
        self, air: LocalLink, address: str, directory: Path, options: PeripheralOptions | None = None
    ) -> None:
        super().__init__(air, address, directory, options)
        self.link: HubLink | None = None
        self._listened = asyncio.Event()  # set, and made anew, at each subscription

    async def subscribed(self, link: HubLink, characteristic: Offer) -> None:
        """A hub listens to this characteristic from now on."""

    async def listener(self, characteristic: Offer, within_s: float) -> HubLink:
        """The hub that listens to this, as soon as there is one. TimeoutError when none comes."""
        async with asyncio.timeout(within_s):
            while self.link is None or characteristic not in self.link.subscribed:
                await self._listened.wait()
        return self.link

    def service(self, uuid: int | str, *offers: Offer) -> None:
        self._device.add_service(Service(uuid_of(uuid), list(offers)))

    def offers(
        self,
        uuid: int | str,
        *,
        value: bytes | Callable[[], bytes] | None = None,
        written: Callable[[HubLink, bytes], Work | None] | None = None,
        notifies: bool = False,
        indicates: bool = False,
        without_response: bool = False,
    ) -> Offer:
        """A characteristic.

        value: what is read: fixed bytes for everybody, or what this returns, over the bond only. written:
        called with what a hub wrote, over the bond only; it may raise att.ATT_Error to refuse, and what it
        returns goes on after the response, in the order of the writes. A long answer is given to
        `link.go_on`, so that the hub can interrupt it.
        """
        write = _PROPERTIES.WRITE_WITHOUT_RESPONSE if without_response else _PROPERTIES.WRITE
        told = (
            (value is not None, _PROPERTIES.READ),
            (written is not None, write),
            (notifies, _PROPERTIES.NOTIFY),
            (indicates, _PROPERTIES.INDICATE),
        )
        properties, permissions = _PROPERTIES(0), _PERMISSIONS(0)
        for true, bit in told:
            properties |= bit if true else _PROPERTIES(0)
        permissions |= _PERMISSIONS.READABLE if value is not None else permissions
        permissions |= _PERMISSIONS.WRITEABLE if written is not None else permissions
        made: Offer = Characteristic(uuid_of(uuid), properties, permissions, self._handlers(value, written))
        made.on(Characteristic.EVENT_SUBSCRIPTION, partial(self._subscription, made))
        return made

    def _handlers(
        self,
        value: bytes | Callable[[], bytes] | None,
        written: Callable[[HubLink, bytes], Work | None] | None,
    ) -> bytes | CharacteristicValue[bytes]:
        if written is None and not callable(value):
            return value or b""

        def read(connection: Connection) -> bytes:
            if callable(value):
                self._must_be_encrypted(connection)
                return value()
            return value or b""

        def write(connection: Connection, data: bytes) -> None:
            self._must_be_encrypted(connection)
            assert written is not None
            assert self.link is not None
            work = written(self.link, bytes(data))
            if work is not None:
                self.link.in_turn(work)

        return CharacteristicValue(read=read, write=write)

    def current_time(self) -> Offer:
        """The device's clock as Current Time (2A2B), read and set."""
        return self._clock(0x2A2B, 10, current_time)

    def date_time(self) -> Offer:
        """The device's clock as Date Time (2A08), which A&D and Roche put into the measuring service."""
        return self._clock(0x2A08, 7, date_time)

    def _clock(self, uuid: int, length: int, encoded: Callable[[datetime], bytes]) -> Offer:
        def write(_: HubLink, data: bytes) -> None:
            if len(data) != length:
                raise att.ATT_Error(att.ATT_INVALID_ATTRIBUTE_LENGTH_ERROR)
            self.memory.set_clock(moment_of(data))
            self.truth.write("clock-set", hex=data.hex())

        return self.offers(uuid, value=lambda: encoded(self.memory.now()), written=write)

    def _about(self) -> None:
        """Device information (180A) and battery (180F), for everybody."""
        options = self.options
        system_id = bytes.fromhex(self.address.replace(":", ""))[::-1]
        told = {
            0x2A29: options.manufacturer.encode(),
            0x2A24: options.model.encode(),
            0x2A25: options.serial.encode(),
            0x2A26: options.firmware.encode(),
            0x2A23: system_id[:3] + b"\xfe\xff" + system_id[3:],
        }
        self.service(0x180A, *(self.offers(uuid, value=value) for uuid, value in told.items()))
        if options.battery is not None:
            self.service(0x180F, self.offers(0x2A19, value=bytes((options.battery,))))

    def _guard(self) -> None:
        """Subscribing needs the bond: refused at the CCCD."""
        for attribute in self._device.gatt_server.attributes:
            if attribute.type == _CCCD:
                unguarded: Any = attribute.value
                attribute.value = att.AttributeValueV2(
                    read=unguarded.read, write=partial(self._guarded, unguarded.write)
                )

    def _guarded(self, write: Callable[[Any, bytes], Any], connection: Any, value: bytes) -> Any:
        self._must_be_encrypted(connection)
        return write(connection, value)

    def _must_be_encrypted(self, connection: Connection) -> None:
        if self.options.bonds and not connection.encryption:
            raise att.ATT_Error(self.options.refusal)

    def _subscription(
        self,
        characteristic: Offer,
        _: Connection,
        notify: bool,  # noqa: FBT001 (bumble's signature)
        indicate: bool,  # noqa: FBT001 (bumble's signature)
    ) -> None:
        link = self.link
        if link is None or not (notify or indicate):
            return
        link.subscribed.add(characteristic)
        link.news.set()
        self._listened.set()
        self._listened = asyncio.Event()
        link.go_on(self.subscribed(link, characteristic))
