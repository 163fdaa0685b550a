"""Fingers on the buttons of a virtual board: all at once, each on a pin of its own."""

import asyncio

from machine import Pin

from firmware import button
from firmware.button import LONG, RESET, SHORT, Button, button_on
from firmware.light import Light

TIMES = button._LONG_MS, button._WARN_MS, button._RESET_MS
# A tenth of it for the tests.
button._LONG_MS, button._WARN_MS, button._RESET_MS = [ms // 10 for ms in TIMES]

BOUNCE = [(3, 1), (2, 0)] * 5
# Each: (ms to wait, 0 down or 1 up) …
MOVES = {
    "short": [(100, 0), (150, 1)],
    "twice": [(100, 0), (150, 1), (150, 0), (150, 1)],
    "bouncing": [(100, 0)] + BOUNCE + [(150, 1)] + [(3, 0), (2, 1)] * 5,
    "spark": [(100, 0), (3, 1)],
    "long": [(100, 0), (360, 1)],
    "longer": [(100, 0), (600, 1)],
    "ten": [(100, 0), (1200, 0)],
    "eleven": [(100, 0), (1200, 0), (300, 1)],
    "jammed": [(1300, 0)],
    "jammed for a while": [(200, 1), (100, 0), (150, 1)],
}
SEEN = {}


async def press(name, pin):
    told, seen = [], []
    light = Light(lambda *colour: seen.append(colour))
    Pin.levels[pin] = 0 if name.startswith("jammed") else 1
    tasks = [
        asyncio.create_task(Button(button_on(pin), told.append, light).run()),
        asyncio.create_task(light.run()),
    ]
    for ms, level in MOVES[name]:
        await asyncio.sleep_ms(ms)
        Pin.levels[pin] = level
    await asyncio.sleep_ms(150)
    for task in tasks:
        task.cancel()
    SEEN[name] = told, seen


async def press_all():
    names = sorted(MOVES)
    await asyncio.gather(*[press(name, names.index(name)) for name in names])


def pressed(name):
    """What the button told."""
    if not SEEN:
        asyncio.run(press_all())
    return SEEN[name][0]


def test_three_seconds_are_setup_five_warn_and_ten_reset():
    assert TIMES == (3000, 5000, 10000)


def test_a_pin_with_nothing_on_it_is_up():
    Pin.levels.pop(40, None)
    assert not button_on(40)()


def test_a_short_press():
    assert pressed("short") == [SHORT]


def test_two_short_presses():
    assert pressed("twice") == [SHORT, SHORT]


def test_bouncing_contacts_are_one_press():
    assert pressed("bouncing") == [SHORT]


def test_a_spark_is_no_press():
    assert pressed("spark") == []


def test_a_long_press_says_when_to_let_go():
    assert pressed("long") == [LONG]
    seen = SEEN["long"][1]
    assert [colour for colour in seen if colour[2] > colour[0]]
    assert seen[-1] == (0, 0, 0)


def test_ten_seconds_reset_without_letting_go_after_a_warning():
    assert pressed("ten") == [RESET]
    assert [colour for colour in SEEN["ten"][1] if colour[0] > colour[2]]


def test_it_is_told_once_however_long_the_finger_stays():
    assert pressed("eleven") == [RESET]


def test_letting_go_in_time_is_no_reset():
    assert pressed("longer") == [LONG]


def test_a_button_that_is_down_at_boot_does_nothing_until_it_was_let_go():
    assert pressed("jammed") == []
    assert pressed("jammed for a while") == [SHORT]
