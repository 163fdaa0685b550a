"""The workshop's commands: a release is made, checked as a hub would, and read by MicroPython itself."""

import json
import stat
from pathlib import Path

import pytest

from firmware import boot
from firmware.workshop import release
from firmware.workshop.image import ImageError, listing, romfs


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with keys, a source and the release 3 of it."""
    source = tmp_path / "source"
    (source / "gateway/wire").mkdir(parents=True)
    (source / "main.mpy").write_bytes(b"M\x06\x00\x1f" + bytes(100))
    (source / "gateway/wire/cbor.mpy").write_bytes(bytes(range(256)) * 30)
    (source / "gateway/.hidden").write_bytes(b"no")
    assert release.main(["keys", str(tmp_path / "keys")]) == 0
    assert make(tmp_path, 3) == 0
    return tmp_path


def make(folder: Path, sequence: int, *more: str, key: str = "release.key") -> int:
    words = ["make", str(folder / "source"), "--sequence", str(sequence), "--hardware", "esp32s3"]
    return release.main([*words, "--key", str(folder / "keys" / key), "--out", str(folder / "out"), *more])


def check(folder: Path) -> int:
    return release.main(["--json", "check", str(folder / "out"), "--keys", str(folder / "keys/update-keys")])


def test_release_is_made_and_checked(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert check(made) == 0
    assert json.loads(capsys.readouterr().out)["sequence"] == 3


def test_same_files_make_the_same_image(made: Path) -> None:
    first = (made / "out/release.image").read_bytes()
    assert make(made, 4) == 0
    assert (made / "out/release.image").read_bytes() == first


def test_micropython_reads_the_image(made: Path, on_board) -> None:
    script = made / "read.py"
    script.write_text(
        "import sys, vfs\n"
        "fs = vfs.VfsRom(open(sys.argv[1], 'rb').read())\n"
        "print(sorted(e[0] for e in fs.ilistdir('/')), [e[0] for e in fs.ilistdir('/gateway/wire')])\n"
        "print(open and fs.open('/gateway/wire/cbor.mpy', 'rb').read() == bytes(range(256)) * 30)\n"
    )
    said = on_board(str(script), str(made / "out/release.image"))
    assert said == "['gateway', 'main.mpy'] ['cbor.mpy']\nTrue\n"


def test_first_state_names_the_release(made: Path) -> None:
    words = ["state", str(made / "out"), "--keys", str(made / "keys/update-keys"), "--out", str(made / "st0")]
    assert release.main(words) == 0
    state = boot.unpack((made / "st0").read_bytes())
    assert state is not None
    image = (made / "out/release.image").read_bytes()
    assert boot.whole(memoryview(image + bytes(len(image))), state, 0)
    assert state.slots[0][0] == 3
    assert state.slots[1] == boot.EMPTY


def test_rotation_makes_another_key_count(made: Path) -> None:
    assert release.main(["keys", str(made / "new")]) == 0
    words = ["rotate", "--root", str(made / "keys/root.key"), "--release", str(made / "new/release.key")]
    assert release.main([*words, "--number", "1", "--out", str(made / "out")]) == 0
    assert check(made) == 1  # still signed with the old key
    assert make(made, 4, key="../new/release.key") == 0
    assert check(made) == 0


@pytest.mark.parametrize("name", ["release.image", "release.manifest"])
def test_check_finds_a_changed_byte(made: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = made / "out" / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    capsys.readouterr()
    assert check(made) == 1
    assert json.loads(capsys.readouterr().out)["error"].startswith("update-")


def test_keys_are_their_owner_s_and_never_written_over(made: Path) -> None:
    for name in ("root.key", "release.key"):
        assert stat.S_IMODE((made / "keys" / name).stat().st_mode) == 0o600
    before = (made / "keys/root.key").read_bytes()
    assert release.main(["keys", str(made / "keys")]) == 3
    assert (made / "keys/root.key").read_bytes() == before


def test_wrong_input_has_its_exit_code(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make(made, 3, "--slot", "1000") == 2  # larger than a slot
    assert make(made, 0) == 2
    assert make(made, 3, "--floor", "4") == 2
    assert make(made, 3, key="nothing") == 3
    assert make(made, 3, key="update-keys") == 2
    (made / "source/no space.mpy").write_bytes(b"x")
    assert make(made, 3) == 2
    assert release.main(["check", str(made / "nowhere"), "--keys", str(made / "keys/update-keys")]) == 3
    with pytest.raises(SystemExit) as caught:
        release.main(["nothing"])
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_folder_without_files_makes_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        listing(tmp_path)
    with pytest.raises(ImageError):
        romfs([("a", bytes(5000))], 4096)
