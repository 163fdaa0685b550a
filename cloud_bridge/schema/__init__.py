"""All tables of the bridge, for SQLite and PostgreSQL alike.

Times are integer milliseconds UTC (`…_ms`), hashes and keys raw bytes, ids of households, citizens, hubs
and receivers text. Nothing here names a person: citizens are pseudonyms. The migrations in
cloud_bridge/migrations build the same tables; a test compares the two.
"""

from cloud_bridge.schema.columns import metadata
from cloud_bridge.schema.envelopes import (
    attempts,
    chains,
    commands,
    disclosures,
    envelopes,
    forgets,
    forks,
    gaps,
    hub_states,
    losses,
    quarantine,
    ranges,
    refusals,
    statements,
)
from cloud_bridge.schema.measurements import (
    arrivals,
    bindings,
    citizen_receivers,
    clock_anchors,
    clock_steps,
    deliveries,
    devices,
    disowned,
    holds,
    journey,
    measurements,
    parts,
    pauses,
    receivers,
)
from cloud_bridge.schema.registry import certificates, citizens, households, hub_keys, hubs

__all__ = [
    "arrivals",
    "attempts",
    "bindings",
    "certificates",
    "chains",
    "citizen_receivers",
    "citizens",
    "clock_anchors",
    "clock_steps",
    "commands",
    "deliveries",
    "devices",
    "disclosures",
    "disowned",
    "envelopes",
    "forgets",
    "forks",
    "gaps",
    "holds",
    "households",
    "hub_keys",
    "hub_states",
    "hubs",
    "journey",
    "losses",
    "measurements",
    "metadata",
    "parts",
    "pauses",
    "quarantine",
    "ranges",
    "receivers",
    "refusals",
    "statements",
]
