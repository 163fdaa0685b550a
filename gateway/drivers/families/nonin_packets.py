"""Cuts the byte stream of a Nonin oximeter into whole packets and tells the four formats apart.

Sources: Nonin OEM specifications of the Onyx II 9560 and WristOx2 3150, serial data formats 2, 7, 8 and 13.
- df2: 25 frames of 01, status, waveform, value, sum of the four; bit 7 of every status is set, bit 0 of the
  first one only.
- df7: 25 frames of status, waveform (2 bytes), value, sum of the four; status as in df2.
- df8: status with bit 7, then three bytes without it; no checksum.
- df13: 00 02, type and length (2 bytes each, high byte first), data, sum of the data, 03.

Every decision is made from the bytes at the front alone, and only when they suffice. So it does not matter
in which pieces the bytes come, and a packet that was cut is recognised again when it stands alone.
"""

NO_PULSE, NO_SPO2 = 511, 127
HIGHEST_PULSE, HIGHEST_SPO2 = 350, 100
FRAME, FRAMES = 5, 25
PACKET = FRAME * FRAMES
_SKIPPED = {"df2": FRAME, "df7": 1}  # df7 has no start byte: one frame that checks may be chance
_DF8 = 4
_DF8_SURE = 3 * _DF8  # no phase of df2 or df7, whose status bytes are five apart, looks like this
_HEADER, _FOOTER = 6, 2
_SHORTEST_SPOT = 14
_HEAD = 256  # bytes kept of a visit in which nothing was recognised
_CHECKSUM, _SHORT, _GARBLED = "checksum-wrong", "frame-short", "frame-garbled"


class Cut:
    """Bytes cut from the stream: a whole packet of a format, or damaged ones with an error code."""

    def __init__(self, form: str, data: bytes, code: str | None = None) -> None:
        self.form = form
        self.data = data
        self.code = code


class Cutter:
    """One visit's stream: feed it pieces, end it once."""

    def __init__(self) -> None:
        self._rest = b""
        self._head = b""
        self._size = 0
        self._found = False
        self._in_df8 = False
        self._next = ""
        self._ended = False

    def feed(self, data: bytes) -> list[Cut]:
        """What is whole now."""
        self._size += len(data)
        self._head += data[: _HEAD - len(self._head)]
        self._rest += data
        return self._cut()

    def end(self) -> list[Cut]:
        """The stream is over: what is left; an error if bytes came and none were ever recognised."""
        self._ended = True
        few = not self._found and self._size in (_DF8, 2 * _DF8) and _df8_run(self._head, 0, self._size)
        if few and all(
            df8_numbers(self._head, at)[1] for at in range(0, self._size, _DF8)
        ):  # SpO2 is never 0
            return [Cut("df8", self._head[at : at + _DF8]) for at in range(0, self._size, _DF8)]
        cuts = self._cut()
        if self._size and not self._found:
            cuts.append(Cut("", self._head, _blame(self._head)))
        return cuts

    def _cut(self) -> list[Cut]:
        data, at, cuts = self._rest, 0, []
        while at < len(data):
            if not (self._next or self._in_df8):
                at += _hopeless(data, at)
            size, cut = self._front(data, at)
            if size == 0:
                if not self._ended:
                    break
                size = 1
            if cut:
                self._found = True
                cuts.append(cut)
            at += size
        self._rest = data[at:]
        return cuts

    def _front(self, data: bytes, at: int) -> tuple[int, Cut | None]:
        """How many bytes to take and what they are; (0, None) when more bytes must decide."""
        first = data[at]
        if self._next and first != 0:
            if len(data) - at < FRAME:
                return 0, None
            form, self._next = self._next, ""
            if not _is_first(data, at, form):
                part = data[at : at + FRAME]
                return 1, Cut(form, part, _blame(part))
        if first & 0x80:
            return self._df8(data, at) if self._in_df8 else self._df7_or_df8(data, at)
        self._in_df8 = False
        if first == 1:
            return self._packet(data, at, "df2")
        return self._spot(data, at) if first == 0 else (1, None)

    def _packet(self, data: bytes, at: int, form: str) -> tuple[int, Cut | None]:
        size, cut = _frames(data, at, form)
        if size == PACKET:
            self._next = form
        return size, cut

    def _df8(self, data: bytes, at: int) -> tuple[int, Cut | None]:
        part = data[at : at + _DF8]
        for index in range(1, len(part)):
            if part[index] & 0x80:
                self._in_df8 = False
                return index, Cut("df8", part[:index], _GARBLED)
        return (_DF8, Cut("df8", part)) if len(part) == _DF8 else (0, None)

    def _df7_or_df8(self, data: bytes, at: int) -> tuple[int, Cut | None]:
        part = data[at : at + _DF8_SURE]
        if not _df8_run(part, 0, len(part)):
            return self._packet(data, at, "df7")
        if len(part) < _DF8_SURE:
            return 0, None
        if not _df8_sensible(part):
            return 1, None
        self._in_df8 = True
        return self._df8(data, at)

    def _spot(self, data: bytes, at: int) -> tuple[int, Cut | None]:
        header = data[at : at + _HEADER]
        if not _may_be_spot(header):
            return 1, None
        if len(header) < _HEADER:
            return 0, None
        length = header[5]
        if length < _SHORTEST_SPOT:
            return 1, None
        whole = data[at : at + _HEADER + length + _FOOTER]
        if len(whole) < _HEADER + length + _FOOTER:
            return (len(whole), Cut("df13", whole, _SHORT)) if self._ended else (0, None)
        if whole[-1] != 3:
            return _no_end(whole)
        good = sum(whole[_HEADER:-_FOOTER]) & 0xFF == whole[-_FOOTER]
        return len(whole), Cut("df13", whole, None if good else _CHECKSUM)


