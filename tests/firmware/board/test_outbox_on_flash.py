"""The outbox on a flash that fails while the hub runs, and what it costs there."""

import gc

from outbox_flash import formatted, mounted
from outbox_story import DEVICE, MOMENT, envelope, measurement, whole

from firmware.outbox import Outbox
from gateway.hub.errors import OutboxError
from gateway.hub.events import log
from gateway.wire.envelope import digest, open_message
from gateway.wire.items import Frame
from gateway.wire.state import KeyState, State

KID = b"the-key."

log.send_to(lambda *_: None)


FLASH = formatted(128)
CLEAN = FLASH.snapshot()


class Hub:
    def __init__(self, limit=450000, flash=FLASH):
        self.flash, self.limit = flash, limit
        if flash is FLASH:
            FLASH.restore(CLEAN)
        self.chain = []
        self.reopen()

    def reopen(self):
        self.outbox = Outbox(mounted(self.flash), self.limit)

    def capture(self, data=b"\x1e"):
        frames = [Frame("2a35", 0, data)]
        return self.outbox.capture(b"visit--1", MOMENT, KID, DEVICE, "blood-pressure", frames, None).row

    def seal(self, items=1, size=0, rows=()):
        sequence = len(self.chain) + 1
        salts = [digest(b"%d %d" % (sequence, n)) for n in range(items)]
        parts = [b"".join([digest(b"%d" % n) for n in range(size // 32)])] if size else None
        signed, parts = envelope(KID, sequence, self.chain[-1] if self.chain else None, salts, 0, parts)
        keys = [measurement(100 * sequence + n) for n in range(len(parts))]
        self.outbox.seal(KID, sequence, signed, parts, keys, 0, list(rows))
        self.chain.append(digest(signed))

    def told(self, contiguous):
        held = KeyState(KID, contiguous, self.chain[contiguous - 1], [], contiguous)
        return self.outbox.apply(State(b"12345678", 1, [held], [], 1000), set())

    def sendable(self):
        return [message.sequence for message in self.outbox.to_send(10000, set())]


def code_of(call, *words):
    try:
        call(*words)
    except OutboxError as error:
        return error.code
    return None


def test_a_flash_that_takes_no_writing_loses_nothing_and_doubles_nothing():
    hub = Hub()
    row = hub.capture()
    hub.seal()
    calls = (hub.capture, hub.seal, lambda: hub.outbox.set_setting("a", b"1"), lambda: hub.told(1))
    for call in calls + (lambda: hub.outbox.release([row]), hub.outbox.forget_known):
        hub.flash.broken = True
        assert code_of(call) == "disk-error"
        assert code_of(call) == "disk-error"
        assert hub.outbox.head(KID).sequence == 1 and hub.sendable() == [1]
        assert hub.outbox.counts()["captured"] == 1 and hub.outbox.setting("a") is None
        hub.flash.broken = False
    hub.seal()
    assert hub.capture() == row + 1
    hub.reopen()
    assert hub.sendable() == [2, 1]
    assert [captured.row for captured in hub.outbox.captured()] == [row, row + 1]
    assert hub.outbox.unreported_damage() == []


def test_a_write_that_failed_after_it_was_stored_does_not_come_back():
    """Power that dips: the flash has the record, the hub was told it had not. The next one takes its place."""
    hub = Hub()
    hub.seal()
    files, write = hub.outbox.files, hub.outbox.files.append

    def failing(name, parts, size):
        write(name, parts, size)
        files._doubtful[name] = size  # as after an error of the last sync
        raise OutboxError("disk-error")

    files.append = failing
    assert code_of(hub.seal) == "disk-error"
    files.append = write
    hub.seal(2)
    hub.reopen()
    assert hub.sendable() == [2, 1]
    message = next(hub.outbox.to_send(1, set()))
    assert len(open_message(whole(message.raw))[1]) == 2


def test_a_flash_that_others_filled_is_full_and_says_so():
    hub = Hub(10000000, formatted(40))
    code = None
    while code is None:
        code = code_of(hub.seal, 1, 3200)
    assert code == "disk-full"
    assert hub.outbox.fullness() > 1
    last = len(hub.chain)
    hub.reopen()
    assert hub.outbox.head(KID).sequence == last
    assert len(hub.sendable()) == last
    hub.told(last)
    hub.seal(1, 3200)
    assert hub.outbox.counts()["missing"] == 0


def memory(hub):
    """What the outbox holds."""
    gc.collect()
    whole = gc.mem_alloc()
    hub.outbox = None
    gc.collect()
    held = whole - gc.mem_alloc()
    hub.reopen()
    return held


def test_memory_stays_small_whatever_it_holds():
    hub = Hub()
    hub.seal(10)
    first = memory(hub)
    for _ in range(120):
        hub.seal(10, 0, [hub.capture(bytes(200)) for _ in range(10)])
    grown = memory(hub) - first
    assert first < 9000, first
    assert grown < 1000, grown


def test_the_cost_of_a_commit_does_not_grow_with_what_is_held():
    hub = Hub()
    costs, hub.flash.overwritten = [], 0
    for _ in range(2):
        before, erased = hub.flash.ops, sum(hub.flash.erased)
        for _ in range(40):
            hub.seal(1, 0, [hub.capture(bytes(60))])
        costs.append((hub.flash.ops - before, sum(hub.flash.erased) - erased))
        while hub.outbox.fullness() < 0.5:
            hub.seal(1, 3200)
    print("programs and erases, erases of 80 commits:", costs)
    assert costs[1][0] < costs[0][0] * 1.25 and costs[1][1] < costs[0][1] * 1.25, costs
    assert costs[1][1] <= 40 * 3, costs  # two commits and now and then a new file
    assert hub.flash.overwritten == 0
