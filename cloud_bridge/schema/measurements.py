"""What was measured, whose it is and where it went: measurements, bindings, deliveries, journey."""

from sqlalchemy import Boolean, Column, Index, LargeBinary, Table, Text, UniqueConstraint, false, true

from cloud_bridge.schema.columns import id_of, metadata, ms, number, octets, of, row_id, text

# One row for each thing measured, however often and by whichever hub it was read.
# record_key: the measurement key without the capture; what is the same record, or may be a repeat of it,
# shares it. own_time, own_number: the device's own time (seconds, its own clock) and record number where
# they are part of the key. first_at_ms: when it was first captured, in the order of clock anchors.
# reading: wire form (CBOR), null once erased. assigned: statement or person that named the citizen.
# status: held | due (may be delivered) | delivered | repeat (a person said so) | withheld (not mine).
measurements = Table(
    "measurements",
    metadata,
    row_id(),
    id_of("household", "households"),
    octets("key"),
    octets("record_key"),
    text("device"),
    text("hub"),
    number("user_slot", nullable=True),
    text("kind"),
    text("driver"),
    number("driver_version"),
    octets("reading", nullable=True),
    of("first_disclosure", "disclosures"),
    number("own_time", nullable=True),
    number("own_number", nullable=True),
    number("first_at_ms"),
    text("status"),
    ms("placed_low_ms"),
    ms("placed_high_ms"),
    text("placed_by"),
    id_of("citizen", "citizens", nullable=True),
    text("assigned", nullable=True),
    ms("arrived_ms"),
    Column("late", Boolean, nullable=False),
    ms("settled_ms", nullable=True),  # set when delivered or decided; null while waiting or held
    UniqueConstraint("household", "key"),
    Index(None, "household", "record_key"),
    Index(None, "key"),
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
    UniqueConstraint("household", "whole", "position", "disclosure"),
)
# Every time a measurement reached the bridge, with what the order of captures is told from.
arrivals = Table(
    "arrivals",
    metadata,
    row_id(),
    of("measurement", "measurements"),
    of("disclosure", "disclosures"),
    text("relation"),  # first | again | possible-repeat | addition
    ms("arrived_ms"),
    text("hub"),
    octets("kid"),
    number("sequence"),
    octets("boot"),
    number("counter"),
    number("mono_ms"),
    number("captured_low_ms"),
    number("captured_high_ms"),
    number("at_ms"),
    Index(None, "measurement"),
    UniqueConstraint("disclosure"),
    Index(None, "kid", "sequence"),
    Index(None, "kid", "boot"),
)
# Why something waits. measurement null: the item itself waits (not decoded, its key forked, evidence not
# complete) and stands in `disclosure`. question_id: what a person is asked, and how the hub names it.
holds = Table(
    "holds",
    metadata,
    row_id(),
    id_of("household", "households"),
    of("measurement", "measurements", nullable=True),
    of("disclosure", "disclosures", nullable=True),
    text("code"),
    text("detail", nullable=True),
    text("who"),
    ms("since_ms"),
    ms("ended_ms", nullable=True),
    text("ended_by", nullable=True),
    octets("question_id", nullable=True),
    Index(None, "measurement"),
    Index(None, "disclosure"),
    Index(None, "code", "ended_ms", "detail"),
    UniqueConstraint("question_id"),
)
# confirmed_ms: since when a person's word at the hub may say whose this device's readings are.
devices = Table(
    "devices",
    metadata,
    row_id(),
    id_of("household", "households"),
    text("identity"),
    text("mode"),  # alone | slots | shared
    text("manufacturer", nullable=True),
    text("model", nullable=True),
    text("firmware", nullable=True),
    text("serial", nullable=True),
    text("system_id", nullable=True),
    text("address", nullable=True),
    number("battery", nullable=True),
    Column("bonded", Boolean, nullable=True),
    ms("confirmed_ms"),
    ms("last_seen_ms", nullable=True),
    UniqueConstraint("household", "identity"),
)
# What a device's clock (axis time, seconds) or record counter (axis number) stood at, when: while the hub
# was connected, from start to end. source: clock (the device said it), record (a new record of this space
# shows it), back (such a record shows that it ran back). written_to: what the hub set the clock to then.
clock_anchors = Table(
    "clock_anchors",
    metadata,
    row_id(),
    of("device", "devices"),
    text("axis"),
    text("source"),
    text("space"),
    octets("kid"),
    octets("boot"),
    number("mono_ms"),
    number("mono_end_ms"),
    number("at_ms"),
    number("low_ms"),
    number("high_ms"),
    number("start"),
    number("end"),
    Column("written", Boolean, nullable=False),
    number("written_to", nullable=True),
    Index(None, "device", "axis", "at_ms"),
    Index(None, "device", "kid", "boot", "mono_ms"),
)
# Between two captures the device's clock or counter may have passed (low, high]. step: it ran back or
# jumped in between. The rows of an anchor are replaced when another anchor comes to stand before it.
clock_steps = Table(
    "clock_steps",
    metadata,
    row_id(),
    of("device", "devices"),
    text("axis"),
    of("anchor", "clock_anchors"),  # the later one
    ms("from_ms"),
    ms("to_ms"),
    number("low"),
    number("high"),
    Column("step", Boolean, nullable=False),
    Index(None, "device", "axis", "high"),
    Index(None, "anchor"),
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
    Index(None, "household", "device"),
)
# Pauses that a person asked for: of a whole hub (citizen null) or of one citizen. Ends only by its id.
pauses = Table(
    "pauses",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    id_of("household", "households"),
    text("hub"),
    id_of("citizen", "citizens", nullable=True),
    ms("since_ms"),
    ms("ended_ms", nullable=True),
    Index(None, "household"),
)
# Measurements that a person said are not theirs, also such as have not arrived yet.
disowned = Table(
    "disowned",
    metadata,
    id_of("household", "households", key=True),
    Column("key", LargeBinary, primary_key=True),
    ms("since_ms"),
)
# conditional_create: false where a receiver needs a search before each, and so takes one at a time.
receivers = Table(
    "receivers",
    metadata,
    Column("id", Text, primary_key=True),
    text("kind"),
    text("base_url"),
    text("rendering"),
    Column("conditional_create", Boolean, nullable=False, server_default=true()),
)
citizen_receivers = Table(
    "citizen_receivers",
    metadata,
    id_of("citizen", "citizens", key=True),
    id_of("receiver", "receivers", key=True),
    text("patient"),
    octets("secret"),
    UniqueConstraint("receiver", "patient"),
)
# citizen: for whom it was queued; the measurement's citizen may become another one.
# part "": not rendered yet, so it is not known which resources this measurement becomes.
deliveries = Table(
    "deliveries",
    metadata,
    row_id(),
    of("measurement", "measurements"),
    id_of("citizen", "citizens"),
    id_of("receiver", "receivers"),
    text("part"),
    text("status"),  # waiting | claimed | delivered | refused | withdrawn
    number("attempts", default="0"),
    # an answer was lost, or a worker died: the receiver may hold it, also when later tries failed
    Column("may_stand", Boolean, nullable=False, server_default=false()),
    ms("next_ms"),
    ms("lease_ms", nullable=True),
    text("resource_id", nullable=True),
    text("version", nullable=True),
    text("code", nullable=True),
    text("detail", nullable=True),
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
    text("receiver", nullable=True),
    Index(None, "measurement"),
    Index(None, "envelope"),
)
