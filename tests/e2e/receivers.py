"""What a FHIR server holds, as it says itself: Observations as (code, values, effective time)."""

from datetime import datetime
from typing import Any

from tests.e2e.cuff import PANEL, PULSE, Observed

COMPONENTS = ("8480-6", "8462-4", "8478-0")


def observed(resource: dict[str, Any]) -> Observed:
    """A plain reading of one Observation; numbers are the texts that the server sent."""
    codes = _codes(resource)
    code = PANEL if PANEL in codes else PULSE
    assert code in codes, codes
    values = [_component(resource, name) for name in COMPONENTS] if code == PANEL else [_quantity(resource)]
    return code, tuple(values), effective_ms(resource)


def effective_ms(resource: dict[str, Any]) -> int:
    """The instant; a period, which states doubt, counts as its start with a minus sign."""
    if "effectiveDateTime" in resource:
        return _ms(resource["effectiveDateTime"])
    return -_ms(resource["effectivePeriod"]["start"])


def issued_ms(resource: dict[str, Any]) -> int:
    """When it arrived at the bridge."""
    return _ms(resource["issued"])


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _codes(element: dict[str, Any]) -> set[str]:
    return {coding["code"] for coding in element["code"]["coding"]}


def _component(resource: dict[str, Any], code: str) -> str | None:
    return next((_quantity(one) for one in resource["component"] if code in _codes(one)), None)


def _quantity(element: dict[str, Any]) -> str | None:
    return element.get("valueQuantity", {}).get("value")
