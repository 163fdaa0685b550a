"""Builds what devices send, for tests only: written from the specifications, apart from the drivers."""


def le(number, size):
    return bytes([number >> (8 * place) & 255 for place in range(size)])


def sfloat(digits, exponent=0):
    return le((digits & 0xFFF) | (exponent & 15) << 12, 2)


def float32(digits, exponent=0):
    return le(digits & 0xFFFFFF, 3) + le(exponent & 255, 1)


NAN, NRES, PLUS, MINUS, RESERVED = b"\xff\x07", b"\x00\x08", b"\xfe\x07", b"\x02\x08", b"\x01\x08"


def date_time(year, month, day, hour=0, minute=0, second=0):
    return le(year, 2) + bytes([month, day, hour, minute, second])


def bp(pressures, *, kpa=0, time=None, pulse=None, user=None, status=None, local=None, flags=0):
    """A blood pressure record; `pressures` and `pulse` are SFLOAT bytes, `time` and `local` raw bytes."""
    fields = ((2, time), (4, pulse), (8, user), (16, status), (32, local))
    for bit, field in fields:
        flags |= 0 if field is None else bit
    tail = [field for _, field in fields if field is not None]
    return bytes([flags | kpa]) + b"".join(pressures) + b"".join(tail)


def df2_frame(status, wave, value):
    body = bytes([1, status, wave, value])
    return body + bytes([sum(body) & 255])


def df7_frame(status, wave, value):
    body = bytes([status]) + bytes([wave >> 8, wave & 255, value])
    return body + bytes([sum(body) & 255])


def wave_values(pulse, spo2, status_2=0):
    values = [0] * 25
    values[:3] = [pulse >> 7, pulse & 127, spo2]
    values[3], values[7], values[8] = 48, status_2, spo2
    return values


def df2(pulse, spo2, status=0, status_2=0, wave=60):
    """A packet of data format 2; `status` adds bits to every frame, the first one has the sync bit."""
    values = wave_values(pulse, spo2, status_2)
    return b"".join([df2_frame(0x80 | status | (n == 0), (wave + n) & 255, v) for n, v in enumerate(values)])


def df7(pulse, spo2, status=0, status_2=0, wave=30000):
    values = wave_values(pulse, spo2, status_2)
    return b"".join([df7_frame(0x80 | status | (n == 0), wave + n, v) for n, v in enumerate(values)])


def df8(pulse, spo2, status=0, status_2=0):
    return bytes([0x80 | status | pulse >> 7, pulse & 127, spo2, status_2])


def bcd(number):
    return number // 10 << 4 | number % 10


def df13(pulse, spo2, moment=(2026, 3, 4, 7, 15, 9), status=0, more=b"", coding=bcd, fraction=0):
    year, month, day, hour, minute, second = moment
    time = [coding(n) for n in (year // 100, year % 100, month, day, hour, minute, second)]
    time.append(fraction)
    data = bytes(time) + bytes([status >> 8, status & 255, pulse >> 8, pulse & 255, 0, spo2]) + more
    return b"\x00\x02\x00\x0d" + bytes([0, len(data)]) + data + bytes([sum(data) & 255, 3])


class Numbers:
    """A repeatable source of numbers on both interpreters (linear congruential, Numerical Recipes)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, end):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state >> 8) % end

    def octets(self, size):
        return bytes([self.below(256) for _ in range(size)])
