"""The words of the radio: its errors, its devices, its limits."""

from gateway.drivers.base import Driver
from gateway.wire.errors import MeethubError

try:
    from micropython import const as const  # noqa: PLC0414 (others take it from here)
except ImportError:

    def const(value: int) -> int:
        return value


class RadioError(MeethubError):
    """Something between hub and device went wrong; the radio goes on with the others."""


class SecurityNeededError(RadioError):
    """The device wants a bond before it answers (ATT errors 05, 08, 0C, 0F)."""

    def __init__(self) -> None:
        super().__init__("pairing-needed")


class BluetoothDevice:
    """A device that somebody bound to this hub: taken by its address, never by its name.

    users: user slot and consent code of each person who gave consent at the device.
    bond: it was paired with this hub, so that without a bond it is heard no more (it may be another one).
    Then how it stands with it: whether it was just heard and how (addr_type, rssi), whether it wants to be
    left once it has bonded, until when it is left alone (ms since boot), visits in a row in which it did not
    let this hub in though it was near, code of what went wrong last.
    """

    def __init__(
        self,
        address: str,
        driver: type[Driver],
        identity: str,
        users: tuple[tuple[int, int], ...] = (),
        bond: bool = False,  # noqa: FBT001, FBT002 (the gateway's is positional too)
    ) -> None:
        self.address = address.upper()
        self.key = bytes.fromhex(address.replace(":", ""))
        self.driver = driver
        self.identity = identity
        self.users = users
        self.bond = bond
        self.heard = False
        self.addr_type = 0
        self.rssi = -127
        self.leaves = False
        self.turned_away = 0
        self.busy = False
        self.not_before_ms = 0
        self.failures = 0
        self.visits = 0
        self.values = 0
        self.problem = ""
        self.clock_problem = ""


class Limits:
    """How long and how much; gateway/radio/base.py says of each what it is for.

    connections: NimBLE takes four; one is left for the phone that sets the hub up. room: bytes of values that
    may wait for the hub, for each connection. window_us of every interval_us is listened: Wi-Fi has the rest.
    """

    connect_ms = 10_000
    read_ms = 5_000
    prepare_ms = 20_000
    pair_ms = 60_000
    quiet_ms = 2_000
    settle_ms = 120
    frames = 2_000
    cut_frames = 20_000
    frames_per_s = 20
    connections = 3
    silence_ms = 60_000
    longest_silence_ms = 1_800_000
    rest_ms = 1_000
    idle_rest_ms = 15_000
    advert_quiet_ms = 10_000
    first_retry_ms = 1_000
    last_retry_ms = 60_000
    room = 16_384
    interval_us = 60_000
    window_us = 30_000


class Budget:
    """A bucket of frames that fills again over time. `left`: thousandths of a frame."""

    def __init__(self, frames: int, frames_per_s: int) -> None:
        self._most = self._left = frames * 1000
        self._per_s = frames_per_s
        self._at = 0

    def take(self, now_ms: int) -> bool:
        """False when the bucket is empty."""
        if self._at:
            self._left = min(self._most, self._left + (now_ms - self._at) * self._per_s)
        self._at = now_ms
        self._left -= 1000
        return self._left >= 0
