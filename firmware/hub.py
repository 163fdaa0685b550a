"""The hub on a board: all that runs at the same time, joined. Follow one reading from top to bottom.

radio and serial_port → gateway.hub.visits: captured, through its driver → sealer: sealed → outbox
→ dialogue: sent by uplink → `_arrived`: accepted, delivered.
"""

import asyncio

from firmware.about import SOFTWARE
from firmware.clock import Clock
from firmware.identities import identity, space
from firmware.outbox import Outbox
from firmware.radio import BluetoothDevice, Bonds, Radio
from firmware.signer import Signer, verify
from firmware.time_zone import Zone
from firmware.uplink import Uplink, UplinkSettings
from gateway.drivers import driver_named
from gateway.hub.dialogue import Dialogue
from gateway.hub.hub import Hub
from gateway.hub.sealer import Sealer
from gateway.wire.measurement import Device

_TICK_MS = 1000
# Plugging the hub in is the installer's act: so long configured devices without a bond may pair.
_PAIRING_MS = 600_000

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from firmware.config import Config, Entry
    from firmware.serial_cable import Port
    from firmware.serial_port import SerialPort
    from firmware.update_http import HttpSource
    from gateway.drivers.base import Driver
    from gateway.hub import given
    from gateway.wire.state import State


class BoardHub:
    """One hub in its folder. `works` are the coroutines that it lives by, until they are cancelled.

    facts: more numbers for its status, which goes in the envelope of that sequence. acted: is told of each of
    the bridge's states, and which key this hub seals with. open_uart: of a number gives what opens that UART.
    """

    def __init__(
        self,
        settings: "Config",
        folder: str,
        facts: "Callable[[int], dict[str, int]]",
        acted: "Callable[[State, given.Signer], None]",
        open_uart: "Callable[[int], Callable[..., Port]]",
    ) -> None:
        self.clock = Clock(Zone(settings.zone))
        self.outbox = Outbox(folder + "/outbox", space(folder))
        self.uplink = Uplink(
            _uplink_settings(settings, folder),
            self._online,
            self._offline,
            self._arrived,
            room=self._room,
            wall=self.clock.wall,
        )
        self.trouble = ""  # why the line is down
        self._acted = acted
        self._config = settings
        self._facts = facts
        self._open_uart = open_uart
        self._pairing_until_ms = self.clock.mono_ms() + _PAIRING_MS
        self.hub = self._joined(folder + "/keys")
        self.radio = self._radio(folder)
        self._ports = self._cables()

    def _joined(self, keys: str) -> Hub:
        outbox, now = self.outbox, self.clock.now
        signer = Signer.open(keys)
        for former in Signer.former(keys):
            if not outbox.holds_of(former.kid):  # nothing of it can be asked for any more
                Signer.retire(keys, former.kid)
        name, key = self._config.hub, self._config.state_key
        return Hub(
            outbox,
            Sealer(outbox, signer, name, now),
            Dialogue(name, outbox, signer, key, now, self.uplink.publish, verify),
            self.clock,
            lambda: Signer.renew(keys),
            lambda: Signer.former(keys),
            identities=[identity(entry, outbox) for entry in self._config.devices],
            facts=self._numbers,
            software=SOFTWARE,
            acted=lambda state: self._acted(state, self.hub.sealer.signer),
        )

    def _radio(self, folder: str) -> Radio:
        devices = []
        for entry in self._config.devices:
            if entry.address:
                known = identity(entry, self.outbox)
                kind = _driver(entry)
                devices.append(BluetoothDevice(entry.address, kind, known, entry.users, entry.bond))
        return Radio(
            devices,
            self.hub.visits,
            self.clock,
            self.hub.may_visit,
            self._pairing_open,
            Bonds(folder + "/bonds"),
        )

    def _cables(self) -> "list[SerialPort]":
        entries = [entry for entry in self._config.devices if not entry.address]
        if not entries:
            return []
        from firmware.serial_port import SerialPort

        ports = []
        for entry in entries:
            kind = _driver(entry)
            device = Device(identity(entry, self.outbox))
            opened = self._open_uart(entry.uart)
            allowed = lambda kind=kind: self.hub.may_visit(kind)  # noqa: E731 (one for each)
            ports.append(SerialPort(opened, kind, device, self.hub.visits, allowed))
        return ports

    def works(self, ticked: "Callable[[], None]") -> "list[Coroutine[object, object, None]]":
        """All that runs at the same time, but for the radio: that is borrowed. ticked: told each second."""
        self._ticked = ticked
        works = [self._keep_ticking(), self.uplink.run()] + [port.run() for port in self._ports]
        if self._config.ntp:
            from firmware.ntp import keep_time

            works.append(keep_time(self.clock, self._config.ntp))
        return works

    def updates(self, hardware: str) -> "list[Coroutine[object, object, None]]":
        """Asks for newer releases where the settings say who has them; it starts the board again for one."""
        if not self._config.updates:
            return []
        from machine import reset

        from firmware.update_poll import run

        return [run(self._update_source, hardware, self._is_quiet, reset)]

    def _update_source(self) -> "HttpSource":
        """As config.py says: host:port/path/, over TLS with the certificates of the uplink."""
        from firmware.files import read
        from firmware.update_http import HttpSource, context

        place, _, path = self._config.updates.partition("/")
        host, _, port = place.partition(":")
        authority, certificate, key = [read(name) or b"" for name in self.uplink.settings.files]
        return HttpSource(host, int(port), "/" + path, context(authority, certificate, key))

    def _is_quiet(self) -> bool:
        """Nobody measures, and nothing waits to be sealed."""
        return not self.hub.visits.busy and self.outbox.counts()["captured"] == 0

    def open_pairing(self) -> None:
        """A person pressed the button: a device that asks may pair."""
        self._pairing_until_ms = self.clock.mono_ms() + _PAIRING_MS

    def _pairing_open(self, _: str) -> bool:
        return self.clock.mono_ms() < self._pairing_until_ms

    async def _keep_ticking(self) -> None:
        """Everything of the hub that time or a change sets in motion."""
        self.hub.visits.replay()
        while True:
            self.hub.wake.clear()
            self.hub.tick()
            self._ticked()
            try:
                await asyncio.wait_for_ms(self.hub.wake.wait(), _TICK_MS)  # type: ignore[attr-defined]
            except asyncio.TimeoutError:
                pass

    # What the uplink tells.

    def _online(self) -> None:
        self.trouble = ""
        self.hub.online()

    def _offline(self, code: str) -> None:
        self.trouble = code
        self.hub.offline()

    def _arrived(self, _: str, payload: bytes) -> None:
        self.hub.state_arrived(payload)

    def _room(self) -> None:
        self.hub.wake.set()

    def _numbers(self) -> dict[str, int]:
        head = self.outbox.head(self.hub.sealer.signer.kid)
        numbers = self.radio.numbers()
        numbers.update(self._facts(1 if head is None else head.sequence + 1))
        return numbers


def _driver(entry: "Entry") -> "type[Driver]":
    found = driver_named(entry.driver)
    if found is None:
        raise LookupError(entry.driver)  # the configuration was checked
    return found


def _uplink_settings(settings: "Config", folder: str) -> UplinkSettings:
    from firmware.enrolment import files

    authority, certificate, key = files(folder)
    made = UplinkSettings(settings.host, settings.port, settings.hub, authority, certificate, key)
    made.first_delay_s = settings.first_delay_s
    made.longest_delay_s = settings.longest_delay_s
    return made
