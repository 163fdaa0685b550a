"""meethub-chain: the whole chain on this machine, with virtual devices. `make run` and `make smoke`.

Exit codes: 0 ok, 1 something is missing or did not start, 2 wrong usage.
"""

import argparse
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from gateway.simulator.catalogue import CATALOGUE, USUAL, names_in
from gateway.simulator.chain import Chain
from gateway.simulator.compare import Comparison, compare, not_compared
from gateway.simulator.fhir_server import FhirServerError
from gateway.simulator.process import ChainError, wait_until

ENOUGH = 10
SMOKE_WITHIN_S = 240
LOOK_S = 0.5
# The steps worth a line, and how they look.
STYLES = {
    "accepted": "",
    "seen-again": "dim",
    "held": "yellow",
    "released": "yellow",
    "retried": "yellow",
    "refused": "red",
    "withheld": "yellow",
    "settled": "green",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the chain in a terminal, or once through as a check."""
    parser = argparse.ArgumentParser(prog="meethub-chain", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("command", choices=("run", "smoke"))
    parser.add_argument("--directory", type=Path, default=Path("var"), help="where everything is kept")
    names = ", ".join(f"{entry.driver} ({entry.alias})" for entry in CATALOGUE)
    parser.add_argument("--devices", type=names_in, default=USUAL, help="all, or a list out of " + names)
    parser.add_argument("--language", choices=("nl", "en"), default="en", help="of the readings' journeys")
    parser.add_argument("--json", action="store_true", help="machine-readable output (smoke)")
    chosen = parser.parse_args(arguments)
    console = Console(stderr=chosen.json, highlight=False)
    try:
        with _terminable():
            return _run(chosen, console) if chosen.command == "run" else _smoke(chosen, console)
    except (ChainError, FhirServerError) as error:
        console.print(str(error), style="red", markup=False)
        return 1


def _run(chosen: argparse.Namespace, console: Console) -> int:
    """Until Ctrl-C: start, then show each reading's journey as it goes on."""
    with _started(chosen.directory, chosen.devices, console) as chain:
        _print_not_compared(chain, console)
        console.print("\nEverything runs. Each line below is a step of one reading; Ctrl-C stops.\n")
        follow = chain.follow()
        try:
            _show(follow, chain, console, chosen.language)
        except KeyboardInterrupt:
            console.print("\nStopping; the next start goes on from here.")
        finally:
            follow.terminate()
            follow.wait()
    return 0


def _show(follow: "subprocess.Popen[str]", chain: Chain, console: Console, language: str) -> None:
    """The steps that matter of each reading as a line each, in plain words."""
    delivered: dict[str, str] = {}
    confirmed = False
    for line in _lines(follow, chain):
        step = json.loads(line)
        at = datetime.fromisoformat(step["at"])
        if step["step"] == "delivered":
            delivered[step["reading"]] = step[language]
        if step["step"] not in STYLES:
            continue
        said = delivered.get(step["reading"], step[language]) if step["step"] == "settled" else step[language]
        text = f"{at.astimezone():%H:%M:%S}  {step['reading']}  {step['kind']:<15} {said}"
        console.print(text, style=STYLES[step["step"]], markup=False, soft_wrap=True)
        if step["step"] == "settled" and not confirmed:
            confirmed = True
            took = (at - chain.started).total_seconds()
            console.print(
                f"          first reading confirmed {took:.0f} s after the start", style="bold green"
            )


def _lines(follow: "subprocess.Popen[str]", chain: Chain) -> Iterator[str]:
    """The lines of `follow`; ChainError as soon as a part of the chain ended by itself."""
    assert follow.stdout is not None  # opened as a pipe
    waiting: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(follow.stdout, waiting), daemon=True).start()
    while True:
        try:
            yield waiting.get(timeout=LOOK_S)
        except queue.Empty:
            for name in chain.dead():
                log = chain.directory / "log" / f"{name}.log"
                raise ChainError(f"{name} ended by itself; its log is {log}") from None
            if follow.poll() is not None:
                raise ChainError("the journey of readings cannot be followed any more") from None


