"""What an answer of a receiver means. Pure: status, headers and body in, one of few words out.

A status alone proves nothing: a proxy says 200 with a login page, a server says 201 and nowhere what it made.
So an answer is at most a claim (`Claimed`), which is read back; or it leaves open whether the resource was
stored (`Unclear`), and the receiver is asked for the identifier.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import simplejson

from cloud_bridge.fhir.part import shown

JSON_TYPES = ("application/fhir+json", "application/json", "application/json+fhir")
LOCATION = re.compile(r"(?:^|/)Observation/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?/?$")
LOGICAL_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")
LONG_S = 3600.0
"""How long to leave a receiver alone that needs a person (seconds)."""
LONGEST_WAIT_S = 86_400.0
"""No Retry-After binds longer than a day."""
LONGEST_TEXT = 400


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: header names in lower case; body None when it could not be read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True)
class Delivered:
    """The receiver holds it: read back and equal. resource_id is the Observation's logical id there."""

    resource_id: str
    version: str | None


@dataclass(frozen=True)
class TryLater:
    """Not confirmed yet. after_s: seconds that the receiver asked for, or 0: the caller's own back-off.

    may_stand: the receiver may hold it all the same.
    """

    code: str
    after_s: float = 0.0
    may_stand: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Refused:
    """The receiver will not take this resource as it is; the others go on.

    detail: what was seen, free of readings. said: the receiver's own words; they may quote the resource, so
    they are content and never logged. may_stand: the receiver holds something of it all the same.
    """

    code: str
    detail: str = ""
    said: str = ""
    may_stand: bool = field(default=False, compare=False)


Outcome = Delivered | TryLater | Refused


@dataclass(frozen=True)
class Claimed:
    """The receiver says that it holds the resource under this id."""

    resource_id: str


@dataclass(frozen=True)
class Unclear:
    """It may or may not be stored: ask. `code` says why, for when it turns out not to be there."""

    code: str


def of_create(answer: Answer) -> Claimed | Unclear | TryLater | Refused:
    """What the answer to a conditional create means."""
    if answer.status in (200, 201):
        return _claim(answer)
    if answer.status in (409, 412):
        return Unclear("receiver-conflict")
    problem = of_problem(answer)
    if problem:
        return problem
    if answer.status in range(400, 500) and answer.status not in _UNSURE:
        detail, said = outcome_words(answer)
        return Refused("receiver-refused", f"{answer.status} {detail}".strip(), said)
    return Unclear("receiver-failed" if answer.status in range(500, 600) else "receiver-unclear")


def of_problem(answer: Answer) -> TryLater | None:
    """Why a receiver cannot help now, whatever it was asked; None when the answer says no such thing."""
    code, wait = _STATUS.get(answer.status, ("", 0.0))
    return TryLater(code, max(wait, retry_after(answer.headers))) if code else None


_STATUS = {
    301: ("receiver-moved", LONG_S),
    302: ("receiver-moved", LONG_S),
    303: ("receiver-moved", LONG_S),
    307: ("receiver-moved", LONG_S),
    308: ("receiver-moved", LONG_S),
    401: ("receiver-unauthorised", LONG_S),
    403: ("receiver-forbidden", LONG_S),
    404: ("receiver-gone", LONG_S),
    407: ("receiver-unauthorised", LONG_S),
    410: ("receiver-gone", LONG_S),
    429: ("receiver-busy", 0.0),
    503: ("receiver-busy", 0.0),
}
"""Answers that say: nothing was stored, and waiting or a person helps. 401, 403, 404, 410 are not refusals of
this reading: it goes as soon as token, consent or address is in order again. Other 5xx may have stored it."""

_UNSURE = (408, 425)
"""Request Timeout and Too Early: of all 4xx only these do not say that the receiver read and refused it."""


def _claim(answer: Answer) -> Claimed | Unclear:
    """A claim needs a name: Location, or else the id in a body of the right type."""
    body = {} if answer.body == b"" else resource(answer)
    if body is None:
        return Unclear("receiver-unclear")
    found = LOCATION.search(answer.headers.get("location", ""))
    if found:
        return Claimed(found[1])
    name = body.get("id") if body.get("resourceType") == "Observation" else None
    if answer.status == 200 and isinstance(name, str) and LOGICAL_ID.fullmatch(name):  # noqa: PLR2004 (HTTP)
        return Claimed(name)
    return Unclear("receiver-unclear")


def resource(answer: Answer) -> dict[str, Any] | None:
    """The JSON object of an answer, numbers as int or Decimal; None for anything else."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.body is None or kind not in JSON_TYPES:
        return None
    try:
        parsed = simplejson.loads(answer.body, use_decimal=True)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return parsed if isinstance(parsed, dict) else None


def matches(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """The Observations of a search answer; what a server adds beside them (OperationOutcome) is left out."""
    entries = bundle.get("entry")
    found = (
        [entry.get("resource") for entry in entries if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    return [one for one in found if isinstance(one, dict) and one.get("resourceType") == "Observation"]


def resource_id(found: dict[str, Any]) -> str | None:
    """The logical id that a resource carries, when it is one."""
    name = found.get("id")
    return name if isinstance(name, str) and LOGICAL_ID.fullmatch(name) else None


def version(found: dict[str, Any]) -> str | None:
    """meta.versionId, when there is one."""
    meta = found.get("meta")
    stated = meta.get("versionId") if isinstance(meta, dict) else None
    return stated if isinstance(stated, str) else None


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that Retry-After asks for (number or HTTP date, RFC 9110 section 10.2.3), at most a day."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_WAIT_S)
    try:
        moment = parsedate_to_datetime(text)
        wait = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - time.time()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def outcome_words(answer: Answer) -> tuple[str, str]:
    """(issue codes and element paths, the receiver's own words) of an OperationOutcome; both may be empty."""
    found = resource(answer) or {}
    listed = found.get("issue")
    issues = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    codes = [_token(issue.get("code")) for issue in issues[:5]]
    said = [shown(text) for issue in issues[:5] for text in _texts(issue)]
    return " ".join(filter(None, codes)), "; ".join(filter(None, said))[:LONGEST_TEXT]


def _token(code: object) -> str:
    return code if isinstance(code, str) and re.fullmatch(r"[a-z\-]{1,40}", code) else ""


def _texts(issue: dict[str, Any]) -> list[str]:
    details = issue.get("details")
    texts = [issue.get("diagnostics"), details.get("text") if isinstance(details, dict) else None]
    return [text for text in texts if isinstance(text, str)]
