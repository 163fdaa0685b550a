"""A factory reset under power cuts: not one planted byte is left in the whole flash, and the hub starts as new."""

import errno
import os

import esp32
import vfs
from update_bench import FOLDER, LFS, Board, dose

from firmware import reset
from firmware.crash import Crashes

SECRETS = tuple(b"SECRET-%02d-" % number + bytes([65 + number]) * 9 for number in range(20))


def planted():
    """A hub in use: readings, keys and Wi-Fi in files, some deleted, some written over, and something in nvs."""
    board = Board()
    board.start()
    data = esp32.Partition("data")
    vfs.mount(vfs.VfsLfs2(data, **LFS), "/home")
    for number, secret in enumerate(SECRETS[:-1]):
        with open("/home/file%d" % (number % 7), "wb") as file:
            file.write(secret * (1 + number * 7 % 20))
    os.remove("/home/file3")
    vfs.umount("/home")
    esp32.Partition("nvs").writeblocks(1, SECRETS[-1], 50)
    Crashes(FOLDER).note_word("watchdog", 1)
    return board


def fed():
    """Nobody to feed here."""


def parts():
    return esp32.Partition("data"), [esp32.Partition("nvs")]


def left(board):
    return [secret for secret in SECRETS if secret in bytes(board.flash.data)]


def test_planted_secrets_are_in_the_flash():
    # deleted files and old contents too: their blocks are what the reset is about
    assert len(left(planted())) > 12


def check_as_new(board, kept):
    assert left(board) == []
    assert b"SECRET" not in bytes(board.flash.data)
    assert not reset.is_due(FOLDER)
    assert sorted(os.listdir(FOLDER)) == kept
    assert board.start() == 0
    assert board.runs(board.first) == 1
    vfs.mount(vfs.VfsLfs2(esp32.Partition("data"), **LFS), "/home")
    try:
        assert os.listdir("/home") == []
    finally:
        vfs.umount("/home")


def test_reset_leaves_nothing_and_starts_as_new():
    board = planted()
    there = left(board)
    kept = sorted(name for name in os.listdir(FOLDER) if name != "crash")
    counted = []
    data, others = parts()
    assert not reset.resume(data, others, fed, FOLDER)  # nobody asked
    assert left(board) == there
    reset.request(FOLDER)
    assert reset.resume(data, others, lambda: counted.append(1), FOLDER)
    assert len(counted) == data.ioctl(4, 0) + others[0].ioctl(4, 0)
    check_as_new(board, kept)
    assert not reset.resume(data, others, fed, FOLDER)


def test_power_cut_at_every_erase_and_program_of_a_reset():
    board = planted()
    there = left(board)
    kept = sorted(name for name in os.listdir(FOLDER) if name != "crash")
    before = board.flash.snapshot()
    board.start()
    reset.request(FOLDER)
    reset.resume(*parts(), fed, FOLDER)
    operations, resumed = board.flash.ops, 0
    for seed in range(operations * 4 * dose()):
        board.off()
        board.flash.restore(before)
        board.start(seed // (4 * dose()), seed)
        try:
            reset.request(FOLDER)
            reset.resume(*parts(), fed, FOLDER)
        except OSError as error:
            assert error.args[0] == errno.EIO
        assert board.flash.dead
        board.start(seed % operations if seed % 2 else -1, seed + 1)  # perhaps a second cut
        due = reset.is_due(FOLDER)
        try:
            if due:
                reset.resume(*parts(), fed, FOLDER)
        except OSError:
            assert board.flash.dead
        board.start()
        if reset.is_due(FOLDER):
            reset.resume(*parts(), fed, FOLDER)
        resumed += due
        if due or left(board) != there:
            check_as_new(board, kept)
        else:  # the cut came before the mark was there: all as it was
            assert not reset.is_due(FOLDER)
            assert board.runs(board.first) == 1
    assert resumed > operations * 3 * dose()
