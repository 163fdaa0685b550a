"""The base of virtual Bluetooth devices that a hub connects to.

    class Scale(Peripheral):
        driver, called = "weight-scale", "SCALE"

        def declare(self):
            self.weight = self.offers(0x2A9D, indicates=True)
            self.control = self.offers(0x2A9F, indicates=True, written=self.asked)
            self.service(0x181D, self.weight, self.offers(0x2A9E, value=bytes(4)))
            self.service(0x1805, self.current_time())

        def asked(self, link, data):  # may raise att.ATT_Error; what it returns goes on after the response
            return self.answer(link, data)

        async def answer(self, link, data):
            await link.indicate(self.control, bytes((0x20, 0x02, 0x01)))

        async def subscribed(self, link, characteristic): …  # a hub wants to hear

Device information, battery, bond, advertising windows, pace and lost confirmations are done here, as
`PeripheralOptions` say. A device that sends what it stored by itself extends `Storing` (storing.py).
"""

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
from bumble.keys import JsonKeyStore
from bumble.link import LocalLink
from bumble.pairing import PairingConfig

from gateway.simulator.advertiser import Advertiser, Part, flags, local_name, services, uuid_of
from gateway.simulator.encoding import current_time, date_time, moment_of
from gateway.simulator.hub_link import HubLink, Work
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.virtual_adapter import just_works

Offer = Characteristic[bytes]
_PROPERTIES, _PERMISSIONS = Characteristic.Properties, Characteristic.Permissions
_CCCD = UUID.from_16_bits(0x2902)


class Peripheral(Advertiser):
    """One device that a hub connects to.

    advertised: the services that its advertisement shows. news: it has something that no hub has heard; the
    device sets it to False when all is told, so that it does not advertise again after that connection.
    """

    advertised: tuple[int | str, ...] = ()
    options: PeripheralOptions
    options_type: type[PeripheralOptions] = PeripheralOptions

    def __init__(
        self, air: LocalLink, address: str, directory: Path, options: PeripheralOptions | None = None
    ) -> None:
        super().__init__(air, address, directory, options)
        self.link: HubLink | None = None
        self.pairing = False
        self.news = False
        self._directory = directory
        self._window: asyncio.TimerHandle | None = None

    # What a device says and does itself.

    def declare(self) -> None:
        """Its services, with `service` and `offers`."""
        raise NotImplementedError

    def advertisement(self) -> list[Part]:
        return [flags(), services(*self.advertised), local_name(self.name)]

    async def subscribed(self, link: HubLink, characteristic: Offer) -> None:
        """A hub listens to this characteristic from now on."""

    # Being there.

    async def start(self) -> None:
        """Switches on; advertises at once when it always does, or when it may be paired with."""
        self.declare()
        self._about()
        self._guard()
        self._device.pairing_config_factory = self._pairing_config
        await super().start()
        self._device.keystore = JsonKeyStore(self.address, str(self._directory / "bonds.json"))
        if self.options.window_s is None:
            await self._advertise()

    async def stop(self) -> None:
        """Switches off: the connection drops, the memory stays."""
        self._close_window()
        await super().stop()

    async def bonded(self) -> bool:
        return self._device.keystore is not None and bool(await self._device.keystore.get_all())

    async def pairing_mode(self) -> None:
        """The person holds the button: advertises and lets a hub bond, until one is there."""
        self.pairing = True
        await self._advertise()

    async def forget_bonds(self) -> None:
        """As after a reset: the device knows no hub any more."""
        if self._device.keystore is not None:
            await self._device.keystore.delete_all()

    async def change_battery(self, *, wipes_memory: bool = False) -> None:
        """The clock restarts at 2000-01-01; records that were not sent stay, or not."""
        await self.hang_up()
        lost = self.memory.change_battery(wipes_memory=wipes_memory)
        self.truth.write("battery-changed", lost=[record.number for record in lost])

    async def open_window(self, seconds: float | None = None) -> None:
        """There is news: tells a hub that is here, and advertises for window_s, or this long."""
        self.news = True
        if self.link is not None:
            self.link.news.set()
        self._close_window()
        length_s = seconds or self.options.window_s
        if length_s is not None:
            self._window = asyncio.get_running_loop().call_later(length_s, self._window_ends)
        await self._advertise()

    async def _advertise(self) -> None:
        await self.advertise(*self.advertisement())

    def _close_window(self) -> None:
        if self._window is not None:
            self._window.cancel()
            self._window = None

    def _window_ends(self) -> None:
        self._window = None
        if not self.pairing:
            self._spawn(self.silence())

    # A hub comes and goes.

    def _pairing_config(self, connection: Connection) -> PairingConfig:
        return just_works(connection, accept=self.pairing or not self.options.bonds)

    def _connected(self, connection: Connection) -> None:
        self.truth.write("connected")
        self.link = HubLink(connection, self._device.gatt_server, self.options, self.truth)
        connection.on(Connection.EVENT_DISCONNECTION, self._gone)
        connection.on(Connection.EVENT_PAIRING, lambda _: self._paired())
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._encrypted)

    def _paired(self) -> None:
        if self.link is not None:
            self.link.bonded_now = True
        self.truth.write("paired")

    def _encrypted(self) -> None:
        self.pairing = False
        self.truth.write("encrypted")

    def _gone(self, reason: int) -> None:
        self.link = None
        self.truth.write("disconnected", reason=reason)
        if self._on and (self.pairing or self.options.window_s is None or (self._window and self.news)):
            self._spawn(self._advertise())

    # Attributes.

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
        link.go_on(self.subscribed(link, characteristic))
