"""A virtual Nonin finger oximeter on a pseudo-terminal, speaking Data Format 2.

75 frames of 5 bytes a second, 25 frames a packet. Layout: devices.md section 8.3; encoded here without any
code of the gateway. Values begin when a finger is in and are missing (511, 127) when it is out.
"""

import asyncio
import contextlib
import os
import random
import select
import tty
from collections.abc import Iterator
from pathlib import Path

from gateway.simulator.truth import TruthLog

FRAMES_A_SECOND = 75
FRAMES_A_PACKET = 25
NO_PULSE, NO_SPO2 = 511, 127
# Status byte: always set, sensor alarm (no finger), out of track (signal lost), green perfusion, sync.
_ALWAYS, _ALARM, _OUT_OF_TRACK, _GREEN, _SYNC = 0x80, 0x08, 0x10, 0x02, 0x01


def packet(spo2: int | None, pulse: int | None, *, battery_low: bool = False, start: int = 0) -> bytes:
    """25 frames; None, None is a probe without a finger. start: where the pulse wave is."""
    missing = spo2 is None or pulse is None
    rate = NO_PULSE if pulse is None else pulse
    saturation = NO_SPO2 if spo2 is None else spo2
    high, low = rate >> 7 & 3, rate & 0x7F
    slots = {0: high, 1: low, 2: saturation, 3: 48, 7: int(battery_low)}
    slots |= {8: saturation, 9: saturation, 10: saturation, 13: high, 14: low, 15: saturation}
    slots |= {16: saturation, 19: high, 20: low, 21: high, 22: low}
    frames = bytearray()
    for index in range(FRAMES_A_PACKET):
        status = _ALWAYS | (_ALARM | _OUT_OF_TRACK if missing else _GREEN) | (_SYNC if index == 0 else 0)
        wave = 0 if missing else (start + index) * 9 % 200
        body = bytes((1, status, wave, slots.get(index, 0)))
        frames += body + bytes((sum(body) & 0xFF,))
    return bytes(frames)


class Oximeter:
    """An oximeter on a cable. `path` is a link that stays the same over unplugging and restarts.

    speed: so many times faster than life. The truth log has, per finger session, the values that the
    stated rule demands: the last valid one of each full 60 s of frames, and the last before finger-out.
    """

    def __init__(self, path: Path, directory: Path, speed: float = 1, seed: int | None = None) -> None:
        self.path = path
        self.truth = TruthLog(directory / "truth.jsonl", "oximeter")
        self.speed = speed
        self._random = random.Random(seed)  # chooses sizes of pieces and noise only
        self._master = -1
        self._frames = 0

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

    def unplug(self) -> None:
        """The cable is pulled out, in the middle of whatever was being sent."""
        self.path.unlink(missing_ok=True)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            self.truth.write("unplugged")

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
                await asyncio.sleep(0.05)

    def send(self, data: bytes) -> bool:
        """Bytes on the cable; False when nobody took them (they are lost, as on a cable)."""
        if self._master < 0:
            return False
        with contextlib.suppress(OSError):
            return os.write(self._master, data) == len(data)
        return False

    def noise(self, size: int = 7) -> None:
        """What a cable says when it is plugged in: bytes that are no frames."""
        self.send(bytes(self._random.randrange(2, 0x80) for _ in range(size)))

    async def session(self, values: list[tuple[int, int]], *, first_skipped: int = 0) -> bool:
        """A finger is put in, these (SpO2, pulse) are shown one packet each, and it is taken out.

        True when somebody listened all the time; the truth log then holds what is demanded of the hub.
        first_skipped: so many frames of the first packet are not sent, as when a listener comes late.
        """
        complete = self.heard
        for index, (spo2, pulse) in enumerate(values):
            data = packet(spo2, pulse, start=index * FRAMES_A_PACKET)
            skipped = 5 * first_skipped if index == 0 else 0
            complete = await self._stream(data[skipped:]) and complete
        for _ in range(2):
            complete = await self._stream(packet(None, None)) and complete
        self.truth.write(
            "session" if complete else "session-cut",
            demanded=[_row(values, index) for index in demanded(len(values))],
        )
        return complete

    async def idle(self, packets: int = 3) -> None:
        """Without a finger."""
        for _ in range(packets):
            await self._stream(packet(None, None))

    async def _stream(self, data: bytes) -> bool:
        """In pieces of 1 to 7 bytes at the pace of the device."""
        taken = True
        for piece in self._pieces(data):
            taken = self.send(piece) and taken
        self._frames += len(data) // 5
        await asyncio.sleep(len(data) / 5 / FRAMES_A_SECOND / self.speed)
        return taken and self.heard

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        at = 0
        while at < len(data):
            size = self._random.randint(1, 7)
            yield data[at : at + size]
            at += size


def demanded(packets: int) -> list[int]:
    """Which packets of a session the hub must report; a packet is a third of a second, 180 are 60 s."""
    a_minute = 60 * FRAMES_A_SECOND // FRAMES_A_PACKET
    each_minute = list(range(a_minute - 1, packets, a_minute))
    return each_minute if packets % a_minute == 0 else [*each_minute, packets - 1]


def _row(values: list[tuple[int, int]], index: int) -> dict[str, int | str]:
    """One demanded value: its numbers, and the bytes of its packet."""
    spo2, pulse = values[index]
    data = packet(spo2, pulse, start=index * FRAMES_A_PACKET)
    return {"spo2": spo2, "pulse-rate": pulse, "hex": data.hex()}
