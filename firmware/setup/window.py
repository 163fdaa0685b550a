"""The setup window: ten minutes after a long press, then shut, whatever happened in it.

All ways in are open together and share one state; none opens by itself, not even on a new hub. The hub goes
on reading and sending meanwhile.
"""

import asyncio
import time

from firmware.light import IDENTIFY, SETUP, Light
from firmware.setup.improv import PROVISIONED, PROVISIONING, Improv
from firmware.setup.wifi import Wifi

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine

_OPEN_MS = 600000
# So long after success a client can still hear of it.
_GOODBYE_MS = 15000


class Setup:
    """about: firmware, version, chip. hub: its id. url: where a person goes on, empty when nobody said."""

    def __init__(
        self,
        wifi: Wifi,
        light: Light,
        about: list[bytes],
        hub: str,
        url: str = "",
        authorised_ms: int = 60000,
    ) -> None:
        self.wifi = wifi
        self._light = light
        self._about = about
        self._hub = hub
        self._url = url.encode()
        self.improv = Improv(self, authorised_ms)

    def pressed(self) -> None:
        """A short press while the window is open: credentials are taken for another minute."""
        self.improv.authorise()

    async def run(self, ways: "list[Coroutine[object, object, None]]", open_ms: int = _OPEN_MS) -> None:
        """Keeps these ways in open; then they are shut. The press that opened it authorises as well."""
        tasks = [asyncio.create_task(way) for way in ways]
        self._light.show(SETUP)
        self.improv.authorise()
        try:
            await self._wait(open_ms)
        finally:
            self._light.hide(SETUP)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, left_ms: int) -> None:
        since, done = time.ticks_ms(), False  # type: ignore[attr-defined]
        while self._goes_on(since, left_ms):
            await asyncio.sleep(0.2)
            self.improv.pass_time()
            if self.improv.state == PROVISIONED and not done:
                since, left_ms, done = time.ticks_ms(), _GOODBYE_MS, True  # type: ignore[attr-defined]

    def _goes_on(self, since: int, left_ms: int) -> bool:
        """What is being tried when the time is up is tried to its end."""
        left = time.ticks_diff(time.ticks_ms(), since) < left_ms  # type: ignore[attr-defined]
        return left or self.improv.state == PROVISIONING

    @property
    def information(self) -> list[bytes]:
        return self._about + [self.name]

    @property
    def hostname(self) -> bytes:
        return self.wifi.hostname or b"meethub-" + self._hub[-4:].encode()

    @property
    def name(self) -> bytes:
        return self.wifi.name or b"Meethub " + self._hub[-4:].encode()

    @property
    def connected(self) -> bool:
        return self.wifi.connected

    async def connect(self, ssid: bytes, password: bytes) -> None:
        await self.wifi.try_new(ssid, password)

    async def scan(self) -> list[tuple[bytes, int, int]]:
        return await self.wifi.scan()

    def identify(self) -> None:
        self._light.show(IDENTIFY)

    def keep_names(self, hostname: bytes, name: bytes) -> None:
        self.wifi.keep_names(hostname, name)

    def urls(self) -> list[bytes]:
        return [self._url] if self._url else []
