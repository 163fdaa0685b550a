"""meethub-bridge: the command line of the bridge.

Exit codes: 0 ok, 1 problem found, 2 wrong usage, 3 unreachable.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.wire.catalogue import explain
from gateway.wire.errors import MeethubError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from cloud_bridge.ledger.database import Database

OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3
DATA = Path("/var/lib/meethub-bridge")
Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become one plain sentence and an honest exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.command(chosen))
    except MeethubError as error:
        return _fail(error, as_json=chosen.json)
    except BrokenPipeError:
        return OK
    except KeyboardInterrupt:
        return PROBLEM


def _fail(error: MeethubError, *, as_json: bool) -> int:
    who, dutch, english = explain(error.code)
    if as_json:
        row = {"code": error.code, "who": who, "nl": dutch, "en": english, "detail": error.detail}
        print(json.dumps({"error": row}))
    else:
        print(f"{english} ({error.code}{': ' + error.detail if error.detail else ''})", file=sys.stderr)
        print(f"Who must act: {who}", file=sys.stderr)
    return UNREACHABLE if error.code.endswith("unreachable") else PROBLEM


class _Commands:
    """The parser, filled command by command."""

    def __init__(self) -> None:
        self.shared = argparse.ArgumentParser(add_help=False)
        self.shared.add_argument("--json", action="store_true", help="machine-readable output")
        self.shared.add_argument("--data", type=Path, default=DATA, help=f"the bridge's directory ({DATA})")
        self.parser = argparse.ArgumentParser(prog="meethub-bridge", description="The bridge.")
        self.commands = self.parser.add_subparsers(required=True, metavar="command")

    def add(self, name: str, command: Command, text: str, *options: tuple[str, dict[str, Any]]) -> None:
        added = self.commands.add_parser(name, parents=[self.shared], help=text, description=text)
        added.set_defaults(command=command)
        for option, settings in options:
            added.add_argument(option, **settings)


def _parser() -> argparse.ArgumentParser:
    must: dict[str, Any] = {"required": True}
    file: dict[str, Any] = {"type": Path}
    commands = _Commands()
    add = commands.add
    add("run", _run, "Run the bridge until it is told to stop.")
    add("callout", _callout, "Run the service that tells the broker who may connect.")
    add(
        "verify",
        _verify,
        "Say of an envelope whether it holds and why not, and show what stands in it.",
        ("file", {**file, "help": "an upward message: bytes or hex"}),
        ("--key", {**file, "help": "the hub's public key (raw, hex or PEM); otherwise the registry's"}),
        ("--hub", {"help": "the hub's id; otherwise the registry's"}),
    )
    add(
        "trace",
        _trace,
        "Show a reading's journey: each step, where it is now, what is wrong, who must act.",
        ("reading", {"help": "the short measurement key (12 hex digits)"}),
    )
    add(
        "map",
        _map,
        "Turn reading JSON lines into FHIR Bundles, one a line.",
        ("--render", {"choices": ("r4",), "default": "r4", "help": "which rendering"}),
        ("file", {"nargs": "?", "type": argparse.FileType(encoding="utf-8", errors="replace")}),
    )
    add("held", _held, "List the readings that wait for somebody, and for whom.")
    add(
        "bind",
        _bind,
        "Say whose a device is, from when on. Readings that waited for this go on.",
        ("--device", {**must, "help": "identity (meethub-gateway devices)"}),
        ("--citizen", {**must, "help": "pseudonym (meethub-bridge citizen)"}),
        ("--slot", {"type": int, "help": "user slot of the device"}),
        ("--from", {"dest": "start", "type": datetime.fromisoformat, "help": "default: now"}),
        ("--to", {"dest": "end", "type": datetime.fromisoformat, "help": "default: open"}),
        ("--mode", {"choices": ("alone", "slots", "shared"), "default": "alone", "help": "who uses it"}),
    )
    add(
        "answer",
        _answer,
        "Answer a question that `held` shows; the reading goes on accordingly.",
        ("question", {"type": bytes.fromhex, "help": "the question's id"}),
        ("word", {"help": "the answer (docs/operating.md)"}),
        ("--citizen", {"help": "pseudonym, where the answer is a person"}),
    )
    add(
        "confirm",
        _confirm,
        "Say that a hub which forked is in the right hands; what was held of it goes on.",
        ("hub", {"help": "hub id"}),
    )
    add(
        "follow",
        _follow,
        "Print each step of each reading as it happens.",
        ("--since", {"type": datetime.fromisoformat, "help": "begin with the steps since then"}),
    )
    _add_administration(add)
    return commands.parser


def _add_administration(add: Callable[..., None]) -> None:
    must: dict[str, Any] = {"required": True}
    port: dict[str, Any] = {"type": int}
    add(
        "setup",
        _setup,
        "Make or renew what bridge and broker need: keys, certificates, database, broker configuration.",
        ("--host", {"default": "127.0.0.1", "help": "address the broker listens on"}),
        ("--name", {"action": "append", "default": [], "help": "host name in the broker's certificate"}),
        ("--mqtt-port", {**port, "default": 8883, "help": "MQTT over TLS, for hubs"}),
        ("--service-port", {**port, "default": 4222, "help": "for the callout service only"}),
    )
    add("household", _household, "Add a household; prints its id.")
    add(
        "citizen",
        _citizen,
        "Add a citizen to a household; prints the pseudonym.",
        ("--household", {**must, "help": "household id"}),
    )
    add(
        "receiver",
        _receiver,
        "Name a PGO by its FHIR endpoint; prints its id.",
        ("--url", {**must, "help": "base URL"}),
    )
    add(
        "link",
        _link,
        "Let a citizen's readings go to a receiver.",
        ("--citizen", {**must, "help": "pseudonym"}),
        ("--receiver", {**must, "help": "receiver id"}),
        ("--patient", {**must, "help": "who the citizen is there: Patient/…"}),
    )
    add(
        "enrol",
        _enrol,
        "Enrol a hub, or renew its certificate; prints what the hub needs.",
        ("request", {"type": Path, "help": "the JSON of meethub-gateway init"}),
        ("--household", {**must, "help": "household id"}),
    )


# Daemons


def _run(chosen: argparse.Namespace) -> int:
    from cloud_bridge.service import serve

    serve(chosen.data)
    return OK


def _callout(chosen: argparse.Namespace) -> int:
    from cloud_bridge.administration import Place
    from cloud_bridge.callout import serve

    place = Place(chosen.data)
    serve(place.broker, place.database)
    return OK


# Looking


def _verify(chosen: argparse.Namespace) -> int:
    from cloud_bridge import inspection

    raw = inspection.read_message(chosen.file)
    if chosen.key is not None:
        if chosen.hub is None:
            print("With --key, name the hub as well: --hub ID.", file=sys.stderr)
            return USAGE
        found = inspection.inspect(
            raw, chosen.hub, inspection.only_key(inspection.read_key(chosen.key), chosen.hub)
        )
    else:
        with _ledger(chosen) as (_, connection):
            found = inspection.inspect_registered(raw, connection, chosen.hub)
    print(json.dumps(found) if chosen.json else json.dumps(found, indent=2, ensure_ascii=False))
    return OK if found["valid"] else PROBLEM


def _trace(chosen: argparse.Namespace) -> int:
    from cloud_bridge import journey

    with _ledger(chosen) as (_, connection):
        told = journey.trace(connection, chosen.reading)
    if chosen.json:
        print(json.dumps(told.json()))
    else:
        print("\n".join(told.lines(_language())))
    return OK if told.well else PROBLEM


def _map(chosen: argparse.Namespace) -> int:
    from cloud_bridge import mapping

    lines = chosen.file or sys.stdin
    if lines is sys.stdin:
        sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr] # a text file on every platform here
    good = mapping.map_lines(lines, chosen.render, sys.stdout)
    return OK if good else PROBLEM


def _held(chosen: argparse.Namespace) -> int:
    from cloud_bridge import journey

    with _ledger(chosen) as (_, connection):
        rows = journey.held(connection)
    if chosen.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            _, dutch, english = explain(str(row["code"]))
            said = dutch if _language() == "nl" else english
            print(f"{row['reading']}  {row['since']}  {said}  → {row['who']}")
    return PROBLEM if rows else OK


def _follow(chosen: argparse.Namespace) -> int:
    from cloud_bridge import journey

    with _database(chosen) as database:
        for step in journey.follow(database, _ms(chosen.since)):
            line = (
                json.dumps(step) if chosen.json else f"{step['at']}  {step['reading']}  {step[_language()]}"
            )
            print(line, flush=True)
    return OK


# Changing


def _bind(chosen: argparse.Namespace) -> int:
    from cloud_bridge import people_desk

    with _ledger(chosen) as (_, connection):
        going = people_desk.bind(
            connection,
            chosen.device,
            chosen.citizen,
            from_ms=_ms(chosen.start) or _now_ms(),
            now_ms=_now_ms(),
            slot=chosen.slot,
            to_ms=_ms(chosen.end),
            mode=chosen.mode,
        )
    return _say(chosen, {"bound": chosen.device, "citizen": chosen.citizen, "readings_that_go_on": going})


def _answer(chosen: argparse.Namespace) -> int:
    from cloud_bridge import people_desk

    with _ledger(chosen) as (_, connection):
        people_desk.answer(
            connection, chosen.question, chosen.word, _now_ms(), citizen=chosen.citizen, by="operator"
        )
    return _say(chosen, {"answered": chosen.question.hex(), "word": chosen.word})


def _confirm(chosen: argparse.Namespace) -> int:
    from cloud_bridge import people_desk

    with _ledger(chosen) as (_, connection):
        people_desk.confirm_hub(connection, chosen.hub, "operator", _now_ms())
    return _say(chosen, {"confirmed": chosen.hub})


def _setup(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, broker

    chosen.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports = broker.Ports(mqtt=chosen.mqtt_port, service=chosen.service_port, host=chosen.host)
    names = tuple(chosen.name) or ("localhost", chosen.host)
    with _ledger(chosen) as (place, connection):
        administration.set_up(place, connection, ports, names)
    return _say(chosen, {"set_up": str(chosen.data)})


def _household(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with _ledger(chosen) as (_, connection):
        return _say(chosen, {"household": administration.add_household(connection, _now_ms())})


def _citizen(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with _ledger(chosen) as (_, connection):
        return _say(chosen, {"citizen": administration.add_citizen(connection, chosen.household)})


def _receiver(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with _ledger(chosen) as (_, connection):
        return _say(chosen, {"receiver": administration.add_receiver(connection, chosen.url)})


def _link(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with _ledger(chosen) as (_, connection):
        administration.link(connection, chosen.citizen, chosen.receiver, chosen.patient)
    return _say(chosen, {"linked": chosen.citizen, "receiver": chosen.receiver})


def _enrol(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    try:
        request = chosen.request.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise administration.AdministrationError("request-unreadable", type(error).__name__) from None
    with _ledger(chosen) as (place, connection):
        answer = administration.enrol(place, connection, request, chosen.household, _now_ms())
    return _say(chosen, answer)


# What the commands share


@contextmanager
def _database(chosen: argparse.Namespace) -> Iterator["Database"]:
    from cloud_bridge.administration import Place
    from cloud_bridge.ledger.database import Database

    database = Database(Place(chosen.data).database)
    try:
        database.migrate()
        yield database
    finally:
        database.close()


@contextmanager
def _ledger(chosen: argparse.Namespace) -> Iterator[tuple[Any, "Connection"]]:
    """The bridge's place and one transaction on its ledger."""
    from cloud_bridge.administration import Place

    with _database(chosen) as database, database.transaction() as connection:
        yield Place(chosen.data), connection


def _say(chosen: argparse.Namespace, facts: dict[str, Any]) -> int:
    print(json.dumps(facts) if chosen.json else "\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    return OK


def _language() -> str:
    import locale

    return "nl" if (locale.getlocale()[0] or "").startswith("nl") else "en"


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


def _ms(moment: datetime | None) -> int | None:
    """A moment without zone is taken in this machine's own."""
    return None if moment is None else int(moment.timestamp() * 1000)


if __name__ == "__main__":
    sys.exit(main())
