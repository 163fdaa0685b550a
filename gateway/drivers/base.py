"""What every driver is: a description as data, and bytes in, records out.

Rules of this room: no radio, clock, file or thread in here. A driver object serves one visit of one
device; any bytes give records (each a reading or its DecodeError), nothing else is ever raised.
"""

from gateway.wire.errors import DecodeError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading


class Record:
    """One record of a device: its own frames, and the reading or why there is none.

    frames: for a characteristic the very objects that were received; for a stream what was cut from it.
    `decode_record` of them alone gives the same record again.
    reading and error both None: the record says that nothing was measured; only its answer matters.
    answer: bytes that the device waits for; the hub sends them once the frames are stored durably.
    """

    def __init__(
        self,
        frames: list[Frame],
        reading: Reading | None,
        key: RecordKey | None,
        error: DecodeError | None = None,
        answer: bytes | None = None,
    ) -> None:
        self.frames = frames
        self.reading = reading
        self.key = key
        self.error = error
        self.answer = answer


class Driver:
    """Base of all drivers.

    name, version: as sealed with each reading; the version rises with every change of meaning.
    services: 16-bit or full UUIDs that an advertisement of such a device shows; empty for a cable.
    subscribe: characteristics whose values are fed to `received`, in this order.
    reads: characteristics that the hub reads once a visit and feeds to `received` first. They make no record;
        such a frame stands in every record that was decoded with it.
    clock: characteristic with the device's current time, or None.
    keeps_records: True where the device holds its records until they are fetched, so that it can wait.
    repeats_within_s: within this time two equal live records (neither number nor time) of such a device are
        one measurement sent twice; 0 where every capture is a measurement of its own.
    clock_moves_records: True where setting the clock shifts what is stored; then it is never set.
    serial: (baud, data bits, parity, stop bits) of a cable, or None.
    stream: True where the device tells values all the time, of which the driver chooses (a cable, a strap):
        the hub stores what the driver cuts. Otherwise each frame is stored before the driver sees it.
    joins: True where several frames of a visit can make one record, so that a visit is replayed whole.
    """

    name = ""
    version = 1
    services: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    clock: str | None = None
    keeps_records = False
    repeats_within_s = 0
    clock_moves_records = False
    serial: tuple[int, int, str, int] | None = None
    stream = False
    joins = False

    def received(self, frame: Frame) -> list[Record]:
        """The records that this frame completes. source is a characteristic ("2a35") or "serial"."""
        raise NotImplementedError

    def finish(self) -> list[Record]:
        """The device is gone: close what was waiting for more."""
        return []
