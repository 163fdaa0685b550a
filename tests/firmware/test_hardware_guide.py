"""docs/firmware-on-hardware.md: what it tells people to type holds, as far as it can be tried without a board."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from firmware.config import Config
from firmware.workshop import boards, partitions
from firmware.workshop.build import ROOT
from gateway.drivers import driver_named

GUIDE = ROOT / "docs" / "firmware-on-hardware.md"
TEXT = GUIDE.read_text()
MIB = 1024 * 1024


def blocks(language: str) -> list[str]:
    """The fenced blocks of that language, without what they are indented by."""
    fences = re.findall(r"^( *)```(\w*)\n(.*?)^ *```$", TEXT, re.MULTILINE | re.DOTALL)
    lines = [(indent, text.splitlines(keepends=True)) for indent, name, text in fences if name == language]
    return ["".join(line.removeprefix(indent) for line in block) for indent, block in lines]


def test_the_signature_is_the_one_that_a_board_must_give(on_board, tmp_path):
    (script,) = [block for block in blocks("python") if "ed25519" in block]
    (expected,) = [block for block in blocks("") if block.startswith("03a107")]
    path = tmp_path / "signature.py"
    path.write_text(script)
    said = on_board(str(path))
    assert said.splitlines()[-3:] == expected.splitlines()


def test_the_settings_are_understood_and_their_devices_have_drivers():
    (settings,) = [json.loads(block) for block in blocks("json")]
    read = Config({**settings, "state_key": "00" * 32})
    assert [driver_named(entry.driver).name for entry in read.devices] == ["blood-pressure", "nonin-serial"]
    assert {entry.uart for entry in read.devices if entry.uart >= 0} <= {
        uart["number"] for uart in boards.load("esp32_s3_devkitc").facts["uart"]
    }


def test_the_uart_in_the_guide_is_the_s3_boards():
    (uart,) = boards.load("esp32_s3_devkitc").facts["uart"]
    assert f"UART({uart['number']}, 9600, tx={uart['tx']}, rx={uart['rx']})" in TEXT


def test_places_and_sizes_in_the_flash_are_those_of_the_partition_table():
    small, large = ({part.label: part for part in partitions.layout(mib * MIB)} for mib in (4, 8))
    romfs = small["romfs"]
    half = romfs.size // 2
    assert f"read-flash {romfs.at:#x} {half:#x} slot.bin" in TEXT
    assert f"write-flash {romfs.at + half:#x} slot.bin" in TEXT
    assert f"m[{half}:]" in TEXT
    assert f"`{romfs.size}`" in TEXT
    damaged = re.findall(r"erase-region (0x\w+) 0x1000`, and the same with\s+(0x\w+)", TEXT)
    assert [(int(at, 16) - romfs.at) // half for at in damaged[0]] == [0, 1]
    assert f"{small['data'].size} with 4 MB, {large['data'].size} with 8 MB" in TEXT
    names = [part.label for kind in (0, 1) for part in partitions.layout(4 * MIB) if part.kind == kind]
    assert str(names) in re.sub(r"\s+", " ", TEXT)
    end_of_app = small["factory"].at + small["factory"].size
    for key in ("esp32_s3_devkitc", "esp32_devkit"):
        # The image begins where the chip's bootloader does, and ends before the next partition.
        assert f"{end_of_app - boards.load(key).chip.image_at:,}" in TEXT


def test_what_is_imported_on_the_board_is_there():
    for module, names in re.findall(r"from (firmware[\w.]*) import (\w+(?:, \w+)*)", TEXT):
        path = ROOT / Path(*module.split("."))
        for name in names.split(", "):
            source = path.with_suffix(".py")
            inside = source.read_text() if source.exists() else ""
            beside = (path / f"{name}.py").exists()
            assert beside or re.search(rf"^(def|class) {name}\b", inside, re.MULTILINE), f"{module}.{name}"


PAGES = [GUIDE, ROOT / "firmware" / "README.md", *sorted((ROOT / "hardware").glob("**/*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: "/".join(page.parts[-2:]))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).resolve().exists(), target


def test_the_firmwares_page_names_every_file_and_room():
    page = (ROOT / "firmware" / "README.md").read_text()
    for path in sorted((ROOT / "firmware").iterdir()):
        if path.suffix == ".py" and path.name != "__init__.py":
            assert f"]({path.name})" in page, f"firmware/README.md says nothing of {path.name}"
        elif path.is_dir() and path.name != "__pycache__":
            assert f"]({path.name}/)" in page, f"firmware/README.md says nothing of {path.name}/"


def test_the_shell_lines_are_shell():
    for block in blocks("sh"):
        done = subprocess.run(["sh", "-n"], input=block, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
