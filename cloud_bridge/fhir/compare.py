"""Does a receiver hold what was sent? Pure: two resources in, the names of what differs out.

Everything that bears meaning counts: whose it is, what was measured, every digit, when, every doubt. What a
receiver may do without changing that does not: an id, a version, a narrative, another order, more codings,
another zone for the same instant, its own address before a reference.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from cloud_bridge.fhir.quantity import exact_text

Element = Any
VALUE = "value"


def differences(sent: dict[str, Any], found: dict[str, Any], base_url: str) -> list[str]:
    """The elements of `sent` that `found` does not hold in the same meaning; empty when it is the same."""
    differ = [name for name, same in _TOP.items() if not same(sent.get(name), found.get(name))]
    if not same_subject(sent, found, base_url):
        differ.append("subject")
    if not _same_measured(sent, found):
        differ.append("value")
    if not _same_components(sent.get("component"), found.get("component")):
        differ.append("component")
    if found.get("modifierExtension"):
        differ.append("modifierExtension")
    return differ


def same_subject(sent: dict[str, Any], found: dict[str, Any], base_url: str) -> bool:
    """True when both name the same Patient, with or without this receiver's own address before it."""
    there = _reference(found).removeprefix(base_url.rstrip("/") + "/")
    return bool(there) and there == _reference(sent)


def has_identifiers(sent: Element, found: Element) -> bool:
    """True when every identifier that was sent is there."""
    return _pairs(sent, "value") <= _pairs(found, "value")


def _reference(resource: dict[str, Any]) -> str:
    subject = resource.get("subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    return reference if isinstance(reference, str) else ""


def _equal(sent: Element, found: Element) -> bool:
    return type(sent) is type(found) and bool(sent == found)


def _same_code(sent: Element, found: Element) -> bool:
    """Every coding that was sent is there; a receiver may add translations."""
    codings = _pairs(_list_in(sent, "coding"), "code")
    return (sent is None) == (found is None) and codings <= _pairs(_list_in(found, "coding"), "code")


def _same_codes(sent: Element, found: Element) -> bool:
    """Lists of concepts: each that was sent is among what is there, and none is there when none was sent."""
    there = _items(found)
    return bool(there) == bool(_items(sent)) and all(
        any(_same_code(one, other) for other in there) for one in _items(sent)
    )


def _has_notes(sent: Element, found: Element) -> bool:
    there = {note.get("text") for note in _items(found) if isinstance(note.get("text"), str)}
    return all(note["text"] in there for note in _items(sent))


def _same_instant(sent: Element, found: Element) -> bool:
    if sent is None or found is None:
        return sent is found
    there = _instant(found)
    return there is not None and there == _instant(sent)


def _same_period(sent: Element, found: Element) -> bool:
    if sent is None or not isinstance(found, dict):
        return sent is found
    return all(_same_instant(sent.get(edge), found.get(edge)) for edge in ("start", "end"))


def _instant(text: Element) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None


def _same_measured(sent: dict[str, Any], found: dict[str, Any]) -> bool:
    """The same value, or the same reason for none; nothing else under any other value[x]."""
    names = {name for name in [*sent, *found] if name.startswith(VALUE)}
    if names - {"valueQuantity"}:
        return False
    return _same_quantity(sent.get("valueQuantity"), found.get("valueQuantity")) and _same_code(
        sent.get("dataAbsentReason"), found.get("dataAbsentReason")
    )


def _same_quantity(sent: Element, found: Element) -> bool:
    if sent is None or not isinstance(found, dict):
        return sent is found
    same_words = all(sent.get(name) == found.get(name) for name in ("comparator", "system", "code"))
    digits = exact_text(found)
    return same_words and digits is not None and digits == exact_text(sent)


def _same_components(sent: Element, found: Element) -> bool:
    """As many, and for each that was sent exactly one that says the same."""
    theirs = _items(found)
    return len(_items(sent)) == len(theirs) and all(
        sum(_same_component(one, other) for other in theirs) == 1 for one in _items(sent)
    )


def _same_component(sent: dict[str, Any], found: dict[str, Any]) -> bool:
    return _same_code(sent.get("code"), found.get("code")) and _same_measured(sent, found)


def _items(element: Element) -> list[dict[str, Any]]:
    return [item for item in element if isinstance(item, dict)] if isinstance(element, list) else []


def _list_in(element: Element, name: str) -> Element:
    return element.get(name) if isinstance(element, dict) else None


def _pairs(element: Element, name: str) -> set[tuple[str, str]]:
    return {(str(item.get("system")), str(item.get(name))) for item in _items(element)}


_TOP: dict[str, Callable[[Element, Element], bool]] = {
    "resourceType": _equal,
    "identifier": has_identifiers,
    "status": _equal,
    "category": _same_codes,
    "code": _same_code,
    "effectiveDateTime": _same_instant,
    "effectivePeriod": _same_period,
    "interpretation": _same_codes,
    "note": _has_notes,
}
"""How each element of an Observation is compared; subject, value[x] and components stand in `differences`."""
