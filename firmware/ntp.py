"""Asks NTP servers for the time, off the critical path: nothing waits for an answer.

An answer is taken only if it is one to our own question, from a server that itself knows the time. It is not
signed: the clock weighs it against the bridge's word.
Source: RFC 4330 (SNTP 4), sections 4 and 5; RFC 5905, figure 13 (codes of a server that wants to be left
alone); the second era of NTP begins on 2036-02-07 (RFC 4330, section 3).
"""

import asyncio
import os

from firmware.names import address_of, exchange
from gateway.hub.events import log
from gateway.wire.errors import MeethubError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware.clock import Clock

_PORT = 123
_PATIENCE_MS = 3000
_FIRST_S, _LONGEST_S, _AGAIN_S = 16, 3600, 4 * 3600
_UNTIL_1970_S = 2208988800
# An answer that took longer says too little of when it was given.
_LONGEST_MS = 2000


class NtpError(MeethubError):
    """No time from this server. Codes: ntp-silent, ntp-answer-wrong, ntp-goodbye."""


def question(asked: bytes) -> bytes:
    """Version 4, mode client; 8 random bytes stand for our time, which is nobody's business."""
    return b"\x23" + bytes(39) + asked


def wall_ms(answer: bytes, asked: bytes, took_ms: int) -> int:
    """Milliseconds since 1970 when the answer came, after so many. NtpError for one that cannot be used."""
    if len(answer) < 48 or answer[24:32] != asked or answer[0] & 7 != 4 or not 0 <= took_ms <= _LONGEST_MS:
        raise NtpError("ntp-answer-wrong")
    if answer[1] == 0 and bytes(answer[12:16]) in (b"DENY", b"RSTR"):
        raise NtpError("ntp-goodbye")
    # Stratum 0 asks for patience; leap 3 and a time of 0 are a server that does not know the time itself.
    if not 0 < answer[1] < 16 or answer[0] >> 6 == 3 or answer[40:48] == bytes(8):
        raise NtpError("ntp-answer-wrong")
    seconds = int.from_bytes(answer[40:44], "big")
    if seconds < 1 << 31:  # the second era
        seconds += 1 << 32
    ms = int.from_bytes(answer[44:48], "big") * 1000 >> 32
    return (seconds - _UNTIL_1970_S) * 1000 + ms + took_ms // 2


async def keep_time(clock: "Clock", servers: list[str]) -> None:
    """Ask the servers in turn until cancelled: soon again while none answers, else every four hours."""
    left = list(servers)
    wait_s = _FIRST_S
    while left:
        if await _ask_in_turn(clock, left):
            wait_s = _FIRST_S
            await asyncio.sleep(_AGAIN_S)
        else:
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_S)


async def _ask_in_turn(clock: "Clock", left: list[str]) -> bool:
    """Whether one of them told the time; one that wants to be left alone is not asked again in this boot."""
    for host in list(left):
        try:
            clock.set_ntp(await ask(host))
            return True
        except NtpError as error:
            log.warning("ntp-failed", code=error.code)
            if error.code == "ntp-goodbye":
                left.remove(host)
    return False


async def ask(host: str, port: int = _PORT) -> int:
    """Milliseconds since 1970, as this server tells it now. NtpError: no answer, or none that can be used."""
    asked = os.urandom(8)
    try:
        said, took_ms = await exchange(await address_of(host), port, question(asked), _PATIENCE_MS, 68)
    except (OSError, MemoryError):
        said, took_ms = b"", 0
    if not said:
        raise NtpError("ntp-silent")
    return wall_ms(said, asked, took_ms)
