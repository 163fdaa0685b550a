"""Improv Wi-Fi: what a phone or computer may ask of a hub, and its packets, whatever carries them.

Specification: improv-wifi.com/ble, revision 2.4, and improv-wifi.com/serial, version 1. Who sends commands is
a stranger until a finger was on the button: credentials and names are taken for one minute after it only.
"""

import time

from firmware.setup.credentials import WifiError
from gateway.wire.errors import MeethubError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Carrier(Protocol):
        """Where a client hangs on: Bluetooth or a cable. results_fit: bytes that one result may have."""

        @property
        def results_fit(self) -> int: ...
        def state(self, number: int) -> None: ...
        def error(self, number: int) -> None: ...
        def result(self, command: int, strings: list[bytes]) -> None: ...

    class Host(Protocol):
        """What the hub does for a client; `information` is firmware, version, chip, name."""

        @property
        def information(self) -> list[bytes]: ...
        @property
        def hostname(self) -> bytes: ...
        @property
        def name(self) -> bytes: ...
        async def connect(self, ssid: bytes, password: bytes) -> None: ...
        async def scan(self) -> list[tuple[bytes, int, int]]: ...
        def identify(self) -> None: ...
        def keep_names(self, hostname: bytes, name: bytes) -> None: ...
        def urls(self) -> list[bytes]: ...


LOCKED, AUTHORISED, PROVISIONING, PROVISIONED = 1, 2, 3, 4
NO_ERROR, INVALID, UNKNOWN_COMMAND, UNABLE_TO_CONNECT, NOT_AUTHORISED, BAD_HOSTNAME, UNKNOWN = (
    0,
    1,
    2,
    3,
    4,
    5,
    255,
)
WIFI, IDENTIFY, INFORMATION, SCAN, HOSTNAME, NAME, NETWORK = 1, 2, 3, 4, 5, 6, 7
CAPABILITIES = 0b1111  # identify, device information, scan, hostname
_MOST_DATA = 255
_MOST_NAME = 32
_SECURITY = ("NO", "WEP", "WPA", "WPA2", "WPA/WPA2", "WPA2 EAP", "WPA3", "WPA2/WPA3", "WAPI", "OWE")


class ImprovError(MeethubError):
    """A client's command cannot be obeyed; `number` is what the protocol calls it. Code: improv-command."""

    def __init__(self, number: int) -> None:
        super().__init__("improv-command", str(number))
        self.number = number


