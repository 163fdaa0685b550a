"""The workbench: what a board gets, where it stands in the flash, which pin does what, what goes wrong."""

import hashlib
import json
import os
import struct
import subprocess
import sys
import tty
from pathlib import Path

import pytest

from firmware.workshop import boards, build, flash, partitions
from firmware.workshop.slot import FirstRelease

MIB = 1024 * 1024
FIRST = FirstRelease(b"image", {"boot.py": b"pass"}, {})


@pytest.mark.parametrize("key", boards.names())
def test_the_pin_table_of_a_board_is_up_to_date(key):
    assert (boards.PIN_TABLES / f"{key}.py").read_text() == boards.pin_table(boards.load(key))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("pin = 27", "pin = 34", "input only"),
        ("pin = 27", "pin = 6", "flash"),
        ("pin = 27", "pin = 12", "reset"),
        ("pin = 27", "pin = 26", "twice"),
        ("pin = 27", "pin = 24", "does not exist"),
        ('kind = "lamp"', 'kind = "siren"', "light"),
        ("number = 2", "number = 0", "UART"),
        ("pressed = 0", "pressed = 7", "pressed"),
        ('chip = "esp32"', 'chip = "z80"', "z80"),
        ("[light]", "[lamp]", "light"),
        ("[light]", "[light", "Expected"),
    ],
)
def test_a_table_that_cannot_be_built_is_refused(tmp_path, monkeypatch, old, new, why):
    text = (boards.TABLES / "esp32_devkit.toml").read_text()
    assert old in text
    (tmp_path / "esp32_devkit.toml").write_text(text.replace(old, new, 1))
    monkeypatch.setattr(boards, "TABLES", tmp_path)
    with pytest.raises(boards.BoardError, match=why):
        boards.load("esp32_devkit")


def test_an_unknown_board_is_answered_with_those_there_are():
    with pytest.raises(boards.BoardError, match="esp32_s3_devkitc"):
        boards.load("esp9000")


@pytest.mark.parametrize("mib", [4, 8, 16])
def test_partitions_fill_the_flash_and_never_overlap(mib):
    parts = partitions.layout(mib * MIB)
    end = partitions.TABLE_AT + 0x1000
    for part in parts:
        assert part.at >= end
        assert part.at % (0x10000 if part.kind == 0 else 0x1000) == 0
        assert part.size % 0x1000 == 0
        end = part.at + part.size
    assert end == mib * MIB


def test_the_partition_table_is_as_the_bootloader_reads_it():
    parts = partitions.layout(4 * MIB)
    raw = partitions.binary(parts)
    assert len(raw) == 0xC00
    rows = [struct.unpack_from("<HBBII16sI", raw, 32 * index) for index in range(len(parts))]
    assert all(row[0] == 0x50AA for row in rows)
    assert [row[5].rstrip(b"\0") for row in rows] == [
        b"nvs",
        b"phy_init",
        b"factory",
        b"romfs",
        b"vfs",
        b"data",
    ]
    at = 32 * len(parts)
    assert raw[at : at + 16] == b"\xeb\xeb" + b"\xff" * 14
    assert raw[at + 16 : at + 32] == hashlib.md5(raw[:at]).digest()
    assert set(raw[at + 32 :]) == {0xFF}


def test_the_manifest_names_all_that_the_hub_imports_and_nothing_else():
    files = {path.as_posix() for path in build.files()}
    assert {"firmware/config.py", "gateway/wire/envelope.py", "gateway/drivers/blood_pressure.py"} <= files
    assert not any("virtual" in file or "workshop" in file or "codes_" in file for file in files)


@pytest.mark.parametrize("architecture", build.ARCHITECTURES)
def test_everything_compiles_for_each_instruction_set(tmp_path, architecture):
    sizes = build.build(architecture, tmp_path, build.files())
    assert all((tmp_path / path.with_suffix(".mpy")).stat().st_size == size for path, size in sizes.items())
    assert sum(build.rooms(sizes).values()) == sum(sizes.values()) > 0


def test_what_does_not_compile_is_named(tmp_path, monkeypatch):
    (tmp_path / "wrong.py").write_text("def (:\n")
    monkeypatch.setattr(build, "ROOT", tmp_path)
    with pytest.raises(build.BuildError, match=r"wrong\.py for xtensawin"):
        build.build("xtensawin", tmp_path / "out", [Path("wrong.py")])


def flashing(keys: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "firmware.workshop", "flash", "--json", "--keys", str(keys), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=build.ROOT, timeout=100)


def test_a_port_that_is_not_there_is_told_with_what_to_look_at(tmp_path):
    done = flashing(tmp_path, "--port", "/dev/ttyNOBODY", "--board", "esp32_devkit")
    assert done.returncode == 1
    assert "charge only" in json.loads(done.stdout)["error"]


def test_a_board_that_does_not_answer_is_told_with_the_keys_to_press(tmp_path):
    master, slave = os.openpty()
    tty.setraw(slave)
    try:
        done = flashing(tmp_path, "--port", os.ttyname(slave), "--board", "esp32_s3_devkitc")
    finally:
        os.close(slave)
        os.close(master)
    assert done.returncode == 1
    assert "Hold BOOT" in json.loads(done.stdout)["error"]


def test_a_missing_image_is_told_with_where_it_comes_from(tmp_path):
    done = flashing(tmp_path, "--port", "/dev/ttyUSB0", "--image", "/nowhere/esp32.bin")
    assert done.returncode == 1
    assert "micropython.org/download/ESP32_GENERIC_S3" in json.loads(done.stdout)["error"]


@pytest.mark.parametrize(
    ("said", "help_"),
    [
        ("[Errno 13] could not open port /dev/x: [Errno 13] Permission denied", "dialout"),
        ("mpremote: failed to access /dev/x (it may be in use by another program)", "Another program"),
        ("A fatal error occurred: This chip is ESP32-C3, not ESP32-S3. Wrong chip argument?", "BOARD"),
        ("MD5 of file does not match data in flash!", "BAUD"),
        ("could not enter raw repl", "RESET"),
        ("a thing\nnobody has seen", "nobody has seen"),
        ("", "nothing"),
    ],
)
def test_words_of_the_programs_become_words_that_help(said, help_):
    assert help_ in flash.meaning(said, "/dev/x", "esp32_devkit")


def test_an_image_is_written_with_everything_in_its_place(tmp_path):
    board = boards.load("esp32_s3_devkitc")
    steps = dict(flash.commands(board, "/dev/x", Path("mp.bin"), tmp_path, FIRST))
    assert " ".join(steps["writing MicroPython"]).endswith("--erase-all --flash-size 8MB 0x0 mp.bin")
    words = " ".join(steps["writing partitions and software"])
    assert words.endswith(f"0x8000 {tmp_path}/partitions.bin 0x200000 {tmp_path}/slots.bin")
    kept = dict(flash.commands(board, "/dev/x", None, tmp_path, FIRST))
    assert "--erase-all" not in str(kept)


@pytest.mark.parametrize("key", ["esp32_devkit", "esp32_s3_devkitc"])
def test_esptool_takes_every_command_as_it_is_given(tmp_path, key):
    """It gets as far as opening the port: an image as large as MicroPython's overlaps with nothing."""
    image = tmp_path / "mp.bin"
    image.write_bytes(bytes(1_750_000))
    for what, command in flash.commands(boards.load(key), "/dev/ttyNOBODY", image, tmp_path, FIRST):
        if "esptool" in command:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
            assert "could not open" in (done.stdout + done.stderr).lower(), what
