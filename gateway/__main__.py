"""meethub-gateway: the command line of the hub on a Raspberry Pi.

Exit codes: 0 ok, 1 problem found, 2 wrong usage, 3 unreachable.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.wire.errors import MeethubError

OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3
STDIN = "-"
CONFIG = Path("/etc/meethub/gateway.toml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become one plain sentence and an honest exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        code = int(chosen.command(chosen))
        sys.stdout.flush()
    except MeethubError as error:
        return _fail(error, as_json=chosen.json)
    except BrokenPipeError:
        # Whoever read this has gone; what is still in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return PROBLEM
    return code


def _fail(error: MeethubError, *, as_json: bool) -> int:
    from gateway.wire.catalogue import explain, spoken, told

    if as_json:
        who, dutch, english = explain(error.code)
        row = {"code": error.code, "who": who, "nl": dutch, "en": english, "detail": error.detail}
        print(json.dumps({"error": row}))
    else:
        print(told(error.code, spoken(dict(os.environ)), error.detail), file=sys.stderr)
    away = error.code.endswith("unreachable") or error.code in ("device-not-found", "connect-failed")
    return UNREACHABLE if away else PROBLEM


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="machine-readable output")
    shared.add_argument("--config", type=Path, default=CONFIG, help=f"configuration file (default {CONFIG})")
    parser = argparse.ArgumentParser(prog="meethub-gateway", description="The hub on a Raspberry Pi.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, command: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[shared], help=text, description=text)
        added.set_defaults(command=command)
        return added

    add("run", _run, "Run the daemon until it is told to stop.")
    decode = add("decode", _decode, "Decode device bytes: one visit a line in, one answer a line out.")
    decode.add_argument("--jsonl", action="store_true", help="read JSON lines (the only form there is)")
    decode.add_argument("--strict", action="store_true", help="exit 1 when any line gave an error")
    decode.add_argument("--list", action="store_true", help="name all drivers")
    decode.add_argument("file", nargs="?", type=_readable, default=Path(STDIN), help="default: stdin")
    capture = add("capture", _capture, "Record what devices send and are sent, in a file that replays.")
    capture.add_argument(
        "file", type=Path, help="a new file; JSON lines, without serial numbers or addresses"
    )
    capture.add_argument("--with-values", action="store_true", help="also the bytes, and so the measurements")
    capture.add_argument("--seconds", type=float, help="how long; default: until it is interrupted")
    capture.add_argument("--driver", help="one device without a hub: its driver, with --port or --address")
    capture.add_argument("--port", help="the cable of that device")
    capture.add_argument("--address", help="the Bluetooth address of that device")
    capture.add_argument("--adapter", help="Bluetooth adapter, such as hci0; default: the system's first")
    capture.add_argument(
        "--not-kept", action="store_true", help="without a hub: what a device forgets is in the file alone"
    )
    replay = add("replay", _replay, "Play a capture: what the drivers of today make of it.")
    replay.add_argument("file", type=_readable)
    outbox = add("outbox", _outbox, "Show what is stored on this hub, and how far each envelope came.")
    outbox.add_argument("--limit", type=int, default=20, help="how many envelopes to show")
    add("doctor", _doctor, "Check this hub: configuration, keys, disk, devices, the way to the bridge.")
    init = add("init", _init, "Make this hub's keys and print the request for the bridge.")
    init.add_argument("--hub", help="hub id, when there is no configuration file yet")
    init.add_argument("--data", type=Path, help="data directory, when there is no configuration file yet")
    pair = add("pair", _pair, "Pair a Bluetooth device with this hub, and put it into the configuration.")
    pair.add_argument("--address", type=_address, help="of the device, as its label or the list says")
    pair.add_argument("--driver", type=_by_radio, help="its driver, when the device fits several")
    pair.add_argument("--seconds", type=float, default=60, help="how long to look for devices (default 60)")
    add("devices", _devices, "List the configured devices with the identity that bindings name.")
    driver = add("driver", _driver, "Begin a driver for a new device, in a checkout of Meethub.")
    driver.add_argument("action", choices=["new"], help="new: driver, virtual device and tests")
    driver.add_argument("name", help="letters, digits and dashes, such as ear-thermometer")
    driver.add_argument("--checkout", type=Path, default=Path.cwd(), help="default: this folder")
    return parser


def _readable(text: str) -> Path:
    """A file that can be read; what is missing is wrong usage."""
    path = Path(text)
    if text != STDIN and (path.is_dir() or not os.access(path, os.R_OK)):
        raise argparse.ArgumentTypeError(f"{text} cannot be read")
    return path


def _address(text: str) -> str:
    """An address; anything else is wrong usage."""
    if not re.fullmatch("([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        raise argparse.ArgumentTypeError(f"{text} is not an address such as C0:FF:EE:00:00:01")
    return text.upper()


def _by_radio(text: str) -> str:
    """The name of a driver for Bluetooth; anything else is wrong usage."""
    from gateway.drivers import driver_named

    driver = driver_named(text)
    if driver is None or not (driver.subscribe or driver.adverts):
        raise argparse.ArgumentTypeError(f"{text} is no driver for Bluetooth (meethub-gateway decode --list)")
    return text


def _run(chosen: argparse.Namespace) -> int:
    from gateway.config import load
    from gateway.daemon import run

    run(load(chosen.config))
    return OK


def _decode(chosen: argparse.Namespace) -> int:
    from gateway import decode
    from gateway.drivers import driver_names

    if chosen.list:
        names = driver_names()
        print(json.dumps(names) if chosen.json else "\n".join(names))
        return OK
    stdin = str(chosen.file) == STDIN
    place = sys.stdin.fileno() if stdin else chosen.file
    with open(place, encoding="utf-8", errors="replace", closefd=not stdin) as lines:
        failed = decode.decode_lines(lines, lambda line: print(line, flush=True))
    return PROBLEM if failed and chosen.strict else OK


def _capture(chosen: argparse.Namespace) -> int:
    from gateway.capture import making as capture
    from gateway.capture.recorder import CaptureFile
    from gateway.config import load
    from gateway.wire.catalogue import spoken

    alone = chosen.driver is not None
    if alone and ((chosen.port is None) == (chosen.address is None) or not chosen.not_kept):
        print("--driver needs --port or --address, and --not-kept: nothing is stored.", file=sys.stderr)
        return USAGE
    one = capture.Alone.driver(chosen.driver, cable=chosen.port is not None) if alone else None
    config = None if alone else load(chosen.config)
    with closing(CaptureFile(chosen.file, with_values=chosen.with_values)) as file:
        print(capture.HOLDS[spoken(dict(os.environ)), chosen.with_values], file=sys.stderr, flush=True)
        if config is not None:
            capture.capture_hub(config, file, chosen.seconds)
        elif one is not None:
            capture.capture_alone(one, file, chosen.seconds, chosen.port, chosen.address, chosen.adapter)
    print(json.dumps({"file": str(chosen.file), "visits": file.visits}))
    return OK if file.visits else PROBLEM


def _replay(chosen: argparse.Namespace) -> int:
    from gateway.capture.recording import play, tapes_in

    same = True
    with chosen.file.open(encoding="utf-8", errors="replace") as lines:
        tapes = tapes_in(lines)
    for number, tape in enumerate(tapes, 1):
        result = play(tape)
        as_recorded = None if tape.result is None else result == tape.result
        same = same and as_recorded is not False
        print(json.dumps({"visit": number, "driver": tape.driver, "as_recorded": as_recorded, **result}))
    return OK if same else PROBLEM


def _outbox(chosen: argparse.Namespace) -> int:
    from gateway.config import load
    from gateway.outbox import Outbox

    config = load(chosen.config)
    outbox = Outbox.look(config.data / "outbox.sqlite")
    counts, rows = outbox.counts(), outbox.rows(chosen.limit)
    outbox.close()
    if chosen.json:
        print(json.dumps({"counts": counts, "envelopes": rows}))
    else:
        print("  ".join(f"{name} {number}" for name, number in counts.items()))
        _table(rows)
    return PROBLEM if counts.get("quarantined") else OK


def _doctor(chosen: argparse.Namespace) -> int:
    from gateway.doctor import examine

    findings = examine(chosen.config)
    if chosen.json:
        print(json.dumps([finding.json() for finding in findings]))
    else:
        for finding in findings:
            print(finding.line())
    if any(finding.unreachable for finding in findings):
        return UNREACHABLE
    return OK if all(finding.good for finding in findings) else PROBLEM


def _init(chosen: argparse.Namespace) -> int:
    from gateway.config import load
    from gateway.daemon import enrolment_request

    if (chosen.hub is None) != (chosen.data is None):
        print("Give --hub and --data together, or neither.", file=sys.stderr)
        return USAGE
    if chosen.hub is None:
        config = load(chosen.config)
        request = enrolment_request(config.hub, config.data, config.certificate)
    else:
        request = enrolment_request(chosen.hub, chosen.data)
    print(json.dumps(request))
    return OK


def _pair(chosen: argparse.Namespace) -> int:
    import asyncio

    from gateway.logs import log_nothing
    from gateway.pairing.command import Wish, pair

    log_nothing()
    wish = Wish(chosen.config, chosen.address or "", chosen.driver or "", chosen.seconds, chosen.json)
    asyncio.run(pair(wish))
    return OK


def _devices(chosen: argparse.Namespace) -> int:
    from gateway.config import load, make_data_directory
    from gateway.identities import configured

    config = load(chosen.config)
    make_data_directory(config)
    rows = configured(config, config.data / "outbox.sqlite")
    if chosen.json:
        print(json.dumps(rows))
    else:
        _table(rows)
    return OK


def _driver(chosen: argparse.Namespace) -> int:
    from gateway.scaffold import new_driver

    written = [str(path.relative_to(chosen.checkout)) for path in new_driver(chosen.checkout, chosen.name)]
    if chosen.json:
        print(json.dumps({"driver": chosen.name, "files": written}))
    else:
        print("\n".join(written))
        print("All of it works: make test. What to do next: docs/adding-a-driver.md")
    return OK


def _table(rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        print("  ".join(f"{value!s:<20}" for value in row.values()).rstrip())


if __name__ == "__main__":
    sys.exit(main())
