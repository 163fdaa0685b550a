"""What a rendering gives: the resources of one measurement, each under its own name."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from gateway.wire.errors import MeethubError

IDENTIFIER_SYSTEM = "urn:meethub:measurement"
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]+")
"""What a FHIR string may not hold or no reader can show; devices send such bytes in their names."""


class RenderError(MeethubError):
    """A measurement that cannot be said in FHIR without guessing or without losing something."""


@dataclass(frozen=True)
class Part:
    """One resource of a measurement.

    name: which one ("blood-pressure", "pulse", "spo2", "perfusion-index"); it enters the identifier, so a
    released name never changes. Numbers in `resource` are int or decimal.Decimal, never binary floats.
    """

    name: str
    resource: dict[str, Any]


def identifier_value(secret: bytes, key: bytes, part: str) -> str:
    """64 hex digits: the same at each try, unlinkable between receivers."""
    return hashlib.sha256(secret + key + part.encode()).hexdigest()


def shown(text: str | None) -> str | None:
    """The text as people can read it; None when nothing is left."""
    return UNPRINTABLE.sub(" ", text or "").strip() or None
