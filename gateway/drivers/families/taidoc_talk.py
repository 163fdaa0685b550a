"""The conversation with a TaiDoc meter: who it is, and one question after another.

Sources: Glucometer Protocols, TaiDoc TD-42xx; Tidepool Uploader, GlucoRx driver (serial number, and that a
meter which says 54 has just begun to listen).

A command is answered by one reply with the same code, which does not tell to which of two equal questions it
belongs. So after silence the model is asked, whose reply shuts out every one that was late.
"""

from gateway.drivers.base import Known, Record
from gateway.drivers.families.taidoc_codec import CHANNELS, COMMAND, MODEL, SPO2, START, TIME, VALUE, Codec
from gateway.drivers.families.taidoc_records import device_time
from gateway.drivers.shared.checksums import sum8
from gateway.wire.items import Frame

_CONNECT, _CLOCK, _SERIAL_END, _SERIAL, _READY = 0x22, 0x23, 0x27, 0x28, 0x54
COUNT = 0x2B
_COMMANDS = (_CONNECT, _CLOCK, MODEL, TIME, VALUE, _SERIAL_END, _SERIAL, COUNT, SPO2)
MAY_SEND = tuple([(channel, bytes((START, command)), 6) for channel in CHANNELS for command in _COMMANDS])
"""All commands that are ever sent. 52 clears the memory, 43 inflates the cuff, 33 sets the clock, 50 ends."""
TRIES = 5
_PATIENCE_S = 1.0
_INTRODUCTION = {_CONNECT: MODEL, MODEL: _SERIAL_END, _SERIAL_END: _SERIAL, _SERIAL: _CLOCK, _CLOCK: 0}
_MAY_LACK = (_CONNECT, _SERIAL_END, _SERIAL, _CLOCK)


class Talk(Codec):
    """The speaking half, up to the memory; a subclass begins there and takes its replies."""

    def __init__(self) -> None:
        super().__init__()
        self._channel = ""
        self._asked = b""
        self._known = self._serial_end = b""
        self._tries = 0
        self._late = self._resting = False

    def begin(self) -> None:
        """The meter is known: ask for its records."""
        raise NotImplementedError

    def take(self, command: int, reply: Frame) -> list[Record]:
        """The reply to a question of the subclass."""
        raise NotImplementedError

    def framed(self, command: bytes) -> bytes:
        body = command + bytes((COMMAND,))
        return body + bytes((sum8(body),))

    def start(self, known: Known) -> None:
        self._channel = CHANNELS[0] if known.cable else CHANNELS[1]
        self._known = known.mark or b""
        self._ask(_CONNECT)

    def _ask(self, command: int, number: int = 0, user: int = 0) -> None:
        self._asked = bytes((START, command, number & 0xFF, number >> 8, 0, user))
        self._repeat()

    def _repeat(self) -> None:
        self._late = self._resting = False
        self.patience_s = _PATIENCE_S
        self.send(self._channel, self._asked)

    def _stop(self) -> None:
        self._asked, self.patience_s = b"", None

    def silent(self) -> list[Record]:
        """The reply is late, or it is time to look again what an oximeter shows."""
        records = self._cut(self._cutter.end(), 0)
        if self._resting:
            self._repeat()
        elif self._asked:
            self._once_more()
        return records

    def _once_more(self) -> None:
        command = self._asked[1]
        self._tries += 1
        if self._tries > TRIES:
            self._stop()
        elif self._tries > 1 and command in _MAY_LACK:
            self._tries = 1
            self._go_on(command)
        elif command in (TIME, VALUE):
            self._late = True
            self.send(self._channel, bytes((START, MODEL, 0, 0, 0, 0)))
        else:
            self._repeat()

    def _answered(self, reply: Frame) -> list[Record]:
        """In a conversation a reply counts only when it is the one that was asked for."""
        if not self._channel:
            return super()._answered(reply)
        command, asked = reply.data[1], self._asked[1] if self._asked else 0
        if command == _READY and asked not in (0, _CONNECT):  # it just begins to listen: it heard nothing
            self._once_more()
        elif self._late and command == MODEL:
            self._repeat()
        elif not self._late and (command == asked or (asked == _CONNECT and command in (MODEL, _READY))):
            self._tries = 0
            if asked not in _INTRODUCTION:
                return self.take(asked, reply)
            self._introduced(asked, reply)
            self._go_on(asked)
        return []

    def _introduced(self, command: int, reply: Frame) -> None:
        data = reply.data[2:6]
        if command == MODEL:
            self._model = reply
            self.about = {"manufacturer": "TaiDoc", "model": self._name()}
        elif command == _SERIAL_END:
            self._serial_end = data
        elif command == _SERIAL and self._serial_end + data not in (data, bytes(8), b"\xff" * 8):
            serial = bytes(reversed(self._serial_end + data)).hex().upper()
            self.about = {"manufacturer": "TaiDoc", "model": self._name(), "serial": serial}
        elif command == _CLOCK:
            self.device_clock = device_time(data).text

    def _go_on(self, command: int) -> None:
        following = _INTRODUCTION[command]
        if following:
            self._ask(following)
        else:
            self.begin()
