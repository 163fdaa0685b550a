"""The power fails at every program and erase of an update, of its trial, its confirmation and its rollback.

After each cut the board starts again, now and then with a second cut, and must run a whole signed release; then
the update goes on to its end, and the data partition holds what it held. The last row is a control: the same with
an updater that announces a release before it is there and a boot.py that does not look, which must go wrong.
MEETHUB_DOSE: 12 different tears at every place times this (default 1). Exit status 1 when a row is not right.
"""

import sys
import time

import esp32
from update_bench import Board, Offer, Source, dose

from firmware import boot
from firmware.crypto import ed25519
from firmware.slots import BLOCK, confirm
from firmware.update_manifest import UpdateError

OLD, NEW, NEXT = Offer(1), Offer(2, size=5 * BLOCK), Offer(3, size=4 * BLOCK)
SOURCES = {2: Source(NEW), 3: Source(NEXT)}
TEARS = 12
_known = {}


def verify(key, signature, data):
    """The real verifier, asked once for the same message."""
    if (key, signature, data) not in _known:
        _known[key, signature, data] = ed25519.verify(key, signature, data)
    return _known[key, signature, data]


def update(board):
    board.update(SOURCES[2], verify=verify)


def update_again(board):
    board.update(SOURCES[3], verify=verify)


def confirming(board):
    confirm(board.slots(), self_test=True, state_seen=True)


def start(board):
    """Nothing but the start itself."""


# Name, what is done before, what is done under a cut after its start, the releases that may run after it.
PHASES = (
    ("update", (), update, (1, 2)),
    ("trial", (update,), start, (2,)),
    ("confirm", (update,), confirming, (2,)),
    ("rollback", (update, start, start, start), start, (1,)),
    ("next update", (update, confirming), update_again, (2, 3)),
)


def prepared(before):
    board = Board(OLD)
    for step in before:
        assert board.start() is not None
        step(board)
    return board


def life(board, what, cut, seed):
    """One life from power-up until the cut or the end; which release ran, 0 when the cut came before."""
    try:
        chosen = board.start(cut, seed)
        if board.flash.dead:
            return 0
        if chosen is None:
            return None
        ran = board.runs(OLD, NEW, NEXT)
        if ran is not None:
            what(board)
        return ran
    except (OSError, UpdateError):
        if not board.flash.dead:
            raise
        return 0


def finished(board, what, data):
    """From what the cuts left the update goes on to its end, and the readings are those of before."""
    steps = (update_again, confirming, start) if what is update_again else (update, confirming, start)
    for step in steps:
        if board.start() is None:
            return False
        step(board)
    slots = board.slots()
    target = 3 if what is update_again else 2
    given_up = slots.state.failed == target and slots.sequence == target - 1
    return (given_up or board.runs(NEW, NEXT) == target) and readings(board) == data


def readings(board):
    return bytes(esp32.Partition("data").part.memory())


def campaign(name, before, what, allowed, tears):
    """(operations of an uncut life, lives with a cut, how many of them went wrong)."""
    board = prepared(before)
    ready = board.flash.snapshot()
    data = readings(board)
    life(board, what, -1, 0)
    operations, wrong = board.flash.ops, 0
    for seed in range(operations * tears):
        board.off()
        board.flash.restore(ready)
        life(board, what, seed // tears, seed)
        assert board.flash.dead
        ran = life(board, start, seed % 3 if seed % 4 == 3 else -1, seed + 1)
        if ran == 0:  # the second cut came in boot.py
            ran = life(board, start, -1, seed)
        if ran not in allowed or not finished(board, what, data):
            wrong += 1
            if name != CONTROL:
                print("WRONG", name, "cut", seed // tears, "seed", seed, "ran", ran)
    return operations, operations * tears, wrong


CONTROL = "control"


def careless(board):
    """An updater that announces a release before it is there."""
    slots = board.slots()
    if slots.state.failed != 2 and slots.sequence != 2:
        slots.pend(*NEW.entry())
        for block in range(len(NEW.image) // BLOCK):
            slots.write(block, NEW.image[block * BLOCK : (block + 1) * BLOCK])


def main():
    tears, began, bad = TEARS * dose(), time.ticks_ms(), 0
    print("%-12s %10s %6s %6s" % ("phase", "operations", "lives", "wrong"))
    for phase in PHASES:
        row = campaign(*phase, tears)
        print("%-12s %10d %6d %6d" % ((phase[0],) + row))
        bad += row[2] + (row[0] == 0)
    boot.whole = lambda *_: True
    row = campaign(CONTROL, (), careless, (1, 2), 1)
    print("%-12s %10d %6d %6d (must not be 0)" % ((CONTROL,) + row))
    bad += row[2] == 0
    print("%s, %.1f s" % ("NOT RIGHT" if bad else "right", time.ticks_diff(time.ticks_ms(), began) / 1000))
    sys.exit(1 if bad else 0)


main()
