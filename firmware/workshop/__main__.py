"""What is done at a workbench: build the hub's software, write it to a board, make it known to a bridge.

Exit codes: 0 done, 1 it failed (the words say what to do), 2 wrong usage. Releases have a command of their
own: python -m firmware.workshop.release.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.workshop import boards, build, enrol, flash, image, slot

FAULTS = (build.BuildError, boards.BoardError, flash.FlashError, image.ImageError)
BUILT = build.ROOT / "build" / "firmware"
# Ours alone: whoever holds them can sign releases for the boards written here.
RELEASE_KEYS = Path("var") / "release-keys"


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    try:
        answer = chosen.run(chosen)
    except FAULTS as error:
        _say(chosen, str(error))
        if chosen.json:
            print(json.dumps({"error": str(error)}))
        return 1
    if chosen.json:
        print(json.dumps(answer))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m firmware.workshop", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.set_defaults(json=False)
    commands = parser.add_subparsers(required=True)
    parts = (
        ("build", _build, "all .mpy for every instruction set, with sizes"),
        ("boards", _boards, "the firmware's pin tables from hardware/boards/*.toml"),
        ("flash", _flash, "write a board"),
        ("enrol", _enrol, "make a board known to a bridge"),
        ("run", _run, "a hub on this computer, beside the chain of `make run`"),
    )
    made = {}
    for name, run, words in parts:
        made[name] = commands.add_parser(name, help=words, description=words)
        made[name].set_defaults(run=run)
        if name != "run":
            made[name].add_argument("--json", action="store_true", help="machine-readable answer")
    for name in ("flash", "enrol"):
        made[name].add_argument("--port", required=True, help="where the board is, such as /dev/ttyUSB0")
    made["flash"].add_argument("--board", default="esp32_s3_devkitc", help=", ".join(boards.names()))
    made["flash"].add_argument("--image", type=Path, help="MicroPython for its chip; else it keeps its own")
    made["flash"].add_argument("--baud", type=int, default=flash.BAUD)
    made["flash"].add_argument("--keys", type=Path, default=RELEASE_KEYS, help="of releases (%(default)s)")
    made["enrol"].add_argument("--hub", required=True, help="its id, such as hub-0002")
    made["enrol"].add_argument(
        "--settings", type=Path, required=True, help="JSON, as firmware/config.py says"
    )
    made["enrol"].add_argument(
        "--answer", type=Path, help="of `meethub-bridge enrol`; without: ask the board"
    )
    made["run"].add_argument("--directory", type=Path, default=Path("var"), help="of the chain")
    made["run"].add_argument(
        "--devices", default="cuff,oximeter", help="as `meethub-chain --help` names them"
    )
    return parser


def _say(chosen: argparse.Namespace, words: str) -> None:
    print(words, file=sys.stderr if chosen.json else sys.stdout, flush=True)


def _build(chosen: argparse.Namespace) -> dict[str, dict[str, int]]:
    """Compile for each instruction set; sizes of files and of rooms."""
    answer = {}
    for number, architecture in enumerate(build.ARCHITECTURES, 1):
        _say(chosen, f"[{number}/{len(build.ARCHITECTURES)}] {architecture}: compiling")
        sizes = build.release(architecture, BUILT / architecture)
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
    first = slot.first_release(board, chosen.keys, BUILT / board.key)
    _say(chosen, f"compiled {len(first.sizes)} files into an image of {len(first.image)} bytes")
    flash.flash(board, chosen.port, chosen.image, first, lambda words: _say(chosen, words), chosen.baud)
    _say(chosen, "Written. Next: make it known to the bridge (docs/firmware-on-hardware.md).")
    return {"board": board.key, "port": chosen.port}


def _enrol(chosen: argparse.Namespace) -> dict[str, str]:
    if chosen.answer is None:
        request = enrol.request(chosen.port, chosen.hub)
        _say(chosen, "Give this to `meethub-bridge enrol`, and its answer back with --answer:")
        if not chosen.json:
            print(json.dumps(request))
        return request
    enrol.install(chosen.port, chosen.answer.read_text(), chosen.settings.read_text())
    _say(chosen, "The hub has its certificate and settings. It starts by itself when it gets power.")
    return {"hub": chosen.hub}


def _run(chosen: argparse.Namespace) -> None:
    """Until Ctrl-C."""
    from firmware.workshop.here import HubHere
    from gateway.simulator.catalogue import names_in
    from gateway.simulator.process import ChainError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hub = HubHere(
        chosen.directory, names_in(chosen.devices), lambda what, text: print(f"  {what:<10} {text}")
    )
    try:
        hub.start()
        print("\nThe hub runs; its readings appear in the terminal of `make run`. Ctrl-C stops it.\n")
        hub.follow()
    except ChainError as error:
        raise flash.FlashError(str(error)) from None
    except KeyboardInterrupt:
        print("\nStopping; the next start goes on from here.")
    finally:
        hub.stop()


if __name__ == "__main__":
    sys.exit(main())