class Improv:
    """One hub while it is being set up. All carriers hear its state; errors and results go to who asked."""

    def __init__(self, host: "Host", authorised_ms: int) -> None:
        self._host = host
        self._authorised_ms = authorised_ms
        self.carriers: list[Carrier] = []
        self.state = LOCKED
        self._since = 0

    def authorise(self) -> None:
        """A finger was on the button."""
        self._since = time.ticks_ms()  # type: ignore[attr-defined]
        if self.state == LOCKED:
            self._become(AUTHORISED)

    def pass_time(self) -> None:
        """To be called every second or so: a minute after the button the hub is closed again."""
        if self.state == AUTHORISED and time.ticks_diff(time.ticks_ms(), self._since) >= self._authorised_ms:  # type: ignore[attr-defined]
            self._become(LOCKED)

    async def obey(self, command: int, data: bytes, carrier: "Carrier") -> None:
        """Says no error, then the result; or the error. Never raises for what a client sent."""
        carrier.error(NO_ERROR)
        try:
            await self._do(command, data, carrier)
        except ImprovError as error:
            carrier.error(error.number)

    async def _do(self, command: int, data: bytes, carrier: "Carrier") -> None:
        if command == WIFI:
            await self._connect(data, carrier)
        elif command == IDENTIFY:
            self._host.identify()
        elif command == INFORMATION:
            carrier.result(INFORMATION, self._host.information)
        elif command == SCAN:
            await self._scan(carrier)
        elif command in (HOSTNAME, NAME):
            self._names(command, data, carrier)
        else:
            raise ImprovError(UNKNOWN_COMMAND)

    async def _connect(self, data: bytes, carrier: "Carrier") -> None:
        ssid, password = credentials(data)
        self._needs_finger()
        try:
            await self.provision(ssid, password)
        except WifiError:
            raise ImprovError(UNABLE_TO_CONNECT)
        carrier.result(WIFI, self._host.urls())

    async def provision(self, ssid: bytes, password: bytes) -> None:
        """Puts the hub on this network, however its name got here. WifiError: it did not let the hub in."""
        self._become(PROVISIONING)
        reached = AUTHORISED
        try:
            await self._host.connect(ssid, password)
            reached = PROVISIONED
        finally:
            self._since = time.ticks_ms()  # type: ignore[attr-defined]
            self._become(reached)

    async def _scan(self, carrier: "Carrier") -> None:
        if self.state == PROVISIONING:
            raise ImprovError(UNKNOWN)
        carrier.result(SCAN, described(await self._host.scan(), carrier.results_fit))

    def _names(self, command: int, data: bytes, carrier: "Carrier") -> None:
        """Reading the name is free, it is in the device information too."""
        host = self._host
        if command == HOSTNAME or data:
            self._needs_finger()
            self._since = time.ticks_ms()  # type: ignore[attr-defined]
        if data:
            plain = unprefixed(data)
            if command == HOSTNAME:
                host.keep_names(checked_hostname(plain), host.name)
            else:
                host.keep_names(host.hostname, checked_name(plain))
        carrier.result(command, [host.hostname if command == HOSTNAME else host.name])

    def _needs_finger(self) -> None:
        if self.state != AUTHORISED:
            raise ImprovError(NOT_AUTHORISED)

    def _become(self, state: int) -> None:
        self.state = state
        for carrier in self.carriers:
            carrier.state(state)


def checksum(data: bytes) -> int:
    return sum(data) & 0xFF


def credentials(data: bytes) -> tuple[bytes, bytes]:
    """Network and password. ImprovError(INVALID) for anything but two strings."""
    size = data[0] if data else 0
    if len(data) < size + 2 or len(data) != size + 2 + data[size + 1]:
        raise ImprovError(INVALID)
    return data[1 : size + 1], data[size + 2 :]


def unprefixed(data: bytes) -> bytes:
    """The specification sends a name bare; clients in the field put its length before it as well."""
    return data[1:] if data[0] == len(data) - 1 else data


def checked_hostname(name: bytes) -> bytes:
    """RFC 1123, and no longer than the driver takes. ImprovError(BAD_HOSTNAME) otherwise."""
    if not 0 < len(name) <= _MOST_NAME or name[:1] == b"-" or name[-1:] == b"-":
        raise ImprovError(BAD_HOSTNAME)
    for sign in name:
        if not (48 <= sign < 58 or 65 <= sign < 91 or 97 <= sign < 123 or sign == 45):
            raise ImprovError(BAD_HOSTNAME)
    return name


def checked_name(name: bytes) -> bytes:
    """UTF-8 of 1 to 32 bytes without control signs. ImprovError(INVALID) otherwise."""
    try:
        good = len(name.decode()) > 0 and len(name) <= _MOST_NAME and min(name) >= 32
    except ValueError:
        good = False
    if not good:
        raise ImprovError(INVALID)
    return name


def described(heard: "list[tuple[bytes, int, int]]", fits: int) -> list[bytes]:
    """Three strings a network, strongest first, as many as fit in one result of so many bytes."""
    strings: list[bytes] = []
    room = min(fits, _MOST_DATA)
    for ssid, signal, security in heard:
        kind = _SECURITY[security] if security < len(_SECURITY) else "WPA2"
        three = [ssid, b"%d" % signal, kind.encode()]
        room -= sum([len(word) + 1 for word in three])
        if room < 0:
            break
        strings += three
    return strings


def packed(command: int, strings: list[bytes]) -> bytes:
    """A result without its checksum: command, length, strings after a byte of length each."""
    data = b"".join([bytes([len(word)]) + word for word in strings])
    return bytes([command, len(data)]) + data
