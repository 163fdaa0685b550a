"""machine.UART over a pseudo-terminal: MEETHUB_UART<id> names its path, which may come and go.

As on the chip: the pins know no plug (a path that is missing is silence, and what is written goes nowhere);
what nobody reads fills rxbuf (4096 at most), and what comes then is lost; parity None, 0 (even) or 1 (odd).
The speed is set on the terminal, where the other side can see it.
"""

import os
import select
import termios
import time

_AGAIN_MS = 20
_MOST_AT_ONCE = 4096
_SPEEDS = {1200: 9, 2400: 11, 4800: 12, 9600: 13, 19200: 14, 38400: 15, 57600: 0x1001, 115200: 0x1002}


# The chip has these apart from the heap; here they are taken before anything else can want the room.
_RING = 4096
_rings = {n: bytearray(_RING) for n in range(4) if os.getenv("MEETHUB_UART%d" % n)}


class UART:
    def __init__(self, id, baudrate=9600, bits=8, parity=None, stop=1, **options):  # noqa: A002 (its name there)
        self._path = os.getenv("MEETHUB_UART%d" % id)
        self._file = None
        self._looked = time.ticks_add(time.ticks_ms(), -_AGAIN_MS)
        self._id = id
        self.lost = 0
        self.init(baudrate, bits, parity, stop, **options)

    def init(
        self, baudrate=9600, bits=8, parity=None, stop=1, *, tx=None, rx=None, txbuf=256, rxbuf=256, timeout=0
    ):
        if baudrate not in _SPEEDS or bits not in (7, 8) or parity not in (None, 0, 1) or stop not in (1, 2):
            raise ValueError("UART settings")
        self._baudrate, self._rxbuf, self._timeout = baudrate, min(max(rxbuf, 128), _RING), timeout
        self._ring, self._start, self._size = _rings.get(self._id), 0, 0
        self._close()

    def deinit(self):
        self._close()
        self._size = 0

    def any(self):
        self._fill()
        return self._size

    def read(self, most=None):
        """What is there, at most so much; None for nothing."""
        self._fill()
        end = time.ticks_add(time.ticks_ms(), self._timeout)
        while not self._size and time.ticks_diff(end, time.ticks_ms()) > 0:
            time.sleep_ms(1)
            self._fill()
        size = self._size if most is None else min(most, self._size)
        end = self._start + size
        data = bytes(memoryview(self._ring)[self._start : end])
        if end > self._rxbuf:
            data += bytes(memoryview(self._ring)[: end - self._rxbuf])
        self._start, self._size = end % self._rxbuf, self._size - size
        return data or None

    def write(self, data):
        if self._opened():
            try:
                self._file.write(data)
            except OSError:
                self._close()
        return len(data)

    def _fill(self):
        """From the terminal into rxbuf, and beyond it nowhere; no more at once than a terminal holds."""
        for _ in range(_MOST_AT_ONCE):
            if not self._opened():
                return
            events = self._poll.poll(0)
            if not events:
                return
            byte = self._one() if events[0][1] & select.POLLIN else b""
            if not byte:
                self._close()
            elif self._size < self._rxbuf:
                self._ring[(self._start + self._size) % self._rxbuf] = byte[0]
                self._size += 1
            else:
                self.lost += 1

    def _one(self):
        try:
            return self._file.read(1)
        except OSError:
            return b""

    def _opened(self):
        """True when a cable is in; looks for one now and then."""
        now = time.ticks_ms()
        if self._file is None and self._path and time.ticks_diff(now, self._looked) >= _AGAIN_MS:
            self._looked = now
            try:
                self._file = open(self._path, "r+b")
                self._set(self._file.fileno())
            except OSError:
                self._close()
        return self._file is not None

    def _set(self, number):
        termios.setraw(number)
        now = termios.tcgetattr(number)
        now[4] = now[5] = _SPEEDS[self._baudrate]
        termios.tcsetattr(number, termios.TCSANOW, now)
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)

    def _close(self):
        if self._file is not None:
            self._file.close()
        self._file = None
