"""A serial port of the chip: what comes over its cable goes to the hub, for as long as the hub runs.

Its pins tell of no plug: a cable that is pulled out is a device that fell silent. A port has no identity of
its own: the caller gives it a random one and keeps it.
"""

import asyncio
from time import ticks_add, ticks_diff, ticks_ms  # type: ignore[attr-defined]

from gateway.drivers.base import Driver
from gateway.hub.events import log
from gateway.hub.visit import Visit
from gateway.wire.errors import MeethubError
from gateway.wire.items import Frame
from gateway.wire.measurement import Device

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.serial_cable import Callable, Port
    from gateway.hub.given import Listener

RX_BUFFER = 4096
"""What the chip is to hold meanwhile: at 115200 baud a third of a second, the time of a signature."""
_MOST_AT_ONCE = 512
_PARITY = {"N": None, "E": 0, "O": 1}


class SerialError(MeethubError):
    """Something between hub and cable went wrong."""


class SerialLimits:
    """Milliseconds; as the gateway's, where the words are the same.

    quiet_ms: no bytes for so long ends the visit (the device was switched off). gather_ms: pause between
    two reads of a device that talks all the time. poll_ms: how often a device that speaks only when asked is
    asked whether it is there; rest_ms: how long it is left alone after it was; settle_ms: quiet after which
    its answers are over. strange_ms: who talks so long without being understood is heard with other
    settings, if there are. look_ms: how often the port is looked at. first_retry_ms, last_retry_ms: after an
    error.
    """

    quiet_ms = 10_000
    gather_ms = 50
    poll_ms = 5_000
    rest_ms = 60_000
    settle_ms = 1_000
    strange_ms = 5_000
    look_ms = 10
    first_retry_ms = 200
    last_retry_ms = 5_000


def settings(driver: type[Driver]) -> list[dict[str, object]]:
    """The settings of a port with such a device on it, as machine.UART names them, likeliest first."""
    known = (driver.serial,) + driver.serial_others if driver.serial else ()
    return [
        {"baudrate": baud, "bits": data_bits, "parity": _PARITY[parity], "stop": stop_bits}
        for baud, data_bits, parity, stop_bits in known
    ]


