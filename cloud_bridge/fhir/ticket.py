"""How a resource is found again at a receiver: by its identifier, and always by its subject with it."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cloud_bridge.fhir.answers import Claimed, Refused, resource_id
from cloud_bridge.fhir.compare import has_identifiers, same_subject

IDENTIFIER = re.compile(r"[A-Za-z0-9:./\-]{1,200}")
SUBJECT = re.compile(r"Patient/[A-Za-z0-9.\-]{1,64}")
"""A literal reference to a Patient at the receiver (FHIR R4 datatypes, id)."""


@dataclass(frozen=True)
class Ticket:
    """What makes this resource findable at a receiver: its identifier, and always the subject with it."""

    system: str
    value: str
    subject: str

    @staticmethod
    def of(resource: dict[str, Any]) -> "Ticket | None":
        """None when the resource has no plain identifier or subject: it could not be found again."""
        try:
            identifier = resource["identifier"][0]
            ticket = Ticket(identifier["system"], identifier["value"], resource["subject"]["reference"])
        except (KeyError, IndexError, TypeError):
            return None
        patterns = ((ticket.system, IDENTIFIER), (ticket.value, IDENTIFIER), (ticket.subject, SUBJECT))
        plain = all(isinstance(word, str) and pattern.fullmatch(word) for word, pattern in patterns)
        return ticket if plain else None

    def condition(self) -> str:
        """The value of If-None-Exist (FHIR R4 http.html#ccreate); the patterns above keep it a plain text."""
        return f"identifier={self.system}|{self.value}&subject={self.subject}"

    def query(self) -> str:
        """The same as a search; three suffice to see that there is more than one."""
        identifier = f"{self.system}|{self.value}"
        return urlencode({"identifier": identifier, "subject": self.subject, "_count": 3})


def only_match(
    resource: dict[str, Any], found: list[dict[str, Any]], base_url: str
) -> Claimed | Refused | None:
    """The one match among what a search gave; a receiver that ignores a condition gives others as well."""
    named = {
        resource_id(one)
        for one in found
        if same_subject(resource, one, base_url)
        and has_identifiers(resource.get("identifier"), one.get("identifier"))
    } - {None}
    if len(named) > 1:
        return Refused("receiver-doubled", f"{len(named)} with one identifier")
    return next((Claimed(name) for name in named if name), None)
