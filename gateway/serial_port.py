"""A serial port: what comes over its cable goes to the hub, for as long as the daemon runs.

The only place that knows pyserial. A cable that is pulled out ends the visit and is waited for; no error
ends `run`. A port has no identity of its own: the caller gives it a random one and keeps it.
"""

import asyncio
import errno
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import serial
import structlog

from gateway.drivers.base import Driver
from gateway.hub.visit import Listener, Visit
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

_PARITY = {"N": serial.PARITY_NONE, "E": serial.PARITY_EVEN, "O": serial.PARITY_ODD}
_BYTE_SIZE = {5: serial.FIVEBITS, 6: serial.SIXBITS, 7: serial.SEVENBITS, 8: serial.EIGHTBITS}
_STOP_BITS = {1: serial.STOPBITS_ONE, 2: serial.STOPBITS_TWO}
_MOST_AT_ONCE = 4096
log = structlog.get_logger()


class SerialError(MeethubError):
    """Something between hub and cable went wrong."""


@dataclass(frozen=True)
class SerialLimits:
    """Seconds. quiet_s: no bytes for so long ends the visit (the device was switched off).

    gather_s: pause between two reads of a device that talks all the time, so that its bytes come in
    pieces and not one by one. poll_s: how often a device that speaks only when asked is asked whether it is
    there; rest_s: how long it is left alone after it was; settle_s: quiet after which its answers are over.
    strange_s: who talks so long without being understood is heard with other settings, if there are.
    first_retry_s, last_retry_s: how often a missing port is looked for.
    """

    quiet_s: float = 10
    gather_s: float = 0.05
    poll_s: float = 5
    rest_s: float = 60
    settle_s: float = 1
    strange_s: float = 5
    first_retry_s: float = 0.2
    last_retry_s: float = 5


@dataclass
class SerialFacts:
    """How it stands with the port."""

    open: bool = False
    opened_times: int = 0
    bytes: int = 0
    problem: SerialError | None = None


class SerialPort:
    """One port with one kind of device on it. `run` goes on until it is cancelled.

    port: a path that stays the same, such as /dev/serial/by-id/…; it may appear later.
    """

    def __init__(
        self,
        port: Path | str,
        driver: type[Driver],
        device: Device,
        listener: Listener,
        *,
        limits: SerialLimits | None = None,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        if driver.serial is None:
            raise SerialError("driver-not-serial", driver.name)
        self.facts = SerialFacts()
        self._path = os.fspath(port)
        self._driver = driver
        self._device = device
        self._listener = listener
        self._limits = limits or SerialLimits()
        self._allowed = allowed

    async def run(self) -> None:
        """Opens the port whenever it is there, and hands on what comes, until cancelled."""
        retry_s = self._limits.first_retry_s
        while True:
            opened = self._opened() if self._allowed() else None
            if opened is not None:
                with opened:
                    await self._listen(opened)
                if self.facts.problem is None:
                    retry_s = self._limits.first_retry_s
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, self._limits.last_retry_s)

    def _opened(self) -> serial.Serial | None:
        """The open port; None while it is missing, taken or forbidden."""
        try:
            port = open_port(self._path, self._driver)
        except (serial.SerialException, OSError, ValueError) as error:
            self._failed(problem_of(error))
            return None
        self.facts.open, self.facts.problem = True, None
        self.facts.opened_times += 1
        log.info("port-opened", driver=self._driver.name)
        return port

    def _failed(self, problem: SerialError) -> None:
        known = self.facts.problem is not None and self.facts.problem.code == problem.code
        self.facts.problem = problem
        if not known:  # said once, not at every attempt
            log.warning(problem.code, driver=self._driver.name)

    async def _listen(self, port: serial.Serial) -> None:
        """Until the cable is pulled out; what was read before is handed on."""
        connection = Connection(port, self._driver, self._device, self._listener, self._limits, self._allowed)
        try:
            await connection.run()
        except SerialError as problem:
            self._failed(problem)
        finally:
            self.facts.open = False
            self.facts.bytes += connection.bytes


def open_port(path: str, driver: type[Driver]) -> serial.Serial:
    """The port with the settings of the driver, for us alone, reading without waiting."""
    return serial.Serial(path, **settings(driver)[0], timeout=0, write_timeout=0, exclusive=True)


def settings(driver: type[Driver]) -> list[dict[str, Any]]:
    """The settings of a port with such a device on it, as pyserial names them, likeliest first."""
    assert driver.serial is not None
    return [
        {
            "baudrate": baud,
            "bytesize": _BYTE_SIZE[data_bits],
            "parity": _PARITY[parity],
            "stopbits": _STOP_BITS[stop_bits],
        }
        for baud, data_bits, parity, stop_bits in (driver.serial, *driver.serial_others)
    ]


def problem_of(error: Exception) -> SerialError:
    """port-missing, port-forbidden, port-taken or port-failed."""
    number = getattr(error, "errno", None)
    if number == errno.ENOENT or isinstance(error, FileNotFoundError):
        return SerialError("port-missing")
    if number == errno.EACCES or isinstance(error, PermissionError):
        return SerialError("port-forbidden")
    if number in (errno.EAGAIN, errno.EBUSY):  # another program holds the lock
        return SerialError("port-taken")
    return SerialError("port-failed", type(error).__name__)


