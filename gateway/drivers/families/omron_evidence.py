"""What a visit of an Omron monitor could not understand: told once, and not too much of it.

The memory is read whole at every visit. A slot without form would be told again every day for years, so the
driver's mark holds four bytes for each thing that was told at the last visit.
"""

from gateway.drivers.base import Record
from gateway.drivers.families.omron_records import slot_records
from gateway.drivers.shared.checksums import crc16_ccitt_false, crc16_kermit
from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame

_MOST_DAMAGE = 8
_TAG = 4


class Evidence:
    """about: the frame in which the monitor told its model, if it did; it stands in each record made here.

    mark: what to remember of this visit.
    """

    def __init__(self) -> None:
        self.about: list[Frame] = []
        self.before = self.mark = b""
        self.count = 0

    def record(self, pieces: list[Frame], error: DecodeError | None) -> list[Record]:
        """Frames as they were received, that say nothing."""
        self.count += 1
        return [Record(self.about + pieces, None, None, error)] if self.count <= _MOST_DAMAGE else []

    def is_news(self, data: bytes) -> bool:
        """False for what was told at the last visit."""
        tag = crc16_ccitt_false(data).to_bytes(2, "big") + crc16_kermit(data).to_bytes(2, "big")
        self.mark += tag
        return tag not in [self.before[at : at + _TAG] for at in range(0, len(self.before), _TAG)]

    def of_slots(self, slots: list[Frame]) -> list[Record]:
        """What slots of the memory say, without what was told as undecoded before."""
        records = []
        for slot in slots:
            for record in slot_records(slot):
                if record.error is None or self.is_news(slot.data):
                    records.append(record)
        return records

    def model_unknown(self) -> list[Record]:
        """A monitor whose memory is not read, because nobody knows how it is laid out."""
        if not self.about or self.count or not self.is_news(self.about[0].data):
            return []
        return self.record([], unknown_model())

    def key_refused(self, frame: Frame) -> list[Record]:
        """The monitor does not take this hub's key: somebody must pair it again."""
        if not self.is_news(frame.data):
            return []
        return [Record([frame], None, None, DecodeError("device-not-allowed", frame.data[:2].hex()))]


def unknown_model() -> DecodeError:
    return DecodeError("model-unknown", "its memory may be laid out in another way")
