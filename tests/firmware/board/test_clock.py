"""Clock, zone and NTP packets on the board's interpreter."""

import asyncio
import time

from firmware import ntp
from firmware.clock import Clock
from firmware.config import ZONE
from firmware.time_zone import Zone, ZoneError, date_of, days_since_1970
from gateway.hub.events import log

log.send_to(lambda *_: None)
NOW_MS = 1_800_000_000_000


def test_the_boards_own_counter():
    clock = Clock(Zone(ZONE))
    first = clock.mono_ms()
    began = time.ticks_ms()
    while time.ticks_diff(time.ticks_ms(), began) < 20:
        pass
    assert 20 <= clock.mono_ms() - first < 5000
    assert clock.now().wall_ms is None and clock.now().quality == "none"
    assert len(clock.boot) == 8 and clock.boot != Clock(Zone(ZONE)).boot


def test_turns():
    now = [(1 << 30) - 5]
    clock = Clock(Zone(ZONE), lambda: now[0] & (1 << 30) - 1, (1 << 30) - 1)
    for _ in range(300):
        now[0] += 3600 * 1000 * 24
        assert clock.mono_ms() == now[0]


def test_words_and_local_time():
    clock = Clock(Zone(ZONE), lambda: 0, (1 << 30) - 1)
    clock.set_ntp(NOW_MS + 70_000)
    assert clock.now().quality == "ntp"
    clock.anchor(NOW_MS)
    assert (clock.wall(), clock.now().quality) == (NOW_MS, "bridge")
    shown = clock.local_time(1_793_494_799_500)  # the last second of summer time in 2026
    assert (shown.date, shown.weekday, shown.offset_min) == ((2026, 11, 1, 1, 59, 59), 7, 60)
    shown = clock.local_time(1_792_889_999_500)
    assert (shown.date, shown.weekday, shown.offset_min, shown.fraction) == (
        (2026, 10, 25, 2, 59, 59),
        7,
        120,
        128,
    )
    assert clock.local_time(1_792_890_000_000).date == (2026, 10, 25, 2, 0, 0)


def test_calendar_and_rules():
    for days in range(-800_000, 800_000, 997):
        assert days_since_1970(*date_of(days)) == days
    for rule in ("", "CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-25", "é", "CET-1CEST,J60,J300"):
        try:
            Zone(rule)
            raise AssertionError(rule)
        except ZoneError:
            pass


def test_ntp_packets():
    asked = b"12345678"
    good = b"\x24\x02" + bytes(22) + asked + bytes(8) + (3_900_000_000).to_bytes(4, "big") + b"\x80\0\0\0"
    assert ntp.wall_ms(good, asked, 100) == (3_900_000_000 - 2_208_988_800) * 1000 + 550
    for bad in (
        good[:-1],
        b"\x23" + good[1:],
        b"\xe4" + good[1:],
        b"",
        bytes(48),
        good[:24] + bytes(8) + good[32:],
    ):
        try:
            ntp.wall_ms(bad, asked, 100)
            raise AssertionError(bad)
        except ntp.NtpError as error:
            assert error.code == "ntp-answer-wrong"


def test_nobody_answers():
    async def silent():
        try:
            await ntp.ask("127.0.0.1", 9)  # discard: nothing listens, or nothing answers
            raise AssertionError
        except ntp.NtpError as error:
            assert error.code == "ntp-silent"

    asyncio.run(silent())
