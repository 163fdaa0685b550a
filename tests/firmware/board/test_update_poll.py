"""Asking for updates now and then: what is loaded goes again, and a board starts again only when it is quiet."""

import asyncio
import gc
import os
import sys

from update_bench import FOLDER, HARDWARE, OTHER, RELEASE, Board, Offer, Source

import firmware.update_poll as poll
from firmware.crypto import ed25519


class Quick:
    """Waits of the module in seconds, made short."""

    NAMES = ("FIRST_S", "EVERY_S", "AFTER_FAILURE_S", "SPREAD_S", "LOOK_S")

    def __enter__(self):
        self.before = [getattr(poll, name) for name in self.NAMES]
        for name in self.NAMES:
            setattr(poll, name, 1 if name == "SPREAD_S" else 0.001 if name != "LOOK_S" else 1)

    def __exit__(self, *_):
        for name, value in zip(self.NAMES, self.before):  # noqa: B905 (MicroPython has no strict)
            setattr(poll, name, value)


class StopError(Exception):
    pass


def restart():
    raise StopError


def polled(board, source, is_quiet=lambda: True, limit_ms=20000):
    async def run():
        task = poll.run(lambda: source, HARDWARE, is_quiet, restart, board.slots, FOLDER)
        try:
            await asyncio.wait_for_ms(task, limit_ms)
        except StopError:
            return True
        except asyncio.TimeoutError:  # noqa: UP041 (MicroPython has no other)
            return False

    with Quick():
        return asyncio.run(run())


def test_a_ready_update_starts_the_board_again_when_it_is_quiet():
    board = Board()
    board.start()
    asked = []

    def is_quiet():
        asked.append(1)
        return len(asked) > 2

    assert polled(board, Source(Offer(2)), is_quiet)
    assert len(asked) == 3
    assert board.start() == 1


def test_nothing_new_does_not_start_it_again():
    board = Board()
    board.start()
    source = Source(Offer(1))
    assert not polled(board, source, limit_ms=300)
    assert board.start() == 0


def test_a_source_that_fails_is_asked_again():
    board = Board()
    board.start()
    source = Source(Offer(2))
    source.gone_after = 3

    class Mended:
        async def read_at(self, name, offset, buffer):
            try:
                return await source.read_at(name, offset, buffer)
            except Exception:
                source.gone_after = -1
                raise

    assert polled(board, Mended())


def test_a_release_on_trial_asks_nobody():
    board = Board()
    board.start()
    assert board.update(Source(Offer(2)))
    board.start()
    source = Source(Offer(3))
    assert not polled(board, source, limit_ms=300)
    assert source.asked == 0


def test_what_an_update_needs_is_dropped_and_memory_does_not_grow():
    board = Board()
    board.start()
    slots = board.slots()
    source = Source(Offer(1))
    sizes = []
    for _ in range(30):
        assert asyncio.run(poll.ask(slots, lambda: source, HARDWARE, FOLDER)) is False
        assert "firmware.update" not in sys.modules
        gc.collect()
        sizes.append(gc.mem_alloc())
    assert sizes[-1] - sizes[9] <= 512, sizes


class Signed:
    """A hub's signer over release keys of the tests."""

    kid, public_key = b"12345678", RELEASE[2]

    def __init__(self, key=RELEASE):
        self._key = key

    def sign(self, data):
        return ed25519.sign(self._key, data)


def test_self_test_passes_only_with_what_an_update_needs():
    board = Board()
    board.start()
    assert poll.self_test(Signed(), FOLDER)
    assert not poll.self_test(Signed(OTHER), FOLDER)  # a signature that does not hold
    os.rename(FOLDER + "/update-keys", FOLDER + "/away")
    assert not poll.self_test(Signed(), FOLDER)
    os.rename(FOLDER + "/away", FOLDER + "/update-keys")
    assert not poll.self_test(None, FOLDER)
    assert "firmware.update" not in sys.modules
