"""How every command of meethub-bridge answers: exit codes, JSON or lines, language, and what time it is."""

import argparse
import json
import os
from datetime import UTC, datetime
from typing import Any

from gateway.wire.catalogue import spoken

OK, PROBLEM, USAGE, UNREACHABLE = 0, 1, 2, 3


def say(chosen: argparse.Namespace, facts: dict[str, Any]) -> int:
    """Print the facts as they were asked for; the exit code for a command that did its work."""
    print(json.dumps(facts) if chosen.json else "\n".join(f"{name}: {fact}" for name, fact in facts.items()))
    return OK


def language() -> str:
    """The language to answer in, nl or en, as the environment says."""
    return spoken(dict(os.environ))


def now_ms() -> int:
    """This machine's clock, ms UTC."""
    return int(datetime.now(UTC).timestamp() * 1000)
