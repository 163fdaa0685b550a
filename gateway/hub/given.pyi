"""What the machine gives the hub's logic, for type checkers only: no interpreter loads this.

On a Pi it comes from gateway.outbox, signer, clock and uplink, on an ESP32 from their likes in firmware.
"""

from collections.abc import Callable as Callable
from collections.abc import Iterable as Iterable
from collections.abc import Iterator as Iterator
from collections.abc import Sequence
from typing import Protocol, TypeAlias, TypeVar

from gateway.hub.stored import Captured, Effect, Head, Message
from gateway.hub.visit import Visit
from gateway.wire.items import DeviceClock, Frame
from gateway.wire.measurement import Device, Moment
from gateway.wire.state import State

T = TypeVar("T")

Ranges: TypeAlias = tuple[tuple[int, int], ...]

# Where events of the log go: level, name, facts.
Sink: TypeAlias = Callable[[str, str, dict[str, object]], None]
# Public key, signature, data: whether the one over the other is of the first.
Verify: TypeAlias = Callable[[bytes, bytes, bytes], bool]
# Topic and payload, to be published; False: not now.
Send: TypeAlias = Callable[[str, bytes], bool]

class Signer(Protocol):
    """One signing key: 32 bytes of public key, its id of 8. `sign` gives 64 bytes (RFC 8032)."""

    public_key: bytes
    kid: bytes

    def sign(self, data: bytes) -> bytes: ...

class Clock(Protocol):
    """Time since boot always, wall time while it is known."""

    def mono_ms(self) -> int: ...
    def now(self) -> Moment: ...
    def anchor(self, bridge_ms: int) -> None:
        """The bridge's time, as its answer to fresh bytes just said."""

class Listener(Protocol):
    """Who hears a visit: the hub. All are called on the event loop's thread and return when done.

    What they return is to be written to the device, in order; a frame's source is where.
    """

    def opened(self, visit: Visit) -> None:
        """The device is here; nothing was received yet."""

    def begun(self, visit: Visit) -> list[Frame]:
        """Everything is read and subscribed: the device may be asked."""

    def received(self, visit: Visit, source: str, data: bytes) -> list[Frame]:
        """Bytes of the device, durable when this returns."""

    def silent(self, visit: Visit) -> list[Frame]:
        """Nothing came for `patience_s`."""

    def closed(self, visit: Visit) -> None:
        """The device is gone."""

class Outbox(Protocol):
    """The durable store; each method that writes is one commit. OutboxError: nothing of it happened.

    gateway/outbox/outbox.py says of each method what it promises, and which codes it raises.
    """

    def capture(
        self,
        visit: bytes,
        moment: Moment,
        kid: bytes,
        device: Device,
        driver: str,
        frames: list[Frame],
        clock: DeviceClock | None,
    ) -> Captured: ...
    def captured(self) -> list[Captured]: ...
    def damaged_captures(self) -> int: ...
    def damaged_captures_reported(self) -> None: ...
    def release(self, rows: list[int]) -> None: ...
    def head(self, kid: bytes) -> Head | None: ...
    def last_head(self) -> Head | None: ...
    def seal(
        self,
        kid: bytes,
        sequence: int,
        signed: bytes,
        disclosures: list[bytes],
        keys: list[bytes],
        statements: int,
        rows: list[int],
        *,
        stages: Sequence[bytes] = (),
        evidence_of: bytes = b"",
    ) -> None: ...
    def sealed(self, key: bytes) -> set[bytes]: ...
    def forget_known(self) -> None: ...
    def to_send(
        self, limit: int, exclude: set[tuple[bytes, int]], known: set[bytes] | None = None
    ) -> Iterable[Message]: ...
    def apply(self, state: State, sent: set[tuple[bytes, int]]) -> Effect: ...
    def unaccepted(self) -> int: ...
    def waiting_keys(self) -> list[bytes]: ...
    def unreported_damage(self) -> list[tuple[bytes, int]]: ...
    def damage_reported(self, kid: bytes, sequence: int) -> None: ...
    def unreported_parts(self) -> list[tuple[bytes, int, int, str]]: ...
    def part_reported(self, kid: bytes, sequence: int, index: int) -> None: ...
    def fullness(self) -> float: ...
    def free_bytes(self) -> int: ...
    def make_room(self) -> int: ...
    def counts(self) -> dict[str, int]: ...
    def setting(self, name: str) -> bytes | None: ...
    def set_setting(self, name: str, value: bytes) -> None: ...
    def forget_settings(self, start: str) -> None: ...
