"""The words of the radio: its errors, its devices, its limits, and the line to one device."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Protocol

from gateway.drivers.base import Driver
from gateway.wire.errors import MeethubError


class RadioError(MeethubError):
    """Something between hub and device went wrong; the radio goes on with the others."""


class SecurityNeededError(RadioError):
    """The device wants a bond before it answers (ATT errors 05, 08, 0C, 0F)."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("pairing-needed", detail)


@dataclass(frozen=True)
class BluetoothDevice:
    """A device that somebody bound to this hub: taken by its address, never by its name.

    users: user slot and consent code of each person who gave consent at the device.
    bond: it was paired with this hub, so that without a bond it is heard no more (it may be another one).
    """

    address: str
    driver: type[Driver]
    identity: str
    users: tuple[tuple[int, int], ...] = ()
    bond: bool = False


@dataclass(frozen=True)
class Limits:
    """How long and how much. Seconds; frames are counted a visit.

    prepare_s: all that is read before the first value. pair_s: a person may have to type a code.
    quiet_s: nothing came for so long, so the hub hangs up. settle_s: quiet after which stored values are
    over and the clock may be set; meters hang up 0.3 s after their last value, so it must be shorter.
    frames, cut_frames, frames_per_s: a visit may bring so many at once (more where the driver cuts, so that
    not each is stored: a night of an oximeter is 5,000) and so many a second on average; a meter's
    memory fits, a device gone mad (1,000 a second) is cut off before it starves the others.
    silence_s: a scanner that hears nothing at all for so long is started anew, then the adapter is switched
    off and on, ever more rarely, at last every longest_silence_s. rest_s, idle_rest_s: how long a device is
    left alone after a visit with and without values. advert_quiet_s: a device that only advertises is gone
    when it was silent for so long. first_retry_s, last_retry_s: after a failure, doubling.
    """

    connect_s: float = 10
    read_s: float = 5
    prepare_s: float = 20
    pair_s: float = 60
    quiet_s: float = 2
    settle_s: float = 0.12
    frames: int = 2000
    cut_frames: int = 20_000
    frames_per_s: float = 20
    connections: int = 3
    silence_s: float = 60
    longest_silence_s: float = 1800
    rest_s: float = 1
    idle_rest_s: float = 15
    advert_quiet_s: float = 10
    first_retry_s: float = 1
    last_retry_s: float = 60


class Line(Protocol):
    """The connection to one device. Everything raises RadioError when the device is gone or says no."""

    on_gone: Callable[[], None]
    on_pairing: Callable[[], None]

    @property
    def here(self) -> bool: ...
    @property
    def name(self) -> str: ...
    @property
    def bonded(self) -> bool: ...
    def has(self, characteristic: str) -> bool: ...
    async def read(self, characteristic: str) -> bytes: ...
    async def write(self, characteristic: str, data: bytes) -> None: ...
    async def subscribe(self, characteristic: str, heard: Callable[[bytes], None]) -> None: ...
    async def unsubscribe(self, characteristic: str) -> None: ...
    async def pair(self) -> None: ...
    async def forget(self) -> None: ...


class Budget:
    """A bucket of frames that fills again over time."""

    def __init__(self, frames: int, frames_per_s: float) -> None:
        self._most = frames
        self._left = float(frames)
        self._per_s = frames_per_s
        self._at = 0.0

    def take(self, now: float) -> bool:
        """False when the bucket is empty."""
        if self._at:
            self._left = min(self._most, self._left + (now - self._at) * self._per_s)
        self._at = now
        self._left -= 1
        return self._left >= 0


@dataclass(frozen=True)
class HubTime:
    """The hub's clocks: wall time (aware; None while unknown), milliseconds since boot, the home's zone."""

    wall: Callable[[], datetime | None]
    mono_ms: Callable[[], int]
    zone: tzinfo | None = None

    def local(self) -> datetime | None:
        """Wall time as a device's clock should show it."""
        wall = self.at_home()
        return None if wall is None else wall.replace(tzinfo=None)

    def at_home(self) -> datetime | None:
        """Wall time with the zone of the home."""
        wall = self.wall()
        return None if wall is None else wall.astimezone(self.zone)


_NO_ANSWER = ("device-silent", "pairing-needed", "pairing-failed")


async def maybe(line: Line, characteristic: str) -> bytes | None:
    """A value that the device may lack or refuse; only the wish for a bond is passed on."""
    if not line.has(characteristic):
        return None
    try:
        return await line.read(characteristic)
    except SecurityNeededError:
        raise
    except RadioError as error:
        if not line.here or error.code in _NO_ANSWER:
            raise
        return None