class SerialPort:
    """One port with one kind of device on it. `run` goes on until it is cancelled.

    open_uart: gives the port with these settings (baudrate, bits, parity, stop), reading without waiting.
    allowed: False while nothing can be stored; then the port is closed, unread bytes stay with the device.
    problem: the code of what is wrong with it, or "". bytes: heard so far.
    """

    def __init__(
        self,
        open_uart: "Callable[..., Port]",
        driver: type[Driver],
        device: Device,
        listener: "Listener",
        allowed: "Callable[[], bool]" = lambda: True,
        limits: SerialLimits | None = None,
    ) -> None:
        if driver.serial is None:
            raise SerialError("driver-not-serial", driver.name)
        self.problem = ""
        self.bytes = 0
        self._open_uart = open_uart
        self._driver = driver
        self._device = device
        self._listener = listener
        self._allowed = allowed
        self._limits = limits or SerialLimits()
        self._settings = settings(driver)
        self._chosen = 0
        self._visit: Visit | None = None
        self._opened_at = self._ask_at = ticks_ms()

    async def run(self) -> None:
        """Opens the port while it is allowed, and hands on what comes, until cancelled."""
        retry_ms = self._limits.first_retry_ms
        while True:
            if self._allowed():
                heard = self.bytes
                await self._try_to_listen()
                if self.bytes != heard or not self.problem:
                    retry_ms = self._limits.first_retry_ms
            else:
                self._ask_at = ticks_ms()  # a moment that is too long past counts as one to come
            await asyncio.sleep_ms(retry_ms)  # type: ignore[attr-defined]
            retry_ms = min(2 * retry_ms, self._limits.last_retry_ms)

    async def _try_to_listen(self) -> None:
        """No error ends the port: each is said, and it is tried again."""
        try:
            await self._listen()
        except SerialError as error:
            self._failed(error.code, error.detail)
        except Exception as error:
            self._failed("port-failed", type(error).__name__)

    def _failed(self, code: str, reason: str) -> None:
        if code != self.problem:  # said once, not at every attempt
            log.warning(code, driver=self._driver.name, reason=reason)
        self.problem = code

    async def _listen(self) -> None:
        """Until it is forbidden, or other settings are tried.

        SerialError("frame-not-stored") when what was read could not be kept: nothing more is sent to the
        device, and the visit is over. Whatever else the chip raises.
        """
        uart, chosen = self._open_uart(**self._settings[self._chosen]), self._chosen
        try:
            while self._allowed() and chosen == self._chosen:
                self._ask_if_due(uart)
                await self._hear(uart)
        finally:
            self._close_visit()
            uart.deinit()

    def _ask_if_due(self, uart: "Port") -> None:
        """Begins a conversation where the device does not."""
        if self._driver.asks and self._visit is None and ticks_diff(ticks_ms(), self._ask_at) >= 0:
            self._turn(uart, self._listener.begun)

    async def _hear(self, uart: "Port") -> None:
        """The next bytes, or silence."""
        if await self._came(uart, self._quiet_ms()):
            if self._allowed():  # what is not read stays with the device, or is gone with it
                self._received(uart, uart.read(_MOST_AT_ONCE) or b"")
        elif self._visit is not None and self._visit.patience_s is not None:
            self._turn(uart, self._listener.silent)
        else:
            self._close_visit()
        if self._streams():
            await asyncio.sleep_ms(self._limits.gather_ms)  # type: ignore[attr-defined]

    async def _came(self, uart: "Port", quiet_ms: int) -> bool:
        """Whether bytes came within that time; what came while the hub was held up is no silence."""
        until = ticks_add(ticks_ms(), quiet_ms)
        while True:
            over = ticks_diff(until, ticks_ms()) <= 0
            if uart.any():
                return True
            if over:
                return False
            await asyncio.sleep_ms(self._limits.look_ms)  # type: ignore[attr-defined]

    def _quiet_ms(self) -> int:
        """How long to wait for the next byte."""
        limits, visit = self._limits, self._visit
        if visit is None:
            return max(0, ticks_diff(self._ask_at, ticks_ms())) if self._driver.asks else limits.quiet_ms
        if visit.patience_s is not None:
            return int(1000 * visit.patience_s)
        return limits.settle_ms if self._driver.asks else limits.quiet_ms

    def _received(self, uart: "Port", data: bytes) -> None:
        if not data:
            return
        self.bytes += len(data)
        visit = self._turn(uart, self._listener.received, "serial", data)
        self.problem = ""
        strange = not visit.understood and len(self._settings) > 1
        if strange and ticks_diff(ticks_ms(), self._opened_at) >= self._limits.strange_ms:
            self._close_visit()  # it talks and makes no sense: perhaps at another speed

    def _streams(self) -> bool:
        """It talks all the time: nobody waits for an answer."""
        visit = self._visit
        return self._driver.cuts and visit is not None and visit.patience_s is None

    def _turn(self, uart: "Port", tell: "Callable[..., list[Frame]]", *heard: object) -> Visit:
        """Tells the hub of this visit, which may begin with it, and sends what the hub wants sent."""
        try:
            visit = self._visit or self._open_visit()
            frames = tell(visit, *heard)
        except Exception as error:
            raise SerialError("frame-not-stored", _code(error))
        for frame in frames:
            if uart.write(frame.data) != len(frame.data):
                log.warning("answer-not-sent", driver=self._driver.name, reason="short")
        return visit

    def _open_visit(self) -> Visit:
        visit = Visit(self._device, self._driver)
        self._listener.opened(visit)
        self._visit, self._opened_at = visit, ticks_ms()
        return visit

    def _close_visit(self) -> None:
        visit, self._visit = self._visit, None
        if visit is None:
            return
        try:
            self._listener.closed(visit)
        except Exception as error:
            self._failed("frame-not-stored", _code(error))
        wait_ms = self._limits.rest_ms if visit.understood else self._limits.poll_ms
        self._ask_at = ticks_add(ticks_ms(), wait_ms)
        if not visit.understood:  # where such devices differ in speed, the next one
            self._chosen = (self._chosen + 1) % len(self._settings)


def _code(error: Exception) -> str:
    return error.code if isinstance(error, MeethubError) else type(error).__name__
