# ruff: noqa: PYI021, PYI026 (said once, here)
"""What the radio is given and hands around, for type checkers only: no interpreter loads it."""

from collections.abc import Awaitable as Awaitable
from collections.abc import Callable as Callable
from typing import Any, Protocol

from gateway.drivers.base import Driver

# What an event of `bluetooth.BLE` brings; bytes as memoryview.
Event = tuple[Any, ...]
Anything = Any
Asks = Callable[..., Awaitable[Any]]
Tells = Callable[..., Any]
True_ = Callable[[], object]
# May such a device be visited now? May the device with this address pair now?
MayVisit = Callable[[type[Driver]], bool]
PairingOpen = Callable[[str], bool]

class HubClock(Protocol):
    """firmware.clock.Clock."""

    def mono_ms(self) -> int: ...
    def wall(self) -> int | None: ...
    def local_time(self, wall_ms: int) -> Anything: ...
