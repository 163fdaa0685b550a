"""The tables of the bridge, for SQLite and PostgreSQL alike.

Times are integer milliseconds since 1970 in UTC; ids are text; hashes, keys and envelopes are bytes.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, MetaData, Table, Text

metadata = MetaData()

households = Table(
    "households",
    metadata,
    Column("id", Text, primary_key=True),
    Column("created_ms", BigInteger, nullable=False),
)

# status: active | suspended | revoked
hubs = Table(
    "hubs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("household", Text, ForeignKey("households.id"), nullable=False),
    Column("status", Text, nullable=False),
    Column("enrolled_ms", BigInteger, nullable=False),
)

# status: live | retired | forked | revoked; a hub has at most one live key
hub_keys = Table(
    "hub_keys",
    metadata,
    Column("kid", LargeBinary, primary_key=True),
    Column("hub", Text, ForeignKey("hubs.id"), nullable=False, index=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
)

# fingerprint: SHA-256 of the certificate (DER); role: hub | bridge; subject: its common name
certificates = Table(
    "certificates",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("subject", Text, nullable=False, index=True),
    Column("role", Text, nullable=False),
    Column("not_after_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)
