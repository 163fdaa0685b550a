"""The base of virtual devices on a cable: a pseudo-terminal with a path that stays the same.

    class Meter(Cable):
        driver = "lifescan-serial"

        async def asked(self, data):      # what the hub wrote, as it came, in any pieces
            for frame in self.frames(data):
                await self.say(answer_to(frame))

What a cable does to bytes is done here: pieces of 1 to 7 bytes at the device's pace, noise before the first
frame, a command that nobody heard, a byte that got lost, a plug that is pulled in mid-frame.
"""

import asyncio
import contextlib
import logging
import os
import random
import select
import tty
from collections.abc import Iterator
from pathlib import Path

from gateway.simulator.virtual_device import VirtualDevice

LOOK_S = 0.05
log = logging.getLogger(__name__)


class Cable(VirtualDevice):
    """A device on a cable. `path` is a link to its terminal, the same over unplugging and restarts.

    speed: so many times faster than life. seed: chooses sizes of pieces and noise.
    To be changed by a test at any time: bytes_a_second (None: as fast as the other side takes them),
    ignores (so many of the next commands are not heard), loses (so many of the next bytes get lost on their
    way), pulled_after (so many more bytes, and the plug is out).
    """

    def __init__(
        self,
        path: Path,
        directory: Path,
        speed: float = 1,
        seed: int | None = None,
        *,
        clock_offset_s: float = 0,
    ) -> None:
        super().__init__(directory, clock_offset_s)
        self.path = path
        self.speed = speed
        self.bytes_a_second: float | None = None
        self.ignores = 0
        self.loses = 0
        self.pulled_after: int | None = None
        self._random = random.Random(seed)
        self._master = -1
        self._plugged = 0  # times; the number of a descriptor comes back
        self._reading: asyncio.Task[None] | None = None

    def facts(self) -> dict[str, str]:
        return {"by": "serial", "port": str(self.path)}

    async def start(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.plug_in()

    async def stop(self) -> None:
        self.unplug()

    async def asked(self, data: bytes) -> None:
        """Bytes from the hub, in order; the next come when this has returned. Some devices only talk."""

    async def person(self, interval_s: float, enough: asyncio.Event) -> None:
        """Plugging in makes noise; then as with any device."""
        self.noise()
        await super().person(interval_s, enough)

    # The plug.

    @property
    def plugged_in(self) -> bool:
        return self._master >= 0

    def plug_in(self) -> None:
        """A new terminal, and the link points to it."""
        master, slave = os.openpty()
        tty.setraw(master)
        tty.setraw(slave)
        os.set_blocking(master, False)
        target = os.ttyname(slave)
        os.close(slave)  # from here on the kernel tells whether somebody has it open
        beside = self.path.with_name(self.path.name + ".new")
        beside.unlink(missing_ok=True)
        beside.symlink_to(target)
        beside.replace(self.path)
        self._master = master
        self._plugged += 1
        if type(self).asked is not Cable.asked:
            self._reading = asyncio.get_running_loop().create_task(self._read(master))

    def unplug(self) -> None:
        """The cable is pulled out, in the middle of whatever was being sent."""
        self.path.unlink(missing_ok=True)
        if self._reading is not None:
            asyncio.get_running_loop().remove_reader(self._master)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            self.truth.write("unplugged")
        if self._reading is not None and self._reading is not asyncio.current_task():
            self._reading.cancel()
        self._reading = None

    @property
    def heard(self) -> bool:
        """Whether somebody has the port open."""
        if self._master < 0:
            return False
        poll = select.poll()
        poll.register(self._master, select.POLLHUP)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    async def wait_for_listener(self, timeout_s: float | None = None) -> None:
        """Returns when somebody has opened the port."""
        async with asyncio.timeout(timeout_s):
            while not self.heard:  # noqa: ASYNC110 (the kernel tells only when asked)
                await asyncio.sleep(LOOK_S)

    # Bytes to the hub.

    def send(self, data: bytes) -> bool:
        """Bytes on the cable; False when nobody took them (they are lost, as on a cable)."""
        lost = min(self.loses, len(data))
        self.loses -= lost
        data = data[lost:]
        pulled = self.pulled_after is not None and len(data) >= self.pulled_after
        if self.pulled_after is not None:
            data = data[: self.pulled_after]
            self.pulled_after = None if pulled else self.pulled_after - len(data)
        taken = self._write(data) and not lost and not pulled
        if pulled:
            self.unplug()
        return taken

    def _write(self, data: bytes) -> bool:
        if self._master < 0:
            return False
        with contextlib.suppress(OSError):
            return not data or os.write(self._master, data) == len(data)
        return False

    async def say(self, data: bytes) -> bool:
        """In pieces, at the device's pace. True when somebody listened to all of it."""
        taken, plug = True, self._plugged
        for piece in self.pieces(data):
            if self._plugged != plug:
                return False  # pulled out; what hangs there now is another conversation
            taken = self.send(piece) and taken
            if self.bytes_a_second:
                await asyncio.sleep(len(piece) / self.bytes_a_second / self.speed)
        return taken and self.heard

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """As a cable delivers them: 1 to 7 bytes each."""
        at = 0
        while at < len(data):
            size = self._random.randint(1, 7)
            yield data[at : at + size]
            at += size

    def noise(self, size: int = 7) -> None:
        """What a cable says when it is plugged in: bytes that are no frames."""
        self.send(bytes(self._random.randrange(2, 0x80) for _ in range(size)))

    async def say_with_pause(self, data: bytes, pause_s: float) -> bool:
        """As `say`, and silent for so long in the middle, as after XOFF."""
        plug, half = self._plugged, len(data) // 2
        complete = await self.say(data[:half])
        await asyncio.sleep(pause_s)
        return self._plugged == plug and await self.say(data[half:]) and complete

    # Bytes from the hub.

    async def _read(self, master: int) -> None:
        """Hands on what the hub writes, as long as this terminal is there."""
        plug = self._plugged
        while self._plugged == plug and self.plugged_in:
            await self.wait_for_listener()
            data = await self._next(master)
            if data and self.ignores:
                self.ignores -= 1
                self.truth.write("ignored", hex=data.hex())
            elif data:
                await self._hand_on(data)

    async def _next(self, master: int) -> bytes:
        """The next bytes; none when the hub has closed the port."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(master, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(master)
        with contextlib.suppress(OSError):
            return os.read(master, 4096)
        return b""

    async def _hand_on(self, data: bytes) -> None:
        try:
            await self.asked(data)
        except Exception as error:
            log.exception("virtual device")
            self.truth.write("fault", error=repr(error))
