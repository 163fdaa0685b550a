# ruff: noqa: PYI021, PYI026 (said once, here)
"""What carries the line to the broker, for type checkers only: no interpreter loads it."""

from collections.abc import Awaitable as Awaitable
from collections.abc import Callable as Callable
from collections.abc import Coroutine
from typing import Protocol

from firmware.uplink import UplinkSettings

Work = Coroutine[object, object, None]

class Plain(Protocol):
    """A stream that does not block: a socket of the board, or an io.IOBase of a modem's driver."""

    def readinto(self, buffer: memoryview) -> int | None: ...
    def write(self, data: bytes | memoryview) -> int | None: ...
    def setblocking(self, flag: bool) -> None: ...
    def close(self) -> None: ...

OpenSocket = Callable[[str, int], Awaitable[Plain]]

class Source(Protocol):
    async def readinto(self, buffer: memoryview) -> int | None:
        """Bytes read; 0 at the end, None for later."""

class Stream(Source, Protocol):
    """MicroPython's asyncio.Stream; `s` is what it reads and writes."""

    s: Plain
    def write(self, data: bytes | memoryview) -> None: ...
    async def drain(self) -> None: ...

class Stored(Protocol):
    """A message that is read as it is written."""

    def __len__(self) -> int: ...
    def readinto(self, buffer: memoryview) -> int: ...

Payload = bytes | bytearray | memoryview | Stored

class Context(Protocol):
    """MicroPython's tls.SSLContext."""

    verify_mode: int
    verify_callback: Callable[[memoryview, int], int]
    def load_verify_locations(self, authority: bytes) -> None: ...
    def load_cert_chain(self, certificate: bytes, key: bytes) -> None: ...
    def wrap_socket(self, plain: Plain, *, server_hostname: str, do_handshake_on_connect: bool) -> Plain: ...

class Owner(Protocol):
    """The uplink as its line sees it."""

    settings: UplinkSettings
    wall: Callable[[], int | None]
    def tell(self, which: int, *facts: object) -> None: ...
