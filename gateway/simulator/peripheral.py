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
from pathlib import Path

from bumble.device import Connection
from bumble.keys import JsonKeyStore
from bumble.link import LocalLink
from bumble.pairing import PairingConfig

from gateway.simulator.advertiser import Part, flags, local_name, services
from gateway.simulator.attributes import Attributes, Offer
from gateway.simulator.hub_link import HubLink
from gateway.simulator.peripheral_options import PeripheralOptions
from gateway.simulator.virtual_adapter import just_works

__all__ = ["Offer", "Peripheral"]


class Peripheral(Attributes):
    """One device that a hub connects to.

    advertised: the services that its advertisement shows. news: it has something that no hub has heard; the
    device sets it to False when all is told, so that it does not advertise again after that connection.
    """

    advertised: tuple[int | str, ...] = ()

    def __init__(
        self, air: LocalLink, address: str, directory: Path, options: PeripheralOptions | None = None
    ) -> None:
        super().__init__(air, address, directory, options)
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

    # Being there.

    async def start(self) -> None:
        """Switches on; advertises at once when it always does, or when it may be paired with."""
        self.declare()
        self._about()
        self._guard()
        self._device.pairing_config_factory = self._pairing_config
        self._device.gatt_server.max_mtu = self.options.mtu
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
