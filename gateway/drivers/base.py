"""What every driver is: a description as data; bytes in, records and commands out.

Rules of this room: no radio, clock, file or thread in here. A driver object serves one visit of one
device; any bytes give records (each a reading or its DecodeError), nothing else is ever raised.
"""

from gateway.drivers.shared.clocks import Clock
from gateway.wire.errors import DecodeError, MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import RecordKey
from gateway.wire.reading import Reading

SENT = ">"
"""Before the channel of a frame that the hub sent; such frames stand in recorded exchanges only."""


class CommandError(MeethubError):
    """A driver was about to send what is not on its list: its own fault, and nothing was sent."""


class Record:
    """One record of a device: its own frames, and the reading or why there is none.

    frames: for a characteristic the very objects that were received; where the driver cuts, what it cut.
    `decode_record` of them alone gives the same record again.
    reading and error both None: the record says that nothing was measured.
    """

    def __init__(
        self,
        frames: list[Frame],
        reading: Reading | None,
        key: RecordKey | None,
        error: DecodeError | None = None,
    ) -> None:
        self.frames = frames
        self.reading = reading
        self.key = key
        self.error = error


class Known:
    """What the hub knows of a device from before and tells the driver at the start of a conversation.

    mark: `Driver.mark` as the last whole transfer with this device left it, or None.
    secret: 16 random bytes that the hub keeps for this device alone; a key where the protocol needs one.
    users: (user slot, consent code) of the people who gave consent at the device.
    pairing: a person has opened pairing for this device.
    cable: it hangs on a cable, which matters where one driver hears both.
    """

    def __init__(
        self,
        mark: bytes | None = None,
        secret: bytes = bytes(16),
        users: tuple[tuple[int, int], ...] = (),
        *,
        pairing: bool = False,
        cable: bool = False,
    ) -> None:
        self.mark = mark
        self.secret = secret
        self.users = users
        self.pairing = pairing
        self.cable = cable


class Driver:
    """Base of all drivers. First what a driver is, as data:

    name, version: as sealed with each reading; the version rises with every change of meaning.
    services: 16-bit or full UUIDs that an advertisement of such a device shows; empty for a cable.
    names: how advertised names of such devices begin. A help to find a device, never a reason to trust it.
    subscribe: characteristics whose values are fed to `received`, in this order.
    reads: characteristics that the hub reads once a visit and feeds to `received` first. They make no record;
        such a frame stands in every record that was decoded with it.
    adverts: True where the device only advertises. Its frames have the source "advert:" and the UUID of
        service data ("advert:181d"), or "maker:" and the company id of manufacturer data ("maker:006b").
    broadcasts: such sources of a device that the hub connects to: they tell no more than it hears then, from
        whoever passes by, so that they are understood in recorded visits only.
    clocks: how the device's current time is read and set; the first one that it has counts.
    clock_moves_records: True where setting the clock shifts what is stored; then it is never set.
    keeps_records: True where the device holds its records until they are fetched, so that it can wait.
    repeats_within_s: within this time two equal live records (neither number nor time) of such a device are
        one measurement sent twice; 0 where every capture is a measurement of its own.
    serial: (baud, data bits, parity, stop bits) of a cable, or None. serial_others: further settings that
        are tried in turn while the device is not understood.
    asks: True where a device on a cable speaks only when it is asked.
    keeps_secret: True where the protocol needs a key of this hub for this device (`Known.secret`).
    unique_serial: True where the serial number that the device tells (`about`) is that of no other device.
    cuts: True where the driver cuts the frames of a record from what it hears (a cable, a strap, a memory
        read in blocks): the hub stores what was cut. Else each frame is stored before the driver sees it.
    joins: True where several frames of a visit can make one record, so that a visit is replayed whole.
    may_send: all that may ever be sent: (channel, first bytes, whole length) of each command. Nothing in it
        deletes, resets or starts anything at the device.
    write_size: bytes of a write at most, where a longer command goes in pieces; 0: none is too long.

    Then what a conversation tells, while it goes on:

    patience_s: the device owes an answer and gets so many seconds, then `silent` is called; else None.
    mark: what to know at the next visit in order to ask for news only; set when a transfer is whole.
    device_clock: what the device's clock said just now, "YYYY-MM-DDTHH:MM:SS".
    about: what the device said of itself: manufacturer, model, firmware, serial.
    understood: its bytes had the form of this driver's protocol, though nothing was measured yet.
    """

    name = ""
    version = 1
    services: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    adverts = False
    broadcasts: tuple[str, ...] = ()
    clocks: tuple[Clock, ...] = ()
    clock_moves_records = False
    keeps_records = False
    repeats_within_s = 0
    serial: tuple[int, int, str, int] | None = None
    serial_others: tuple[tuple[int, int, str, int], ...] = ()
    asks = False
    keeps_secret = False
    unique_serial = False
    cuts = False
    joins = False
    may_send: tuple[tuple[str, bytes, int], ...] = ()
    write_size = 0

    patience_s: float | None = None
    mark: bytes | None = None
    device_clock: str | None = None
    about: dict[str, str] = {}  # never changed in place
    understood = False
    _sends: tuple[Frame, ...] = ()

    def start(self, known: Known) -> None:
        """The device is here and everything is subscribed: it may be asked."""

    def received(self, frame: Frame) -> list[Record]:
        """The records that this frame completes.

        source: a characteristic ("2a35"), "serial", or as `adverts` says.
        """
        raise NotImplementedError

    def silent(self) -> list[Record]:
        """Nothing came for `patience_s`: ask again or give up (then `patience_s` is None)."""
        self.patience_s = None
        return []

    def finish(self) -> list[Record]:
        """Close what was waiting for more: the device is gone, or was quiet for long. The visit may go on."""
        return []

    def framed(self, command: bytes) -> bytes:
        """A command as the protocol wraps it (start byte, length, checksum)."""
        return command

    def send(self, channel: str, command: bytes) -> None:
        """To be sent once the records of this call are durable.

        CommandError("command-forbidden") unless may_send has this very command; it is judged unwrapped.
        """
        for where, start, size in self.may_send:
            if where == channel and size == len(command) and command[: len(start)] == start:
                whole = self.framed(command)
                most = self.write_size or len(whole)
                self._sends += tuple(
                    [Frame(channel, 0, whole[at : at + most]) for at in range(0, len(whole), most)]
                )
                return
        raise CommandError("command-forbidden", self.name)

    def take_sends(self) -> list[Frame]:
        """What is to be sent, in order; asked by the hub after each call, and then forgotten here."""
        sends, self._sends = self._sends, ()
        return list(sends)
