"""A finger on the button of a virtual board."""

import asyncio

from machine import Pin

from firmware import button
from firmware.button import LONG, RESET, SHORT, Button, button_on
from firmware.light import Light

TIMES = button._LONG_MS, button._WARN_MS, button._RESET_MS
# A tenth of it for the tests.
button._LONG_MS, button._WARN_MS, button._RESET_MS = [ms // 10 for ms in TIMES]


def pressed(*moves, down_at_start=False):
    """What the button told while it was moved: (ms to wait, 0 down or 1 up). And the colours seen."""

    async def go():
        told, seen = [], []
        light = Light(lambda *colour: seen.append(colour))
        Pin.levels[0] = 0 if down_at_start else 1
        tasks = [
            asyncio.create_task(Button(button_on(0), told.append, light).run()),
            asyncio.create_task(light.run()),
        ]
        for ms, level in moves:
            await asyncio.sleep_ms(ms)
            Pin.levels[0] = level
        await asyncio.sleep_ms(150)
        for task in tasks:
            task.cancel()
        return told, seen

    return asyncio.run(go())


def test_three_seconds_are_setup_five_warn_and_ten_reset():
    assert TIMES == (3000, 5000, 10000)


def test_a_pin_with_nothing_on_it_is_up():
    Pin.levels.pop(7, None)
    assert not button_on(7)()


def test_a_short_press():
    assert pressed((100, 0), (150, 1))[0] == [SHORT]


def test_two_short_presses():
    assert pressed((100, 0), (150, 1), (150, 0), (150, 1))[0] == [SHORT, SHORT]


def test_bouncing_contacts_are_one_press():
    bounce = [(3, 1), (2, 0)] * 5
    assert pressed((100, 0), *(bounce + [(200, 1)] + [(3, 0), (2, 1)] * 5))[0] == [SHORT]


def test_a_spark_is_no_press():
    assert pressed((100, 0), (3, 1))[0] == []


def test_a_long_press_says_when_to_let_go():
    told, seen = pressed((100, 0), (360, 1))
    assert told == [LONG]
    blue = [colour for colour in seen if colour[2] > colour[0]]
    assert blue
    assert seen[-1] == (0, 0, 0)


def test_ten_seconds_reset_without_letting_go_after_a_warning():
    told, seen = pressed((100, 0), (1200, 0))
    assert told == [RESET]
    assert len([colour for colour in seen if colour[0] > colour[2]]) > 1


def test_it_is_told_once_however_long_the_finger_stays():
    assert pressed((100, 0), (1200, 0), (300, 1))[0] == [RESET]


def test_letting_go_in_time_is_no_reset():
    assert pressed((100, 0), (600, 1))[0] == [LONG]


def test_a_button_that_is_down_at_boot_does_nothing_until_it_was_let_go():
    assert pressed((1300, 0), down_at_start=True)[0] == []
    assert pressed((200, 1), (100, 0), (150, 1), down_at_start=True)[0] == [SHORT]
