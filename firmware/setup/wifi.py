"""Wi-Fi: which networks the hub knows, and staying on one of them.

New credentials are tried before they are kept; when they fail the hub goes back to what it knew, so changing
the Wi-Fi never costs a working one. Readings wait in the outbox meanwhile. No name of a network and no
password is printed or logged.
"""

import asyncio
import time

import network

from firmware import files
from firmware.setup.credentials import WifiError, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    Network = tuple[bytes, bytes]

_FILE = "/wifi"
_FORM = b"W1"
_MOST_NETWORKS = 5
_TRY_MS, _LOOK_MS, _TRIES = 30000, 100, 3
_REST_S, _LONGEST_REST_S, _SETTLE_S = 1, 60, 0.1
# ESP32 status codes: 15, 202 and 204 refused, 201 and 210 to 212 not found (or not in a form we speak).
_CONNECTING, _FAILED, _REFUSED, _NOT_FOUND = 1001, 203, (15, 202, 204), (201, 210, 211, 212)


class Wifi:
    """The networks of this folder and the one radio. hostname, name: what people call this hub; may be empty.

    country: where the hub stands, for the channels it may use.
    """

    def __init__(self, folder: str, country: str = "NL") -> None:
        self._path = folder + _FILE
        self.networks: list[Network] = []
        self.hostname = self.name = b""
        self._load()
        network.country(country)
        self._wlan = network.WLAN(network.STA_IF)
        self._lock = asyncio.Lock()
        self._lost_since = time.ticks_ms()  # type: ignore[attr-defined]
        self._was = False

    @property
    def connected(self) -> bool:
        return bool(self._wlan.isconnected())

    @property
    def address(self) -> str:
        """What this hub is called by numbers; 0.0.0.0 without a network."""
        return str(self._wlan.ifconfig()[0])

    def lost_ms(self) -> int:
        """For how long there has been no network."""
        if self._was and not self.connected:
            self._was, self._lost_since = False, time.ticks_ms()  # type: ignore[attr-defined]
        return 0 if self.connected else time.ticks_diff(time.ticks_ms(), self._lost_since)  # type: ignore[attr-defined]

    async def run(self) -> None:
        """Stays on the best network there is: first the one that worked last."""
        self._start()
        rest_s = _REST_S
        while True:
            if self.connected:
                self._was, rest_s = True, _REST_S
                await asyncio.sleep(_REST_S)
            elif not await self._join_one():
                self.lost_ms()
                await asyncio.sleep(rest_s)
                rest_s = min(rest_s * 2, _LONGEST_REST_S)

    async def try_new(self, ssid: bytes, password: bytes) -> None:
        """Joins this network and keeps it before all others. WifiError leaves everything as it was."""
        check(ssid, password)
        self._start()
        async with self._lock:
            await self._join(ssid, password)
            self._was = True
            self._first(ssid, password)

    async def scan(self) -> "list[tuple[bytes, int, int]]":
        """(name, signal in dBm, security) of each network heard, strongest first.

        Listening takes the radio some two seconds in which nothing else runs: only when a person asks.
        """
        self._start()
        async with self._lock:
            try:
                heard = self._wlan.scan()
            except OSError:
                return []
        best: dict[bytes, tuple[bytes, int, int]] = {}
        for ssid, _, _, signal, security, _ in heard:
            if ssid.strip(b"\x00") and (ssid not in best or best[ssid][1] < signal):
                best[ssid] = (ssid, signal, security)
        return sorted(best.values(), key=lambda one: -one[1])

    def keep_names(self, hostname: bytes, name: bytes) -> None:
        self.hostname, self.name = hostname, name
        self._save()

    def _start(self) -> None:
        """The driver does not reconnect by itself: it would hide why it failed, and try one network only."""
        if not self._wlan.active():
            if self.hostname:
                network.hostname(self.hostname.decode())
            self._wlan.active(True)
            self._wlan.config(reconnects=0)

    async def _join_one(self) -> bool:
        """Whether one of the known networks let us in; that one is then the first."""
        for ssid, password in self.networks[:]:
            async with self._lock:
                if self.connected:  # somebody set a new one meanwhile
                    return True
                try:
                    await self._join(ssid, password)
                except WifiError:
                    continue
                self._first(ssid, password)
                return True
        return False

    async def _join(self, ssid: bytes, password: bytes) -> None:
        """Up to three attempts within 30 s: routers refuse a first one now and then for no reason."""
        end = time.ticks_add(time.ticks_ms(), _TRY_MS)  # type: ignore[attr-defined]
        status = 0
        for _ in range(_TRIES):
            status = await self._attempt(ssid, password, end)
            if status == 0:
                return
        await self._leave()
        raise WifiError(_code(status))

    async def _attempt(self, ssid: bytes, password: bytes, end: int) -> int:
        """0 once there is an address, else the driver's status."""
        await self._leave()
        try:
            self._wlan.connect(ssid, password or None)
        except OSError:
            return _FAILED
        status = _CONNECTING
        while status == _CONNECTING and time.ticks_diff(end, time.ticks_ms()) > 0:  # type: ignore[attr-defined]
            await asyncio.sleep(_LOOK_MS / 1000)
            if self.connected:
                return 0
            status = self._wlan.status()
        return status

    async def _leave(self) -> None:
        # The driver tells of the leaving a little later: it would be taken for the next joining's failure.
        try:
            self._wlan.disconnect()
        except OSError:  # there was nothing to leave
            pass
        await asyncio.sleep(_SETTLE_S)

    def _first(self, ssid: bytes, password: bytes) -> None:
        if self.networks[:1] != [(ssid, password)]:
            others = [one for one in self.networks if one[0] != ssid]
            self.networks = [(ssid, password)] + others[: _MOST_NETWORKS - 1]
            self._save()

    def _save(self) -> None:
        words = [self.hostname, self.name]
        for ssid, password in self.networks:
            words += [ssid, password]
        files.write_whole(self._path, _FORM + b"".join([bytes([len(word)]) + word for word in words]))

    def _load(self) -> None:
        """A file that cannot be read is as good as none: the button opens setup."""
        try:
            words = _words(files.read(self._path) or b"")
        except OSError:
            words = []
        if len(words) >= 2 and len(words) % 2 == 0:
            self.hostname, self.name = words[0], words[1]
            self.networks = [(words[at], words[at + 1]) for at in range(2, len(words), 2)]


def _code(status: int) -> str:
    code = "wifi-no-address" if status == _CONNECTING else "wifi-failed"
    if status in _REFUSED:
        code = "wifi-password-wrong"
    elif status in _NOT_FOUND:
        code = "wifi-not-found"
    return code


def _words(data: bytes) -> list[bytes]:
    """Strings after a byte of length each; none at all when that does not come out."""
    words, at = [], len(_FORM)
    if data[:at] != _FORM:
        return []
    while at < len(data):
        end = at + 1 + data[at]
        words.append(data[at + 1 : end])
        at = end
    return words if at == len(data) else []