class Connection:
    """An open port until it is gone.

    Visits begin with the first byte, or with a question where the device speaks only when it is asked, and
    end with quiet. A device that was not understood is tried with the driver's next settings.
    """

    def __init__(
        self,
        port: serial.Serial,
        driver: type[Driver],
        device: Device,
        listener: Listener,
        limits: SerialLimits,
        allowed: Callable[[], bool] = lambda: True,
    ) -> None:
        self.bytes = 0
        self._allowed = allowed
        self._port = port
        self._driver = driver
        self._device = device
        self._listener = listener
        self._limits = limits
        self._visit: Visit | None = None
        self._now = asyncio.get_running_loop().time
        self._ask_at = 0.0
        self._opened_at = 0.0
        self._settings = 0  # which of the driver's

    async def run(self) -> None:
        """Returns when the port is gone or no longer allowed.

        SerialError("frame-not-stored") when what was read could not be kept.
        """
        descriptor = self._port.fileno()
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        try:
            while self._ask_if_due():
                loop.add_reader(descriptor, ready.set)
                try:
                    async with asyncio.timeout(self._quiet_s()):
                        await ready.wait()
                except TimeoutError:
                    if not ready.is_set():  # else it came while the loop was held up: that is no silence
                        if not self._quiet() or not self._allowed():
                            return
                        continue
                finally:
                    loop.remove_reader(descriptor)  # a closed pty is ready for ever; a stream is every 13 ms
                ready.clear()
                if not self._allowed() or not self._read():
                    return
                if self._strange():
                    self._close_visit()
                elif self._streams():
                    await asyncio.sleep(self._limits.gather_s)
        finally:
            self._close_visit()

    def _ask_if_due(self) -> bool:
        """Begins a conversation where the device does not; False when the cable was pulled out."""
        if not self._driver.asks or self._visit is not None or self._now() < self._ask_at:
            return True
        visit = self._open_visit()
        return self._turn(lambda: self._listener.begun(visit))

    def _quiet_s(self) -> float:
        """How long to wait for the next byte."""
        if self._visit is None:
            return max(0, self._ask_at - self._now()) if self._driver.asks else self._limits.quiet_s
        if self._visit.patience_s is not None:
            return self._visit.patience_s
        return self._limits.settle_s if self._driver.asks else self._limits.quiet_s

    def _quiet(self) -> bool:
        """Nothing came for that long; False when the cable was pulled out."""
        visit = self._visit
        if visit is not None and visit.patience_s is not None:
            return self._turn(lambda: self._listener.silent(visit))
        self._close_visit()
        return True

    def _read(self) -> bool:
        """Hands on what is there; False when the cable was pulled out."""
        try:
            # never more than is there: pyserial would lose it, should the end follow
            data = self._port.read(min(max(self._port.in_waiting, 1), _MOST_AT_ONCE))
        except (serial.SerialException, OSError):
            return False
        if data and not self._received(bytes(data)):
            return False
        return bool(data) or self._port.is_open

    def _received(self, data: bytes) -> bool:
        """False when the cable was pulled out while the device waited for its answer."""
        self.bytes += len(data)
        visit = self._visit or self._open_visit()
        return self._turn(lambda: self._listener.received(visit, "serial", data))

    def _strange(self) -> bool:
        """It has talked for long, and the driver could make nothing of it: perhaps at another speed."""
        visit = self._visit
        known = visit is None or visit.understood or not self._driver.serial_others
        return not known and self._now() - self._opened_at >= self._limits.strange_s

    def _streams(self) -> bool:
        """It talks all the time: nobody waits for an answer."""
        return self._driver.cuts and (self._visit is None or self._visit.patience_s is None)

    def _open_visit(self) -> Visit:
        self._visit = visit = Visit(self._device, self._driver)
        self._opened_at = self._now()
        self._listener.opened(visit)
        return visit

    def _turn(self, tell: Callable[[], list[Frame]]) -> bool:
        """Tells the hub and sends what it wants sent; False when the cable was pulled out."""
        try:
            frames = tell()
        except Exception as error:
            code = error.code if isinstance(error, MeethubError) else type(error).__name__
            raise SerialError("frame-not-stored", code) from error
        try:
            for frame in frames:
                self._port.write(frame.data)
        except OSError as error:  # of which serial.SerialException is one
            log.warning("answer-not-sent", driver=self._driver.name, reason=type(error).__name__)
            return False
        return True

    def _close_visit(self) -> None:
        visit, self._visit = self._visit, None
        if visit is None:
            return
        self._listener.closed(visit)
        self._ask_at = self._now() + (self._limits.rest_s if visit.understood else self._limits.poll_s)
        if not visit.understood:
            self._try_other_settings()

    def _try_other_settings(self) -> None:
        """Where such devices differ in speed, the next one."""
        all_settings = settings(self._driver)
        if len(all_settings) > 1 and self._port.is_open:
            self._settings = (self._settings + 1) % len(all_settings)
            with suppress(OSError, termios.error):  # unplugged (the next read says so), or no real line
                self._port.apply_settings(all_settings[self._settings])
