"""The first tables: all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 (one table after the other)
    """Make every table and index."""
    op.create_table(
        "attempts",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_attempts")),
    )
    op.create_table(
        "certificates",
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_certificates")),
    )
    op.create_index(op.f("ix_certificates_subject"), "certificates", ["subject"], unique=False)
    op.create_table(
        "households",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_households")),
    )
    op.create_table(
        "receivers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("rendering", sa.Text(), nullable=False),
        sa.Column("conditional_create", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receivers")),
    )
    op.create_table(
        "refusals",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("retry", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("after_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sa.UniqueConstraint("hub", "kid", "sequence", "hash", name=op.f("uq_refusals_hub_kid_sequence_hash")),
    )
    op.create_table(
        "citizens",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_citizens_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_citizens")),
    )
    op.create_table(
        "devices",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("manufacturer", sa.Text(), nullable=True),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("serial", sa.Text(), nullable=True),
        sa.Column("system_id", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("battery", sa.BigInteger(), nullable=True),
        sa.Column("bonded", sa.Boolean(), nullable=True),
        sa.Column("confirmed_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_devices_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("household", "identity", name=op.f("uq_devices_household_identity")),
    )
    op.create_table(
        "disowned",
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_disowned_household")),
        sa.PrimaryKeyConstraint("household", "key", name=op.f("pk_disowned")),
    )
    op.create_table(
        "hubs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enrolled_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_hubs_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hubs")),
    )
    op.create_table(
        "bindings",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("citizen", sa.Text(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.id"], name=op.f("fk_bindings_citizen")),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_bindings_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bindings")),
    )
    op.create_index(op.f("ix_bindings_household_device"), "bindings", ["household", "device"], unique=False)
    op.create_table(
        "citizen_receivers",
        sa.Column("citizen", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("patient", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.id"], name=op.f("fk_citizen_receivers_citizen")),
        sa.ForeignKeyConstraint(["receiver"], ["receivers.id"], name=op.f("fk_citizen_receivers_receiver")),
        sa.PrimaryKeyConstraint("citizen", "receiver", name=op.f("pk_citizen_receivers")),
        sa.UniqueConstraint("receiver", "patient", name=op.f("uq_citizen_receivers_receiver_patient")),
    )
    op.create_table(
        "clock_anchors",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("device", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("axis", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("space", sa.Text(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("mono_end_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("low_ms", sa.BigInteger(), nullable=False),
        sa.Column("high_ms", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger(), nullable=False),
        sa.Column("written", sa.Boolean(), nullable=False),
        sa.Column("written_to", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name=op.f("fk_clock_anchors_device")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_anchors")),
    )
    op.create_index(
        op.f("ix_clock_anchors_device_axis_at_ms"), "clock_anchors", ["device", "axis", "at_ms"], unique=False
    )
    op.create_index(
        op.f("ix_clock_anchors_device_kid_boot_mono_ms"),
        "clock_anchors",
        ["device", "kid", "boot", "mono_ms"],
        unique=False,
    )
    op.create_table(
        "commands",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["hub"], ["hubs.id"], name=op.f("fk_commands_hub")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_table(
        "forgets",
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["hub"], ["hubs.id"], name=op.f("fk_forgets_hub")),
        sa.PrimaryKeyConstraint("hub", "key", name=op.f("pk_forgets")),
    )
    op.create_table(
        "hub_keys",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("household", sa.Text(), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("registered_ms", sa.BigInteger(), nullable=False),
        sa.Column("named_by", sa.LargeBinary(), nullable=True),
        sa.Column("named_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_hub_keys_household")),
        sa.ForeignKeyConstraint(["hub"], ["hubs.id"], name=op.f("fk_hub_keys_hub")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_hub_keys")),
    )
    op.create_index(op.f("ix_hub_keys_hub"), "hub_keys", ["hub"], unique=False)
    op.create_index(op.f("ix_hub_keys_named_by"), "hub_keys", ["named_by"], unique=False)
    op.create_table(
        "hub_states",
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["hub"], ["hubs.id"], name=op.f("fk_hub_states_hub")),
        sa.PrimaryKeyConstraint("hub", name=op.f("pk_hub_states")),
    )
    op.create_table(
        "pauses",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.id"], name=op.f("fk_pauses_citizen")),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_pauses_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pauses")),
    )
    op.create_index(op.f("ix_pauses_household"), "pauses", ["household"], unique=False)
    op.create_table(
        "chains",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("highest", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("settled", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_chains_kid")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_chains")),
    )
    op.create_table(
        "clock_steps",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("device", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("axis", sa.Text(), nullable=False),
        sa.Column("anchor", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["anchor"], ["clock_anchors.id"], name=op.f("fk_clock_steps_anchor")),
        sa.ForeignKeyConstraint(["device"], ["devices.id"], name=op.f("fk_clock_steps_device")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_steps")),
    )
    op.create_index(op.f("ix_clock_steps_anchor"), "clock_steps", ["anchor"], unique=False)
    op.create_index(
        op.f("ix_clock_steps_device_axis_high"), "clock_steps", ["device", "axis", "high"], unique=False
    )
    op.create_table(
        "envelopes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("sealed_boot", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_mono_ms", sa.BigInteger(), nullable=True),
        sa.Column("sealed_wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("sealed_quality", sa.Text(), nullable=True),
        sa.Column("statements", sa.BigInteger(), nullable=True),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("branch", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_envelopes_kid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_envelopes")),
        sa.UniqueConstraint("kid", "sequence", "hash", name=op.f("uq_envelopes_kid_sequence_hash")),
    )
    op.create_index(op.f("ix_envelopes_hash"), "envelopes", ["hash"], unique=False)
    op.create_index(op.f("ix_envelopes_previous"), "envelopes", ["previous"], unique=False)
    op.create_table(
        "forks",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("conflicts", sa.BigInteger(), nullable=False),
        sa.Column("status_before", sa.Text(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_forks_kid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forks")),
    )
    op.create_index(op.f("ix_forks_kid"), "forks", ["kid"], unique=False)
    op.create_table(
        "gaps",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("missing", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_gaps_kid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gaps")),
        sa.UniqueConstraint("kid", "low", name=op.f("uq_gaps_kid_low")),
    )
    op.create_table(
        "ranges",
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("low", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_ranges_kid")),
        sa.PrimaryKeyConstraint("kid", "low", name=op.f("pk_ranges")),
    )
    op.create_table(
        "disclosures",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("envelope", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("item_type", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("lost_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["envelope"], ["envelopes.id"], name=op.f("fk_disclosures_envelope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosures")),
        sa.UniqueConstraint("envelope", "position", name=op.f("uq_disclosures_envelope_position")),
    )
    op.create_table(
        "losses",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("envelope", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["envelope"], ["envelopes.id"], name=op.f("fk_losses_envelope")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_losses")),
    )
    op.create_index(op.f("ix_losses_kid_sequence"), "losses", ["kid", "sequence"], unique=False)
    op.create_table(
        "measurements",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("record_key", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("user_slot", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("driver", sa.Text(), nullable=False),
        sa.Column("driver_version", sa.BigInteger(), nullable=False),
        sa.Column("reading", sa.LargeBinary(), nullable=True),
        sa.Column("first_disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("own_time", sa.BigInteger(), nullable=True),
        sa.Column("own_number", sa.BigInteger(), nullable=True),
        sa.Column("first_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("placed_low_ms", sa.BigInteger(), nullable=False),
        sa.Column("placed_high_ms", sa.BigInteger(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=True),
        sa.Column("assigned", sa.Text(), nullable=True),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.id"], name=op.f("fk_measurements_citizen")),
        sa.ForeignKeyConstraint(
            ["first_disclosure"], ["disclosures.id"], name=op.f("fk_measurements_first_disclosure")
        ),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_measurements_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurements")),
        sa.UniqueConstraint("household", "key", name=op.f("uq_measurements_household_key")),
    )
    op.create_index(
        op.f("ix_measurements_household_device"), "measurements", ["household", "device"], unique=False
    )
    op.create_index(
        op.f("ix_measurements_household_record_key"),
        "measurements",
        ["household", "record_key"],
        unique=False,
    )
    op.create_index(op.f("ix_measurements_key"), "measurements", ["key"], unique=False)
    op.create_index(op.f("ix_measurements_status"), "measurements", ["status"], unique=False)
    op.create_table(
        "parts",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("whole", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["disclosure"], ["disclosures.id"], name=op.f("fk_parts_disclosure")),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_parts_household")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_parts")),
        sa.UniqueConstraint(
            "household",
            "whole",
            "position",
            "disclosure",
            name=op.f("uq_parts_household_whole_position_disclosure"),
        ),
    )
    op.create_table(
        "quarantine",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["disclosure"], ["disclosures.id"], name=op.f("fk_quarantine_disclosure")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint("hub", "digest", name=op.f("uq_quarantine_hub_digest")),
    )
    op.create_table(
        "statements",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("verb", sa.Text(), nullable=False),
        sa.Column("statement_id", sa.LargeBinary(), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=True),
        sa.Column("refs", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("wall_ms", sa.BigInteger(), nullable=True),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["disclosure"], ["disclosures.id"], name=op.f("fk_statements_disclosure")),
        sa.ForeignKeyConstraint(["kid"], ["hub_keys.kid"], name=op.f("fk_statements_kid")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statements")),
    )
    op.create_index(op.f("ix_statements_kid_sequence"), "statements", ["kid", "sequence"], unique=False)
    op.create_table(
        "arrivals",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("measurement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("relation", sa.Text(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("hub", sa.Text(), nullable=False),
        sa.Column("kid", sa.LargeBinary(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("boot", sa.LargeBinary(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("captured_low_ms", sa.BigInteger(), nullable=False),
        sa.Column("captured_high_ms", sa.BigInteger(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["disclosure"], ["disclosures.id"], name=op.f("fk_arrivals_disclosure")),
        sa.ForeignKeyConstraint(["measurement"], ["measurements.id"], name=op.f("fk_arrivals_measurement")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrivals")),
        sa.UniqueConstraint("disclosure", name=op.f("uq_arrivals_disclosure")),
    )
    op.create_index(op.f("ix_arrivals_kid_boot"), "arrivals", ["kid", "boot"], unique=False)
    op.create_index(op.f("ix_arrivals_kid_sequence"), "arrivals", ["kid", "sequence"], unique=False)
    op.create_index(op.f("ix_arrivals_measurement"), "arrivals", ["measurement"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("measurement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("citizen", sa.Text(), nullable=False),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("may_stand", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.Column("lease_ms", sa.BigInteger(), nullable=True),
        sa.Column("resource_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["citizen"], ["citizens.id"], name=op.f("fk_deliveries_citizen")),
        sa.ForeignKeyConstraint(["measurement"], ["measurements.id"], name=op.f("fk_deliveries_measurement")),
        sa.ForeignKeyConstraint(["receiver"], ["receivers.id"], name=op.f("fk_deliveries_receiver")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "measurement", "receiver", "part", name=op.f("uq_deliveries_measurement_receiver_part")
        ),
    )
    op.create_index(op.f("ix_deliveries_status_next_ms"), "deliveries", ["status", "next_ms"], unique=False)
    op.create_table(
        "holds",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("measurement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("disclosure", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("question_id", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["disclosure"], ["disclosures.id"], name=op.f("fk_holds_disclosure")),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_holds_household")),
        sa.ForeignKeyConstraint(["measurement"], ["measurements.id"], name=op.f("fk_holds_measurement")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sa.UniqueConstraint("question_id", name=op.f("uq_holds_question_id")),
    )
    op.create_index(
        op.f("ix_holds_code_ended_ms_detail"), "holds", ["code", "ended_ms", "detail"], unique=False
    )
    op.create_index(op.f("ix_holds_disclosure"), "holds", ["disclosure"], unique=False)
    op.create_index(op.f("ix_holds_measurement"), "holds", ["measurement"], unique=False)
    op.create_table(
        "journey",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("household", sa.Text(), nullable=False),
        sa.Column("measurement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("envelope", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("receiver", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["envelope"], ["envelopes.id"], name=op.f("fk_journey_envelope")),
        sa.ForeignKeyConstraint(["household"], ["households.id"], name=op.f("fk_journey_household")),
        sa.ForeignKeyConstraint(["measurement"], ["measurements.id"], name=op.f("fk_journey_measurement")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journey")),
    )
    op.create_index(op.f("ix_journey_envelope"), "journey", ["envelope"], unique=False)
    op.create_index(op.f("ix_journey_measurement"), "journey", ["measurement"], unique=False)


def downgrade() -> None:
    """Nothing comes before the first tables, and a ledger is never emptied by a migration."""
    raise NotImplementedError
