"""The commands of meethub-bridge for what went wrong: try again, take in again, put out of use."""

import argparse
import json
from collections.abc import Callable

from cloud_bridge.speaking import OK, PROBLEM, language, now_ms, say


def _retry(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, repair

    with administration.changing(chosen.data) as connection:
        tried = repair.retry(connection, chosen.reading, now_ms())
    return say(chosen, {"reading": chosen.reading, "resources_tried_again": tried})


def _quarantine(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, repair

    with administration.looking(chosen.data) as connection:
        rows = repair.kept_aside(connection, chosen.hub)
    if chosen.json:
        print(json.dumps(rows))
    for row in [] if chosen.json else rows:
        print(f"{row['number']}  {row['hub']}  {row['last']}  {row[language()]}  → {row['who']}")
    return PROBLEM if rows else OK


def _replay(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, repair
    from cloud_bridge.notify import log_to_stderr

    log_to_stderr()  # taking in speaks of what it finds; the answer stands alone
    with administration.opened(chosen.data) as database:
        database.migrate()
        taken = repair.replay(database, chosen.number, now_ms())
    return say(chosen, {"taken": taken.outcome, "hub": taken.hub, "sequence": taken.sequence})


def _unbind(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, people_desk

    at_ms = now_ms() if chosen.at is None else chosen.at
    with administration.changing(chosen.data) as connection:
        waiting = people_desk.unbind(connection, chosen.device, chosen.citizen, at_ms, now_ms())
    facts = {"unbound": chosen.device, "citizen": chosen.citizen}
    return say(chosen, facts | {"readings_that_wait": waiting})


def _suspend(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration
    from cloud_bridge.registry import Registry

    with administration.changing(chosen.data) as connection:
        Registry(connection).suspend(chosen.hub)
    return say(chosen, {"suspended": chosen.hub})


def _revoke(chosen: argparse.Namespace) -> int:
    from cloud_bridge import administration, repair
    from cloud_bridge.registry import Registry

    with administration.changing(chosen.data) as connection:
        if chosen.hub is not None:
            Registry(connection).revoke(chosen.hub, now_ms())
            return say(chosen, {"revoked": chosen.hub})
        repair.revoke_certificate(connection, chosen.certificate, now_ms())
    return say(chosen, {"revoked": chosen.certificate.hex()})


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "retry": _retry,
    "quarantine": _quarantine,
    "replay": _replay,
    "unbind": _unbind,
    "suspend": _suspend,
    "revoke": _revoke,
}