def _hopeless(data: bytes, at: int) -> int:
    """How many bytes from here on begin no packet of any format, as far as the four behind each can tell.

    A device gone mad sends nothing else: this looks at each byte once, `_front` looks closely.
    """
    start, last = at, len(data) - FRAME
    while at <= last:
        first, second = data[at], data[at + 1]
        if first & 0x80:
            sums = sum(data[at : at + 4]) & 0xFF == data[at + 4]
            may = sums or (not (second | data[at + 2] | data[at + 3]) & 0x80 and data[at + 4] & 0x80)
        elif first == 1:
            may = _frame_good(data, at, "df2")
        else:
            may = first == 0 and second == 2 and data[at + 4] == 0
        if may:
            break
        at += 1
    return at - start


def _df8_run(data: bytes, at: int, end: int) -> bool:
    """True when bit 7 stands in every fourth byte and nowhere else."""
    return all((data[index] & 0x80 != 0) == ((index - at) % _DF8 == 0) for index in range(at, end))


def _df8_sensible(data: bytes) -> bool:
    """Without a checksum noise can look like packets: only sensible numbers let the format begin."""
    for at in range(0, len(data), _DF8):
        pulse, spo2 = df8_numbers(data, at)
        if (pulse > HIGHEST_PULSE and pulse != NO_PULSE) or (spo2 > HIGHEST_SPO2 and spo2 != NO_SPO2):
            return False
    return True


def df8_numbers(data: bytes, at: int = 0) -> tuple[int, int]:
    """Pulse rate and SpO2 of a df8 packet, as sent."""
    return (data[at] & 3) << 7 | data[at + 1] & 0x7F, data[at + 2] & 0x7F


def _no_end(whole: bytes) -> tuple[int, Cut | None]:
    """A df13 record without its end byte: bytes were lost where another record begins inside it."""
    for at in range(_HEADER, len(whole)):
        if _may_be_spot(whole[at : at + _HEADER]):
            return at, Cut("df13", whole[:at], _SHORT)
    return len(whole), Cut("df13", whole, _GARBLED)


def _may_be_spot(header: bytes) -> bool:
    """True for the beginning of a df13 record, as far as its bytes are there."""
    return header[:2] in (b"\x00", b"\x00\x02") and header[4:5] in (b"", b"\x00")


def _frame_good(data: bytes, at: int, form: str) -> bool:
    """A frame that checks: its start byte where it has one, the status bit, the sum."""
    if form == "df2" and (data[at] != 1 or not data[at + 1] & 0x80):
        return False
    return (form == "df2" or data[at] & 0x80 != 0) and sum(data[at : at + 4]) & 0xFF == data[at + 4]


def _is_first(data: bytes, at: int, form: str) -> bool:
    """A good frame with the mark of a packet's first one."""
    status = data[at + 1] if form == "df2" else data[at]
    return status & 1 == 1 and _frame_good(data, at, form)


def _frames(data: bytes, at: int, form: str) -> tuple[int, Cut | None]:
    """A packet of 25 frames at `at`. Frames of a packet that began before are skipped one by one."""
    for number in range(FRAMES):
        start = at + number * FRAME
        if len(data) - start < FRAME:
            return 0, None
        if not _frame_good(data, start, form):
            return _broken(data, at, number, form, _CHECKSUM)
        if number == 0 and not _is_first(data, at, form):
            return _SKIPPED[form], None
        if number and _is_first(data, start, form):
            return _broken(data, at, number, form, _SHORT)
    return PACKET, Cut(form, data[at : at + PACKET])


def _broken(data: bytes, at: int, number: int, form: str, code: str) -> tuple[int, Cut | None]:
    """`number` frames of a packet were good, then came one that is not, or the next packet's first."""
    if number < (1 if form == "df2" else 2):
        return 1, None
    size = number * FRAME
    # the next packet may begin inside a frame that does not check: its bytes are evidence, not taken
    return size, Cut(form, data[at : at + size + (FRAME if code == _CHECKSUM else 0)], code)


def _blame(head: bytes) -> str:
    """Why nothing was recognised in a visit that began with these bytes."""
    if len(head) >= FRAME and (head[0] & 0x80 or (head[0] == 1 and head[1] & 0x80)):
        return _SHORT if _frame_good(head, 0, "df2") or _frame_good(head, 0, "df7") else _CHECKSUM
    for at in range(len(head) - FRAME + 1):
        if _frame_good(head, at, "df2"):
            return _SHORT
    return _GARBLED
