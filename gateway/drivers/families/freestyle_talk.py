"""What the hub asks a FreeStyle meter, and what it asks when nobody answers.

Sources: as in freestyle_text.py. `$colq` asks for the state of a meter, `$xmem` for its memory; the older
ones know `mem`, with or without more around it. The first command is often not heard.
"""

_STATE, _MEMORY = b"$colq\r\n", b"$xmem\r\n"
_OLDER, _OLDER_LINE = b"mem", b"$mem\r\n"
COMMANDS = (_STATE, _MEMORY, _OLDER, _OLDER_LINE)
_FIRST = (_STATE, _STATE, _OLDER, _OLDER, _OLDER_LINE)
_PATIENCE_S = 2.0
_MOST_COMMANDS = 8


class Talk:
    """The questions of one visit. What it wants sent stands in `sends`, from where the driver takes it.

    begun: somebody asks at all. asked: so many questions. patience_s: as the driver's.
    """

    def __init__(self) -> None:
        self.sends: list[bytes] = []
        self.begun = False
        self.asked = 0
        self.patience_s: float | None = None
        self._command = b""
        self._others: tuple[bytes, ...] = ()

    def begin(self) -> None:
        self.begun = True
        self._ask(_FIRST)

    def other(self) -> None:
        """The command was not heard, or is not known: the next one."""
        self._ask(self._others)

    def again(self) -> None:
        """The answer was damaged, or broke off."""
        self._ask((self._command,))

    def state_told(self) -> None:
        """It is a meter that knows `$colq`, and so `$xmem`."""
        if self._command == _STATE:
            self._ask((_MEMORY, _MEMORY, _MEMORY))

    def done(self) -> None:
        self._others, self.patience_s = (), None

    def _ask(self, commands: tuple[bytes, ...]) -> None:
        """The first of these now, the others when there is no answer."""
        if not self.begun:
            return
        self.patience_s = None
        if commands and self.asked < _MOST_COMMANDS:
            self._command, self._others = commands[0], commands[1:]
            self.asked += 1
            self.patience_s = _PATIENCE_S
            self.sends.append(self._command)
