"""Ascensia (before: Bayer) Contour meters on a serial cable; USB meters say the same in 64-byte reports.

Sources: ASTM E1381-95; Glucometer Utilities, contourusb; Tidepool Uploader, Contour drivers. The hub writes
EOT; the meter shows its header and asks with ENQ, and after each ACK sends one record, all that it has. Its
clock is never set. A hidraw device is no serial port: reports are understood, but nothing opens one.
"""

from gateway.drivers.base import Known, Record
from gateway.drivers.families.contour_codec import NAME_SIZE, SERIAL, Codec
from gateway.drivers.shared.astm import CLOSED, DAMAGED, FRAME, OPENED, REFUSED

_EOT, _ACK, _NAK, _NOTHING = b"\x04", b"\x06", b"\x15", b"\x00"
_TRIES, _OPENING_S, _NEXT_S = 5, 2.0, 5.0


class AscensiaContour(Codec):
    """One visit.

    The meter sends all that it holds at every visit: the protocol knows no other way. mark: time and value of
    each record of the last whole transfer; one that is there is acknowledged and not told again.
    """

    name = "ascensia-contour"
    serial = (9600, 8, "N", 1)
    asks = True
    cuts = True
    keeps_records = True
    unique_serial = True
    # _NOTHING: a meter that refuses EOT wants another character before the next one.
    may_send = tuple([(SERIAL, byte, 1) for byte in (_EOT, _ACK, _NAK, _NOTHING)])

    def __init__(self) -> None:
        super().__init__()
        self._opened = self._given_up = self._spoke = False
        self._tries = 0
        self._said_last = b""

    def start(self, known: Known) -> None:
        mark = known.mark or b""
        self.known = {mark[at : at + NAME_SIZE] for at in range(0, len(mark), NAME_SIZE)}
        self.answer(_EOT)

    def answer(self, byte: bytes) -> None:
        if not self._given_up:
            self._spoke = True
            self._said_last = byte
            self.patience_s = _NEXT_S if self._opened else _OPENING_S
            self.send(SERIAL, byte)

    def control(self, what: str) -> None:
        if what == OPENED:
            self._opened = True
            self.begin()
        elif what == CLOSED and self._opened:
            self.mark = self.told if self.whole else self.mark
            self._stop()
        elif what == REFUSED and not self._opened:
            self._refused()
        elif what == FRAME:
            self._tries = 0
        elif what == DAMAGED and self._opened:
            self._tried()

    def silent(self) -> list[Record]:
        """A half frame, or an answer that was lost: once more. A meter that does not begin is asked again."""
        self._spoke = False
        records = super().silent()
        refused = not self._opened and self._said_last == _NOTHING
        self._tries += not refused
        if self._tries > _TRIES:
            self._stop()
        elif not self._spoke:
            self.answer(_NAK if self._opened else _EOT)
        return records

    def _refused(self) -> None:
        """A meter in another mode: another character, and once more.

        One at a time: it may begin at either, and what comes while it begins would break that off.
        """
        self._tried()
        self.answer(_NOTHING if self._said_last == _EOT else _EOT)

    def _tried(self) -> None:
        """In vain; a meter that lost count sends the same frame for ever, and the next visit begins anew."""
        self._tries += 1
        if self._tries > _TRIES:
            self._stop()

    def _stop(self) -> None:
        self._given_up, self.patience_s = True, None
