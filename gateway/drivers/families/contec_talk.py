"""What the hub asks a Contec oximeter of the newer generation, step by step.

Sources: as in contec_packets.py. Commands are 7D 81, a code and six bytes from 80 on. The oximeter is first
told to be silent, then asked who it is, how many sessions it keeps, and of each when it began, how long it is
and what it holds; at last it shows live values. AE erases: it is not among the codes.
"""

from gateway.drivers.families.contec_packets import (
    HEARD,
    LENGTH,
    MODEL,
    REALTIME,
    REFUSED,
    SESSIONS,
    START_DATE,
    START_TIME,
    VENDOR,
)
from gateway.drivers.families.contec_sessions import began
from gateway.drivers.families.contec_told import NAME, Told

_LIVE, _NO_LIVE, _HOW_MANY, _HOW_LONG, _WHEN, _DATA, _NO_DATA = 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7
_HELLO, _MODEL, _VENDOR, _STILL_HERE = 0xA0, 0xA8, 0xA9, 0xAF
CODES = (_HELLO, _LIVE, _NO_LIVE, _HOW_MANY, _HOW_LONG, _WHEN, _DATA, _NO_DATA, _MODEL, _VENDOR, _STILL_HERE)
MAY_ASK = tuple([("serial", bytes((0x7D, 0x81, code)), 9) for code in CODES])
# code: the packets that answer it. Data and live values are no answers: they go on.
_ANSWERS = {
    _NO_DATA: (HEARD,),
    _NO_LIVE: (HEARD,),
    _HELLO: (HEARD,),
    _MODEL: (MODEL,),
    _VENDOR: (VENDOR,),
    _HOW_MANY: (SESSIONS,),
    _WHEN: (START_DATE, START_TIME),
    _HOW_LONG: (LENGTH,),
    _DATA: (),
    _LIVE: (REALTIME,),
}
_STEPS = (_NO_DATA, _NO_LIVE, _HELLO, _MODEL, _VENDOR, _HOW_MANY, _LIVE)
_OF_SESSION = (_WHEN, _HOW_LONG, _DATA)
_PATIENCE_S, _DATA_PATIENCE_S = 1.0, 5.0
_TRIES = 2
_MOST_SESSIONS = 16
_STILL_HERE_EVERY = 100  # packets
_UNANSWERED = 180  # packets of something else, after which a question was not heard


def command(code: int, segment: int = 0) -> bytes:
    """A command for the first user's session of that number."""
    return bytes((0x7D, 0x81, code, 0x80, 0x80 | segment, 0x80, 0x80, 0x80, 0x80))


class Talk:
    """The conversation of one visit. What it wants sent stands in `sends`, from where the driver takes it.

    told: what the oximeter told so far. patience_s, mark: as the driver's. known: the mark of the visit
    before, the names of all sessions.
    """

    def __init__(self, known: bytes = b"") -> None:
        self.sends: list[bytes] = []
        self.told = Told()
        self.patience_s: float | None = None
        self.mark: bytes | None = None
        self._known = [known[at : at + NAME] for at in range(0, len(known), NAME)]
        self._read: list[bytes] | None = []  # names of sessions; None when one could not be read whole
        self._heard = False
        self._todo: list[tuple[int, int]] = []
        self._code = self._segment = self._tries = self._packets = 0
        self._awaited: tuple[int, ...] = ()

    def begin(self) -> None:
        """Somebody may be there."""
        self._todo = [(code, 0) for code in _STEPS]
        self._next()

    def give_up(self) -> None:
        """What is there speaks as the older generation."""
        self._todo, self._awaited, self._code, self.patience_s = [], (), 0, None

    def overheard(self, question: bytes) -> None:
        """A command in a recorded exchange: only it tells stored packets of live form from live ones."""
        if question[:1] == command(0)[:1] and len(question) == len(command(0)):
            self._code = question[2]

    def tells_session(self) -> bool:
        """Packets of live form are stored ones now."""
        return self._code == _DATA

    def _next(self) -> None:
        self._tries = 0
        self.patience_s = None
        if self._todo:
            (self._code, self._segment), self._todo = self._todo[0], self._todo[1:]
            if self._code == _LIVE and self._heard and self._read is not None:
                self.mark = b"".join(self._read)
            self._ask()

    def _ask(self) -> None:
        self._tries += 1
        self._packets = 0
        self._awaited = _ANSWERS[self._code]
        self.patience_s = _DATA_PATIENCE_S if self._code == _DATA else _PATIENCE_S
        if self._code == _WHEN:
            self.told.another_session()
        self.sends.append(command(self._code, self._segment))

    def packet(self, packet: bytes) -> None:
        """A packet of the newer generation, other than data."""
        self._heard = True
        self.told.packet(packet)
        self.passed()
        if packet[0] == REFUSED and self._awaited:
            self._next()
        elif packet[0] in self._awaited:
            self._awaited = tuple([kind for kind in self._awaited if kind != packet[0]])
            if not self._awaited:
                self._answered()

    def _answered(self) -> None:
        if self._code == _HOW_MANY:
            segments = range(min(self.told.sessions, _MOST_SESSIONS))
            self._todo = [(code, segment) for segment in segments for code in _OF_SESSION] + self._todo
        elif self._code == _HOW_LONG and (not self.told.size or self._is_known()):
            self._todo = self._todo[1:]  # without its data
            self._read_one()
        if self._code == _LIVE:
            self.patience_s = None
        else:
            self._next()

    def passed(self) -> None:
        """Some packet came. The oximeter must hear now and then that somebody is still there."""
        self._packets += 1
        if self._code in (_DATA, _LIVE) and self._packets % _STILL_HERE_EVERY == 0:
            self.sends.append(command(_STILL_HERE))
        if self._awaited and self._packets == _UNANSWERED:
            self.silent()

    def silent(self) -> None:
        """No answer: once more, then without it. Where nobody ever answered, only for live values."""
        if self._tries < _TRIES:
            self._ask()
            return
        if self._code == _DATA:
            self._read = None
        if not self._heard:
            self._todo = [] if self._code == _LIVE else [(_LIVE, 0)]
        self._next()

    def session_over(self, *, whole: bool) -> None:
        """The session that was told is at its end; one that is not whole is asked for once more."""
        if self._code == _DATA and whole:
            self._read_one()
            self._next()
        elif self._code == _DATA:
            self.sends.append(command(_NO_DATA))
            self.silent()

    def _read_one(self) -> None:
        if self._read is not None:
            self._read.append(self.told.name())

    def _is_known(self) -> bool:
        """The very session of an earlier visit; a clock that stands at its reset can name two alike."""
        return began(self.told.place()).clock_set() and self.told.name() in self._known