def _read(lines: Iterable[str], waiting: "queue.Queue[str]") -> None:
    for line in lines:
        waiting.put(line)


def _smoke(chosen: argparse.Namespace, console: Console) -> int:
    """Without a terminal: wait for ten confirmed readings of each device, and compare."""
    with _started(chosen.directory, chosen.devices, console) as chain:
        console.print(f"Waiting for {ENOUGH} confirmed readings of each device …")

        def compared() -> list[Comparison]:
            return compare(chain.fhir, chain.patient, chain.streets, chain.devices)

        wait_until(lambda: _enough(compared()), SMOKE_WITHIN_S, lambda: not chain.dead())
        chain.quiet()
        settled = wait_until(lambda: _settled(compared()), SMOKE_WITHIN_S / 4, lambda: not chain.dead())
        rows, dead = compared(), chain.dead()
    good = _enough(rows) and settled and not dead
    if chosen.json:
        left_out = not_compared(chain.devices)
        print(json.dumps({"good": good, "rows": [_row(row) for row in rows], "not_compared": left_out}))
    else:
        _print_table(rows, console)
        _print_not_compared(chain, console)
    for name in dead:
        console.print(f"{name} ended; see {chosen.directory / 'log' / (name + '.log')}", style="red")
    console.print("Good: what was sent is what stands there." if good else _what_is_missing(rows))
    return 0 if good else 1


def _enough(rows: list[Comparison]) -> bool:
    return all(row.confirmed >= ENOUGH and row.unexplained == 0 for row in rows)


def _settled(rows: list[Comparison]) -> bool:
    return all(row.missing == 0 and row.unexplained == 0 for row in rows)


def _row(row: Comparison) -> dict[str, object]:
    return {
        "kind": row.kind,
        "sent": row.sent.total(),
        "confirmed": row.confirmed,
        "missing": row.missing,
        "unexplained": row.unexplained,
    }


def _print_table(rows: list[Comparison], console: Console) -> None:
    table = Table("reading", "sent", "confirmed", "missing", "doubled or altered")
    for row in rows:
        numbers = (row.sent.total(), row.confirmed, row.missing, row.unexplained)
        table.add_row(row.kind, *map(str, numbers))
    console.print(table)


def _print_not_compared(chain: Chain, console: Console) -> None:
    kinds = ", ".join(not_compared(chain.devices))
    if kinds:
        said = f"Kept by the bridge, but not yet made into Observations: {kinds}."
        console.print(said, style="yellow", soft_wrap=True)


def _what_is_missing(rows: list[Comparison]) -> str:
    lines = [
        f"{row.kind}: {row.confirmed} of {max(ENOUGH, row.sent.total())} confirmed, "
        f"{row.missing} missing, {row.unexplained} doubled or altered"
        for row in rows
        if row.confirmed < ENOUGH or row.missing or row.unexplained
    ]
    return "NOT good. " + "; ".join(lines)


@contextmanager
def _started(directory: Path, devices: tuple[str, ...], console: Console) -> Iterator[Chain]:
    """The chain, started with a line for each part as it comes up, and stopped in the end."""
    began = time.monotonic()
    with console.status("Starting the chain …") as status:

        def say(what: str, text: str) -> None:
            console.print(f"[bold]{what:<9}[/] {text}", soft_wrap=True)
            status.update(f"Starting … ({time.monotonic() - began:.0f} s)")

        chain = Chain(directory, devices, say)
        chain.start()
    console.print(f"Started in {time.monotonic() - began:.0f} s.")
    try:
        yield chain
    finally:
        with console.status("Stopping …"):
            chain.stop()
        console.print("Stopped.")


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and a closed terminal stop the chain as cleanly as Ctrl-C."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
        signal.signal(signal.SIGHUP, interrupt)  # the terminal was closed
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
