"""What was measured, whose it is and where it went: measurements, bindings, deliveries, journey."""

from sqlalchemy import Boolean, Column, Index, Table, Text, UniqueConstraint

from cloud_bridge.schema.columns import id_of, metadata, ms, number, octets, of, row_id, text

# Measurements: one row for each thing measured, however often and by whichever hub it was read.
measurements = Table(
    "measurements",
    metadata,
    row_id(),
    id_of("household", "households"),
    octets("key"),
    text("device"),
    text("bank", nullable=True),
    number("user_slot", nullable=True),
    text("kind", nullable=True),
    text("driver"),
    number("driver_version"),
    text("reading_json", nullable=True),
    of("first_disclosure", "disclosures"),
    text("status"),
    ms("placed_low_ms", nullable=True),
    ms("placed_high_ms", nullable=True),
    id_of("citizen", "citizens", nullable=True),
    ms("arrived_ms"),
    Column("late", Boolean, nullable=False),
    ms("settled_ms", nullable=True),  # set when delivered or decided; null while waiting or held
    UniqueConstraint("household", "key"),
    Index(None, "household", "device"),
    Index(None, "status"),
)
parts = Table(
    "parts",
    metadata,
    row_id(),
    id_of("household", "households"),
    octets("whole"),
    number("position"),
    number("count"),
    of("disclosure", "disclosures"),
    Index(None, "household", "whole"),
)
arrivals = Table(
    "arrivals",
    metadata,
    row_id(),
    of("measurement", "measurements"),
    of("disclosure", "disclosures"),
    text("relation"),  # first | again | possible-repeat | addition
    ms("arrived_ms"),
    Index(None, "measurement"),
    Index(None, "disclosure"),
)
holds = Table(
    "holds",
    metadata,
    row_id(),
    of("measurement", "measurements"),
    text("code"),
    text("who"),
    ms("since_ms"),
    ms("ended_ms", nullable=True),
    octets("question_id", nullable=True),
    Index(None, "measurement"),
)
devices = Table(
    "devices",
    metadata,
    row_id(),
    id_of("household", "households"),
    text("identity"),
    text("manufacturer", nullable=True),
    text("model", nullable=True),
    text("firmware", nullable=True),
    text("serial", nullable=True),
    text("system_id", nullable=True),
    text("address", nullable=True),
    ms("last_seen_ms", nullable=True),
    UniqueConstraint("household", "identity"),
)
clock_steps = Table(
    "clock_steps",
    metadata,
    row_id(),
    of("device", "devices"),
    text("axis"),  # time | number
    text("back_to"),
    of("arrived", "arrivals", nullable=True),
    ms("at_ms"),
    Index(None, "device"),
)
bindings = Table(
    "bindings",
    metadata,
    row_id(),
    id_of("household", "households"),
    text("device"),  # identity
    number("slot", nullable=True),
    id_of("citizen", "citizens"),
    ms("from_ms"),
    ms("to_ms", nullable=True),
    text("mode"),  # alone | slots | shared
    Index(None, "household", "device"),
)
receivers = Table(
    "receivers",
    metadata,
    Column("id", Text, primary_key=True),
    text("kind"),
    text("base_url"),
    text("rendering"),
)
citizen_receivers = Table(
    "citizen_receivers",
    metadata,
    id_of("citizen", "citizens", key=True),
    id_of("receiver", "receivers", key=True),
    text("patient"),
    octets("secret"),
)
deliveries = Table(
    "deliveries",
    metadata,
    row_id(),
    of("measurement", "measurements"),
    id_of("receiver", "receivers"),
    text("part"),
    text("status"),  # waiting | claimed | delivered | refused | withdrawn
    number("attempts", default="0"),
    ms("next_ms"),
    ms("lease_ms", nullable=True),
    text("resource_id", nullable=True),
    text("version", nullable=True),
    text("code", nullable=True),
    ms("since_ms"),
    UniqueConstraint("measurement", "receiver", "part"),
    Index(None, "status", "next_ms"),
)
journey = Table(
    "journey",
    metadata,
    row_id(),
    id_of("household", "households"),
    of("measurement", "measurements", nullable=True),
    of("envelope", "envelopes", nullable=True),
    text("step"),
    ms("at_ms"),
    text("code", nullable=True),
    Index(None, "measurement"),
    Index(None, "envelope"),
)
