"""Builds what glucose meters and sensors send, and a meter that answers; apart from the drivers."""

from device_bytes import date_time, le, sfloat

MORNING = date_time(2026, 3, 4, 7, 15, 0)


def measurement(
    number=7, time=MORNING, value=None, *, mol=0, what=0x11, offset=None, status=None, context=0, flags=0
):
    """2A18; `value` is the bytes of an SFLOAT; b"" for none. By default 104 mg/dL, in kg/L."""
    value = sfloat(104, -5) if value is None else value
    fields = ((1, offset, 2), (2, value + bytes([what]) if value else None, 0), (8, status, 2))
    tail = b""
    for bit, field, size in fields:
        if field is not None:
            flags |= bit
            tail += le(field & 0xFFFF, size) if size else field
    return bytes([flags | (4 if mol else 0) | (16 if context else 0)]) + le(number, 2) + time + tail


def context(
    number=7,
    *,
    carbohydrate=None,
    meal=None,
    tester=None,
    exercise=None,
    medication=None,
    litre=0,
    hba1c=None,
    more=None,
):
    """2A34; carbohydrate and medication are (code, SFLOAT bytes), exercise (seconds, percent)."""
    flags = 32 if litre else 0
    tail = b""
    for bit, field in (
        (128, None if more is None else bytes([more])),
        (1, carbohydrate and bytes([carbohydrate[0]]) + carbohydrate[1]),
        (2, None if meal is None else bytes([meal])),
        (4, None if tester is None else bytes([tester])),
        (8, exercise and le(exercise[0], 2) + bytes([exercise[1]])),
        (16, medication and bytes([medication[0]]) + medication[1]),
        (64, hba1c),
    ):
        if field is not None:
            flags |= bit
            tail += field
    return bytes([flags]) + le(number, 2) + tail


def crc(data):
    """CRC-16/MCRF4XX bit by bit over the polynomial as the specification writes it, on reflected input."""
    register = 0xFFFF
    for byte in data:
        for bit in range(8):
            top = register >> 15 ^ (byte >> bit & 1)
            register = (register << 1 & 0xFFFF) ^ (0x1021 if top else 0)
    mirrored = 0
    for bit in range(16):
        mirrored |= (register >> bit & 1) << (15 - bit)
    return mirrored


def with_crc(data):
    return data + le(crc(data), 2)


def sample(
    minute=30, glucose=None, *, status=(None, None, None), trend=None, quality=None, crc=False, size=None
):
    """A record of 2AA7; status: the octets status, calibration and temperature, warning."""
    flags, tail = 0, b""
    for bit, octet in zip((0x80, 0x40, 0x20), status):  # noqa: B905 (MicroPython has no strict)
        if octet is not None:
            flags |= bit
            tail += bytes([octet])
    for bit, field in ((1, trend), (2, quality)):
        if field is not None:
            flags |= bit
            tail += field
    body = bytes([flags]) + (sfloat(120) if glucose is None else glucose) + le(minute, 2) + tail
    body = bytes([len(body) + (3 if crc else 1) if size is None else size]) + body
    return with_crc(body) if crc else body


def features(bits=0, what=0x59):
    """2AA8, by default without CRC: interstitial fluid, subcutaneous."""
    body = le(bits, 3) + bytes([what])
    return with_crc(body) if bits & 0x1000 else body + b"\xff\xff"


def session(start=MORNING, zone=4, summer=0, *, crc=False):
    """2AAA; zone in quarters of an hour."""
    body = start + bytes([zone & 255, summer])
    return with_crc(body) if crc else body


class Meter:
    """The control point of a device: answers commands with the frames that it sends.

    records: (number, frames) in the order in which they were stored; a frame is (source, bytes).
    counts, newest, since: whether it knows that request. busy: so many of the next requests it is too busy.
    deaf: it answers none of the next so many requests. loses: numbers whose frames are lost, once.
    breaks: gives up after so many records, once, with "procedure not completed".
    """

    def __init__(self, records, *, counts=True, newest=True, since=True):
        self.records = records
        self.counts, self.newest, self.since = counts, newest, since
        self.busy = self.deaf = 0
        self.loses = []
        self.breaks = None
        self.heard = []

    def asked(self, command):
        """The frames that the device sends upon this command."""
        self.heard.append(command)
        if self.deaf:
            self.deaf -= 1
            return []
        if self.busy:
            self.busy -= 1
            return [self.answer(command, 0x0A)]
        if command[0] == 3:
            return [self.answer(command, 1)]
        known = command[1] == 1 or (command[1] == 6 and self.newest) or (command[1] == 3 and self.since)
        if not known:
            return [self.answer(command, 4)]
        chosen = self.chosen(command)
        if command[0] == 4:
            return [("2a52", b"\x05\x00" + le(len(chosen), 2))] if self.counts else [self.answer(command, 2)]
        return self.told(command, chosen) if chosen else [self.answer(command, 6)]

    def chosen(self, command):
        if command[1] == 6:
            return self.records[-1:]
        least = command[3] + 256 * command[4] if command[1] == 3 else 0
        return [record for record in self.records if record[0] >= least]

    def told(self, command, chosen):
        frames = []
        for count, (number, own) in enumerate(chosen):
            if self.breaks == count:
                self.breaks = None
                frames.append(self.answer(command, 8))
                return frames
            if number in self.loses:
                self.loses.remove(number)
            else:
                frames += own
        frames.append(self.answer(command, 1))
        return frames

    def answer(self, command, code):
        return ("2a52", b"\x06\x00" + bytes([command[0], code]))
