"""A record on its way into an envelope: its disclosure, and what of it goes ahead. Pure; keeps nothing."""

from gateway.drivers import driver_named
from gateway.drivers.base import Record
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.hub.stored import ADDED, Captured
from gateway.wire.envelope import digest, disclosure
from gateway.wire.errors import WireError
from gateway.wire.items import MAX_EVIDENCE, Addition, Frame, Item, Lost, ReadingItem
from gateway.wire.records import MAX_FRAMES, whole_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gateway.hub.given import Callable

# Beside its bytes each disclosure costs its hash and two heads.
PER_DISCLOSURE = 40
UNSEALABLE = "record-unsealable"


class Pending:
    """A record that waits for its envelope. whole: long evidence, of which `ahead` parts went ahead.

    stage: WHOLE, PARTIAL or ADDED, as the outbox will remember the measurement (b"" as key: none).
    """

    def __init__(
        self, rows: set[int], key: bytes, stage: bytes, disclosed: bytes, whole: bytes = b""
    ) -> None:
        self.rows = rows
        self.key = key
        self.stage = stage
        self.disclosed = disclosed
        self.whole = whole
        self.ahead = 0

    @property
    def size(self) -> int:
        return len(self.disclosed) + PER_DISCLOSURE


def pending_of(
    rows: list[Captured], record: Record, key: bytes, stage: bytes, disclose: "Callable[[Item], bytes]"
) -> Pending:
    """The record, or as much of it as the limits allow: undecoded, or only counted as lost."""
    frames = _from_first(record.frames or rows[0].frames)
    whole = whole_of(frames) if _is_long(frames) else b""
    code = None if record.error is None else record.error.code
    reading = _reading_item(rows[0], record, frames, whole, None if record.reading else code)
    undecoded = _reading_item(rows[0], Record(frames, None, None), frames, whole, UNSEALABLE)
    lost = Lost(None, rows[0].device.identity, 1, UNSEALABLE)
    forms: list[tuple[Item, bytes]] = [(reading, whole), (undecoded, whole), (lost, b"")]
    if stage == ADDED and not whole:  # an addition has no parts: long evidence is sealed as a reading again
        forms.insert(0, (_addition(rows[0], key, frames), b""))
    for item, ahead in forms:
        try:
            return Pending({captured.row for captured in rows}, key, stage, disclose(item), ahead)
        except OutboxError as error:
            log.error(UNSEALABLE, code=error.code, detail=error.detail)
    raise OutboxError("item-limit", "device identity")


def disclosure_of(salt: bytes, item: Item) -> bytes:
    """The item behind its salt; OutboxError("item-limit") where it breaks a limit of the wire format."""
    try:
        return disclosure(salt, item)
    except WireError as error:
        raise OutboxError("item-limit", str(error)) from None


def _addition(first: Captured, key: bytes, frames: list[Frame]) -> Addition:
    """All frames of the record: what the bridge lacks of them is for it to see."""
    return Addition(key, first.capture, first.driver, _version(first), frames)


def _reading_item(
    first: Captured, record: Record, frames: list[Frame], whole: bytes, code: str | None
) -> ReadingItem:
    return ReadingItem(
        first.capture,
        first.device,
        first.driver,
        _version(first),
        [] if whole else frames,
        record.reading,
        code,
        first.clock,
        (digest(whole), len(whole)) if whole else None,
    )


def _version(first: Captured) -> int:
    driver = driver_named(first.driver)
    return 1 if driver is None else driver.version


def _from_first(frames: list[Frame]) -> list[Frame]:
    """The same frames, their offsets counted from the first: that is when the capture was."""
    began = frames[0].offset_ms if frames else 0
    return [Frame(frame.source, max(0, frame.offset_ms - began), frame.data) for frame in frames]


def _is_long(frames: list[Frame]) -> bool:
    return len(frames) > MAX_FRAMES or sum(len(frame.data) for frame in frames) > MAX_EVIDENCE
