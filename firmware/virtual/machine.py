"""The chip's own things without a chip: pins, watchdog, reset and what survives it.

MEETHUB_BOARD names a folder that stands for the board: `pin<n>` holds the level of a pin ("0" or "1", written
by a test as a finger would press, or by the firmware as it would light a lamp), `reset_cause` and `rtc` what
the next boot finds. Without it pins live in Pin.levels. A reset ends the process with status RESET_STATUS.
MEETHUB_UNIQUE_ID: the chip's number in hex. A watchdog that starved bites at the next feed: the unix port has
no timer interrupt.
"""

import os
import sys
import time

try:
    from uart import UART  # noqa: F401 (a part of the real module)
except ImportError:
    pass

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
RESET_STATUS = 3
_RTC_MOST = 2048
_frequency = [160000000]


def board_file(name):
    folder = os.getenv("MEETHUB_BOARD")
    return folder + "/" + name if folder else None


def _read(name, otherwise):
    path = board_file(name)
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, TypeError):
        return otherwise


def _write(name, data):
    path = board_file(name)
    if path:
        with open(path + ".new", "wb") as file:
            file.write(data)
        os.rename(path + ".new", path)


class Pin:
    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_DOWN, PULL_UP = 1, 2
    levels = {}

    def __init__(self, id, mode=-1, pull=-1, value=None):  # noqa: A002 (the real module's word)
        self.id = id
        self._rest = 1 if pull == Pin.PULL_UP else 0
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            return self._level()
        Pin.levels[self.id] = 1 if level else 0
        _write("pin%d" % self.id, b"1" if level else b"0")
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def _level(self):
        said = _read("pin%d" % self.id, b"")
        if said[:1] in (b"0", b"1"):
            return int(said[:1])
        return Pin.levels.get(self.id, self._rest)


class WDT:
    """timeout in ms, as on the ESP32."""

    def __init__(self, id=0, timeout=5000):  # noqa: A002
        self._timeout = timeout
        self._fed = time.ticks_ms()

    def feed(self):
        if time.ticks_diff(time.ticks_ms(), self._fed) > self._timeout:
            _reset(WDT_RESET)
        self._fed = time.ticks_ms()


class RTC:
    """Only its memory: it survives a reset, not a power cut."""

    def memory(self, data=None):
        if data is None:
            return _read("rtc", b"")
        if len(data) > _RTC_MOST:
            raise ValueError("buffer too long")
        return _write("rtc", bytes(data))


def _reset(cause):
    _write("reset_cause", b"%d" % cause)
    sys.exit(RESET_STATUS)


def reset():
    _reset(HARD_RESET)


def soft_reset():
    _reset(SOFT_RESET)


def reset_cause():
    return int(_read("reset_cause", b"%d" % PWRON_RESET))


def unique_id():
    return bytes.fromhex(os.getenv("MEETHUB_UNIQUE_ID") or "24ec4a010203")


def freq(hertz=None):
    if hertz is None:
        return _frequency[0]
    _frequency[0] = hertz
    return None
