"""meethub-bridge: the command line of the bridge.

Exit codes: 0 ok, 1 problem found, 2 wrong usage, 3 unreachable.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence

from cloud_bridge import repair_commands
from cloud_bridge.arguments import STDIN, parser
from cloud_bridge.speaking import OK, PROBLEM, UNREACHABLE, USAGE, language, now_ms, say
from gateway.wire.catalogue import explain, told
from gateway.wire.errors import MeethubError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors become one plain sentence and an honest exit code."""
    chosen = parser().parse_args(arguments)
    try:
        code = _COMMANDS[chosen.command](chosen)
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
    if as_json:
        who, dutch, english = explain(error.code)
        row = {"code": error.code, "who": who, "nl": dutch, "en": english, "detail": error.detail}
        print(json.dumps({"error": row}))
    else:
        print(told(error.code, language(), error.detail), file=sys.stderr)
    return UNREACHABLE if error.code.endswith("unreachable") else PROBLEM


# Daemons


def _run(chosen: argparse.Namespace) -> int:
    from cloud_bridge.service import serve

    serve(chosen.data)
    return OK


def _callout(chosen: argparse.Namespace) -> int:
    from cloud_bridge.administration import Place
    from cloud_bridge.callout import serve

    place = Place(chosen.data)
    place.settings()
    serve(place.broker, place.database)
    return OK


# Looking


def _verify(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, inspection

    raw = inspection.read_message(chosen.file)
    if chosen.key is not None:
        if chosen.hub is None:
            print("With --key, name the hub as well: --hub ID.", file=sys.stderr)
            return USAGE
        found = inspection.inspect(
            raw, chosen.hub, inspection.only_key(inspection.read_key(chosen.key), chosen.hub)
        )
    else:
        with administration.looking(chosen.data) as connection:
            found = inspection.inspect_registered(raw, connection, chosen.hub)
    print(json.dumps(found) if chosen.json else json.dumps(found, indent=2, ensure_ascii=False))
    return OK if found["valid"] else PROBLEM


def _trace(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, journey

    with administration.looking(chosen.data) as connection:
        told = journey.trace(connection, chosen.reading)
    if chosen.json:
        print(json.dumps(told.json()))
    else:
        print("\n".join(told.lines(language())))
    return OK if told.well else PROBLEM


def _map(chosen: argparse.Namespace) -> int:
    from cloud_bridge import mapping

    stdin = str(chosen.file) == STDIN
    place = sys.stdin.fileno() if stdin else chosen.file
    with open(place, encoding="utf-8", errors="replace", closefd=not stdin) as lines:
        good = mapping.map_lines(lines, chosen.render, sys.stdout)
    return OK if good else PROBLEM


def _held(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, journey

    with administration.looking(chosen.data) as connection:
        rows = journey.held(connection)
    if chosen.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            _, dutch, english = explain(str(row["code"]))
            said = dutch if language() == "nl" else english
            asked = f"  (question {row['question']})" if row["question"] else ""
            print(f"{row['reading']}  {row['since']}  {said}  → {row['who']}{asked}")
    return PROBLEM if rows else OK


def _follow(chosen: argparse.Namespace) -> int:
    """Until Ctrl-C or SIGTERM; both are the usual end, and no problem."""
    from cloud_bridge import administration, journey

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with administration.opened(chosen.data) as database:
            for step in journey.follow(database, chosen.since):
                said = f"{step['at']}  {step['reading']}  {step[language()]}"
                print(json.dumps(step) if chosen.json else said, flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return OK


# Changing


def _bind(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, people_desk

    with administration.changing(chosen.data) as connection:
        going = people_desk.bind(
            connection,
            chosen.device,
            chosen.citizen,
            from_ms=now_ms() if chosen.start is None else chosen.start,
            now_ms=now_ms(),
            slot=chosen.slot,
            to_ms=chosen.end,
            mode=chosen.mode,
        )
    return say(chosen, {"bound": chosen.device, "citizen": chosen.citizen, "readings_that_go_on": going})


def _answer(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, people_desk

    with administration.changing(chosen.data) as connection:
        people_desk.answer(
            connection, chosen.question, chosen.word, now_ms(), citizen=chosen.citizen, by="operator"
        )
    return say(chosen, {"answered": chosen.question.hex(), "word": chosen.word})


def _confirm(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, people_desk

    with administration.changing(chosen.data) as connection:
        administration.must_know_hub(connection, chosen.hub)
        people_desk.confirm_hub(connection, chosen.hub, "operator", now_ms())
    return say(chosen, {"confirmed": chosen.hub})


def _setup(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, broker

    ports = broker.Ports(mqtt=chosen.mqtt_port, service=chosen.service_port, host=chosen.host)
    names = tuple(chosen.name) or ("localhost", chosen.host)
    with administration.changing(chosen.data, before_setup=True) as connection:
        administration.set_up(administration.Place(chosen.data), connection, ports, names)
    return say(chosen, {"set_up": str(chosen.data)})


def _household(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with administration.changing(chosen.data) as connection:
        return say(chosen, {"household": administration.add_household(connection, now_ms())})


def _citizen(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with administration.changing(chosen.data) as connection:
        return say(chosen, {"citizen": administration.add_citizen(connection, chosen.household)})


def _receiver(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    with administration.changing(chosen.data) as connection:
        said = None if chosen.conditional_create is None else chosen.conditional_create == "yes"
        receiver = administration.add_receiver(connection, chosen.url, conditional_create=said)
    return say(chosen, {"receiver": receiver})


def _link(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, people_desk

    with administration.changing(chosen.data) as connection:
        words = (chosen.citizen, chosen.receiver, chosen.patient)
        going = people_desk.link(connection, *words, now_ms())
    facts = {"linked": chosen.citizen, "receiver": chosen.receiver}
    return say(chosen, facts | {"readings_that_go_on": going})


def _enrol(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration

    try:
        request = chosen.request.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise administration.AdministrationError("request-unreadable", type(error).__name__) from None
    with administration.changing(chosen.data) as connection:
        place = administration.Place(chosen.data)
        answer = administration.enrol(place, connection, request, chosen.household, now_ms())
    return say(chosen, answer)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": _run,
    "callout": _callout,
    "verify": _verify,
    "trace": _trace,
    "map": _map,
    "held": _held,
    "follow": _follow,
    "bind": _bind,
    "answer": _answer,
    "confirm": _confirm,
    "setup": _setup,
    "household": _household,
    "citizen": _citizen,
    "receiver": _receiver,
    "link": _link,
    "enrol": _enrol,
    **repair_commands.COMMANDS,
}

if __name__ == "__main__":
    sys.exit(main())
