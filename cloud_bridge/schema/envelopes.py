"""What hubs sent: envelopes and what they disclose, the chain of each key, states, refusals, quarantine."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint

from cloud_bridge.schema.columns import id_of, metadata, ms, number, octets, of, row_id, text

# Envelopes as they arrived. branch 0 came first at its sequence, 1 and on are the other side of a fork.
envelopes = Table(
    "envelopes",
    metadata,
    row_id(),
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), nullable=False),
    number("sequence"),
    octets("hash"),
    octets("previous", nullable=True),
    text("reason", nullable=True),
    number("version"),
    octets("sealed_boot", nullable=True),  # the sealed_… columns are null for a newer version
    number("sealed_mono_ms", nullable=True),
    number("sealed_wall_ms", nullable=True),
    text("sealed_quality", nullable=True),
    number("statements", nullable=True),  # sealed with this key up to and with this envelope
    octets("signed"),
    ms("arrived_ms"),
    number("branch", default="0"),
    UniqueConstraint("kid", "sequence", "hash"),
    Index(None, "hash"),
    Index(None, "previous"),
)
disclosures = Table(
    "disclosures",
    metadata,
    row_id(),
    of("envelope", "envelopes"),
    number("position"),
    octets("data", nullable=True),  # null: erased, or not supplied
    number("item_type", nullable=True),
    text("status"),  # taken | pending (newer version) | quarantined | absent
    text("error", nullable=True),  # code that says why it is quarantined
    text("lost_reason", nullable=True),
    UniqueConstraint("envelope", "position"),
)
# Accepted sequences of a key as few ranges: the one from 1 ends at the highest contiguous.
ranges = Table(
    "ranges",
    metadata,
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), primary_key=True),
    Column("low", BigInteger, primary_key=True, autoincrement=False),
    number("high"),
)
# One row a key: settled up to here, so that a state does not look at every envelope again; and the last
# sequence of the key when its successor began.
chains = Table(
    "chains",
    metadata,
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), primary_key=True),
    number("highest", default="0"),
    number("settled", default="0"),
    number("ended_at", nullable=True),
)
gaps = Table(
    "gaps",
    metadata,
    row_id(),
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), nullable=False),
    number("low"),
    number("high"),
    number("missing"),  # of these, not arrived and not named lost
    text("who"),
    ms("opened_ms"),
    ms("closed_ms", nullable=True),
    text("closed_by", nullable=True),  # filled | lost
    UniqueConstraint("kid", "low"),
)
losses = Table(
    "losses",
    metadata,
    row_id(),
    of("envelope", "envelopes"),  # the one that says so
    octets("kid", nullable=True),
    number("sequence", nullable=True),
    number("position", nullable=True),  # null: the whole envelope
    text("device", nullable=True),
    number("count"),
    text("reason"),
    ms("arrived_ms"),
    Index(None, "kid", "sequence"),
)
forks = Table(
    "forks",
    metadata,
    row_id(),
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), nullable=False),
    number("sequence"),  # readings from here on are held
    text("kind"),  # two-hashes | link | after-successor | named-by-fork
    number("conflicts"),
    text("status_before"),
    ms("found_ms"),
    ms("ended_ms", nullable=True),
    text("ended_by", nullable=True),
    Index(None, "kid"),
)
# What a state tells a hub it does not take. after_ms: when to try again, later with every time.
refusals = Table(
    "refusals",
    metadata,
    row_id(),
    text("hub"),
    octets("kid"),
    number("sequence"),
    octets("hash"),
    text("code"),
    text("retry"),
    number("times"),
    ms("at_ms"),
    ms("after_ms", nullable=True),
    UniqueConstraint("hub", "kid", "sequence", "hash"),
)
# raw null with a disclosure: the bytes stand there; raw null without: counted only, the hub's room is full.
quarantine = Table(
    "quarantine",
    metadata,
    row_id(),
    text("hub"),
    text("topic"),
    octets("digest"),
    octets("raw", nullable=True),
    of("disclosure", "disclosures", nullable=True),
    text("code"),
    text("who"),
    number("times"),
    ms("first_ms"),
    ms("last_ms"),
    ms("ended_ms", nullable=True),
    text("ended_by", nullable=True),
    UniqueConstraint("hub", "digest"),
)
# Written before bytes are parsed, gone with the commit that took them: what stays here crashed the bridge.
attempts = Table(
    "attempts",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    number("times"),
    ms("last_ms"),
)
hub_states = Table(
    "hub_states",
    metadata,
    id_of("hub", "hubs", key=True),
    number("counter"),
    ms("not_before_ms", nullable=True),
)
commands = Table(
    "commands",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    id_of("hub", "hubs"),
    text("verb"),
    ms("expires_ms"),
    ms("done_ms", nullable=True),
)
forgets = Table(
    "forgets",
    metadata,
    id_of("hub", "hubs", key=True),
    Column("key", LargeBinary, primary_key=True),
    ms("since_ms"),
)
statements = Table(
    "statements",
    metadata,
    row_id(),
    of("disclosure", "disclosures"),
    Column("kid", LargeBinary, ForeignKey("hub_keys.kid"), nullable=False),
    number("sequence"),
    number("number", nullable=True),  # how many of this key, this one included; null where one before is lost
    text("verb"),
    octets("statement_id"),
    text("citizen", nullable=True),
    text("refs"),  # JSON array of hex
    text("answer", nullable=True),
    octets("boot"),
    number("mono_ms"),
    number("wall_ms", nullable=True),
    text("quality"),
    ms("arrived_ms"),
    Index(None, "kid", "sequence"),
)
