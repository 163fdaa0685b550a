"""What the hub asks a Viatom ring, step by step: who it is, then each file that is not known yet.

Source: home-health-hub/viatom-o2ring-ble@0698a1b client.py and commands.py: information (14h), a file is
opened (03) by its name, read (04) block by block and closed (05).
"""

INFORMATION, CLOSE = b"\x14\x00\x00", b"\x05\x00\x00"
OPEN, READ = b"\x03\x00\x00", b"\x04"
LONGEST_NAME = 32
_TRIES = 3


class Talk:
    """One conversation. A method returns the command to send; b"": it is over; None: the answer is awaited.

    known: name:size of each file that is done with.
    """

    def __init__(self, known: list[str]) -> None:
        self.known = known
        self.asked, self._tries = b"", 0
        self._files: list[str] = []
        self._name = ""

    def first(self) -> bytes:
        return self._ask(INFORMATION)

    def again(self) -> bytes:
        """Nothing came."""
        if self.asked and self._tries < _TRIES:
            self._tries += 1
            return self.asked
        return self._ask(b"")

    def listed(self, names: list[str]) -> bytes:
        """The ring told its files."""
        self._files = [name for name in names if 0 < len(name) <= LONGEST_NAME]
        self.known = [entry for entry in self.known if entry.split(":")[0] in self._files]
        return self._open()

    def opened(self, size: int) -> bytes:
        """The file is so long. One that has this name and this size is known."""
        self._name = (self._files[0] if self._files else "") + ":" + str(size)
        return self._ask(CLOSE) if self._name in self.known else self.more(0)

    def more(self, block: int) -> bytes:
        return self._ask(READ + (block & 0xFFFF).to_bytes(2, "little"))

    def whole(self) -> bytes:
        """All of the file was told."""
        self.known.append(self._name)
        return self._ask(CLOSE)

    def broken_off(self) -> bytes:
        """The rest of the file must wait for another visit."""
        return self._ask(CLOSE)

    def next_file(self) -> bytes:
        """The file is closed, or was never opened."""
        self._files = self._files[1:]
        return self._open()

    def _open(self) -> bytes:
        return self._ask(OPEN + self._files[0].encode() + b"\x00" if self._files else b"")

    def _ask(self, command: bytes) -> bytes:
        self.asked, self._tries = command, 1
        return command
