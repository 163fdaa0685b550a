"""What is done at a workbench: build the hub's software, write it to a board, make pin tables.

Exit codes: 0 done, 1 it failed (the words say what to do), 2 wrong usage.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.workshop import boards, build, flash
from firmware.workshop.image import slot_image

FAULTS = (build.BuildError, boards.BoardError, flash.FlashError)
BUILT = build.ROOT / "build" / "firmware"
LIMIT_BYTES = 160_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m firmware.workshop", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(dest="command", required=True)
    _json(commands.add_parser("build", help="all .mpy for every instruction set, with sizes"))
    _json(commands.add_parser("boards", help="the firmware's pin tables from hardware/boards/*.toml"))
    writing = _json(commands.add_parser("flash", help="write a board"))
    writing.add_argument("--port", required=True, help="where the board is, such as /dev/ttyUSB0")
    writing.add_argument("--board", default="esp32_s3_devkitc", help=", ".join(boards.names()))
    writing.add_argument(
        "--image", type=Path, help="MicroPython for its chip; without it the board keeps its own"
    )
    writing.add_argument("--baud", type=int, default=flash.BAUD)
    chosen = parser.parse_args(arguments)
    try:
        answer = {"build": _build, "boards": _boards, "flash": _flash}[chosen.command](chosen)
    except FAULTS as error:
        _say(chosen, str(error))
        if chosen.json:
            print(json.dumps({"error": str(error)}))
        return 1
    if chosen.json:
        print(json.dumps(answer))
    return 0


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="machine-readable answer")
    return parser


def _say(chosen: argparse.Namespace, words: str) -> None:
    print(words, file=sys.stderr if chosen.json else sys.stdout, flush=True)


def _build(chosen: argparse.Namespace) -> dict[str, dict[str, int]]:
    """Compile for each; the largest total counts against the limit."""
    files, answer = build.files(), {}
    for number, architecture in enumerate(build.ARCHITECTURES, 1):
        _say(chosen, f"[{number}/{len(build.ARCHITECTURES)}] {architecture}: compiling {len(files)} files")
        sizes = build.build(architecture, BUILT / architecture, files)
        answer[architecture] = {str(path): size for path, size in sizes.items()}
        for path, size in sizes.items():
            _say(chosen, f"  {size:>7}  {path}")
        _say(chosen, "")
        for room, size in build.rooms(sizes).items():
            _say(chosen, f"  {size:>7}  {room}")
        _say(chosen, f"  {sum(sizes.values()):>7}  bytes of .mpy in all for {architecture}")
    return answer


def _boards(chosen: argparse.Namespace) -> dict[str, list[str]]:
    changed = [str(path.relative_to(build.ROOT)) for path in boards.write_all()]
    _say(chosen, "changed: " + (", ".join(changed) or "nothing"))
    return {"changed": changed}


def _flash(chosen: argparse.Namespace) -> dict[str, str]:
    board = boards.load(chosen.board)
    folder = BUILT / board.key
    sizes = build.build(board.chip.architecture, folder, build.files())
    _say(chosen, f"compiled {len(sizes)} files, {sum(sizes.values())} bytes")
    slot = BUILT / f"{board.key}.romfs"
    slot.write_bytes(slot_image(folder))
    flash.flash(board, chosen.port, chosen.image, slot, lambda words: _say(chosen, words), chosen.baud)
    _say(chosen, "Written. Next: the hub makes its keys; see docs/firmware-on-hardware.md.")
    return {"board": board.key, "port": chosen.port, "slot": str(slot)}


if __name__ == "__main__":
    sys.exit(main())
