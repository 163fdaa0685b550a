"""Consent of the people of a scale: it tells a user's measurements only after that user's code was given.

Source: User Data Service 1.1, User Control Point 2A9F (consent: 02, index, code; response: 20, request,
value); its order on Beurer and Sanitas scales: chalimov/ha-beurer-bf600, PROTOCOL.md.

The last user whose code was given stays active at such a scale, also without power, and the next person's
measurement would be booked for them. So after the last one a code that is nobody's ends it.
"""

CONTROL_POINT = "2a9f"
_CONSENT, _RESPONSE = 0x02, 0x20
_SUCCESS, _NOT_AUTHORISED = 1, 5
# All that is sent: consent. Registering and deleting users (01, 03) is not.
MAY_SEND = ((CONTROL_POINT, b"\x02", 4),)
_NOBODY = (0, 0)
ANSWER_S = 5.0
# A scale begins to tell a user's measurements within that time.
MEASUREMENTS_S = 5.0


class Consents:
    """Whose turn it is. users: (slot, code) of each; refused: what `refused` was after the last visit.

    A code that the scale refused is not tried again: wrong codes lock it.
    """

    def __init__(self, users: tuple[tuple[int, int], ...], refused: bytes | None) -> None:
        self.refused = refused or b""
        self._waiting = [user for user in users if not self._is_refused(user)]
        if self._waiting:
            self._waiting.append(_NOBODY)
        self._asked: tuple[int, int] | None = None

    def next(self) -> bytes | None:
        """The next consent to give, or None when all had their turn."""
        self._asked = self._waiting.pop(0) if self._waiting else None
        return None if self._asked is None else bytes((_CONSENT,)) + _bytes_of(self._asked)

    def answered(self, data: bytes) -> bool | None:
        """Whether the scale took what was asked last; None for what is no answer to it."""
        if self._asked is None or len(data) < 3 or data[0] != _RESPONSE or data[1] != _CONSENT:
            return None
        if data[2] == _NOT_AUTHORISED and self._asked != _NOBODY:
            self.refused += _bytes_of(self._asked)
        return data[2] == _SUCCESS

    def _is_refused(self, user: tuple[int, int]) -> bool:
        known = [self.refused[at : at + 3] for at in range(0, len(self.refused), 3)]
        return _bytes_of(user) in known


def _bytes_of(user: tuple[int, int]) -> bytes:
    return bytes((user[0],)) + user[1].to_bytes(2, "little")
