"""A virtual Nonin finger oximeter on a pseudo-terminal, speaking Data Format 2.

75 frames of 5 bytes a second, 25 frames a packet. Layout: devices.md section 8.3; encoded here without any
code of the gateway. Values begin when a finger is in and are missing (511, 127) when it is out.
"""

import asyncio
import random
from datetime import timedelta

from gateway.simulator.cable import Cable

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


class Oximeter(Cable):
    """An oximeter on a cable: it talks all the time and hears nothing.

    The truth log has, per finger session, the values that the stated rule demands: the last valid one of each
    full 60 s of frames, and the last before finger-out.
    """

    driver = "nonin-serial"

    async def use(self, ago: timedelta = timedelta(0)) -> None:  # noqa: ARG002 (it stores nothing)
        """Only while somebody listens: nobody puts a finger in for nobody."""
        await self.wait_for_listener()
        await self.idle(1)
        await self.session([(random.randint(93, 99), random.randint(52, 99)) for _ in range(9)])

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
        for index in demanded(len(values)):
            self._demand(values, index, complete=complete)
        return complete

    def _demand(self, values: list[tuple[int, int]], index: int, *, complete: bool) -> None:
        spo2, pulse = values[index]
        data = packet(spo2, pulse, start=index * FRAMES_A_PACKET)
        shown = {"spo2": str(spo2), "pulse-rate": str(pulse)}
        number = self.truth.measured("oximetry", shown, hex=data.hex())
        self.truth.sent(number)
        if complete:
            self.truth.confirmed(number)

    async def idle(self, packets: int = 3) -> None:
        """Without a finger."""
        for _ in range(packets):
            await self._stream(packet(None, None))

    async def _stream(self, data: bytes) -> bool:
        """At the pace of the device, a packet at a time."""
        heard = await self.say(data)
        await asyncio.sleep(len(data) / 5 / FRAMES_A_SECOND / self.speed)
        return heard


def demanded(packets: int) -> list[int]:
    """Which packets of a session the hub must report; a packet is a third of a second, 180 are 60 s."""
    a_minute = 60 * FRAMES_A_SECOND // FRAMES_A_PACKET
    each_minute = list(range(a_minute - 1, packets, a_minute))
    return each_minute if packets % a_minute == 0 else [*each_minute, packets - 1]
