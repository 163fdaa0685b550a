"""What the light shows, looked at as a person would: how long on, how long off, and what comes first."""

import asyncio
import time

from firmware import light
from firmware.light import Light

STEADY = (light.PAUSED, light.STORED, light.SETUP, light.HELP, light.HELD, light.LAST_CHANCE)
ONCE = (light.RECEIVED, light.DELIVERED, light.IDENTIFY)


class Watch:
    """Remembers (ms, lit, colour) of each change that an eye would see."""

    def __init__(self):
        self.seen = []

    def __call__(self, red, green, blue):
        self.seen.append((time.ticks_ms(), (red, green, blue)))

    def lit(self):
        """(from, ms) of each flash."""
        flashes, since = [], None
        for at, colour in self.seen:
            if any(colour) and since is None:
                since = at
            elif not any(colour) and since is not None:
                flashes.append((since, time.ticks_diff(at, since)))
                since = None
        return flashes

    def colours(self):
        return {colour for _, colour in self.seen if any(colour)}


def beats(pattern):
    """(lit, ms) of the pattern as it is written, neighbours of a kind together."""
    found = []
    for at in range(0, len(pattern[2]), 2):
        lit, ms = pattern[2][at] > 0, pattern[2][at + 1] * 10
        if found and found[-1][0] == lit:
            found[-1][1] += ms
        else:
            found.append([lit, ms])
    return [tuple(one) for one in found]


SCENES = {}


def scene(ms):
    """A scene that is played beside all others, before the first test asks: `act(light)`, then so many ms."""

    def keep(act):
        SCENES[act.__name__] = [ms, act]
        return act

    return keep


def watched(act):
    """What was seen of a scene."""
    if len(SCENES[act.__name__]) == 2:
        asyncio.run(all_scenes())
    return SCENES[act.__name__][2]


async def all_scenes():
    await asyncio.gather(*[play(played) for played in SCENES.values()])


async def play(played):
    ms, act = played
    watch = Watch()
    shown = Light(watch)
    task = asyncio.create_task(shown.run())
    await act(shown)
    await asyncio.sleep_ms(ms)
    task.cancel()
    played.append(watch)


def test_no_two_patterns_have_the_same_rhythm():
    rhythms = [tuple(beats(one)) + (one[3],) for one in STEADY + ONCE]
    assert len(set(rhythms)) == len(rhythms)


def test_nothing_flashes_more_than_three_times_a_second():
    for pattern in STEADY + ONCE:
        starts, now = [], 0
        for lit, ms in beats(pattern) * 4:
            if lit:
                starts.append(now)
            now += ms
        for first, fourth in zip(starts, starts[3:]):  # noqa: B905 (no strict on MicroPython)
            assert fourth - first > 999, pattern


def test_the_rhythms_that_are_printed_on_the_label():
    assert beats(light.RECEIVED) == [(True, 1000), (False, 300)]
    assert beats(light.DELIVERED) == [(True, 200), (False, 300)] * 2
    assert beats(light.STORED) == [(True, 1000), (False, 9000)]
    on, off = beats(light.PAUSED)
    assert on == (True, 200)
    assert 29000 < off[1] < 31000
    assert [ms for lit, ms in beats(light.HELP) if lit] == [150] * 6
    assert sum([ms for _, ms in beats(light.SETUP)]) == 1000
    assert 9500 < sum([ms for _, ms in beats(light.IDENTIFY)]) * light.IDENTIFY[3] < 10500


def test_the_colours_are_those_that_the_colour_blind_tell_apart():
    palette = {(0, 114, 178), (0, 158, 115), (230, 159, 0), (213, 94, 0), (255, 255, 255)}
    assert {one[1] for one in STEADY + ONCE} == palette


@scene(1900)
async def received_is_one_long_flash_and_then_dark(shown):
    shown.show(light.RECEIVED)


def test_received_is_one_long_flash_and_then_dark():
    watch = watched(received_is_one_long_flash_and_then_dark)
    flashes = watch.lit()
    assert len(flashes) == 1
    assert 950 < flashes[0][1] < 1150
    assert watch.seen[-1][1] == (0, 0, 0)


@scene(3200)
async def delivered_waits_until_received_was_seen(shown):
    shown.show(light.RECEIVED)
    shown.show(light.DELIVERED)


def test_delivered_waits_until_received_was_seen():
    watch = watched(delivered_waits_until_received_was_seen)
    assert [ms > 800 for _, ms in watch.lit()] == [True, False, False]
    assert len(watch.colours()) == 2


@scene(2300)
async def a_single_flash_comes_between_and_the_steady_pattern_goes_on(shown):
    shown.show(light.HELP)
    await asyncio.sleep_ms(500)
    shown.show(light.DELIVERED)


def test_a_single_flash_comes_between_and_the_steady_pattern_goes_on():
    watch = watched(a_single_flash_comes_between_and_the_steady_pattern_goes_on)
    assert [ms > 175 for _, ms in watch.lit()][1:4] == [True, True, False]


@scene(1900)
async def the_most_urgent_steady_pattern_is_shown_and_the_next_when_it_is_over(shown):
    shown.show(light.STORED)
    shown.show(light.HELP)
    await asyncio.sleep_ms(500)
    shown.hide(light.HELP)


def test_the_most_urgent_steady_pattern_is_shown_and_the_next_when_it_is_over():
    watch = watched(the_most_urgent_steady_pattern_is_shown_and_the_next_when_it_is_over)
    assert [ms > 800 for _, ms in watch.lit()][-1]
    assert len(watch.colours()) == 2


@scene(2000)
async def hiding_what_is_not_shown_and_showing_twice_change_nothing(shown):
    shown.hide(light.SETUP)
    for _ in range(50):
        shown.show(light.RECEIVED)
        shown.show(light.STORED)
    shown.hide(light.STORED)


def test_hiding_what_is_not_shown_and_showing_twice_change_nothing():
    assert len(watched(hiding_what_is_not_shown_and_showing_twice_change_nothing).lit()) == 1


@scene(1100)
async def a_finger_on_the_button_is_answered_before_all_else(shown):
    shown.show(light.IDENTIFY)
    await asyncio.sleep_ms(50)
    shown.show(light.HELD)
    await asyncio.sleep_ms(600)
    shown.hide(light.HELD)


def test_a_finger_on_the_button_is_answered_before_all_else():
    flashes = watched(a_finger_on_the_button_is_answered_before_all_else).lit()
    assert max([ms for _, ms in flashes]) > 550
    assert flashes[-1][1] < 250


@scene(500)
async def brightness_is_bounded(shown):
    shown.show(light.IDENTIFY)


def test_brightness_is_bounded():
    assert max([max(colour) for colour in watched(brightness_is_bounded).colours()]) <= 64


def test_a_neopixel_and_a_plain_lamp_show_the_same_rhythm():
    from machine import Pin
    from neopixel import NeoPixel

    from firmware.light import lamp_on, neopixel_on

    pixel, lamp = neopixel_on(48), lamp_on(2, 0)
    for colour in ((0, 28, 44), (0, 0, 0)):
        pixel(*colour)
        assert NeoPixel.shown[-1][1] == colour
        lamp(*colour)
        assert Pin(2).value() == (0 if any(colour) else 1)
