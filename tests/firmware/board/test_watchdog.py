"""The watchdog is fed while every task progresses, and by nobody else."""

import asyncio

from firmware.watchdog import Watchdog


class Counted:
    """A watchdog that counts how often it was fed."""

    def __init__(self):
        self.fed = 0

    def feed(self):
        self.fed += 1


def watched():
    wdt, told = Counted(), []
    return Watchdog(wdt, told.append), wdt, told


async def until(limit_ms, done):
    for _ in range(limit_ms):
        if done():
            return True
        await asyncio.sleep_ms(1)
    return False


def test_nobody_to_wait_for_is_fed():
    dog, wdt, told = watched()
    assert dog.feed()
    assert (wdt.fed, told) == (1, [])


def test_a_task_that_stands_still_starves_it_and_is_told_once():
    dog, wdt, told = watched()
    dog.expect("radio", 20)
    dog.expect("uplink", 100000)
    assert dog.feed()

    async def standing():
        return await until(2000, lambda: not dog.feed())

    assert asyncio.run(standing())
    fed = wdt.fed
    assert not dog.feed()
    assert (wdt.fed, told) == (fed, ["radio"])


def test_ticks_keep_it_fed():
    dog, wdt, told = watched()
    dog.expect("radio", 40)

    async def ticking():
        for _ in range(60):
            dog.tick("radio")
            assert dog.feed()
            await asyncio.sleep_ms(2)

    asyncio.run(ticking())
    assert (wdt.fed, told) == (60, [])


def test_a_task_that_ended_is_not_waited_for():
    dog, _, told = watched()
    dog.expect("trial", 5)

    async def later():
        await asyncio.sleep_ms(15)
        dog.release("trial")
        return dog.feed()

    assert asyncio.run(later())
    assert told == []
    dog.release("trial")


def test_run_ends_when_somebody_starves():
    dog, wdt, told = watched()
    dog.expect("hub", 30)
    asyncio.run(asyncio.wait_for_ms(dog.run(2), 3000))
    assert told == ["hub"]
    assert wdt.fed > 2
