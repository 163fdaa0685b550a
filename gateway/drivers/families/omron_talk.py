"""What the hub asks an Omron monitor, step by step.

Sources: userx14/omblepy@708c13e omblepy.py (keys, five tries a second apart) and eigger/hass-omron@26a080d
unlock.py (a monitor that says no while its bond is being made; the token of the newer stack). Older monitors
are opened with this hub's key, which a pairing puts into them; the newer ones with four bytes that they give
back, or with nothing. Then all records are read, block by block.
"""

from gateway.drivers.families.omron_frames import (
    AGREED,
    END,
    ENDED,
    KEY,
    NEW_KEY,
    PROGRAM,
    READ,
    START,
    STARTED,
    TOKEN,
    Answer,
    read_command,
)
from gateway.drivers.families.omron_models import Model

_NO_KEY, _BEHIND_TOKEN = bytes(16), bytes(15)
_TRIES = {PROGRAM: 10, TOKEN: 2}
_USUAL_TRIES = 5


class Talk:
    """One conversation. A method returns the command to send; b"": it is over; None: the answer is awaited.

    met: this monitor may have our key. pairing: a person has opened pairing. whole: it came to its end.
    """

    def __init__(self, model: Model, secret: bytes, *, met: bool, pairing: bool) -> None:
        self.whole = False
        self._model = model
        self._secret = secret
        self._met, self._pairing = met, pairing
        self._asked, self._tries = b"", 0
        self._plan: list[tuple[int, int]] = []

    def first(self) -> bytes:
        if not self._model.has_key:
            return self._ask(TOKEN + self._secret[:4] + _BEHIND_TOKEN)
        programs = self._pairing and not self._met
        return self._ask(PROGRAM + _NO_KEY if programs else KEY + self._secret)

    def again(self) -> bytes:
        """Nothing came. A monitor that is not in pairing mode may know us; one without token needs none."""
        kind = self._asked[:1]
        if self._asked and self._tries < _TRIES.get(kind, _USUAL_TRIES):
            self._tries += 1
            return self._asked
        if kind == TOKEN:
            return self._begin()
        if kind == PROGRAM:
            self._pairing = False
            return self._ask(KEY + self._secret)
        return self._ask(b"")

    def unlocked(self, said: bytes) -> bytes | None:
        """What came from the unlock channel; it is over when the monitor does not take our key."""
        kind = self._asked[:1]
        if kind == TOKEN:
            return self._begin()  # whatever it says: reading shows whether it agrees
        if said[:1] not in AGREED:
            if kind == PROGRAM:
                return None  # the bond is still being made: it is asked again in a moment
            forgotten = kind == KEY and self._pairing
            return self._ask(PROGRAM + _NO_KEY if forgotten else b"")
        if kind not in (PROGRAM, NEW_KEY, KEY) or said[0] != 0x80 + kind[0]:
            return None
        if kind == KEY:
            return self._begin()
        # After a new key the conversation is begun and ended: then the monitor keeps the key.
        return self._ask(NEW_KEY + self._secret if kind == PROGRAM else START)

    def told(self, answer: Answer) -> bytes | None:
        """A frame that holds no data. A monitor refuses a command in the way in which it ends."""
        if answer.kind == STARTED and self._asked == START:
            return self._next()
        if answer.kind == ENDED and self._asked:
            self.whole = self._asked == END
            return self._ask(b"")
        return None

    def expects(self, answer: Answer) -> bool:
        """False for data that were not asked for, or were told before."""
        wanted = self._plan[0] if self._plan and self._asked[:3] == READ else None
        return wanted == (answer.address, answer.size)

    def took(self, answer: Answer) -> bytes:
        """The data were taken. The memory of somebody whom the monitor does not know is passed over."""
        self._plan.pop(0)
        if answer.refused():
            user = self._model.place(answer.address)[0]
            self._plan = [row for row in self._plan if self._model.place(row[0])[0] != user]
        return self._next()

    def _ask(self, command: bytes) -> bytes:
        self._asked, self._tries = command, 1
        return command

    def _begin(self) -> bytes:
        self._plan = self._model.reads()
        return self._ask(START)

    def _next(self) -> bytes:
        return self._ask(read_command(self._plan[0][0], self._plan[0][1]) if self._plan else END)
