"""What the hub asks a Contec oximeter of the older generation: for its one stored session.

Source: CMS50Dplus (atbrask). F5 F5 asks for it and interrupts the live values, so it is sent while no finger
is in; F6 F6 F6 stops the telling.
"""

from gateway.drivers.families.contec_packets import live

TELL, STOP = b"\xf5\xf5", b"\xf6\xf6\xf6"
_UNANSWERED = 180  # live packets, after which a question was not heard
_TRIES = 2


class OlderTalk:
    """One visit's. What it wants sent stands in `sends`, from where the driver takes it."""

    def __init__(self) -> None:
        self.sends: list[bytes] = []
        self._packets = 0
        self._asked = 0

    def packet(self, packet: bytes) -> None:
        """A live packet: no session is being told."""
        self._packets += 1
        due = self._asked == 0 or self._packets > _UNANSWERED
        if due and self._asked < _TRIES and not live(packet).valid():
            self._asked += 1
            self._packets = 0
            self.sends.append(TELL)

    def session_over(self, *, whole: bool) -> None:
        """The session is at its end; one that is not whole is asked for once more."""
        self._asked = _TRIES if whole else self._asked
        self.sends.append(STOP)
