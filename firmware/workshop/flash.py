"""`make flash PORT=…`: MicroPython, our partition table, the hub's software and its boot file onto a board.

esptool (Espressif) writes the flash, mpremote (MicroPython) the files: programs of their own, whose faults
are told here in words that help. What belongs to a home (keys, network, devices) is not written: a hub makes
its keys itself.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware.workshop import partitions
from firmware.workshop.boards import Board
from firmware.workshop.slot import FirstRelease

Say = Callable[[str], None]
BAUD = 460800
# The longest step writes 2.5 MB; a board that hangs is given up.
LONGEST_S = 300.0
# What esptool and mpremote say, and what that means to a person with a board in his hands.
MEANINGS = (
    (
        ("No such file or directory", "FileNotFoundError"),
        (
            "There is no board on {port}. Look at the cable first: many charge only and carry no data. A"
            " board that is seen shows up as /dev/ttyUSB0 or /dev/ttyACM0 (`ls /dev/tty*` before and after)."
        ),
    ),
    (
        ("Permission denied", "PermissionError"),
        "This user may not use {port}. On Debian: sudo usermod -aG dialout $USER, then log in anew.",
    ),
    (
        ("Resource temporarily unavailable", "exclusively lock", "in use by another program", "port is busy"),
        "Another program uses {port} (a serial monitor, a second mpremote). Close it and try again.",
    ),
    (
        ("No serial data received", "Wrong boot mode", "Failed to connect", "Invalid head of packet"),
        "The board on {port} does not answer. Hold BOOT, press RESET (EN) once, let BOOT go, and try again.",
    ),
    (
        ("could not enter raw repl", "no device found", "TransportError"),
        "MicroPython on {port} does not answer. Press RESET and try again; with IMAGE=… it is written anew.",
    ),
    (
        ("This chip is", "Unexpected chip", "wrong chip"),
        "The board on {port} has another chip than {board} has: choose the right BOARD=….",
    ),
    (
        ("MD5 of file does not match", "Checksum error", "Corrupt data"),
        "What {port} holds is not what was sent: another cable or a slower speed helps (BAUD=115200).",
    ),
)


class FlashError(Exception):
    """A board was not written; the message says what a person can do."""


def commands(
    board: Board, port: str, image: Path | None, folder: Path, first: FirstRelease, baud: int = BAUD
) -> list[tuple[str, list[str]]]:
    """What is done, in order: (in plain words, program and its words). folder: for the files made on the way.

    image: MicroPython for this chip, from micropython.org; None where the board has it already.
    """
    table = folder / "partitions.bin"
    table.write_bytes(partitions.binary(partitions.layout(board.flash_bytes)))
    chip = board.facts["chip"]
    esptool = [sys.executable, "-m", "esptool", "--chip", chip, "--port", port, "--baud", str(baud)]
    write = [*esptool, "--after", "hard-reset", "write-flash", hex(partitions.TABLE_AT), str(table)]
    slots = folder / "slots.bin"
    slots.write_bytes(first.slots())
    write += [hex(partitions.ROMFS_AT), str(slots)]
    before = [] if image is None else [("writing MicroPython", _image(board, image, esptool))]
    mpremote = [sys.executable, "-m", "mpremote", "connect", port, "resume"]
    copy = [*mpremote, "fs", "cp", *_written(folder / "root", first.files), ":"]
    return [
        ("looking at the chip", [*esptool, "--after", "no-reset", "flash-id"]),
        *before,
        ("writing partitions and software", write),
        ("copying the boot file and what stands beside it", copy),
        ("starting it", [*mpremote, "reset"]),
    ]


def _written(folder: Path, files: dict[str, bytes]) -> list[str]:
    """The files in that folder; their paths."""
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in files]


def _image(board: Board, image: Path, esptool: list[str]) -> list[str]:
    """A step of its own: the image has a partition table in it, and esptool refuses two files for one place.

    The size goes into the head of the bootloader, which refuses a table that reaches beyond it.
    """
    size = f"{board.facts['flash_mib']}MB"
    options = ["--after", "no-reset", "write-flash", "--erase-all", "--flash-size", size]
    return [*esptool, *options, hex(board.chip.image_at), str(image)]


def flash(
    board: Board, port: str, image: Path | None, first: FirstRelease, say: Say, baud: int = BAUD
) -> None:
    """All of `commands`; each program's own progress is shown. FlashError with what to do."""
    if board.facts["chip"] == "unix":
        raise FlashError("This board is the computer itself: `make firmware-run` starts a hub on it.")
    if image is not None and not image.is_file():
        wanted = board.facts["image"]
        raise FlashError(
            f"{image} is no file. Get {wanted} (1.29 or newer) from micropython.org/download/{wanted}"
        )
    with tempfile.TemporaryDirectory() as folder:
        steps = commands(board, port, image, Path(folder), first, baud)
        for number, (what, command) in enumerate(steps, 1):
            say(f"[{number}/{len(steps)}] {what}")
            _run(command, port, board, say)


def _run(command: Sequence[str], port: str, board: Board, say: Say) -> None:
    seen = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        giving_up = threading.Timer(LONGEST_S, program.kill)
        giving_up.start()
        for line in program.stdout or ():
            seen.append(line)
            say("    " + line.rstrip())
        giving_up.cancel()
    if program.returncode != 0:
        raise FlashError(meaning("".join(seen), port, board.key))


def meaning(said: str, port: str, board: str) -> str:
    """What a program's words mean to the person; its own last line where we do not know better."""
    for signs, words in MEANINGS:
        if any(sign in said for sign in signs):
            return words.format(port=port, board=board)
    lines = said.strip().splitlines()
    return f"The board on {port} was not written: {lines[-1] if lines else 'the program said nothing'}"
