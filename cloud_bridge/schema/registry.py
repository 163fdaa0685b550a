"""Who there is: households, citizens, hubs, their keys and certificates."""

from sqlalchemy import Column, Index, LargeBinary, Table, Text

from cloud_bridge.schema.columns import id_of, metadata, ms, number, octets, text

households = Table("households", metadata, Column("id", Text, primary_key=True), ms("created_ms"))
citizens = Table("citizens", metadata, Column("id", Text, primary_key=True), id_of("household", "households"))
# status: active | suspended | revoked
hubs = Table(
    "hubs",
    metadata,
    Column("id", Text, primary_key=True),
    id_of("household", "households"),
    text("status"),
    ms("enrolled_ms"),
)
# status: live | retired | forked | revoked; a hub has at most one live key. household: where the hub stood
# when the key was registered: what the key sealed stays that household's when the hub moves to another one
# (null: the hub has not moved since).
# since_ms: of its status; registered_ms never changes. named_by, named_at: key and place of the item that
# named it.
hub_keys = Table(
    "hub_keys",
    metadata,
    Column("kid", LargeBinary, primary_key=True),
    id_of("hub", "hubs"),
    id_of("household", "households", nullable=True),
    octets("public_key"),
    text("status"),
    ms("since_ms"),
    ms("registered_ms"),
    octets("named_by", nullable=True),
    number("named_at", nullable=True),
    Index(None, "hub"),
    Index(None, "named_by"),
)
# fingerprint: SHA-256 of the certificate (DER); role: hub | bridge; subject: its common name
certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    text("subject"),
    text("role"),
    ms("not_after_ms"),
    ms("revoked_ms", nullable=True),
    Index(None, "subject"),
)
